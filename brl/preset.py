"""Puts a preset into params.yaml: `python -m brl.preset NAME [--mirror FOLDER_OR_URL]`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from brl.errors import UserError, one_line_errors
from brl.files import written_whole
from brl.params import read_params

PRESETS = Path("presets")


def apply_preset(name: str, params_file: Path, mirror: str | None = None) -> None:
    """Overwrites in the parameter file what the preset names; comments and the rest stay.

    The mirror is the preset's own data's, so without a new one it is reset; so are the streams'
    checkpoints, which are of other data and another network. Raises UserError for
    an unknown preset, and where the result would not be valid (the file then stays as it was).
    """
    preset_file = PRESETS / f"{name}.yaml"
    if not preset_file.exists():
        known = ", ".join(sorted(path.stem for path in PRESETS.glob("*.yaml")))
        raise UserError(f"unknown preset {name!r}; known: {known}")

    def change(content: dict[str, Any]) -> None:
        _overwrite(content, YAML(typ="safe").load(preset_file))
        content["dataset"]["mirror"] = mirror
        for stream in content["streams"].values():
            stream["weights"] = None

    edit_params(params_file, change)


def edit_params(params_file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the content of the parameter file; comments and the rest stay.

    Raises UserError where the file is not valid, or would not be (it then stays as it was).
    """
    read_params(params_file)
    yaml = YAML()
    yaml.width = 4096  # no line is folded
    yaml.representer.add_representer(type(None), _null)
    content = yaml.load(params_file)
    change(content)
    with written_whole(params_file) as unfinished:
        yaml.dump(content, unfinished)
        read_params(unfinished)


def _null(representer: Any, value: None) -> Any:
    """`null` rather than nothing after the colon, as params.yaml has it."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _overwrite(content: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict):
            _overwrite(content[key], value)
        elif isinstance(value, list):
            content[key][:] = value  # keeps the list on its line
        else:
            content[key] = value


def main() -> None:
    parser = argparse.ArgumentParser(description="Put a preset into params.yaml.")
    parser.add_argument("name", nargs="?", default="", help="a file of presets/, without .yaml")
    parser.add_argument("--mirror", help="folder or URL with the dataset's raw files")
    arguments = parser.parse_args()
    apply_preset(arguments.name, Path("params.yaml"), arguments.mirror)
    print(f"params.yaml: preset {arguments.name}. Next: make repro")


if __name__ == "__main__":
    with one_line_errors():
        main()
