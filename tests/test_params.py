"""params.yaml is validated; every mistake gets one line that names the key and the remedy."""

from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import load_yaml

from brl.config.check import check
from brl.config.params import ModelParams, read_params
from brl.support.errors import UserError

PARAMS = Path("params.yaml")


def test_the_projects_own_file_is_valid():
    check(read_params(PARAMS))


BLOCKS = "  blocks:\n  - 1\n  - 1\n"
# Old text, new text, and a part of the expected message.
MISTAKES = {
    "unknown key": ("seed: 0", "sed: 0", "params.yaml: sed: unknown key; known here: seed, "),
    "unknown key inside": ("epochs:", "epoch:", "train.epoch: unknown key; known here: epochs"),
    "a stream without weight": (
        "  bone:\n",
        "  bon:\n",
        "weights has no weight for the stream bon",
    ),
    "a capital": (
        "  bone:\n",
        "  Bone:\n",
        "streams.Bone: must be lower case letters, digits and _, 60 at most",
    ),
    "unknown key of a stream": (
        "    inputs: joint\n",
        "    inputs: joint\n    rate: 0.1\n",
        "streams.joint.rate: unknown key",
    ),
    "unknown network": ("name: stgcnpp", "name: stgcn9", "model.name: must be 'stgcn"),
    "too many stages": (BLOCKS, "  blocks: [1, 1, 1, 1, 1, 1]\n", "model.blocks"),
    "a stage without blocks": (BLOCKS, "  blocks: [4, 0]\n", "model.blocks"),
    "blocks as a number": (BLOCKS, "  blocks: 3\n", "model.blocks: must be a valid list"),
    "absent bodies": ("bodies: skip", "bodies: drop", "absent_bodies: must be 'skip' or 'pad'"),
    "too narrow": ("base_channels: 24", "base_channels: 2", "model.base_channels: must be greater"),
    "checkpoint by name": ("inputs: bone\n", "inputs: bone\n    weights: j.pth\n", "bone.weights"),
    "unknown pre-training": (
        "  kind: none\n  clips",
        "  kind: mask\n  clips",
        "pretrain.kind: must be 'none', 'masked', 'contrastive' or 'hallucinated', not 'mask'",
    ),
    "no queue": ("    queue:\n", "    queue: 0\n", "pretrain.contrastive.queue: must be greater"),
    "no masked part": ("    parts: 2 ", "    parts: 0 ", "pretrain.masked.parts: must be greater"),
    "unknown sampler": (
        "sampler: rebalanced",
        "sampler: x",
        "method.sampler: must be 'instance', ",
    ),
    "unknown loss": (
        "loss: cross_entropy",
        "loss: hinge",
        "method.loss: must be 'cross_entropy', ",
    ),
    "unknown mix": ("mix: partial", "mix: half", "method.mix: must be 'none', 'partial', "),
    "published mixing without absent bodies": (
        "mix: partial",
        "mix: partial_published",
        "method.mix: partial_published mixes absent bodies too: model.absent_bodies must be pad",
    ),
    "a share of the clips mixed by Shap-Mix": (
        "mix: partial",
        "mix: shap",
        "method.mix: shap mixes every clip: method.mix_share must be 1.0",
    ),
    "unknown weights": (
        "class_weights: action_aware",
        "class_weights: x",
        "method.class_weights: must be",
    ),
    "unknown reversal": ("reverse: none", "reverse: yes", "method.reverse: must be 'none', "),
    "mixed more than all": (
        "mix_share: 0.0625",
        "mix_share: 2.0",
        "method.mix_share: must be less",
    ),
    "prototypes as a number": (
        "  prototypes:\n",
        "  prototypes: 400\n",
        "method.prototypes: must be a block of `key: value` lines, not 400",
    ),
    "no prototypes": (
        "  prototypes:\n",
        "  prototypes: {number: 0, weight: 0.2, update: all}\n",
        "method.prototypes.number: must be greater than or equal to 1, not 0",
    ),
    "prototypes without weight": (
        "  prototypes:\n",
        "  prototypes: {number: 400, weight: 0, update: all}\n",
        "method.prototypes.weight: must be greater than 0, not 0",
    ),
    "prototypes of no clips": (
        "  prototypes:\n",
        "  prototypes: {number: 400, weight: 0.2, update: none}\n",
        "method.prototypes.update: must be 'all' or 'correct', not 'none'",
    ),
    "prototypes by another word": (
        "  prototypes:\n",
        "  prototypes: {count: 400, weight: 0.2, update: all}\n",
        "method.prototypes.count: unknown key; known here: number, weight, update",
    ),
    "prototypes of a network without learned graphs": (
        "  prototypes:\n",
        "  prototypes: {number: 400, weight: 0.2, update: all}\n",
        "method.prototypes takes graphs that the network learns: model.name must be dgstgcn",
    ),
    "tau of zero": ("tau: 1.0  ", "tau: 0.0  ", "method.tau: must be greater than 0"),
    "a loss after the end": (
        "    loss: 0.0",
        "    loss: 1.5",
        "method.schedule.loss: must be less",
    ),
    "margins without cosines": ("loss: cross_entropy", "loss: ldam", "model.head must be cosine"),
    "most clips held out": ("validation: 0.0", "validation: 0.6", "train.validation: must be less"),
    "hops as text": ("inputs: skip\n", "inputs: {hops: two}\n", "inputs.0.hops: must be a valid"),
    "negative hops": (
        "inputs: bone\n",
        "inputs: {hops: -1}\n",
        "streams.bone.inputs.0.hops: must be greater than or equal",
    ),
    "unknown modality": (
        "inputs: bone\n",
        "inputs: [joint, bones]\n",
        "streams.bone.inputs: unknown modality 'bones'; known: joint, bone, skip, ",
    ),
    "a misspelt key of an input": (
        "inputs: bone\n",
        "inputs: {hop: 1}\n",
        "streams.bone.inputs.0.hop: unknown key; known here: hops, motion",
    ),
    "no inputs": ("inputs: bone\n", "inputs: []\n", "streams.bone.inputs: needs 1 or more, has 0"),
    "an unknown network of its own": (
        "inputs: bone\n",
        "inputs: bone\n    model: {name: gcn}\n",
        "streams.bone.model: name: must be 'stgcn', ",
    ),
    "a stream called ensemble": ("  skip:\n", "  ensemble:\n", "streams.ensemble: the ensemble of"),
    "unknown head": ("head: linear", "head: round", "model.head: must be 'linear' or 'cosine'"),
    "number as text": ("weight_decay: 0.0005", "weight_decay: '0.0005'", "must be a valid number"),
    "word for a number": ("batch_size: 32", "batch_size: many", "train.batch_size: must be"),
    "fraction for a count": ("clip_len: 16", "clip_len: 15.5", "train.clip_len: must be"),
    "yes for a number": ("seed: 0", "seed: yes", "seed: must be"),
    "number for yes": ("rescale: false", "rescale: 0", "train.rescale: must be"),
    "no epochs": ("epochs: 10", "epochs: 0", "train.epochs: must be greater than or equal to 1"),
    "negative rate": ("  lr: 0.1", "  lr: -0.1", "train.lr: must be greater than 0"),
    "infinite rate": ("  lr: 0.1", "  lr: .inf", "train.lr: must be a finite number"),
    "probability above one": ("flip: 0.5", "flip: 1.5", "train.augment.flip: must be less than"),
    "two angles": ("    - 0.3\n    rotation_", "    rotation_", "train.augment.rotation"),
    "an unknown order": ("_order: xyz", "_order: xzy", "rotation_order: must be 'xyz' or 'yxz'"),
    "negative weight": ("    skip: 2", "    skip: -2", "ensemble.weights.skip: must be"),
    "weight missing": ("    skip: 2\n", "", "ensemble.weights has no weight for the stream skip"),
    "a kind that learns from nothing": (
        "kind: weighted\n",
        "kind: stacked\n",
        "ensemble: kind: stacked learns from clips on which the streams were not trained: either ",
    ),
    "folds that nothing learns from": (
        "  folds: 0 ",
        "  folds: 5 ",
        "ensemble: kind: weighted learns nothing: held_out must be 0.0, and folds 0",
    ),
    "one fold": ("  folds: 0 ", "  folds: 1 ", "folds: 1 would train without any clip: must be 2"),
    "an unknown fusion": (
        "kind: weighted\n",
        "kind: mean\n",
        "ensemble.kind: must be 'weighted', ",
    ),
    "factor below one": ("imbalance_factor: 30", "imbalance_factor: 0.5", "subsample.imbalance"),
    "groups overlap": ("few_shot_below: 20", "few_shot_below: 200", "few_shot_below must not"),
    "no number of clips": (
        "many_shot_above: 100",
        "many_shot_above: most",
        "evaluate.many_shot_above: must be a number of clips, 1 or more, or thirds, not 'most'",
    ),
    "thirds of one kind": (
        "few_shot_below: 20",
        "few_shot_below: thirds",
        "evaluate: many_shot_above 100, few_shot_below thirds: both must be numbers of clips, or ",
    ),
    "infinity as text": ("  lr: 0.1", "  lr: inf", "train.lr: must be a valid number, not 'inf'"),
    "a path with NUL": (
        "  list_file:\n",
        '  list_file: "a\\0b"\n',
        "subsample.list_file: holds a NUL character; must be a path or an address",
    ),
    "a long name of a stream": (
        "  skip:\n",
        f"  {'s' * 61}:\n",
        "must be lower case letters, digits and _, 60 at most",
    ),
    "a negative norm": (
        "  clip_grad:\n",
        "  clip_grad: -1.0\n",
        "train.clip_grad: must be greater",
    ),
    "a key that is no word": ("seed: 0", "? [a, b]\n: 1", "not valid YAML: a key must be a word"),
    "section missing": ("evaluate: ", "# evaluate: ", "many_shot_above"),
    "key twice": ("seed: 0", "seed: 0\nseed: 1", "line 5: not valid YAML: the key 'seed' occurs"),
    "no YAML": ("seed: 0", "seed: [0", "not valid YAML"),
    "a list": ("seed: 0", "- 1", "not valid YAML"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line(mistake, tmp_path):
    right, wrong, complaint = MISTAKES[mistake]
    text = PARAMS.read_text(encoding="utf-8")
    assert right in text
    file = tmp_path / "params.yaml"
    file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_params(file)
    message = str(caught.value)
    assert complaint in message
    assert "\n" not in message and message.startswith(f"{file}: "[:-1])


def test_files_without_parameters_are_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_params(tmp_path / "params.yaml")
    for content, complaint in {
        b"": "must hold",
        b"- a\n": "must hold",
        b"\xff\xfe": "UTF-8",
    }.items():
        (tmp_path / "params.yaml").write_bytes(content)
        with pytest.raises(UserError, match=complaint):
            read_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["5e-4", "5E-04", "+5.e-4", "0.0005"])
def test_numbers_are_read_as_dvc_reads_them(tmp_path, text):
    file = tmp_path / "params.yaml"
    content = PARAMS.read_text(encoding="utf-8")
    file.write_text(content.replace("weight_decay: 0.0005", f"weight_decay: {text}"))
    assert read_params(file).train.weight_decay == load_yaml(file)["train"]["weight_decay"] == 5e-4


def test_streams_have_free_names_several_inputs_and_networks_of_their_own(tmp_path):
    content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    file = tmp_path / "params.yaml"
    own = {"name": "dgstgcn", "base_channels": 8, "blocks": None, "settings": {"graphs": 4}}
    content["model"]["settings"] = {}
    content["streams"] = {
        "hands": {"inputs": ["joint", "bone_motion", {"hops": 3}], "part": "hand", "model": own},
        "narrow": {"inputs": "skip", "model": {"base_channels": 6}, "lr": 0.05},
    }
    content["ensemble"]["weights"] = {"hands": 2, "narrow": 1}
    file.write_text(yaml.safe_dump(content))
    params = read_params(file)
    assert type(params).model_validate(params.model_dump()) == params
    hands = params.streams["hands"]
    assert [(each.hops, each.motion) for each in hands.inputs] == [
        (0, False),
        (1, True),
        (3, False),
    ]
    assert params.model_of("hands").model_dump() == params.model.model_dump() | own
    narrow = params.model.model_dump() | {"base_channels": 6}
    assert params.model_of("narrow").model_dump() == narrow


def test_a_block_without_content_is_named(tmp_path):
    content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    content["streams"]["joint"] = None
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"streams\.joint: must be a block of `key: value` lines"):
        read_params(tmp_path / "params.yaml")


