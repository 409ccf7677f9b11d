"""dvc.yaml says of each stage what its script really reads: code, and nothing too much."""

import ast
from pathlib import Path
from typing import get_args

import pytest
import yaml
from dvc.repo import Repo

from brl.config.params import ModelParams, Params
from brl.support import paths
from tests.project import HERE

NETWORKS = get_args(ModelParams.model_fields["name"].annotation)
STAGES = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
# They cannot change a result, so editing them runs nothing again. `config` is among them, because
# the schema has no defaults: a value stands in params.yaml or nowhere; what fetches raw files,
# because what has arrived is recorded and checked ever after; what identifies a published
# checkpoint, because it only refuses.
WITHOUT_INFLUENCE = (
    "brl/__init__.py",
    "brl/config/",
    "brl/fetching/",
    "brl/published/identify.py",
    "brl/support/",
    "brl/tracking/",
)


def imported_modules(script: Path) -> set[Path]:
    """The files of `brl` that a script imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = set()
    for name in names:
        place = Path(*name.split("."))
        if place.parts[0] == "brl":
            files |= {f for f in (place.with_suffix(".py"), place / "__init__.py") if f.exists()}
    return {file for file in files if not holds_a_docstring_only(file)}


def holds_a_docstring_only(file: Path) -> bool:
    """Whether it is the `__init__.py` of a room, which computes nothing."""
    return file.name == "__init__.py" and len(ast.parse(file.read_text("utf-8")).body) == 1


def code_in(dependency: str) -> set[str]:
    """The modules a dependency stands for: of a folder of code all in it."""
    if dependency.startswith("brl/") and Path(dependency).is_dir():
        modules = Path(dependency).rglob("*.py")
        return {str(module) for module in modules if not holds_a_docstring_only(module)}
    return {dependency} if dependency.endswith(".py") else set()


def all_imports(script: Path) -> set[str]:
    """What a script imports from `brl`, and what that imports in turn."""
    found: set[Path] = set()
    waiting = {script}
    while waiting:
        new = imported_modules(waiting.pop()) - found
        new = {file for file in new if not str(file).startswith(WITHOUT_INFLUENCE)}
        found |= new
        waiting |= new
    return {str(file) for file in found}


def chosen_network(definition: dict) -> set[str]:
    """What any network imports; its own code is in what the stage `networks` writes."""
    if not {"data/networks", "data/networks/${key}.json"} & set(definition.get("deps", [])):
        return set()
    return set().union(*(all_imports(Path(f"brl/models/{name}.py")) for name in NETWORKS))


@pytest.mark.parametrize("stage", STAGES)
def test_declared_code_is_imported_code(stage):
    definition = STAGES[stage].get("do", STAGES[stage])
    declared = set().union(*map(code_in, definition.get("deps", [])))
    script = Path(f"stages/{stage}.py")
    of_stream = " ${key}" if "do" in STAGES[stage] else ""
    assert definition["cmd"] == f"python3 -m stages.{stage}{of_stream}"
    if stage == "download":
        assert declared == set()  # new code is no reason to fetch gigabytes again
    elif stage == "networks":
        # It reads the files.
        assert definition["deps"] == [str(script), "brl/models", "data/pictures/meta.json"]
    else:
        assert declared == {str(script)} | all_imports(script) | chosen_network(definition)


def test_every_stage_script_is_a_stage():
    scripts = {path.stem for path in Path("stages").glob("*.py")} - {"__init__"}
    assert scripts == set(STAGES)


def test_every_section_of_the_parameters_belongs_to_a_stage():
    used = set()
    for stage in STAGES.values():
        used |= {name.split(".")[0] for name in stage.get("do", stage)["params"]}
    assert used == set(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")))


def test_what_people_read_is_in_git_and_what_dvc_keeps_is_not():
    ignored = Path(".gitignore").read_text(encoding="utf-8").splitlines()
    for stage in STAGES.values():
        definition = stage.get("do", stage)
        for out in definition.get("outs", []):
            assert {f"/{out.split('/')[0]}/", f"/{out}"} & set(ignored)
        for kind in ("metrics", "plots"):
            for entry in definition.get(kind, []):
                (path, options), *_ = entry.items()
                assert path.startswith("reports/") and options["cache"] is False


def test_the_outputs_are_those_of_the_code():
    outputs = set()
    for stage in STAGES.values():
        definition = stage.get("do", stage)
        for kind in ("outs", "metrics", "plots"):
            for entry in definition.get(kind, []):
                name = entry if isinstance(entry, str) else next(iter(entry))
                outputs.add(Path(name.replace("${key}", "joint")))
    per_stream = ("pretrained_encoder", "pretraining_curve", "trained_weights", "training_curve")
    per_stream += ("tested_weights", "stream_scores", "fold_networks", "unseen_scores")
    in_code = {getattr(paths, name)("joint") for name in per_stream}
    in_code |= {paths.stage_note(stage, "joint") for stage in ("pretrain", "train", "predict")}
    in_code |= {
        paths.RAW,
        paths.OWN_LIST,
        paths.DATASET_NAME,
        paths.NETWORKS,
        paths.PICTURES,
        paths.SPLIT,
        paths.UNSEEN_CLIPS,
        paths.FUSED_SCORES,
        paths.FUSION,
        paths.PAGE,
        paths.METRICS,
        paths.RESULTS,
        paths.STREAM_METRICS,
    }
    assert in_code | {paths.LONG_TAIL} <= outputs
    folders = {paths.STORE, paths.SUBSET, paths.TRAINING, paths.REPORTS}
    assert {output for output in outputs if output.parent not in folders} <= in_code


@pytest.mark.parametrize("left", [".joint.12.partial.safetensors", ".Qecmk34by9zbYuy-4ekhkA.tmp"])
def test_what_a_killed_program_left_in_a_folder_is_no_dependency(left):
    """Stages depend on whole folders of results: else `ensemble` would run again, and note it."""
    with Repo(str(HERE)) as repo:
        assert repo.dvcignore.is_ignored_file(str(HERE / "classifiers" / left))
        assert not repo.dvcignore.is_ignored_file(str(HERE / "classifiers/joint.safetensors"))


def test_no_parameter_has_a_name_that_dvc_overlooks():
    """DVC's cache of runs leaves `size` and `nfiles` out, at any depth, and takes other results."""

    def keys(schema: dict) -> set[str]:
        sections = [schema, *schema.get("$defs", {}).values()]
        return {key for section in sections for key in section.get("properties", {})}

    assert "batch_size" in keys(Params.model_json_schema())
    assert not {"size", "nfiles"} & keys(Params.model_json_schema())
