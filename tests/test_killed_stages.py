"""Every stage is killed at drawn moments; the next run makes what an undisturbed one makes."""

import pytest

from tests.killed import STAGES, Killed, assert_same, dvc, finished_runs

pytestmark = pytest.mark.faults
KILLS = ([0], [1], [2, 3])  # numbers of moments, of which several come one after the other


@pytest.mark.parametrize("kills", KILLS, ids=str)
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_is_made_whole_by_the_next_run(undisturbed, tmp_path, figure, stage, kills):
    whole, measured = undisturbed
    project = Killed.copied(whole, tmp_path / "project")
    for number in kills:
        project.kill(measured[stage].moment(stage, number), *dvc(stage))
        figure("processes killed")
    project.measure(*dvc(stage))
    assert_same(project, whole)
    before, after = (finished_runs(each.folder / "mlflow.db") for each in (whole, project))
    assert set(before) <= set(after)
    assert [kind for kind, _ in after].count("pipeline") == 1
