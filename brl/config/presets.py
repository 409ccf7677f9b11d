"""Puts presets into params.yaml: `brl preset [NAME] [--method METHOD] [--system SYSTEM]`."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from brl.config.params import Params, read_params
from brl.support.errors import UserError
from brl.support.files import written_whole
from brl.support.yaml_file import read_yaml


@dataclass(frozen=True)
class Presets:
    """The presets of a folder.

    kind  the word for a preset in messages
    base  the preset with all values; it has those that another preset does not list. None: a preset
          sets what it lists, and nothing else
    """

    folder: Path
    kind: str
    base: str | None

    @property
    def names(self) -> list[str]:
        """Names of the presets, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.yaml"))

    def read(self, name: str) -> dict[str, Any]:
        """All values that a preset sets; raises UserError for an unknown name."""
        if name not in self.names:
            raise UserError(f"unknown {self.kind} {name!r}; known: {', '.join(self.names)}")
        own = YAML(typ="safe").load(self.folder / f"{name}.yaml")
        if self.base is None or name == self.base:
            return own
        content = self.read(self.base)
        overwrite(content, own)
        return content


DATASETS = Presets(Path("presets"), "preset", base="synthetic")
METHODS = Presets(Path("presets/methods"), "method", base="cross_entropy")
SYSTEMS = Presets(Path("presets/systems"), "system", base=None)


def apply_preset(
    name: str | None,
    params_file: Path,
    mirror: str | None = None,
    method: str | None = None,
    system: str | None = None,
) -> None:
    """Applies the presets of a dataset, a method and a system to the parameter file, in this order.

    A method is `method`, `classifier`, `model.head` and `model.absent_bodies`; a dataset is all
    other settings, with `dataset.mirror` set to `mirror`. A system is what its preset lists: what
    its streams see, its network, its fusion. A method does not change the network of a checkpoint.
    Comments stay.

    Raises UserError for an unknown preset, and where the result would not be valid; the file then
    stays unchanged.
    """
    if not name and not method and not system:
        raise UserError(
            "no preset named; a dataset: brl preset NAME with one of "
            f"{', '.join(DATASETS.names)}; a method: brl preset --method NAME with one of "
            f"{', '.join(METHODS.names)}; a system: brl preset --system NAME with one of "
            f"{', '.join(SYSTEMS.names)}"
        )
    if mirror and not name:
        raise UserError("a mirror belongs to a dataset: brl preset NAME --mirror FOLDER_OR_URL")
    dataset_values = DATASETS.read(name) if name else {}
    method_values = METHODS.read(method) if method else {}
    system_values = SYSTEMS.read(system) if system else {}

    def change(content: CommentedMap) -> None:
        if name:
            content["dataset"]["mirror"] = mirror
        if name or system:  # a loss on graphs goes with the network that learns them
            content["method"]["prototypes"] = None
            content.get("pretrain", {})["kind"] = "none"
        if name or "ensemble" in system_values:  # they go with a fusion that learns
            content["ensemble"].update(held_out=0.0, folds=0)
        put_values(content, dataset_values)
        if any(stream.get("weights") for stream in content["streams"].values()):
            method_values.pop("model", None)
        overwrite(content, method_values)
        put_values(content, system_values)

    edit_params(params_file, change)


def put_values(content: dict[str, Any], values: dict[str, Any]) -> None:
    """Sets the values of a preset; its pictures, streams and weights replace all others."""
    values = copy.deepcopy(values)
    weights = values.get("ensemble", {}).pop("weights", None)
    for section, key, replacement, following in (
        (content, "pictures", values.pop("pictures", None), "subsample"),
        (content, "streams", values.pop("streams", None), "model"),
        (content["ensemble"], "weights", weights, "evaluate"),
    ):
        if replacement is None or section.get(key) == replacement:
            continue
        section[key] = blocks(replacement)
        if isinstance(content, CommentedMap):
            # The empty line before the next section belonged to what was replaced.
            content.yaml_set_comment_before_after_key(following, before="\n")
    overwrite(content, values)


def blocks(content: Any) -> Any:
    """Nested content whose mappings are written as blocks."""
    if not isinstance(content, dict):
        return content
    return CommentedMap((key, blocks(value)) for key, value in content.items())


def edit_params(params_file: Path, change: Callable[[CommentedMap], None]) -> None:
    """Changes values in the parameter file; comments and all other settings stay.

    The file is written as DVC writes it (`dvc exp run -S`): null is nothing, lists are in blocks.

    Raises UserError where the file is not valid, or would not be valid afterwards; it then stays
    unchanged.
    """
    read_params(params_file)
    yaml = YAML()
    content = yaml.load(params_file)
    change(content)
    with written_whole(params_file) as unfinished:
        yaml.dump(content, unfinished)
        read_yaml(unfinished, Params, name=str(params_file))


def overwrite(content: dict[str, Any], changes: dict[str, Any]) -> None:
    """Overwrites values in nested content, key by key.

    An empty mapping replaces one with content. Equal values keep the form in which they stand.
    """
    for key, value in changes.items():
        if value and isinstance(value, dict) and isinstance(content.get(key), dict):
            overwrite(content[key], value)
        elif isinstance(value, list) and isinstance(content.get(key), list):
            content[key][:] = value  # keeps its comments
        elif key not in content or content[key] != value:
            content[key] = value
