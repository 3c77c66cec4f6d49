"""Servers as the user configured them: the ``mcpServers`` file of the desktop clients, or a bare command line.

A :class:`ServerSpec` keeps what was written: unknown keys, and references such as ``${VAR}`` unexpanded. Values are filled in
by :meth:`ServerSpec.expanded` at start only, and :meth:`ServerSpec.redacted` is the one form that may be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from firefly_mcp.errors import ConfigError
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.redact import Redactor
from firefly_mcp.servers import expand, secrecy
from firefly_mcp.servers.jsonc import parse_jsonc
from firefly_mcp.servers.names import slug

_MARKER = "[redacted:config]"
_TRANSPORTS = {
    "stdio": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamableHttp": "http",
    "sse": "sse",
}
_OURS = {"command", "args", "env", "cwd", "url", "headers", "type", "transport"}


@dataclass(frozen=True)
class ServerSpec:
    """One server as configured. Started with ``command`` over stdio, or reached at ``url``."""

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    transport: str = "stdio"
    extra: Mapping[str, Any] = field(default_factory=dict)
    filled: tuple[str, ...] = field(default=(), repr=False)
    """Credentials that :meth:`expanded` wrote into the command line or the URL."""

    def expanded(self, variables: Mapping[str, str]) -> ServerSpec:
        """The spec with every reference filled in from ``variables``.

        Raises:
            ConfigError: a variable is not set; the line names the server and the variable.
        """

        def fill(text: str) -> str:
            return expand.expand(text, variables, server=self.name)

        def fill_optional(text: str | None) -> str | None:
            return None if text is None else fill(text)

        elsewhere = " ".join([self.command or "", *self.args, self.url or ""])
        found = (name for name in expand.names(elsewhere) if secrecy.credential_name(name))
        return replace(
            self,
            command=fill_optional(self.command),
            args=tuple(fill(arg) for arg in self.args),
            env={key: fill(value) for key, value in self.env.items()},
            cwd=fill_optional(self.cwd),
            url=fill_optional(self.url),
            headers={key: fill(value) for key, value in self.headers.items()},
            filled=tuple(variables[name] for name in found if variables.get(name)),
        )

    def redacted(self) -> JsonObject:
        """The spec for storing: values of ``env`` and ``headers`` replaced, references kept as they are."""
        out: JsonObject = {"type": self.transport}
        if self.command is not None:
            out |= {"command": self.command, "args": secrecy.redacted_args(self.args, _MARKER)}
        if self.env:
            out["env"] = {key: expand.without_values(value, _MARKER) for key, value in self.env.items()}
        if self.cwd is not None:
            out["cwd"] = self.cwd
        if self.url is not None:
            out["url"] = secrecy.redacted_url(self.url, _MARKER)
        if self.headers:
            out["headers"] = {key: expand.without_values(value, _MARKER) for key, value in self.headers.items()}
        redactor = Redactor(self.secrets())
        extra = redactor.params({key: value for key, value in self.extra.items() if key not in out})
        redacted: JsonObject = (extra or {}) | redactor.values(out)
        return redacted

    def secrets(self) -> list[str]:
        """Values of ``env`` and ``headers`` that must never be stored; ask this of an expanded spec.

        Left out are values that hide nothing and that turn up everywhere: switches, small numbers, ordinary words such as
        ``production``, and file paths under a name such as ``DATA_DIR``. ``"firefly": {"public": ["NAME"]}`` beside ``env``
        names more.
        """
        own = self.extra.get("firefly")
        public = own.get("public", ()) if isinstance(own, dict) else ()
        found = list(self.filled)
        for name, value in self.env.items():
            if name not in public and secrecy.hides_something(name, value):
                found.append(value)
        for name, value in self.headers.items():
            if name not in public and not secrecy.plain_header(name):
                found += [part for part in secrecy.header_parts(value) if secrecy.hides_something(name, part)]
        found += secrecy.secret_args(self.args)
        if self.url is not None:
            found += secrecy.url_secrets(self.url)
        return list(dict.fromkeys(value for value in found if "${" not in value))


def load_servers(path: Path, only: Sequence[str] = ()) -> dict[str, ServerSpec]:
    """Read a servers file: ``mcpServers`` of the desktop clients, or ``servers`` of VS Code.

    Args:
        path: the JSON file; comments and trailing commas are tolerated.
        only: the servers wanted, by name; all that are not ``disabled`` when empty.

    Raises:
        ConfigError: missing, malformed, or a wanted server is not there; one line that names the file and the place.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is a folder" if path.is_dir() else getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read as a servers file ({reason})") from error
    entries = _entries(path, parse_jsonc(text, str(path)))
    unknown = [name for name in only if name not in entries]
    if unknown:
        raise ConfigError(f"{path}: no server named {', '.join(map(repr, unknown))}; it has {', '.join(entries) or 'none'}")
    wanted = list(only) or [name for name, entry in entries.items() if not (isinstance(entry, dict) and entry.get("disabled"))]
    if not wanted:
        raise ConfigError(f"{path}: no servers in it")
    specs = {name: _spec(path, name, entries[name]) for name in wanted}
    slugs: dict[str, str] = {}
    for name in specs:
        other = slugs.setdefault(slug(name), name)
        if other != name:
            raise ConfigError(f"{path}: servers {other!r} and {name!r} would both be called {slug(name)!r}; rename one")
    return specs


