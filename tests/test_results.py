"""The table that ends a run, and those of README.md and docs/results.md, which are the same."""

import subprocess
from pathlib import Path

import pandas as pd
import pytest

from brl.commands.results import markdown, table_rows
from brl.comparison.tables import mean_and_interval
from brl.support.errors import UserError
from tests.command import brl

RESULTS = """stream,top1,top5,mean_class,many,medium,few
joint,61.25,90.0,60.0,80.0,,40.0
ensemble,70.0,95.5,69.04,88.0,,50.0
"""


def test_a_row_a_stream_and_the_ensemble(tmp_path):
    (tmp_path / "results.csv").write_text(RESULTS)
    rows = table_rows(tmp_path / "results.csv")
    assert rows[0] == [
        "test accuracy, %", "top-1", "mean class", "many-shot", "medium-shot", "few-shot",
    ]  # fmt: skip
    assert rows[1] == ["joint", "61.2", "60.0", "80.0", "–", "40.0"]
    assert rows[2][0] == "ensemble"
    assert markdown(rows).splitlines()[1] == "|---|---:|---:|---:|---:|---:|"


def test_it_is_printed_with_what_to_do_next(tmp_path):
    (tmp_path / "results.csv").write_text(RESULTS)
    printed = brl("results", str(tmp_path / "results.csv")).stdout
    assert "ensemble" in printed and "70.0" in printed
    assert "brl ui" in printed and "params.yaml" in printed
    table = brl("results", str(tmp_path / "results.csv"), "--markdown").stdout
    assert table == markdown(table_rows(tmp_path / "results.csv")) + "\n"


def test_before_the_first_run_there_is_none(tmp_path):
    with pytest.raises(UserError, match="make repro writes it"):
        table_rows(tmp_path / "results.csv")


@pytest.mark.parametrize(
    ("page", "results"),
    [
        ("README.md", "reports/results.csv"),
        ("docs/results.md", "reports/nw_ucla/results.csv"),
    ],
)
def test_the_pages_show_what_was_measured(page, results, tmp_path):
    """As committed: a run on another machine may differ in the last digit."""
    shown = subprocess.run(["git", "show", f"HEAD:{results}"], capture_output=True, check=False)
    if shown.returncode:
        pytest.skip("not a git checkout with results in it")
    (tmp_path / "results.csv").write_bytes(shown.stdout)
    shown_there = Path(page).read_text(encoding="utf-8")
    assert markdown(table_rows(tmp_path / "results.csv")) in shown_there


def six_streams_of_the_builtin_dataset() -> pd.DataFrame:
    results = pd.read_csv("reports/comparisons/synthetic/results.csv")
    return results[results["what"] == "6 streams"].groupby("method", sort=False)


def test_the_readme_compares_brl_with_cross_entropy_of_as_many_epochs_and_steps():
    """Six streams fused, few-shot classes first, as `brl compare synthetic` found them."""
    readme = Path("README.md").read_text(encoding="utf-8")
    for method, runs in six_streams_of_the_builtin_dataset():
        cells = [method, str(len(runs))]
        cells += [mean_and_interval(runs[column]) for column in ("few", "top1")]
        cells += [f"{runs['steps'].mean() / 6:,.0f}"]
        assert f"| {' | '.join(cells)} |" in readme


def test_the_builtin_run_is_stable_over_seeds():
    """What a newcomer sees first is no accident of the seed."""
    results = pd.read_csv("reports/comparisons/synthetic/results.csv").query("method == 'brl'")
    table = results.pivot(index="seed", columns="what", values="top1")
    fused = results[results["what"] == "6 streams"]
    assert len(fused) == 5 and fused["top1"].std() <= 2 and (fused["few"] >= 85).all()
    streams = ["joint", "bone", "skip", "joint_motion", "bone_motion", "skip_motion"]
    assert (table["6 streams"] >= table[streams].max(axis=1)).all()