def test_every_stream_off_is_refused(tmp_path):
    content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    for streams, complaint in (
        ({}, "streams: needs 1 or more, has 0"),
        (None, "streams: must be"),
    ):
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content | {"streams": streams}))
        with pytest.raises(UserError, match=complaint):
            read_params(tmp_path / "params.yaml")
    content["ensemble"]["weights"] = dict.fromkeys(content["ensemble"]["weights"], 0)
    content["ensemble"]["weights"]["skip"] = 1
    del content["streams"]["skip"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"ensemble\.weights: .* needs a weight above zero"):
        read_params(tmp_path / "params.yaml")


def learned(kind: str, **changes: object) -> dict:
    """The project's parameters with a fusion that learns; changes: whole sections."""
    content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    content["ensemble"] |= {"kind": kind, "folds": 5}
    return content | changes


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            learned("mixer", streams={"bone": {"inputs": "bone"}}),
            "ensemble.kind: mixer shows each stream what the others see, but there is only bone: "
            "add a stream, or take another kind",
        ),
        (
            learned(
                "stacked",
                streams={"bone": {"inputs": "bone", "weights": {"file": "b.pth", "sha256": "a"}}},
            ),
            "streams.bone.weights: the clips that a checkpoint was trained on are not known here: "
            "ensemble.kind must be weighted or logits",
        ),
    ],
    ids=["one stream", "a checkpoint"],
)
def test_streams_that_a_learned_fusion_cannot_take_get_one_line(tmp_path, content, says):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError) as caught:
        read_params(tmp_path / "params.yaml")
    assert str(caught.value) == f"{tmp_path / 'params.yaml'}: {says}"


