"""What the environment may set. An option on the command line always wins.

==================  ==================================================================
FIREFLY_STORE       the recording that ``--store`` means when it is not given
FIREFLY_TOKEN       the bearer token that ``record --http`` demands
FIREFLY_DEBUG       set: show the traceback behind an error's line
OPENAI_BASE_URL     the endpoint of ``--model NAME`` (any OpenAI-compatible one)
OPENAI_API_KEY      its key; never stored, never passed to a server
==================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_STORE = Path("firefly.db")
STORE_VARIABLE = "FIREFLY_STORE"


@dataclass(frozen=True)
class Settings:
    """The settings of one run, read once."""

    store: Path = DEFAULT_STORE
    debug: bool = False
    model_endpoint: str | None = None
    has_model_key: bool = False

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from environment variables; an empty variable counts as not set."""
        return cls(
            store=Path(environ.get(STORE_VARIABLE) or DEFAULT_STORE),
            debug=bool(environ.get("FIREFLY_DEBUG")),
            model_endpoint=environ.get("OPENAI_BASE_URL") or None,
            has_model_key=bool(environ.get("OPENAI_API_KEY")),
        )