def test_the_page_on_the_builtin_dataset_shows_its_comparison():
    page = Path("docs/results.md").read_text(encoding="utf-8")
    section = page[page.index("## The built-in dataset") : page.index("## What a run leaves")]
    tables = [part for part in section.split("\n\n") if part.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        assert set(table.splitlines()) <= set(lines_of("synthetic"))
    pairs = pd.read_csv("reports/comparisons/synthetic/pairs.csv").set_index(
        ["what", "method", "against"]
    )
    said = " ".join(section.split())
    for what in ("joint", "6 streams"):
        pair = pairs.loc[what, "brl", "cross_entropy, as many steps"]
        assert f"{pair['difference']:+.1f}" in said
        assert f"{pair['low']:+.1f} to {pair['high']:+.1f})" in said


def page_on_methods() -> str:
    page = Path("docs/results.md").read_text(encoding="utf-8")
    return page[page.index("## Which method?") :]


def lines_of(comparison: str) -> list[str]:
    page = Path("reports/comparisons") / comparison / "README.md"
    return page.read_text(encoding="utf-8").splitlines()


def test_the_methods_on_the_page_are_those_of_the_comparisons():
    """Row by row: a table a recipe."""
    tables = [part for part in page_on_methods().split("\n\n") if part.startswith("|")]
    others = ("nw_ucla", "nw_ucla_best")
    comparisons = ("utd_mhad_lt",) * 2 + ("msr_action3d_lt",) * 2
    comparisons += ("penn_action",) * 2 + others
    for table, comparison in zip(tables, comparisons, strict=True):
        assert len(table.splitlines()) >= 4
        assert set(table.splitlines()) <= set(lines_of(comparison))


def test_the_page_says_what_six_streams_reach():
    lines = lines_of("nw_ucla_best")
    of_six = lines[lines.index("## 6 streams") :]
    cells = next(line for line in of_six if line.startswith("| best |")).split("|")
    top1, few = cells[3].strip(), cells[6].strip()
    section = " ".join(page_on_methods().split())
    assert f"`best` reaches {top1} (few-shot {few})" in section


@pytest.mark.parametrize(
    ("heading", "comparison", "ahead"),
    [
        ("### Long-tailed UTD-MHAD", "utd_mhad_lt", ["ldam_drw"]),
        ("### Long-tailed MSR Action3D", "msr_action3d_lt", ["ldam_drw", "best"]),
        ("### Penn Action", "penn_action", ["ldam_drw"]),
    ],
)
def test_the_differences_on_a_dataset_are_those_of_its_comparison(heading, comparison, ahead):
    pairs = pd.read_csv(f"reports/comparisons/{comparison}/pairs.csv")
    joint = pairs[(pairs["what"] == "joint") & (pairs["against"] == "cross_entropy")]
    found = joint.set_index("method")
    page = page_on_methods()
    section = page[page.index(heading) :].split("\n### ")[0]
    said = " ".join(section.split())
    for method, text in (
        (ahead[0], "{:.1f} points over cross-entropy (95 % interval {:+.1f} to {:+.1f}"),
        ("brl", "differs from cross-entropy by {:+.1f} points ({:+.1f} to {:+.1f})"),
        ("cross_entropy, as many steps", "cross-entropy gain {:+.1f} ({:+.1f} to {:+.1f})"),
        *((other, "{:.1f} ({:+.1f} to {:+.1f})") for other in ahead[1:]),
    ):
        assert text.format(*found.loc[method, ["difference", "low", "high"]]) in said
    holm = " and ".join(str(round(found.loc[method, "holm_reference"], 3)) for method in ahead)
    assert len(found) == 5 and f"corrected for the five differences p = {holm}" in said
    six = pairs[(pairs["what"] == "6 streams") & (pairs["method"] == "brl")].iloc[0]
    fused = "BRL differs from the control by {:+.1f} points ({:+.1f} to {:+.1f})"
    assert fused.format(*six[["difference", "low", "high"]]) in said


@pytest.mark.parametrize("dataset", ["utd_mhad_lt", "msr_action3d_lt"])
def test_the_readme_says_what_methods_gain_on_real_recordings(dataset):
    pairs = pd.read_csv(f"reports/comparisons/{dataset}/pairs.csv").query("what == 'joint'")
    gains = pairs[pairs["against"] == "cross_entropy"].set_index("method")["difference"]
    said = " ".join(Path("README.md").read_text(encoding="utf-8").split())
    assert f"{gains['brl']:+.1f} and {gains['ldam_drw']:+.1f}" in said


def test_best_leads_under_its_recipe_and_by_how_little():
    """As docs/results.md says: first by top-1 and few-shot, certain against cross-entropy alone."""
    folder = Path("reports/comparisons/nw_ucla_best")
    results = pd.read_csv(folder / "results.csv").query("what == 'joint'")
    means = results.groupby("method")[["top1", "few"]].mean()
    same_recipe = means[~means.index.str.contains("published")]
    assert (same_recipe.idxmax() == "best").all()
    pairs = pd.read_csv(folder / "pairs.csv").query("what == 'joint' and against == 'best'")
    (lead,) = pairs[pairs["high"] < 0].round(3).to_dict("records")
    assert lead["method"] == "cross_entropy"
    said = f"(p = {lead['p']}; corrected for the five differences {lead['holm_reference']})"
    assert len(pairs) == 5 and said in " ".join(page_on_methods().split())


@pytest.mark.parametrize("place", ["2_to_1", "1_to_2"])
def test_what_the_recipe_gained_on_a_held_out_camera(place):
    """From the published recipe to the chosen one, the same method and seed: docs/methods.md."""
    pairs = pd.read_csv(f"reports/comparisons/nw_ucla_view_{place}/pairs.csv")
    of_pair = pairs.set_index(["method", "against"])
    pair = of_pair.loc["size, tilt, mirror, square root", "square root"]
    before, after = pair["against_top1"], pair["top1"]
    assert pair["seeds"] == 1
    said = " ".join(Path("docs/methods.md").read_text(encoding="utf-8").split())
    assert f"from {before:.1f} to {after:.1f}" in said
    assert 6.5 <= after - before < 11.5


def test_the_differences_on_nw_ucla_are_those_of_its_comparison():
    pairs = pd.read_csv("reports/comparisons/nw_ucla/pairs.csv").query("what == 'joint'")
    found = pairs[pairs["against"] == "cross_entropy"].set_index("method")
    page = page_on_methods()
    said = " ".join(page[page.index("### Long-tailed NW-UCLA") :].split("\n### ")[0].split())
    for method, text in (
        (
            "class_balanced_drw",
            "class-balanced DRW by {:+.1f} points (95 % interval {:+.1f} to {:+.1f})",
        ),
        ("daa", "(`daa`) by {:+.1f} ({:+.1f} to {:+.1f})"),
        ("logit_adjustment", "logit adjustment by {:+.1f} ({:+.1f} to {:+.1f})"),
        ("brl", "BRL differs from cross-entropy by {:+.1f} points ({:+.1f} to {:+.1f})"),
        ("cross_entropy, as many steps", "cross-entropy gain {:+.1f} ({:+.1f} to {:+.1f})"),
        ("brl_published", "(`brl_published`) it differs by {:+.1f} ({:+.1f} to {:+.1f})"),
        ("exploration", "by {:+.1f} ({:+.1f} to {:+.1f}) and"),
        ("rpm", "and {:+.1f} ({:+.1f} to {:+.1f})"),
        ("trp_same", "(`trp_same`: {:+.1f}, {:+.1f} to {:+.1f})"),
        ("trp_aware", "(`trp_aware`: {:+.1f}, {:+.1f} to {:+.1f})"),
    ):
        assert text.format(*found.loc[method, ["difference", "low", "high"]]) in said
    certain = found[found["holm_reference"] < 0.05]
    better = certain[certain["difference"] > 0]
    assert set(better.index) == {"class_balanced_drw", "daa", "logit_adjustment"}
    assert set(certain.index) - set(better.index) == {"trp_same", "trp_aware"}
    assert len(found) == 15 and "corrected for the fifteen differences" in said
    of_control = pairs[pairs["against"] == "cross_entropy, as many steps"]
    assert not ((of_control["holm_all"] < 0.05) & (of_control["difference"] > 0)).any()


def test_what_the_page_says_of_all_datasets_is_in_the_summary():
    summary = pd.read_csv("reports/comparisons/summary.csv").query("what == 'joint'")
    assert summary["dataset"].nunique() == 5
    page = page_on_methods()
    said = " ".join(page[page.index("### Over datasets") :].split("\n### ")[0].split())
    gains = summary.groupby("method")[["reference_few", "reference_steps"]].mean()
    means = summary.pivot(index="dataset", columns="method", values="top1")
    control = "cross_entropy, as many steps"
    few, steps = gains["reference_few"], gains["reference_steps"]
    top1 = (means[control] - means["cross_entropy"]).mean()
    assert f"they gain {few['ldam_drw']:.1f} and {few['best']:.1f} points of few-shot" in said
    assert steps[["ldam_drw", "best"]].eq(1).all() and "in as many steps" in said
    assert f"gains {few[control]:.1f} points of few-shot accuracy and {top1:.1f} of top-1" in said
    assert f"It costs {steps[control]:.2f} times the steps" in said
    assert f"gains {few['brl']:.1f} points of few-shot accuracy in {steps['brl']:.2f} times" in said
    brl = summary[summary["method"] == "brl"].set_index("dataset")["reference_few"]
    assert brl["synthetic"] > brl.sum() / 2 and "most of it on the built-in dataset" in said
    assert (means["brl"] < means[control]).all()
    certain = summary[summary["control_holm"] < 0.05]
    assert set(zip(certain["method"], certain["dataset"], strict=True)) == {
        ("cross_entropy", "synthetic")
    }
    assert (means.loc["penn_action"].max() - means.loc["penn_action"].min()) < 1


@pytest.mark.parametrize(
    ("accuracy", "differ"),
    [
        ("Few-shot classes", "best and cross_entropy."),
        ("All test clips (top-1)", "ldam_drw and cross_entropy; best and cross_entropy."),
    ],
)
def test_the_page_says_which_ranks_differ(accuracy, differ):
    """Cross-entropy is worse than `best`, and by top-1 also worse than `ldam_drw`."""
    summary = Path("reports/comparisons/README.md").read_text(encoding="utf-8")
    section = summary[summary.index(f"### {accuracy}, joint") :].split("\n### ")[0]
    assert f"these are: {differ}" in section


def test_best_was_the_best_of_the_methods_with_all_seeds():
    """As presets/methods/best.yaml and docs/methods.md say."""
    table = pd.read_csv("reports/comparisons/nw_ucla_choice/results.csv")
    methods = table.groupby("method")["mean_class"].agg(["count", "mean"])
    whole = methods[methods["count"] == 3]
    assert (len(whole), len(methods) - len(whole)) == (8, 15)
    assert whole["mean"].idxmax() == "ldam, square root"
