"""The figures of docs/scale.md are those that were measured."""

from tests.project import HERE


def test_the_page_shows_what_was_measured():
    table = (HERE / "reports/benchmarks/scale.md").read_text(encoding="utf-8").partition("\n| ")[2]
    assert table.count("\n") > 5
    assert table.strip() in (HERE / "docs/scale.md").read_text(encoding="utf-8")
