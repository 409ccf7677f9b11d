"""Presets change their values in one step, and keep other settings and comments."""

from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from brl.commands.differences import differences
from brl.comparison.plan import content_of
from brl.config.check import check
from brl.config.params import MethodParams, Params, read_params
from brl.config.presets import DATASETS, METHODS, SYSTEMS, apply_preset, edit_params
from brl.support.errors import UserError
from tests.command import brl, refused
from tests.own_data import write_stick_figures
from tests.project import HERE

ORIGINAL = (HERE / "params.yaml").read_text(encoding="utf-8")
ORIGINAL_PARAMS = read_params(HERE / "params.yaml")


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(ORIGINAL, encoding="utf-8")
    return path


def without_method(params: Params) -> dict:
    content = params.model_dump(exclude={"method", "classifier"})
    del content["model"]["head"], content["model"]["absent_bodies"]
    return content


def assert_names(wanted: dict, content: dict) -> None:
    """All values of a preset are in the content."""
    for key, value in wanted.items():
        if isinstance(value, dict):
            assert_names(value, content[key])
        else:
            assert content[key] == value, key


@pytest.mark.parametrize("name", DATASETS.names)
def test_a_dataset_changes_its_values_and_keeps_method_and_comments(name, file):
    apply_preset(None, file, method="ldam_drw")
    before = read_params(file)
    with TemporaryDirectory() as mirror:  # a longer path would be on a line of its own
        write_stick_figures(Path(mirror))
        apply_preset(name, file, mirror)
        params = read_params(file)
        check(params)
    assert params.dataset.mirror == mirror
    assert_names(DATASETS.read(name), yaml.safe_load(file.read_text(encoding="utf-8")))
    assert (params.method, params.classifier) == (before.method, before.classifier)
    assert params.model.head == "cosine"
    assert file.read_text(encoding="utf-8").count("#") == ORIGINAL.count("#")
    assert len(without_items(file.read_text(encoding="utf-8"))) == len(without_items(ORIGINAL))


def without_items(text: str) -> list[str]:
    """The lines of a YAML file that are no items of a list."""
    return [line for line in text.splitlines() if not line.lstrip().startswith("- ")]


def edited(value: object, key: str) -> object:
    """Another valid value of a parameter."""
    choices = {
        "name": "dgstgcn",
        "split": "xsub",
        "settings": {"graphs": 4},
        "pictures": {"rgb": {"side": 56, "frames": 8, "format": "gray", "crop": "none"}},
        "blocks": [1, 2],
        "lr": 0.3,
        "list_file": "mine.txt",
        "classes": [0, 1],
        "mirror": "clips",
        "profile": "step",
        "max_per_class": 33,
        "sampling": "random",
        "flip_kind": "swap",
        "precision": "float32",
        "clips": "split",
        "loss": "motion",
        "rotation": [0.1, 0.2, 0.4],
        "rotation_order": "yxz",
        "momentum": 0.5,
        "scale": 0.25,
        "flip": 0.25,
        "validation": 0.25,
        "warmup": 0.25,
        "queue": 64,
        "clip_grad": 0.5,
        "after": 0.25,
        "many_shot_above": 107,
        "few_shot_below": 27,
    }
    if isinstance(value, bool):
        return not value
    if key in choices:
        return choices[key]
    return value + 7


