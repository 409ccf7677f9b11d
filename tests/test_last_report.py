"""What has changed since the last committed report."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from brl.commands import results
from brl.commands.last_report import last_report, lines_on
from brl.commands.results import RESULTS, about_the_last_run
from tests.project import HERE
from tests.tiny import PARAMS


class TestLastReport:
    """Against the report in git."""

    @pytest.fixture(autouse=True)
    def repository(self, tmp_path, monkeypatch):
        monkeypatch.delenv("GIT_DIR", raising=False)
        monkeypatch.chdir(tmp_path)
        for name in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{name}_NAME", "t")
            monkeypatch.setenv(f"GIT_{name}_EMAIL", "t@t")
        Path("params.yaml").write_text((HERE / "params.yaml").read_text())
        Path("reports").mkdir()
        Path("reports/metrics.json").write_text('{"top1": 50.0, "few": null}')
        self.git("init", "-q")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], check=True)

    def edited(self, section: str, **changes):
        content = PARAMS.model_dump()
        content[section] |= changes
        return type(PARAMS).model_validate(content)

    def test_nothing_was_committed(self):
        assert last_report(PARAMS) is None

    def test_edits_are_named_and_numbers_are_those_of_then(self):
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        Path("reports/metrics.json").write_text("{}")
        found = last_report(self.edited("train", lr=0.25))
        assert found.headline == {"top1": 50.0, "few": None} and found.comparable
        assert found.edits == ["train.lr: 0.1 became 0.25"]
        assert re.fullmatch(r"[0-9a-f]+, \d{4}-\d\d-\d\d", found.commit)
        assert last_report(PARAMS).edits == []

    @pytest.mark.parametrize(
        ("section", "changes"),
        [
            ("dataset", {"name": "nw_ucla"}),
            ("dataset", {"split": "x"}),
            ("prepare", {"max_bodies": 1}),
            ("subsample", {"imbalance_factor": 2.0}),
            ("subsample", {"seed": 5}),
            ("evaluate", {"few_shot_below": 3}),
        ],
    )
    def test_other_clips_are_not_compared(self, section, changes):
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        assert not last_report(self.edited(section, **changes)).comparable
        assert last_report(self.edited("dataset", mirror="elsewhere")).comparable

    def test_the_metrics_count_with_the_parameters_that_they_were_made_with(self):
        """Later commits change params.yaml only, and other data come and go."""
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        first = last_report(PARAMS)
        text = Path("params.yaml").read_text()
        later = text.replace("name: synthetic", "name: nw_ucla").replace("lr: 0.1 ", "lr: 0.2 ")
        Path("params.yaml").write_text(later)
        self.git("commit", "-qam", "second")
        assert last_report(PARAMS) == first and first.edits == []
        changed = self.edited("train", lr=0.2)
        assert last_report(changed).edits == ["train.lr: 0.1 became 0.2"]

    def test_another_table_is_not_compared(self, capsys):
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        for file in (RESULTS, Path("other.csv")):
            file.write_text("stream,top1,mean_class,many,medium,few\nensemble,1,1,1,1,1\n")
        results.show(Path("other.csv"))
        assert "last committed report" not in capsys.readouterr().out
        results.show()
        assert "last committed report" in capsys.readouterr().out

    def test_many_edits_are_cut(self):
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        train = {"epochs": 7, "passes": 9, "batch_size": 3, "lr": 0.7, "warmup": 0.3, "clip_len": 9}
        content = self.edited("train", **train).model_dump()
        content["method"] |= {"mix_share": 0.3, "reverse_share": 0.3, "tau": 3.0}
        content["predict"] |= {"num_clips": 7, "batch_size": 5}
        content["classifier"] |= {"tau": 3.0}
        content["seed"] = 99
        found = last_report(type(PARAMS).model_validate(content))
        assert len(found.edits) == 13 and found.edits[-1].startswith("and ")

    def test_parameters_of_another_form_are_not_compared_key_by_key(self):
        content = yaml.safe_load(Path("params.yaml").read_text())
        content["streams"] = {"joint": {"use": True, "hops": 0}}
        Path("params.yaml").write_text(yaml.safe_dump(content))
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        found = last_report(PARAMS)
        assert found.comparable and found.edits == []

    def test_changes_are_told_in_points_and_edits_by_name(self):
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        found = last_report(self.edited("train", lr=0.25))
        first, *edits = lines_on(found, {"top1": 52.5, "few": 10.0, "many": None})
        assert first.startswith(f"Since the last committed report ({found.commit}): top-1 +2.5")
        assert "few" not in first and edits == ["  edited: train.lr: 0.1 became 0.25"]
        (same,) = lines_on(last_report(PARAMS), {"top1": 50.0, "few": None})
        assert same.endswith("unchanged")
        (other,) = lines_on(last_report(self.edited("dataset", name="x")), {"top1": 1.0})
        assert "about other clips" in other

    def test_the_table_of_a_run_ends_with_it(self):
        groups = (
            "Many-shot classes have more than 100 training clips, few-shot classes fewer than 20."
        )
        assert about_the_last_run() == [groups]
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        Path("reports/metrics.json").write_text('{"top1": 49.0, "few": null}')
        assert about_the_last_run()[0] == groups and "top-1 -1.0" in about_the_last_run()[1]

    def test_limits_that_the_run_found_are_told_as_it_found_them(self):
        metrics = {"top1": 49.0, "many_shot_above": 12, "few_shot_below": 5}
        Path("reports/metrics.json").write_text(json.dumps(metrics))
        (line,) = about_the_last_run()
        assert "more than 12 training clips, few-shot classes fewer than 5" in line
        Path("reports/metrics.json").write_text('{"top1": 49.0}')
        thirds = self.edited("evaluate", many_shot_above="thirds", few_shot_below="thirds")
        Path("params.yaml").write_text(yaml.safe_dump(thirds.model_dump()))
        assert about_the_last_run() == []
