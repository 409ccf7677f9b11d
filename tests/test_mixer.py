"""The mixer: its unit and its queries, its features, what it learns, and what serves it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brl.config.params import EnsembleParams
from brl.mixer.features import every_body_frame_features, frame_features, mapped
from brl.mixer.fit import fit_mixer
from brl.mixer.network import WIDTH, ContextUnit, Mixer, key_of
from brl.serving.export import export, graph_inputs, load_graph, noise
from brl.serving.recognizer import Recognizer
from brl.serving.release import open_release, pack
from brl.support.errors import UserError
from tests.recognizers import untrained

NAMES = ("joint", "bone", "skip")
CHANNELS = {"joint": 12, "bone": 12, "skip": 20}
STEPS = {"joint": 4, "bone": 4, "skip": 3}


def mixer(**channels: int) -> Mixer:
    torch.manual_seed(0)
    return Mixer(channels or CHANNELS, max(STEPS.values()), 5).eval()


def features(seed: int = 0, clips: int = 6) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return {name: torch.randn(clips, STEPS[name], CHANNELS[name]) for name in NAMES}


def frames(of: Mixer, seen: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key_of(name): of.part(key_of(name))(each) for name, each in seen.items()}


def shuffled(of_stream: Tensor) -> Tensor:
    return of_stream[:, torch.arange(of_stream.shape[1]).roll(1)]


# The unit and the queries


def test_a_unit_that_lets_all_of_the_frame_through_is_a_gru_cell():
    torch.manual_seed(0)
    unit, cell = ContextUnit(), nn.GRUCell(WIDTH, WIDTH)
    nn.init.zeros_(unit.gate_of_content.weight)
    nn.init.zeros_(unit.gate_of_frame.weight)
    nn.init.constant_(unit.gate_of_frame.bias, 100.0)  # m = 1
    for name, values in cell.named_parameters():
        values.data.copy_(getattr(unit.recurrent, f"{name}_l0"))
    seen, state = torch.randn(3, 7, WIDTH), torch.zeros(3, WIDTH)
    for step in seen.unbind(1):
        state = cell(unit.frame(step).tanh(), state)
    torch.testing.assert_close(unit(seen, torch.randn(3, WIDTH)), state)


def test_a_unit_that_lets_nothing_of_the_frame_through_sees_the_content_alone():
    torch.manual_seed(0)
    unit, content = ContextUnit(), torch.randn(3, WIDTH)
    nn.init.zeros_(unit.gate_of_content.weight)
    nn.init.zeros_(unit.gate_of_frame.weight)
    nn.init.constant_(unit.gate_of_frame.bias, -100.0)  # m = 0
    first, second = (unit(torch.randn(3, 7, WIDTH), content) for _ in range(2))
    torch.testing.assert_close(first, second)


def test_without_time_a_content_does_not_depend_on_the_order_of_frames():
    whole = mixer()
    seen = features()
    for time, differs in ((True, True), (False, False)):
        if not time:
            nn.init.zeros_(whole.time)
        before = whole.contents(frames(whole, seen))
        after = whole.contents(frames(whole, seen | {"bone": shuffled(seen["bone"])}))
        for name in ("joint", "skip"):
            distance = (before[key_of(name)] - after[key_of(name)]).abs().max()
            assert (distance > 1e-4) == differs, name


def test_a_streams_own_frames_do_not_enter_the_content_of_the_others():
    whole, seen = mixer(), features()
    before = whole.contents(frames(whole, seen))
    for name in NAMES:
        other = frames(whole, seen | {name: torch.randn_like(seen[name])})
        after = whole.contents(other)
        torch.testing.assert_close(after[key_of(name)], before[key_of(name)])
        rest = [each for each in NAMES if each != name]
        assert all((after[key_of(r)] - before[key_of(r)]).abs().max() > 1e-4 for r in rest)


def test_the_loss_reaches_every_parameter():
    """Of the queries too; but not the bias of keys, which shifts all scores of a query alike."""
    whole = mixer()
    nn.functional.cross_entropy(whole(features()), torch.arange(6) % 5).backward()
    for name, values in whole.named_parameters():
        reached = values.grad.abs().sum() > 0
        assert reached or name == "content.attention.in_proj_bias", name
    for name in NAMES:
        assert whole.part(key_of(name)).query.grad.abs().max() > 0


@pytest.mark.parametrize("number", range(2, 7))
def test_it_takes_two_to_six_streams(number):
    names = [f"s{n}" for n in range(number)]
    whole = mixer(**dict.fromkeys(names, 8))
    seen = {name: torch.randn(3, 4, 8) for name in names}
    logits = whole(seen)
    assert logits.shape == (3, 5) and logits.isfinite().all()
    for name in names:
        changed = whole(seen | {name: torch.randn(3, 4, 8)})
        assert (changed - logits).abs().max() > 1e-4
    torch.testing.assert_close(whole({name: seen[name] for name in reversed(names)}), logits)


@pytest.mark.parametrize("name", ["keys", "items", "forward"])
def test_a_stream_may_have_any_name(name):
    whole = mixer(**{name: 8, "joint": 8})
    assert whole({name: torch.randn(2, 4, 8), "joint": torch.randn(2, 4, 8)}).shape == (2, 5)


def test_it_is_rebuilt_from_its_arrays_for_the_same_streams_alone():
    whole, seen = mixer(), features()
    again = Mixer.of_arrays(whole.arrays(), ["skip", "joint", "bone"])
    torch.testing.assert_close(again(seen), whole(seen), rtol=0, atol=0)
    for streams in (("joint", "bone"), (*NAMES, "hands"), ("joint", "bone", "hands")):
        with pytest.raises(UserError, match=r"^fused/fusion\.safetensors: not learned for the str"):
            Mixer.of_arrays(whole.arrays(), streams)


# The features


@pytest.mark.parametrize("bodies", [1, 2])
def test_the_mean_of_a_clips_frame_features_is_what_the_head_sees(bodies):
    network = untrained(max_bodies=bodies).streams["joint"].model
    torch.manual_seed(0)
    clips, present = torch.randn(4, bodies, 8, 20, 3), torch.ones(4, bodies, dtype=torch.bool)
    present[:2, 1:] = False
    clips = clips * present[:, :, None, None, None]
    with torch.no_grad():
        found = frame_features(network, clips, present)
        assert found.shape == (4, 4, network.backbone.out_channels)
        torch.testing.assert_close(found.mean(dim=1), network.clip_features(clips, present))
        torch.testing.assert_close(every_body_frame_features(network, clips, present), found)


def test_features_of_another_network_are_mapped_to_the_own_ones():
    """A rotated network: the map is found on the clips that both have seen."""
    draws = np.random.default_rng(0)
    own = draws.normal(size=(30, 2, 4, 6)).astype(np.float32)
    rotation, _ = np.linalg.qr(draws.normal(size=(6, 6)))
    other = (own @ rotation + 1).astype(np.float32)
    left_out = np.arange(30) < 10
    unknown = own.copy()
    unknown[left_out] = np.nan  # the own network's features of these clips are not used
    np.testing.assert_allclose(mapped(other, unknown, left_out), own[left_out], atol=0.05)


# The training


def separate(counts: tuple[int, ...], seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two streams that tell the class together only: it is the sum of what they show."""
    draws = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    first = draws.integers(0, 2, len(labels))
    codes = {"joint": first, "bone": (labels - first) % 2}
    seen = {}
    for name, code in codes.items():
        signal = np.eye(2)[code][:, None, None, :] * 2
        seen[name] = (signal + 0.3 * draws.normal(size=(len(labels), 3, 4, 2))).astype(np.float32)
    return seen, labels


