"""What this machine offers: the facts that ``firefly doctor`` reports, each with what to do if it is missing."""

from __future__ import annotations

import ctypes
import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from firefly_mcp import __version__
from firefly_mcp.errors import FireflyError
from firefly_mcp.settings import STORE_VARIABLE, Settings


@dataclass(frozen=True)
class Fact:
    """One thing that was looked at. ``needed`` says that the core does not work without it."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    needed: bool = False


def facts(environ: Mapping[str, str]) -> list[Fact]:
    """Look at everything; nothing is altered and nothing is fetched."""
    looks: list[Callable[[], Fact]] = [_python, _sqlite, _vectors, _uv, _node, _namespaces, _landlock]
    settings = Settings.read(environ)
    found = [look() for look in looks]
    found += [_extra(name, distribution, use) for name, distribution, use in _EXTRAS]
    return [*found, _store(settings, environ), _model(settings)]


def _python() -> Fact:
    return Fact(
        "python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()}, firefly-mcp {__version__}, {platform.system()} {platform.machine()}",
        "install Python 3.11 or newer",
        needed=True,
    )


def _sqlite() -> Fact:
    try:
        import apsw

        db = apsw.Connection(":memory:")
        version = db.execute("SELECT sqlite_version()").fetchall()[0][0]
    except Exception as error:  # any failure to load or run is the finding
        return Fact("sqlite", False, str(error), "pip install apsw", needed=True)
    return Fact("sqlite", True, f"SQLite {version} in apsw {apsw.apsw_version()}", needed=True)


def _vectors() -> Fact:
    try:
        import apsw
        import sqlite_vec

        db = apsw.Connection(":memory:")
        db.enable_load_extension(True)
        db.load_extension(sqlite_vec.loadable_path())
        version = db.execute("SELECT vec_version()").fetchall()[0][0]
    except Exception as error:  # any failure to load or run is the finding
        return Fact("sqlite-vec", False, str(error), "pip install sqlite-vec; only semantic matches need it")
    return Fact("sqlite-vec", True, f"{version}, loaded")


def _uv() -> Fact:
    beside = Path(sys.executable).with_name("uvx")
    found = str(beside) if beside.exists() else shutil.which("uvx")
    if found is None:
        return Fact("uvx", False, "not found", "pip install uv; servers published on PyPI are started by uvx")
    return Fact("uvx", True, _first_line([found, "--version"]) or found)


def _node() -> Fact:
    node, npx = shutil.which("node"), shutil.which("npx")
    advice = "install Node.js 20 or newer; servers published on npm are started by npx and left out without it"
    if node is None or npx is None:
        return Fact("npx", False, "not found", advice)
    version = _first_line([node, "--version"])
    major = version.lstrip("v").split(".")[0]
    return Fact("npx", major.isdigit() and int(major) >= 20, f"Node {version}", advice)


def _namespaces() -> Fact:
    advice = "allow user namespaces; without them --offline cannot cut a server's network"
    if shutil.which("unshare") is None:
        return Fact("unshare", False, "not found", advice)
    works = _succeeds(["unshare", "-rn", "true"])
    return Fact("unshare", works, "user and network namespaces work" if works else "refused by this system", advice)


_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_ASK_VERSION = 1


def _landlock() -> Fact:
    advice = "a Linux kernel with Landlock (5.13 or newer) keeps servers' writes in their own folder"
    if platform.system() != "Linux":
        return Fact("landlock", False, "Linux only", advice)
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_ASK_VERSION)
    return Fact("landlock", version > 0, f"version {version}" if version > 0 else "not offered by this kernel", advice)


_EXTRAS = (
    ("agents", "openai-agents", "exploring and everything that asks a model"),
    ("semantic", "onnxruntime", "a local embedding model"),
    ("export", "pyarrow", "parquet files"),
    ("train", "verl", "training"),
)


def _extra(name: str, distribution: str, use: str) -> Fact:
    # The distribution is asked for, not the module: 'agents' could be imported as an empty namespace from a checkout.
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return Fact(f"extra {name}", False, "not installed", f"pip install 'firefly-mcp[{name}]' for {use}")
    return Fact(f"extra {name}", True, f"{distribution} {version}")


def _store(settings: Settings, environ: Mapping[str, str]) -> Fact:
    from firefly_mcp.store.recording import Recording

    source = STORE_VARIABLE if environ.get(STORE_VARIABLE) else "the default"
    if not settings.store.exists():
        return Fact("store", True, f"{settings.store} ({source}): not there yet")
    try:
        Recording(settings.store).close()
    except FireflyError as error:
        return Fact("store", False, str(error), f"set {STORE_VARIABLE} or --store to a recording")
    return Fact("store", True, f"{settings.store} ({source}): a recording, {settings.store.stat().st_size:,} bytes")


def _model(settings: Settings) -> Fact:
    advice = "set OPENAI_BASE_URL and OPENAI_API_KEY for --model NAME; --model offline needs neither"
    if settings.model_endpoint is None and not settings.has_model_key:
        return Fact("model", False, "no endpoint and no key set", advice)
    key = "with a key" if settings.has_model_key else "without a key"
    return Fact("model", True, f"{settings.model_endpoint or 'the default endpoint of the OpenAI SDK'}, {key}")


def _first_line(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.strip().splitlines() or [""])[0]


def _succeeds(argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
