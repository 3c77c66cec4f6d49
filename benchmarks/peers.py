"""Other people's recorders, each installed on first use into a virtual environment of its own in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "firefly-benchmarks"
_CASSETTE_PYTHON = "3.12"
"""mcp-cassette 0.4 does not install on an older one."""


def cassette(python: str | None) -> Path:
    """The mcp-cassette program.

    Raises:
        RuntimeError: it cannot be installed; says why in one line.
    """
    candidates = [python] if python else [*_pythons(), _CASSETTE_PYTHON]
    return _installed("mcp-cassette", "0.4.0", ["mcp-cassette[http]==0.4.0"], candidates, "name one with --cassette-python")


def recorder() -> Path:
    """The mcp-recorder program; with the starlette that it was written for.

    Raises:
        RuntimeError: as for :func:`cassette`.
    """
    return _installed("mcp-recorder", "0.5.0", ["mcp-recorder==0.5.0", "starlette<1"], [sys.executable], "")


def rec() -> Path:
    """The mcp-rec program.

    Raises:
        RuntimeError: as for :func:`cassette`.
    """
    return _installed("mcp-rec", "0.1.1", ["mcp-rec==0.1.1"], [sys.executable], "")


def _installed(name: str, version: str, requirements: list[str], pythons: list[str], advice: str) -> Path:
    home = CACHE / f"{name}-{version}"
    program = home / "bin" / name
    if program.exists():
        return program
    trouble: str | None = "no Python was found"
    for candidate in pythons:
        trouble = _quietly(_uv(), "venv", "--clear", "--python", candidate, str(home))
        if trouble is None:
            break
    else:
        shutil.rmtree(home, ignore_errors=True)
        raise RuntimeError(f"no fitting Python{', ' + advice if advice else ''} ({trouble})")
    trouble = _quietly(_uv(), "pip", "install", "--python", str(home / "bin" / "python"), *requirements)
    if trouble is not None:
        shutil.rmtree(home, ignore_errors=True)
        raise RuntimeError(f"cannot be installed ({trouble})")
    return program


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else "uv"


def _pythons() -> list[str]:
    """Newer interpreters that lie where version managers put them."""
    homes = sorted((Path.home() / ".pyenv" / "versions").glob("3.1[2-9]*/bin/python"))
    return [str(path) for path in homes]


def _quietly(*argv: str) -> str | None:
    """Run a command; None if it worked, else the last line that it wrote."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as trouble:
        return str(trouble)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1].strip()