def edit_everything(content: dict) -> None:
    """Changes every parameter except those of the method and those that go with a kind."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            if key not in ("method", "classifier"):
                edit_everything(value)
        elif key == "inputs":
            content[key] = ["joint", "bone_motion"]
        elif key not in ("head", "absent_bodies", "weight_decay", "kind", "held_out", "folds"):
            content[key] = edited(value, key)


@pytest.mark.parametrize("name", DATASETS.names)
def test_a_dataset_gives_the_same_bytes_from_any_file(name, file):
    apply_preset(name, file)
    expected = file.read_bytes()

    def change(content: dict) -> None:
        edit_everything(content)
        content["train"]["weight_decay"] = 0.001
        content["streams"]["hands"] = {"inputs": ["joint", "bone"], "part": "hand"}
        content["ensemble"]["weights"]["hands"] = 1

    edit_params(file, change)
    before = read_params(file).model_dump()
    unchanged = {"head", "absent_bodies", "kind", "method", "classifier"}
    differ = [line.split(":")[0] for line in differences("", ORIGINAL_PARAMS.model_dump(), before)]
    assert len(differ) > 30 and not unchanged & {name.split(".")[-1] for name in differ}
    apply_preset(name, file)
    assert file.read_bytes() == expected


def test_a_dataset_puts_a_deleted_stream_back(file):
    edit_params(file, lambda content: content["streams"].pop("skip"))
    apply_preset("synthetic", file)
    assert yaml.safe_load(file.read_text(encoding="utf-8")) == yaml.safe_load(ORIGINAL)


def test_the_synthetic_preset_gives_the_default_file(file):
    for name in DATASETS.names:
        apply_preset(name, file, method="brl_aware")
        for system in SYSTEMS.names:
            apply_preset(None, file, system=system)
    apply_preset("synthetic", file, method="brl")
    assert file.read_text(encoding="utf-8") == ORIGINAL


@pytest.mark.parametrize(("system", "kind"), [("stacked", "stacked"), ("mmixer", "mixer")])
def test_a_fusion_goes_with_any_method_and_other_fusions_take_its_place(file, system, kind):
    apply_preset(None, file, method="ldam", system=system)
    params = read_params(file)
    assert (params.ensemble.kind, params.ensemble.folds, params.method.loss) == (kind, 5, "ldam")
    apply_preset(None, file, system="protogcn")  # it fuses as before
    assert read_params(file).ensemble == params.ensemble
    apply_preset(None, file, system="psumnet")
    after = read_params(file).ensemble
    assert (after.kind, after.folds, after.held_out) == ("logits", 0, 0.0)
    apply_preset(None, file, system=system)
    apply_preset("synthetic", file, method="brl")
    assert file.read_text(encoding="utf-8") == ORIGINAL


def test_the_file_has_the_form_in_which_dvc_writes_it(file):
    """`dvc exp run -S` writes it anew: then only what it sets changes."""
    for change in ("seed=3", "streams.bone.inputs=skip"):
        apply_overrides(file, [change])
    wanted = ORIGINAL.replace("\nseed: 0", "\nseed: 3")
    wanted = wanted.replace("    inputs: bone\n", "    inputs: skip\n")
    assert file.read_text(encoding="utf-8") == wanted


def test_values_that_dvc_wrote_are_written_alike_by_presets(file):
    sets = ["train.augment.rotation=[0.1,0.2,0.4]", "model.blocks=[1,2]", "dataset.mirror=clips"]
    sets += ["+streams.bone.lr=0.2", "method.class_weights=inverse_frequency", "train.lr=1.0e-5"]
    sets += ["model.name=dgstgcn", "+model.settings.graphs=4"]
    sets += ["method.prototypes={number: 12, weight: 0.3, update: correct}"]
    apply_overrides(file, sets)
    params = read_params(file)
    assert (params.model.blocks, params.train.lr) == ([1, 2], 1.0e-5)
    assert params.method.prototypes.number == 12
    apply_preset("synthetic", file, method="brl")
    assert file.read_text(encoding="utf-8") == ORIGINAL


def test_brl_is_the_method_of_the_default_file(file):
    apply_preset(None, file, method="cross_entropy")
    assert read_params(file) != read_params(HERE / "params.yaml")
    apply_preset(None, file, method="brl")
    assert read_params(file) == read_params(HERE / "params.yaml")


@pytest.mark.parametrize("system", SYSTEMS.names)
@pytest.mark.parametrize("name", DATASETS.names)
def test_a_system_sets_what_it_lists_over_any_dataset(name, system, file):
    apply_preset(name, file, method="cross_entropy")
    before = read_params(file)
    apply_preset(None, file, system=system)
    listed, now = SYSTEMS.read(system), content_of(read_params(file))
    assert now["streams"].keys() == listed.get("streams", before.streams).keys()
    for section, values in listed.items():
        for key in values if section != "streams" else ():
            assert now[section][key] == values[key]
    apply_preset(name, file, method="cross_entropy")
    assert read_params(file) == before


@pytest.mark.parametrize("method", METHODS.names)
@pytest.mark.parametrize("before", ["cross_entropy", "ldam_drw", "brl_published"])
def test_a_method_sets_the_whole_method_and_nothing_else(method, before, file):
    """The settings before have no effect, also where one head follows the other."""
    wanted = METHODS.read(method)
    assert wanted["method"].keys() == yaml.safe_load(ORIGINAL)["method"].keys()
    apply_preset("nw_ucla", file, "https://mirror", "cross_entropy")
    apply_preset(None, file, method=before)
    untouched = without_method(read_params(file))
    apply_preset(None, file, method=method)
    params = read_params(file)
    assert without_method(params) == untouched
    assert params.method == MethodParams.model_validate(wanted["method"])
    assert params.classifier.model_dump() == wanted["classifier"]
    model = params.model
    assert wanted["model"] == {"head": model.head, "absent_bodies": model.absent_bodies}
    assert file.read_text(encoding="utf-8").count("#") == ORIGINAL.count("#")


def test_a_method_keeps_the_network_of_a_checkpoint(file):
    """The published networks compute absent bodies, and have a linear head."""
    text = ORIGINAL.replace("  joint:\n", "  joint:\n    weights: {file: j.pth, sha256: a}\n", 1)
    file.write_text(text.replace("absent_bodies: skip", "absent_bodies: pad"), encoding="utf-8")
    before = read_params(file).model
    apply_preset(None, file, method="logit_adjustment")
    assert read_params(file).model == before
    with pytest.raises(UserError, match=r"model\.head must be cosine"):
        apply_preset(None, file, method="ldam")
    apply_preset("nw_ucla", file, method="ldam")
    model = read_params(file).model
    assert (model.head, model.absent_bodies) == ("cosine", "skip")


@pytest.mark.parametrize("method", [name for name in METHODS.names if name != METHODS.base])
def test_a_methods_file_only_lists_differences_from_cross_entropy(method):
    """A new parameter of one loss then only changes the base and that loss."""
    own = yaml.safe_load((METHODS.folder / f"{method}.yaml").read_text(encoding="utf-8"))
    assert own

    def assert_differs(own: dict, base: dict) -> None:
        for key, value in own.items():
            if isinstance(value, dict) and base[key]:
                assert_differs(value, base[key])
            else:
                assert value != base[key], key

    assert_differs(own, METHODS.read(METHODS.base))


@pytest.mark.parametrize("method", METHODS.names)
def test_a_methods_file_begins_with_a_description(method):
    lines = (METHODS.folder / f"{method}.yaml").read_text(encoding="utf-8").splitlines()
    comment = list(takewhile(lambda line: line.startswith("# "), lines))
    assert comment and comment[-1].endswith(".")


def test_both_at_once_equal_one_after_the_other(file, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(ORIGINAL, encoding="utf-8")
    apply_preset("nw_ucla", file, "https://mirror", "ldam")
    apply_preset("nw_ucla", other, "https://mirror")
    apply_preset(None, other, method="ldam")
    assert file.read_bytes() == other.read_bytes()


def test_a_preset_does_not_touch_a_file_that_is_wrong(file):
    wrong = ORIGINAL.replace("epochs: 10", "epochs: 0")
    file.write_text(wrong, encoding="utf-8")
    for arguments in ({"name": "nw_ucla"}, {"name": None, "method": "brl"}):
        with pytest.raises(UserError, match=r"params\.yaml: train\.epochs"):
            apply_preset(params_file=file, **arguments)
    assert file.read_text(encoding="utf-8") == wrong


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["x"], f"unknown preset 'x'; known: {', '.join(DATASETS.names)}"),
        (["methods/brl"], "unknown preset 'methods/brl'; known: custom, "),
        (["--method", "x"], f"unknown method 'x'; known: {', '.join(METHODS.names)}"),
        (["nw_ucla", "--method", "nw_ucla"], "unknown method 'nw_ucla'; known: balanced"),
        (
            ["--method", "brl", "--mirror", "folder"],
            "a mirror belongs to a dataset: brl preset NAME --mirror",
        ),
        ([], "no preset named; a dataset: brl preset NAME with one of custom, "),
    ],
)
def test_an_unknown_preset_gets_one_line_and_changes_nothing(
    file, monkeypatch, arguments, complaint
):
    (file.parent / "presets").symlink_to(HERE / "presets")
    monkeypatch.chdir(file.parent)
    assert refused("preset", *arguments).startswith(complaint)
    assert file.read_text(encoding="utf-8") == ORIGINAL


def test_the_command_names_the_applied_presets(file, monkeypatch):
    (file.parent / "presets").symlink_to(HERE / "presets")
    monkeypatch.chdir(file.parent)
    done = brl("preset", "nw_ucla", "--method", "brl", "--mirror", "elsewhere")
    assert done.stdout == "params.yaml: nw_ucla and brl. Next: make repro\n"
    expected = file.read_bytes()
    file.write_text(ORIGINAL, encoding="utf-8")
    apply_preset("nw_ucla", file, "elsewhere", "brl")
    assert file.read_bytes() == expected


def test_no_preset_named_lists_both_kinds(file):
    with pytest.raises(UserError, match=r"nw_ucla.*--method NAME with.*brl, brl_aware") as caught:
        apply_preset(None, file)
    assert "\n" not in str(caught.value)
