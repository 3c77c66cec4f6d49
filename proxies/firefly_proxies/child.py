"""Server processes: the environment they get, how they are started, heard and ended. They are other people's programs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from firefly_mcp.errors import ServerError
from firefly_mcp.servers.config import ServerSpec
from firefly_proxies.fence import Fence, fence
from firefly_proxies.sandbox import Sandbox, confined

_PLAIN = ("PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "TERM", "SYSTEMROOT", "PATHEXT")
_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_RUNNERS = ("UV_", "PIP_", "npm_config_", "NPM_CONFIG_", "LC_", "PYENV_", "NVM_", "VOLTA_", "ASDF_")
_CREDENTIAL = re.compile(r"TOKEN|PASSW|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|PUBLISH|_AUTH|AUTH_", re.IGNORECASE)
_MODEL_KEYS = re.compile(
    r"(OPENAI|ANTHROPIC|AZURE_OPENAI|GEMINI|MISTRAL|COHERE|GROQ|TOGETHER|DEEPSEEK|OPENROUTER|XAI|FIREWORKS|PERPLEXITY|DASHSCOPE"
    r"|MOONSHOT|ZHIPU|REPLICATE|VOYAGE|NVIDIA|CEREBRAS)_.*|GOOGLE_API_KEY|HF_TOKEN|HUGGING_?FACE_.*|WANDB_API_KEY|NPM_TOKEN"
    r"|NODE_AUTH_TOKEN|UV_PUBLISH_.*|TWINE_.*|PYPI_TOKEN|(npm|NPM)_(config|CONFIG)_.*_auth.*",
    re.IGNORECASE,
)
_CACHE_NAMES = ("UV_CACHE_DIR", "UV_PYTHON_INSTALL_DIR", "PIP_CACHE_DIR", "npm_config_cache")
TAIL_LINES = 40
_TAIL_LINE_LENGTH = 500
_CLOSE_SECONDS = 1.0
_TERM_SECONDS = 2.0
_FILE_SIZE_LIMIT = 4 * 1024**3
_MEMORY_LIMIT = 8 * 1024**3


def environment(
    configured: Mapping[str, str], *, sandbox: Sandbox | None, offline: bool = False, parent: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment of a child.

    Without a sandbox: the user's own, less the keys of models and package registries. In a sandbox: little more than PATH
    and LANG, a private HOME, and what ``uvx`` and ``npx`` need to find their real caches and registries. What the server's
    configuration says is added last, and may be anything.

    Args:
        configured: the spec's ``env``, expanded.
        sandbox: where the child lives, or None.
        offline: tell the package runners that there is no network.
        parent: this process's environment.
    """
    if sandbox is None:
        kept = {name: value for name, value in parent.items() if not _MODEL_KEYS.fullmatch(name)}
    else:
        kept = {name: value for name, value in parent.items() if _harmless(name)} | _private(sandbox) | _caches(parent)
    kept["PATH"] = _path(parent)
    if offline:
        kept |= {"UV_OFFLINE": "1", "npm_config_offline": "true"}
    return kept | dict(configured)


def _harmless(name: str) -> bool:
    if name in _PLAIN or name in _NETWORK or name in _CERTIFICATES:
        return True
    return name.startswith(_RUNNERS) and not _CREDENTIAL.search(name)


def _path(parent: Mapping[str, str]) -> str:
    """The user's PATH, and at its end the folder of this Python, where ``uvx`` came with the installation."""
    own = str(Path(sys.executable).parent)
    path = parent.get("PATH", os.defpath)
    return path if own in path.split(os.pathsep) else os.pathsep.join([path, own])


def _private(sandbox: Sandbox) -> dict[str, str]:
    home = sandbox.home
    return {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "TMPDIR": str(sandbox.temporary),
        "TMP": str(sandbox.temporary),
        "TEMP": str(sandbox.temporary),
    }


def _caches(parent: Mapping[str, str]) -> dict[str, str]:
    """Where the package runners keep their things: the real folders, as they would be found without a private HOME."""
    home = Path(parent.get("HOME") or Path.home())
    cache = Path(parent.get("XDG_CACHE_HOME") or home / ".cache")
    config = Path(parent.get("XDG_CONFIG_HOME") or home / ".config")
    data = Path(parent.get("XDG_DATA_HOME") or home / ".local" / "share")
    found = {
        "UV_CACHE_DIR": parent.get("UV_CACHE_DIR") or str(cache / "uv"),
        "UV_PYTHON_INSTALL_DIR": parent.get("UV_PYTHON_INSTALL_DIR") or str(data / "uv" / "python"),
        "PIP_CACHE_DIR": parent.get("PIP_CACHE_DIR") or str(cache / "pip"),
        "npm_config_cache": parent.get("npm_config_cache") or parent.get("NPM_CONFIG_CACHE") or str(home / ".npm"),
    }
    for name, place in (
        ("UV_CONFIG_FILE", config / "uv" / "uv.toml"),
        ("PIP_CONFIG_FILE", config / "pip" / "pip.conf"),
        ("npm_config_userconfig", home / ".npmrc"),
        ("PYENV_ROOT", home / ".pyenv"),
    ):
        if name not in parent and place.exists():
            found[name] = str(place)
    return found


def find_command(command: str, path: str | None) -> str | None:
    """The program that ``command`` stands for, or None."""
    return shutil.which(command, path=path)