def test_it_learns_what_no_stream_tells_alone():
    (seen, labels), (tested, expected) = separate((60, 60)), separate((40, 40), seed=1)
    fitted = fit_mixer(seen, labels, np.array([60, 60]), 0)
    with torch.no_grad():
        logits = fitted({name: torch.from_numpy(each[:, 0]) for name, each in tested.items()})
    assert (logits.argmax(1).numpy() == expected).mean() > 0.95
    assert not fitted.training


def test_the_class_priors_of_the_subset_are_taken_out():
    """Where the features tell nothing, every class is as likely, whatever its clips."""
    labels = np.repeat([0, 1], [180, 20])
    seen = {name: np.zeros((200, 1, 4, 3), dtype=np.float32) for name in ("joint", "bone")}
    fitted = fit_mixer(seen, labels, np.array([180, 20]), 0)
    blind = {name: torch.zeros(1, 4, 3) for name in seen}
    with torch.no_grad():
        assert fitted(blind).softmax(1)[0].tolist() == pytest.approx([0.5, 0.5], abs=0.1)


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not():
    seen, labels = separate((20, 20))
    counts = np.array([20, 20])
    first, same, other = (fit_mixer(seen, labels, counts, seed).arrays() for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


# Serving


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    """Two untrained networks and an untrained mixer, whose answers are arbitrary but differ."""
    both = untrained(max_bodies=2)
    params = EnsembleParams(kind="mixer", folds=2, weights=both.ensemble.weights)
    torch.manual_seed(0)
    channels = {name: each.model.backbone.out_channels for name, each in both.streams.items()}
    whole = Mixer(channels, 4, len(both.classes))
    nn.init.normal_(whole.head.weight, std=0.2)
    return replace(both, ensemble=params, fitted=whole.arrays())


def recordings(recognizer: Recognizer) -> list[np.ndarray]:
    return [noise(recognizer.recipe, length, bodies) for length, bodies in ((5, 2), (40, 1))]


def test_a_recognizer_gives_the_mean_over_test_views(recognizer):
    found = recognizer.prepared_probabilities(recordings(recognizer))
    assert found.shape == (2, 3) and np.allclose(found.sum(axis=1), 1, atol=1e-5)
    whole = Mixer.of_arrays(recognizer.fitted, recognizer.streams)
    seen, views = {}, recognizer.predict.num_clips
    with torch.no_grad():
        for name, trained in recognizer.streams.items():
            inputs = trained.recipe.recording_inputs(recordings(recognizer), torch.device("cpu"))
            clips = inputs.test_batch(torch.arange(2), views)
            seen[name] = frame_features(trained.model, *clips)
        expected = whole(seen).softmax(1).unflatten(0, (2, views)).mean(dim=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(found) > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
def test_the_exported_graph_agrees(recognizer, tmp_path, suffix):
    assert export(recognizer, tmp_path / f"r{suffix}", []) <= 1e-4
    graph = load_graph(tmp_path / f"r{suffix}")
    given = recordings(recognizer)
    found = [graph(*graph_inputs(recognizer, recording)) for recording in given]
    np.testing.assert_allclose(found, recognizer.prepared_probabilities(given), atol=1e-4)


def test_it_is_saved_loaded_and_released(recognizer, tmp_path):
    given = recordings(recognizer)
    expected = recognizer.prepared_probabilities(given)
    recognizer.save(tmp_path / "saved")
    pack(tmp_path / "saved", tmp_path / "r.zip")
    for again in (Recognizer.load(tmp_path / "saved"), open_release(tmp_path / "r.zip")):
        np.testing.assert_array_equal(again.prepared_probabilities(given), expected)
