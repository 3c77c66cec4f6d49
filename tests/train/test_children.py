from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firefly_train.children import Children

LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
# A child that starts a daemon in a session of its own, tells its id, and ignores interrupts.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
daemon = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(daemon.pid, flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@LINUX
def test_nothing_outlives_the_block_not_even_a_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firefly_train.children.PATIENCE", 1.0)
    with Children() as children:
        command = [sys.executable, "-c", STUBBORN]
        process = children.start(command, environment=os.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        daemon = int(process.stdout.readline())
        assert alive(daemon)
        assert daemon in children.marked()
    process.stdout.close()
    assert process.poll() is not None
    assert not alive(daemon)


@LINUX
def test_what_the_processes_used_is_counted_while_they_run() -> None:
    busy = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ntime.sleep(600)"
    with Children() as children:
        process = children.start(
            [sys.executable, "-c", busy], environment=os.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        process.stdout.readline()
        children.measure()
    process.stdout.close()
    assert children.cpu_seconds >= 0.2, "a tick of the clock may be missing"


@LINUX
def test_processes_of_others_are_left_alone() -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with Children() as children:
            assert children.marked() == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_ended_child_is_no_trouble() -> None:
    with Children() as children:
        process = children.start(
            [sys.executable, "-c", ""], environment=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert process.wait(30) == 0
        begun = time.monotonic()
    assert time.monotonic() - begun < 30