def test_an_encoder_that_has_seen_all_clips_is_refused(tmp_path):
    content = learned("stacked")
    content["pretrain"] |= {"kind": "masked", "clips": "split"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"pretrain\.clips: split has the clips that stacked"):
        read_params(tmp_path / "params.yaml")


def test_a_file_from_before_learned_fusions_reads_and_is_told_what_to_add(tmp_path):
    content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    new = {"held_out", "folds"}
    content["ensemble"] = {k: v for k, v in content["ensemble"].items() if k not in new}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    old = read_params(tmp_path / "params.yaml")
    assert old == read_params(PARAMS) and not new & set(old.in_use()["ensemble"])
    with pytest.raises(UserError, match=r"params\.yaml: ensemble\.held_out: missing; this key"):
        check(old)


def test_an_unknown_dataset_is_refused(tmp_path):
    text = PARAMS.read_text(encoding="utf-8").replace("name: synthetic ", "name: ntu61 ")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"dataset\.name: unknown dataset 'ntu61'; known: synth"):
        check(read_params(tmp_path / "params.yaml"))


def test_a_split_of_another_dataset_is_refused(tmp_path):
    text = PARAMS.read_text(encoding="utf-8").replace("name: synthetic ", "name: nw_ucla ")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="nw_ucla has no split 'cross_subject_view'; known: cross_"):
        check(read_params(tmp_path / "params.yaml"))


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("dgstgcn", {"graphs": 0}, "graphs must be greater than or equal to 1, not 0"),
        ("dgstgcn", {"x": 1}, "dgstgcn has no setting x; known: graphs"),
        ("stgcn", {"graphs": 4}, "stgcn has no setting graphs; known: none"),
    ],
)
def test_a_networks_own_settings_are_checked(tmp_path, name, settings, complaint):
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    content["model"] |= {"name": name, "settings": settings}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(UserError, match=rf"model\.settings: {complaint}"):
        read_params(tmp_path / "params.yaml")


def test_settings_that_are_left_out_leave_no_trace():
    """Weights, checkpoints and stored trainings from before the settings stay valid."""
    model = read_params(Path("params.yaml")).model
    assert "settings" not in model.model_dump()
    changed = ModelParams.model_validate(
        model.model_dump() | {"name": "dgstgcn", "settings": {"graphs": 4}}
    )
    assert changed.model_dump()["settings"] == {"graphs": 4}
    assert ModelParams.model_validate(changed.model_dump()) == changed
