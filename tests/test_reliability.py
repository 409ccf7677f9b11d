"""The figures of docs/reliability.md are those that were measured."""

import json

from tests.project import HERE

MEASURED = ("reliability", "fuzzing")


def test_the_page_shows_what_was_measured():
    rows = []
    for name in MEASURED:
        text = (HERE / f"reports/benchmarks/{name}.json").read_text(encoding="utf-8")
        rows += [f"| {what} | {number:,} |" for what, number in json.loads(text).items()]
    assert len(rows) > 3
    page = (HERE / "docs/reliability.md").read_text(encoding="utf-8")
    assert "\n".join(["| what | number |", "|---|---:|", *rows, ""]) in page
