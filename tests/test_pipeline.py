"""Which stages DVC runs after an edit. The tests run in order, each after the previous one."""

import json
import shutil

import pandas as pd
import pytest

from tests.project import SMALL, Project

STREAMS = ("joint", "skip")
pytestmark = pytest.mark.slow


def of(stage: str, *streams: str) -> set[str]:
    return {f"{stage}@{stream}" for stream in streams or STREAMS}


FUSED = {"ensemble", "evaluate"}
OF_SKIP = {
    stage
    for name in ("pretrain", "train", "folds", "classify", "unseen", "predict")
    for stage in of(name, "skip")
}
TESTED = {*of("predict"), *FUSED}
TRAINED = {*of("train"), *of("folds")}


@pytest.fixture(scope="module")
def project(tmp_path_factory, warm):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRL_TRACKING", "off")
        project = Project(tmp_path_factory.mktemp("project"))
        project.edit(SMALL)
        project.keep_streams(*STREAMS)
        project.use_stick_figures(clips=36)
        yield project


def results(project) -> pd.DataFrame:
    return pd.read_csv(project.folder / "reports/results.csv", index_col="stream")


def test_the_first_run_runs_everything_and_the_second_nothing(project):
    first = {"download", "own", "prepare", "pictures", "subsample", "networks"}
    stages = ("pretrain", "train", "folds", "classify", "unseen")
    everything = first | {name for stage in stages for name in of(stage)} | TESTED
    assert project.reproduce() == everything
    assert project.reproduce() == set()
    assert results(project).index.tolist() == [*STREAMS, "ensemble"]
    assert not (project.folder / "mlflow.db").exists()
    assert list((project.folder / ".checkpoints").iterdir()) == []


def test_dvc_shows_the_curves_of_all_streams_in_one_picture(project):
    shutil.copytree(".dvc/plots", project.folder / ".dvc/plots")
    shown = json.loads(project.run("dvc", "plots", "show", "--json").stdout)["data"]
    curves = [name for name in shown if "curves" in name]
    assert curves == ["reports/curves.csv"]
    (found,) = shown["reports/curves.csv"]
    assert found["content"]["encoding"]["color"]["field"] == "stream"
    rows = found["content"]["data"]["values"]
    assert list(dict.fromkeys(row["stream"] for row in rows)) == [*STREAMS]


def test_dvc_shows_the_groups_of_each_stream(project):
    (shown,) = json.loads(project.run("dvc", "metrics", "show", "--json").stdout).values()
    metrics = {name: entry["data"] for name, entry in shown["data"].items()}
    files = {f"reports/streams/{stream}.json" for stream in STREAMS}
    assert set(metrics) == {"reports/metrics.json", *files}
    for stream in STREAMS:
        found = metrics[f"reports/streams/{stream}.json"]
        assert found["few"] == results(project).loc[stream, "few"]


def test_another_networks_code_trains_nothing(project):
    for network in (
        "stgcn",
        "aagcn",
        "ctrgcn",
        "msg3d",
        "dgstgcn",
        "psumnet",
        "skeletonmae",
        "deformable3d",
    ):
        with (project.folder / f"brl/models/{network}.py").open("a") as file:
            file.write("# changed\n")
    assert project.reproduce() == {"networks"}


def test_a_stream_depends_on_the_code_of_its_own_network(project):
    before = (project.folder / "params.yaml").read_text()
    own = {"model": {"name": "stgcn", "blocks": [1]}, "inputs": ["joint", "bone"]}
    project.edit({"streams.skip": own})
    assert project.reproduce() == OF_SKIP | FUSED | {"networks"}
    with (project.folder / "brl/models/stgcn.py").open("a") as file:
        file.write("# changed again\n")
    assert project.reproduce() == OF_SKIP | {"networks", "ensemble"}  # to the same scores
    (project.folder / "params.yaml").write_text(before)
    assert project.reproduce() == OF_SKIP | FUSED | {"networks"}  # from the cache


def test_an_ensemble_weight_runs_the_fusion(project):
    project.edit({"ensemble.weights.skip": 5})
    assert project.reproduce() == FUSED


def test_a_weight_of_no_stream_changes_no_result(project):
    before = (project.folder / "reports/index.html").read_bytes()
    project.edit({"ensemble.weights.bone": 7})
    assert project.reproduce() == FUSED
    assert (project.folder / "reports/index.html").read_bytes() == before


def test_the_number_of_test_clips_runs_the_predictions(project):
    project.edit({"predict.num_clips": 2})
    printed = project.brl("why").stdout
    assert printed.count("predict.num_clips: 1 became 2") == 3 and "train" not in printed
    assert project.reproduce() == TESTED | of("unseen")
    assert project.brl("why").stdout.startswith("Nothing would run")


def test_the_classifier_runs_the_predictions_and_no_training(project):
    project.edit({"classifier.kind": "logit_adjustment"})
    assert project.reproduce() == of("classify") | of("unseen") | TESTED
    assert project.reproduce() == set()
    project.edit({"classifier.kind": "none"})
    assert project.reproduce() == of("classify") | of("unseen") | TESTED
    project.edit({"classifier.tau": 0.5})
    assert project.reproduce() == of("classify") | of("unseen")


