"""A tokenizer for tests: words are its tokens."""

from __future__ import annotations

from typing import Any


class Words:
    """A tokenizer whose tokens are words; its template can leave the tools out."""

    def __init__(self, *, tools: bool = True) -> None:
        self.chat_template = "words"
        self._tools = tools

    def __call__(self, text: str) -> dict[str, list[str]]:
        return {"input_ids": text.split()}

    def apply_chat_template(self, messages: Any, *, tools: Any = None, tokenize: bool = True, **_: Any) -> Any:
        said = " ".join(str(message) for message in messages)
        rendered = f"{tools} {said}" if tools and self._tools else said
        return {"input_ids": rendered.split()} if tokenize else rendered
