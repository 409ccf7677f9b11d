"""The rooms of brl/ stand on each other in one order: no circle, no import from a room above."""

import ast
from pathlib import Path

import pytest

# From the bottom up. A room imports from rooms before it; docs/architecture.md says what each is.
ROOMS = [
    "support", "figures", "clips", "pictures", "fetching", "datasets", "films", "inspection",
    "video", "config", "subset", "balance", "models", "streams", "published", "prediction",
    "classifier", "scores", "report", "tracking", "training", "pretraining", "probing", "unseen",
    "mixer", "serving", "cluster", "comparison", "commands",
]  # fmt: skip


def rooms_imported(module: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("brl"):
            names = [node.module] if "." in node.module else [f"brl.{n.name}" for n in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("brl.")]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names}
    return rooms


def test_every_room_is_known():
    present = {path.stem for path in Path("brl").iterdir() if path.name[0] not in "_."}
    assert present - {"py"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_from_rooms_below_it(room):
    below = set(ROOMS[: ROOMS.index(room) + 1])
    place = Path("brl") / room
    modules = [place.with_suffix(".py")] if not place.is_dir() else list(place.rglob("*.py"))
    assert modules
    for module in modules:
        assert rooms_imported(module) <= below, module


def test_the_stages_hold_no_method():
    """A stage reads, calls and writes: its script is short."""
    for script in Path("stages").glob("*.py"):
        assert len(script.read_text(encoding="utf-8").splitlines()) <= 110, script


def test_the_architecture_page_shows_every_room():
    page = Path("docs/architecture.md").read_text(encoding="utf-8")
    for room in ROOMS:
        name = f"{room}/" if (Path("brl") / room).is_dir() else f"{room}.py"
        assert f"`{name}`" in page, name
