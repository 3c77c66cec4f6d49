from __future__ import annotations

from pathlib import Path

import pytest

from firefly_mcp.cli.main import main
from firefly_mcp.jsonio import dumps
from firefly_train.curve import draw, rolling
from firefly_train.figures import METRICS, ROLLOUTS, RUN, summary
from firefly_train.trajectory import Trajectory, append_line

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of two steps."""
    for step, split, reward in ((0, "test", 0), (1, "train", 0), (2, "train", 1), (2, "test", 1)):
        trajectory = Trajectory()
        trajectory.note({"firefly/match": "miss", "firefly/cause": "never_recorded"})
        trajectory.submit({"name": "<script>alert(1)</script>"})
        append_line(
            trajectory.line(step=step, task_id=f"t-{split}", split=split, score=reward, tokens=5, turns=2),
            str(tmp_path / ROLLOUTS),
        )
    metrics = [
        {"step": step, "data": {"critic/score/mean": step - 1, "timing_s/step": 2.5, "response_length/mean": 30}}
        for step in (1, 2)
    ]
    (tmp_path / METRICS).write_bytes(b"".join(dumps(entry) + b"\n" for entry in metrics))
    (tmp_path / RUN).write_bytes(dumps(summary(tmp_path, {"preset": "smoke", "overrides": ["a=b"]})))
    return tmp_path


def test_the_page_of_a_run_tells_its_figures_and_escapes_what_was_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "report", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "On held-out tasks 0.000 before and 1.000 after." in page
    assert "miss: never_recorded" in page
    assert "<svg" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "report.html" in capsys.readouterr().err


def test_a_folder_that_is_no_run_s_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "report", str(tmp_path)]) == 2
    assert "it has no run.json" in capsys.readouterr().err


def test_the_curve_is_a_picture_once_there_is_a_step(run: Path) -> None:
    path = run / "curve.png"
    assert draw(summary(run, {}), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert not draw(summary(run / "empty", {}), run / "none.png")
    assert rolling([1.0, 0.0, 2.0], 2) == [1.0, 0.5, 1.0]
