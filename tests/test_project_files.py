"""What a stranger reads first, and what an installation takes along: README, docs, licence, CI."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import click
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from brl.commands import main
from tests.project import HERE

PAGES = [HERE / "README.md", *sorted((HERE / "docs").glob("*.md"))]
LINKING = [*PAGES, HERE / "CHANGELOG.md", HERE / "lists/README.md", HERE / "own/README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`|^ {4}(.+)$", re.MULTILINE)
# In docs a path begins with one of the folders in git; capitals stand for a name.
IN_PROJECT = re.compile(
    r"^(?:brl|stages|benchmarks|comparisons|docs|lists|presets|reports|tests)/[a-z0-9_./-]*$"
)
COMMAND = re.compile(r"(?:^|[\s(])brl ([a-z]+)\b([^&#(]*)")
ON_DEMAND = {"faults", "fuzz", "remotes"}  # extras that `make test-faults` and others install
STILTED = ("as it comes", "had no say", "goes on from", "lies there", "a network a stream")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_on(page: Path) -> list[str]:
    """Code spans and lines of code blocks."""
    return [span or line for span, line in CODE.findall(text_of(page))]


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text_of(page)))
    return {heading.replace(" ", "-") for heading in kept}


def of_stages() -> set[str]:
    """What stages write: not in a fresh clone."""
    stages = yaml.safe_load(text_of(HERE / "dvc.yaml"))["stages"].values()
    outs = [out for stage in stages for out in stage.get("do", stage)["outs"]]
    return {out if isinstance(out, str) else next(iter(out)) for out in outs}


def test_the_readme_is_short_and_names_the_two_commands():
    readme = text_of(HERE / "README.md")
    assert len(readme.splitlines()) <= 120
    assert len(readme.split()) <= 900
    assert {"make repro", "make test"} <= {
        line.partition("#")[0].strip() for line in code_on(PAGES[0])
    }


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(HERE)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(text_of(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors_of(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_in_code_exist(page):
    named = {word for code in code_on(page) for word in code.split() if IN_PROJECT.match(word)}
    missing = {path for path in named - of_stages() if not (HERE / path).exists()}
    assert not missing


def test_no_page_is_hidden():
    """Readers find every page from the README, or contributors from CONTRIBUTING.md."""
    entrances = text_of(HERE / "README.md") + text_of(HERE / "CONTRIBUTING.md")
    assert not [page.name for page in PAGES[1:] if f"docs/{page.name}" not in entrances]


def test_commands_in_the_docs_are_commands_of_brl():
    commands = main.commands.commands
    named = [found for page in PAGES for code in code_on(page) for found in COMMAND.findall(code)]
    assert len({name for name, _ in named}) > 8
    for name, arguments in named:
        assert name in commands
        command = commands[name]
        if isinstance(command, click.Group) and re.match(r"\s*[a-z]", arguments):
            command = command.commands[arguments.split()[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", arguments)) <= known, (name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_old_are_gone(page):
    """One way to do a thing: make has a few targets that need be known, brl the rest."""
    text = text_of(page)
    assert set(re.findall(r"`make ([\w-]+)", text)) <= {
        "repro",
        "test",
        "test-faults",
        "test-remotes",
        "fuzz",
    }
    assert "python -m brl" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_words_that_were_stilted_are_gone(page):
    text = " ".join(text_of(page).split())
    assert not [words for words in STILTED if words in text]


def test_the_readme_counts_the_methods():
    others = len(list((HERE / "presets/methods").glob("*.yaml"))) - 1
    assert f"[{others} others](docs/methods.md)" in text_of(HERE / "README.md")


def test_all_files_beside_the_code_are_packaged():
    """py.typed, the page's template, lists of classes; no package without its files."""
    declared = tomllib.loads(text_of(HERE / "pyproject.toml"))["tool"]["setuptools"]["package-data"]
    packaged = {
        file
        for package, patterns in declared.items()
        for pattern in patterns
        for file in (HERE / package.replace(".", "/")).glob(pattern)
    }
    beside = {
        file
        for file in (HERE / "brl").rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc")
    }
    assert HERE / "brl/py.typed" in packaged
    assert packaged == beside


