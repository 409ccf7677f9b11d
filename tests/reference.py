"""The reference material beside the project, and what a run without it leaves unshown."""

import re
from collections.abc import Generator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
SKIPPED = re.compile(r"needs (\.\./shared/\S+), which is not here")
CLAIM = "claim"


def shared(relative: str) -> Path:
    """A file of the reference material beside the project; skips the test where it is absent."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs ../shared/{relative}, which is not here")
    return path


def claim_of(item: pytest.Item) -> str:
    """What a test shows: the first paragraph of its docstring, or its name in words."""
    described = getattr(getattr(item, "function", None), "__doc__", None)
    if described:
        return " ".join(described.strip().split("\n\n")[0].split())
    return item.name.split("[")[0].removeprefix("test_").replace("_", " ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keeps the claim of a skipped test in its report, which xdist sends to the first process."""
    report = yield
    if report.skipped:
        report.user_properties.append((CLAIM, claim_of(item)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each test that needs an absent file; parametrised ones are counted."""
    files: dict[str, list[str]] = {}
    claims: dict[str, str] = {}
    for report in terminalreporter.stats.get("skipped", []):
        if found := SKIPPED.search(str(report.longrepr)):
            test = report.nodeid.split("[")[0]
            files.setdefault(test, []).append(found[1])
            claims[test] = dict(report.user_properties)[CLAIM]
    if not files:
        return
    terminalreporter.section("Not shown without ../shared")
    for test, needed in sorted(files.items()):
        cases = f" ({len(needed)} cases)" if len(needed) > 1 else ""
        others = len(set(needed)) - 1
        more = f" and {others} more" if others else ""
        first = min(needed)
        terminalreporter.line(f"{test}{cases}: needs {first}{more}; would show: {claims[test]}")
