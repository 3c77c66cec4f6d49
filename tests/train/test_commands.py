from __future__ import annotations

import json
from pathlib import Path

import pytest

from firefly_mcp.cli.main import main
from firefly_mcp.errors import UsageError
from firefly_mcp.tasks.model import Task, write_tasks
from firefly_train import checks


def test_training_without_verl_says_what_to_install(
    tasks_file: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> dict[str, str]:
        raise UsageError("training needs verl, which is not installed: " + checks.INSTALL)

    monkeypatch.setattr(checks, "check_installed", missing)
    assert main(["train", "--tasks", str(tasks_file), "--store", str(store)]) == 2
    told = capsys.readouterr().err
    assert told.splitlines()[0].startswith("firefly: training needs verl")
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "huge"], "no preset 'huge'"),
        (["--", "trainer.total_training_steps"], "is not an override"),
        (["--tasks", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
    ],
)
def test_bad_input_is_told_in_one_line_before_anything_is_started(
    arguments: list[str],
    said: str,
    tasks_file: Path,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(checks, "check_installed", dict)
    out = tmp_path / "run"
    base = ["train", "--tasks", str(tasks_file), "--store", str(store), "--out", str(out)]
    assert main([*base, *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_set_without_training_tasks_is_told(
    tasks: list[Task], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "check_installed", dict)
    path = tmp_path / "held_out.jsonl"
    write_tasks(path, tasks[3:])
    assert main(["train", "--tasks", str(path), "--store", str(store), "--out", str(tmp_path / "run")]) == 2
    assert "nothing to train on" in capsys.readouterr().err


def test_a_folder_without_a_run_or_a_checkpoint_cannot_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "check_installed", dict)
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "not the folder of a run" in capsys.readouterr().err
    (tmp_path / "config.json").write_text("{}")
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "before its first checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("told", ["semantic", "guessed=1", "semantic=much"])
def test_a_weight_names_a_match_kind_and_a_number(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--weight", told]) == 2
    assert "is not KIND=W" in capsys.readouterr().err


def test_a_proxy_that_does_not_answer_is_told(
    tasks_file: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "check_installed", dict)
    base = ["train", "--tasks", str(tasks_file), "--store", str(store), "--out", str(tmp_path / "run")]
    assert main([*base, "--proxy", "http://127.0.0.1:9/mcp"]) == 2
    assert "no replay proxy answers at http://127.0.0.1:9/mcp" in capsys.readouterr().err


def test_tasks_are_exported_as_chats(tasks_file: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "chats"
    command = ["export", "--format", "chat", "--tasks", str(tasks_file), "--store", str(store), "--out", str(out), "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["splits"] == {"train": 3, "test": 1}
    assert len((out / "train.jsonl").read_text().splitlines()) == 3
