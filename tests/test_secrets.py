"""Passwords and tokens in addresses are in no output and in no file that the project writes."""

import json
import shutil
from pathlib import Path

import pytest

from brl.commands import ui
from brl.commands.differences import differences
from brl.config.presets import edit_params
from brl.fetching import download
from brl.fetching.fetch import fetch_checked, fetch_file
from brl.support.addresses import without_passwords
from brl.support.errors import one_line_errors
from brl.tracking.names import flattened
from tests.command import brl
from tests.web import CONTENT

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    shutil.copy("params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("BRL_TRACKING", "on")
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setattr(ui, "free_port", lambda: 5000)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://h/x?token=hunter2: 404", "http://h/x?token=*** 404"),
        ("url: /x?a=hunter2&b=hunter2 (Caused", "url: /x?a=***&b=*** (Caused"),
        ("https://me:hunter2@h/x?sig=hunter2#end", "https://***@h/x?sig=***"),
        ("is this = that?", "is this = that?"),
    ],
)
def test_values_of_queries_are_not_shown(text, shown):
    assert without_passwords(text) == shown


@pytest.mark.parametrize("command", ["check", "ui", "record", "clean"])
@pytest.mark.parametrize(
    "uri",
    [
        "http://me:hunter2@127.0.0.1:1",
        "http://127.0.0.1:1/?token=hunter2",
        "postgresql+nodriver://me:hunter2@127.0.0.1:1/runs?password=hunter2",
        "nothing://me:hunter2@host",
    ],
)
def test_commands_do_not_show_the_secret_of_the_store(monkeypatch, uri, command):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr("brl.commands.record.check_up_to_date", lambda: None)
    monkeypatch.setattr("brl.tracking.present.Present.read", lambda _: NoResults)
    done = brl(command)
    assert done.exit_code == (0 if command == "check" and "nothing" not in uri else 1)
    assert done.output and SECRET not in done.output


class NoResults:
    digests = ("none",)


def test_neither_do_the_fetching_of_files_and_its_record(server, project, capsys):
    mirror = server.url.replace("://", f"://me:{SECRET}@") + f"?token={SECRET}"
    file = fetch_file("clips.zip", None, mirror, project / "raw")
    assert file.read_bytes() == CONTENT
    kept = json.loads((project / "checksums.json").read_text())
    assert kept["clips.zip"]["from"].endswith("/clips.zip?token=***")
    nobody = f"http://me:{SECRET}@127.0.0.1:1/a?token={SECRET}"
    with pytest.raises(SystemExit), one_line_errors():
        fetch_file("missing.zip", None, nobody, project / "raw")
    for url in (mirror, nobody):
        with pytest.raises(SystemExit), one_line_errors():
            fetch_checked(url, "0" * 64, project)
    told = capsys.readouterr()
    assert told.err.count("error: ") == 3 and SECRET not in told.err + told.out
    for path in project.rglob("*"):
        assert SECRET not in path.name
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


def test_neither_do_parameters_and_their_differences(project):
    mirror = f"https://host/raw?token={SECRET}"
    edit_params(project / "params.yaml", lambda params: params["dataset"].update(mirror=mirror))
    assert SECRET not in brl("check").output
    told = [*differences("", {"mirror": None}, {"mirror": mirror})]
    assert told == ["mirror: null became https://host/raw?token=***"]
    assert flattened({"a": {"b": mirror}}) == {"a.b": "https://host/raw?token=***"}