def check_command(spec: ServerSpec) -> None:
    """Say early that a server cannot be started.

    Raises:
        ServerError: its command, or its working folder, is not there.
    """
    if (
        spec.command is not None
        and find_command(spec.command, {**environment({}, sandbox=None), **spec.env}.get("PATH")) is None
    ):
        raise ServerError(f"server {spec.name!r} cannot be started: command not found: {spec.command}")
    if spec.cwd is not None and not Path(spec.cwd).is_dir():
        raise ServerError(f"server {spec.name!r} cannot be started: no such folder: {spec.cwd}")


@functools.cache
def can_unshare() -> bool:
    """Whether this system lets us start a program in a network namespace of its own."""
    if shutil.which("unshare") is None:
        return False
    try:
        done = subprocess.run(["unshare", "-rn", "true"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def without_network(argv: Sequence[str]) -> list[str]:
    """The command in a network namespace that has loopback and nothing else."""
    return ["unshare", "-rn", "--", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$0" "$@"', *argv]


class Child:
    """A running server process, in a process group of its own."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        command: str,
        leaves: Path | None = None,
        fenced: Fence | None = None,
    ) -> None:
        """Use :meth:`start`."""
        self._leaves = leaves
        self._fence = fenced
        self.name = name
        self.process = process
        self.command = command
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._drain = asyncio.get_running_loop().create_task(self._read_errors())

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | Path | None = None,
        offline: bool = False,
        sandbox: Sandbox | None = None,
        tidy: bool = False,
    ) -> Child:
        """Start a server.

        Args:
            name: the server's name, for messages.
            argv: command and arguments.
            env: the whole environment.
            cwd: the working folder; ours when None.
            offline: cut the network where the system can.
            sandbox: where it lives: it writes only there, to its working folder and to the package runners' caches (where
                the system can hold it to that), no file beyond 4 GiB, has no more than 8 GiB of data and 256 processes, and
                dumps no core.
            tidy: remove the sandbox when it has ended.

        Raises:
            ServerError: the command or the working folder is not there or cannot be run.
        """
        command = " ".join(argv)
        program = find_command(argv[0], env.get("PATH"))
        if program is None:
            raise ServerError(f"server {name!r} did not start: command not found: {argv[0]}")
        full = [program, *argv[1:]]
        if sandbox is not None:
            caches = [env[name] for name in _CACHE_NAMES if env.get(name)]
            full = confined(full, sandbox, cwd, caches)
            if sandbox.shown != sandbox.root:
                cwd = None  # it goes there itself: the folder may be one that only it can see
        if offline and can_unshare():
            full = without_network(full)
        try:
            process = await asyncio.create_subprocess_exec(
                *full,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        except (OSError, ValueError) as trouble:
            raise ServerError(f"server {name!r} did not start: {command}: {trouble}") from trouble
        if sandbox is None:
            return cls(name, process, command)
        _limit(process.pid)
        return cls(name, process, command, sandbox.root if tidy else None, fence(process.pid))

    def last_words(self) -> str:
        """What it wrote on standard error lately, as a clause for a message; empty if nothing."""
        lines = [line for line in self._tail if line.strip()]
        return "; it said: " + " | ".join(lines[-8:]) if lines else ""

    async def exit_note(self) -> str:
        """How it ended, and its last words. Waits a moment for both."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.process.wait()
                await asyncio.shield(self._drain)
        code = self.process.returncode
        how = (
            "closed its output"
            if code is None
            else f"exited with code {code}"
            if code >= 0
            else f"was killed by signal {-code}"
        )
        return f"{how}{self.last_words()}"

    async def stop(self) -> None:
        """End it: its input first, then SIGTERM and SIGKILL to the whole group. Leaves nothing behind."""
        try:
            if self.process.stdin is not None:
                self.process.stdin.close()
            if not await self._gone(_CLOSE_SECONDS):
                self._signal(signal.SIGTERM)
                await self._gone(_TERM_SECONDS)
        finally:
            # Also when the server itself is gone: what it had started may not be.
            self._signal(signal.SIGKILL)
            if self._fence is not None:
                self._fence.end()
            self._drain.cancel()
        await self._gone(_TERM_SECONDS)
        with contextlib.suppress(asyncio.CancelledError):
            await self._drain
        transport = getattr(self.process, "_transport", None)
        if transport is not None:
            transport.close()
        if self._leaves is not None:
            await asyncio.to_thread(shutil.rmtree, self._leaves, ignore_errors=True)

    async def _gone(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, number)
            else:
                self.process.kill()

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        rest = b""
        while chunk := await self.process.stderr.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines[-TAIL_LINES:]:
                self._tail.append(line[:_TAIL_LINE_LENGTH].decode("utf-8", "replace").rstrip())
            rest = rest[-_TAIL_LINE_LENGTH:]
        if rest:
            self._tail.append(rest.decode("utf-8", "replace"))


def _limit(pid: int) -> None:
    try:
        import resource

        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (_FILE_SIZE_LIMIT, _FILE_SIZE_LIMIT))
        resource.prlimit(pid, resource.RLIMIT_DATA, (_MEMORY_LIMIT, _MEMORY_LIMIT))
    except (ImportError, AttributeError, OSError, ValueError):
        return