def test_one_streams_learning_rate_runs_that_stream(project):
    project.edit({"streams.skip.lr": 0.01})
    assert project.reproduce() == OF_SKIP - of("pretrain", "skip") | FUSED | {"networks"}


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        (
            {"seed": 1},
            of("pretrain") | TRAINED | of("classify") | of("unseen") | FUSED,
        ),
        ({"subsample.seed": 1}, {"subsample"}),
        ({"method.loss": "focal"}, TRAINED | {"evaluate"}),
        ({"train.validation": 0.2}, of("pretrain") | TRAINED),
        (
            {"streams.skip.inputs": {"hops": 3}},
            {"train@skip", "folds@skip", "networks"} | FUSED,
        ),
        ({"train.lr": 0.3}, TRAINED),
        ({"pretrain.epochs": 7}, of("pretrain")),
    ],
    ids=["seed", "subsample.seed", "loss", "validation", "inputs", "lr", "pretrain"],
)
def test_what_depends_on_an_edited_value(project, changes, stages):
    """Later stages also run if the results of these change."""
    before = (project.folder / "params.yaml").read_text()
    project.edit(changes)
    affected = project.affected()
    (project.folder / "params.yaml").write_text(before)
    assert affected == stages
    assert project.affected() == set()


def test_a_pretraining_that_is_switched_off_trains_nothing_again(project):
    project.edit({"pretrain.epochs": 7, "pretrain.batch_size": 8})
    assert project.reproduce() == of("pretrain")


def test_a_pretraining_runs_what_it_starts_and_nothing_else(project):
    before = (project.folder / "params.yaml").read_text()
    weights = project.folder / "models/skip.safetensors"
    from_scratch = weights.read_bytes()
    project.edit({"pretrain.kind": "masked", "pretrain.epochs": 1})
    started = of("pretrain") | TRAINED | of("classify") | of("unseen")
    assert project.reproduce() == started | TESTED
    assert weights.read_bytes() != from_scratch
    project.edit({"subsample.seed": 1, "pretrain.clips": "split"})
    assert project.reproduce() >= {"subsample"} | started
    project.edit({"subsample.seed": 2})
    assert not of("pretrain") & project.reproduce()  # the split is the same
    (project.folder / "params.yaml").write_text(before)
    assert project.reproduce() >= {"subsample"} | started  # from the cache
    assert weights.read_bytes() == from_scratch


def test_pretraining_on_fewer_clips_than_a_batch_gets_one_line(project):
    before = (project.folder / "params.yaml").read_text()
    project.edit({"pretrain.kind": "masked", "pretrain.batch_size": 4000})
    run = project.run("stages.pretrain", "joint")
    (project.folder / "params.yaml").write_text(before)
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert run.stderr.startswith("error: params.yaml: pretrain.batch_size: 4000, but there are ")


def test_the_groups_run_the_evaluation(project):
    project.edit({"evaluate.few_shot_below": 5})
    assert project.reproduce() == {"evaluate"}


def test_a_stream_that_is_taken_out_is_not_in_the_ensemble(project):
    before = results(project)
    project.edit({"streams.skip": ...})
    assert project.reproduce() == FUSED | {"networks"}
    after = results(project)
    assert after.index.tolist() == ["joint", "ensemble"]
    pd.testing.assert_frame_equal(after.loc[["joint"]], before.loc[["joint"]])
    pd.testing.assert_series_equal(after.loc["ensemble"], after.loc["joint"], check_names=False)
    fused = pd.read_csv(project.folder / "reports/by_class.csv")
    assert "skip" not in fused.columns


def test_a_stream_put_back_is_not_trained_again(project):
    project.edit({"streams.skip": {"inputs": "skip"}})
    shutil.rmtree(project.folder / ".checkpoints")
    assert project.reproduce() == OF_SKIP - of("pretrain", "skip") | FUSED | {"networks"}
    assert not any((project.folder / ".checkpoints").iterdir())  # a training keeps its state there
    assert results(project).index.tolist() == ["joint", "skip", "ensemble"]


def test_the_imbalance_factor_runs_all_from_the_subset_on(project):
    project.edit({"subsample.imbalance_factor": 4})
    earlier = {"subsample", *of("pretrain"), *TRAINED, *of("classify"), *of("unseen")}
    assert project.reproduce() == earlier | TESTED
    counts = pd.read_csv(project.folder / "data/subset/counts.csv")["train_clips"]
    assert counts.max() == 8 and counts.min() == 2


def test_a_former_setting_is_restored_and_comments_do_not_count(project):
    """The run cache gives back what was computed before: the weights are those of then."""
    weights = project.folder / "models/joint.safetensors"
    now = weights.read_bytes()
    project.edit({"subsample.imbalance_factor": 2})
    project.reproduce()
    assert weights.read_bytes() != now
    project.edit({"subsample.imbalance_factor": 4})
    project.reproduce()
    assert weights.read_bytes() == now
    with (project.folder / "params.yaml").open("a") as file:
        file.write("# a comment\n")
    assert project.reproduce() == set()


def test_a_mistake_in_the_parameters_stops_before_any_work_and_loses_nothing(project):
    fused = (project.folder / "fused/scores.npz").read_bytes()
    text = (project.folder / "params.yaml").read_text()
    (project.folder / "params.yaml").write_text(text.replace("num_clips: 2", "num_clips: 2e-1"))
    stages = (project.run(stage) for stage in ("stages.prepare", "stages.ensemble"))
    for run in (project.brl("check"), *stages):
        assert run.returncode == 1
        assert run.stderr.count("\n") == 1
        assert run.stderr.startswith("error: params.yaml: predict.num_clips: must be")
    assert (project.folder / "fused/scores.npz").read_bytes() == fused
    (project.folder / "params.yaml").write_text(text)
    assert project.reproduce() == set()