def _entries(path: Path, document: Any) -> dict[str, Any]:
    if isinstance(document, dict):
        holder = document.get("mcp") if isinstance(document.get("mcp"), dict) else None
        for candidate in (document.get("mcpServers"), document.get("servers"), (holder or {}).get("servers")):
            if isinstance(candidate, dict):
                return candidate
    raise ConfigError(f'{path}: expected an object with "mcpServers" (or "servers", as VS Code writes it)')


def _spec(path: Path, name: str, entry: Any) -> ServerSpec:
    def fail(what: str) -> ConfigError:
        return ConfigError(f"{path}: server {name!r}: {what}")

    if not isinstance(entry, dict):
        raise fail("expected an object")
    command, url = entry.get("command"), entry.get("url")
    for key, value in (("command", command), ("url", url), ("cwd", entry.get("cwd"))):
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise fail(f'"{key}" must be a text that is not empty')
    if (command is None) == (url is None):
        raise fail('needs either "command" or "url"' if command is None else 'has both "command" and "url"; keep one')
    args = entry.get("args") or []
    if not isinstance(args, list) or not all(isinstance(arg, str | int | float) and not isinstance(arg, bool) for arg in args):
        raise fail('"args" must be a list of texts')
    kind = entry.get("type", entry.get("transport"))
    if kind is None:
        kind = "stdio" if command is not None else "sse" if str(url).rstrip("/").endswith("/sse") else "http"
    if kind not in _TRANSPORTS:
        raise fail(f'"type" is {kind!r}; known are stdio, http and sse')
    if (_TRANSPORTS[kind] == "stdio") != (command is not None):
        raise fail(f'"type" is {kind!r}, which does not fit a server with "{"url" if command is None else "command"}"')
    return ServerSpec(
        name=name,
        command=command,
        args=tuple(str(arg) for arg in args),
        env=_texts(entry.get("env"), lambda: fail('"env" must be an object of texts')),
        cwd=entry.get("cwd"),
        url=url,
        headers=_texts(entry.get("headers"), lambda: fail('"headers" must be an object of texts')),
        transport=_TRANSPORTS[kind],
        extra={key: value for key, value in entry.items() if key not in _OURS},
    )


def _texts(value: Any, error: Callable[[], ConfigError]) -> dict[str, str]:
    """A map of texts; numbers and switches become text, as the desktop clients do, and null is left out."""
    if value is None:
        return {}
    if not isinstance(value, dict) or any(isinstance(item, dict | list) for item in value.values()):
        raise error()
    spelled = {True: "true", False: "false"}
    return {key: spelled[item] if isinstance(item, bool) else str(item) for key, item in value.items() if item is not None}


_RUNNERS = {"uvx": 0, "npx": 0, "bunx": 0, "uv": 1, "pipx": 1, "pnpm": 1, "yarn": 1}
"""Commands that run a package, and how many words (``run``, ``dlx`` …) come before it."""
_WITH_VALUE = {"--from", "--with", "--python", "-p", "--package", "--index-url", "--directory", "--project"}
_SCRIPTS = {"python", "python3", "node", "deno", "bun", "ruby", "bash", "sh"}


def spec_from_command(argv: Sequence[str]) -> ServerSpec:
    """The server of ``-- COMMAND ARG...``, named after the command.

    The name is the package for ``uvx``, ``npx`` and their like, the module for ``python -m``, the script for an interpreter,
    else the command's own base name.

    Raises:
        ConfigError: there is no command.
    """
    if not argv or not argv[0].strip():
        raise ConfigError("no command given after '--'")
    return ServerSpec(name=slug(_command_name(list(argv))), command=argv[0], args=tuple(argv[1:]))


def _command_name(argv: list[str]) -> str:
    base = PurePath(argv[0]).name.removesuffix(".exe").removesuffix(".cmd")
    rest = argv[1:]
    if base in _RUNNERS:
        package = _positional(rest, _RUNNERS[base] + (rest[:2] == ["tool", "run"]))
        if package in _SCRIPTS:
            return _command_name(rest[rest.index(package) :])
        return _package_name(package) if package else base
    if base.rstrip("0123456789.") in _SCRIPTS:
        if "-m" in rest[:-1]:
            return rest[rest.index("-m") + 1].split(".")[0]
        script = _positional(rest, 0)
        return PurePath(script).stem if script else base
    return PurePath(base).stem if base.endswith((".py", ".js", ".sh")) else base


def _positional(args: list[str], skip: int) -> str | None:
    """The first argument that is neither an option nor an option's value, after ``skip`` words."""
    position = 0
    while position < len(args):
        arg = args[position]
        if arg in _WITH_VALUE:
            position += 2
            continue
        position += 1
        if arg.startswith("-") and arg != "-":
            continue
        if skip:
            skip -= 1
            continue
        return arg
    return None


def _package_name(package: str) -> str:
    """``@scope/name@1.2``, ``name==1.2`` and ``name[extra]`` without scope, version and extra; a script without its suffix."""
    name = package.rsplit("/", 1)[-1]
    for mark in ("[", "==", ">=", "<=", "~=", "@"):
        name = name.split(mark, 1)[0]
    return name.removesuffix(".py").removesuffix(".git") or package