def test_the_licence_is_the_one_declared():
    project = tomllib.loads(text_of(HERE / "pyproject.toml"))["project"]
    licence = text_of(HERE / "LICENSE")
    assert (project["license"], project["license-files"]) == ("MIT", ["LICENSE"])
    assert licence.startswith("MIT License") and "The brl authors" in licence
    assert "WITHOUT WARRANTY OF ANY KIND" in licence


def test_the_citation_names_the_software_and_every_paper_of_the_docs():
    citation = yaml.safe_load(text_of(HERE / "CITATION.cff"))
    project = tomllib.loads(text_of(HERE / "pyproject.toml"))["project"]
    assert {"cff-version", "message", "title", "authors", "type"} <= citation.keys()
    assert citation["version"] == project["version"] and citation["license"] == project["license"]
    cited = {paper["identifiers"][0]["value"] for paper in citation["references"]}
    linked = {
        number
        for page in PAGES
        for number in re.findall(r"arxiv\.org/abs/(\d{4}\.\d{5})", text_of(page))
    }
    assert linked and {f"arXiv:{number}" for number in linked} <= cited
    for paper in citation["references"]:
        assert {"type", "title", "authors", "year", "url"} <= paper.keys()


def test_ci_runs_the_projects_own_script():
    workflow = yaml.safe_load(text_of(HERE / ".github/workflows/ci.yml"))
    (job,) = workflow["jobs"].values()
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]
    assert job["timeout-minutes"] <= 360  # the longest that GitHub allows


def test_dev_tools_are_those_that_are_pinned():
    extra = tomllib.loads(text_of(HERE / "pyproject.toml"))["project"]["optional-dependencies"]
    pinned = text_of(HERE / "requirements.txt").partition("# tests and checks")[2]
    of_extra = {re.split(r"[<>=]", requirement)[0] for requirement in extra["dev"]}
    assert of_extra == {line.partition("==")[0] for line in pinned.split()}


def test_what_is_pinned_is_in_the_ranges():
    project = tomllib.loads(text_of(HERE / "pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    tested = [requirements for name, requirements in extras.items() if name not in ON_DEMAND]
    listed = [*project["dependencies"], *chain(*tested)]
    ranges = {canonicalize_name(each.name): each.specifier for each in map(Requirement, listed)}
    lines = text_of(HERE / "requirements.txt").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    assert {canonicalize_name(name) for name in pinned} == ranges.keys()
    for name, version in pinned.items():
        assert version in ranges[canonicalize_name(name)], name


def test_the_oldest_versions_run_on_the_oldest_python_with_all_extras():
    project = tomllib.loads(text_of(HERE / "pyproject.toml"))["project"]
    script = text_of(HERE / ".ci/versions")
    assert f"python={project['requires-python'].removeprefix('>=')} " in script
    (extras,) = re.findall(r'-e "\.\[(.+)\]"', script)
    assert set(extras.split(",")) == project["optional-dependencies"].keys() - ON_DEMAND


def test_packages_for_motion_capture_are_pinned():
    """`make` installs them, and a package that uses this one as a library need not."""
    extra = tomllib.loads(text_of(HERE / "pyproject.toml"))["project"]["optional-dependencies"]
    pinned = text_of(HERE / "requirements.txt").partition("# tests and checks")[0]
    names = {line.partition("==")[0] for line in pinned.splitlines()}
    assert {re.split(r"[<>=]", requirement)[0] for requirement in extra["motion"]} <= names


def test_hooks_take_the_tools_of_the_environment():
    hooks = yaml.safe_load(text_of(HERE / ".pre-commit-config.yaml"))["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    assert {hook["entry"].split()[0] for hook in hooks[0]["hooks"]} == {"ruff", "mypy"}
    assert {hook["language"] for hook in hooks[0]["hooks"]} == {"system"}
