"""The reference material: tests without it are skipped, and the run says what they leave open."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
NEEDY = """
from pathlib import Path
import pytest
from tests import reference

reference.SHARED = Path({folder!r})

@pytest.fixture(scope="module")
def clips():
    return reference.shared("data/clips.zip")

def test_clips_are_whole(clips):
    "Every clip\\n    can be read.\\n\\n    Slowly."

@pytest.mark.parametrize("name", ["b", "a", "a"])
def test_numbers_are_the_published_ones(name):
    reference.shared(f"numbers/{{name}}.npz")

def test_another_thing():
    pytest.skip("no browser here")

def test_all_else():
    pass
"""
HEADING = "Not shown without ../shared"


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs the needy tests, and gives what is printed."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makepyfile(test_needy=NEEDY.format(folder=str(pytester.path / "beside")))

    def run(*arguments: str) -> list[str]:
        result = pytester.runpytest_subprocess("-p", "tests.reference", *arguments)
        assert result.ret == 0
        return result.outlines

    return run


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_without_it_says_in_a_line_a_test_what_is_not_shown(run, processes):
    lines = run("-n", processes)
    (heading,) = (place for place, line in enumerate(lines) if HEADING in line)
    assert [line for line in lines[heading + 1 : -1] if line] == [
        "test_needy.py::test_clips_are_whole: needs ../shared/data/clips.zip; "
        "would show: Every clip can be read.",
        "test_needy.py::test_numbers_are_the_published_ones (3 cases): "
        "needs ../shared/numbers/a.npz and 1 more; would show: numbers are the published ones",
    ]


def test_a_run_with_it_says_nothing(run, pytester):
    for name in ("data/clips.zip", "numbers/a.npz", "numbers/b.npz"):
        (pytester.path / "beside" / name).parent.mkdir(parents=True, exist_ok=True)
        (pytester.path / "beside" / name).touch()
    lines = run()
    assert not any(HEADING in line for line in lines) and "5 passed, 1 skipped" in lines[-1]
