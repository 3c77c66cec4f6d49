"""Which tasks a model can be trained on: those whose prompt and followed plan are within a budget of tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from firefly_mcp.errors import TaskError
from firefly_train.demonstrations import Demonstration

_AROUND_A_CALL = 24
"""Tokens of the marks around a call, and of the spaces that a template writes otherwise, with some to spare."""


@dataclass(frozen=True)
class Budget:
    """Tokens of a prompt, of everything after it, and of one turn of the model at most (None: as many as there is room for)."""

    prompt: int
    response: int
    turn: int | None = None

    def __str__(self) -> str:
        turns = "" if self.turn is None else f", with turns of {self.turn}"
        return f"{self.prompt} prompt and {self.response} response tokens{turns}"


@dataclass(frozen=True)
class Fit:
    """The tasks that fit a budget, how many did not, and the most tokens of a prompt and a response among them."""

    demonstrations: list[Demonstration]
    left_out: int
    prompt_tokens: int
    response_tokens: int
    budget: Budget


def fitting(tokenizer: Any, demonstrations: Sequence[Demonstration], budget: Budget) -> Fit:
    """Keep the tasks whose prompt, followed plan and longest turn of it are within the budget.

    Raises:
        TaskError: none is.
    """
    measured = [(lengths(tokenizer, shown), shown) for shown in demonstrations]
    kept = [
        (tokens, shown)
        for tokens, shown in measured
        if tokens[0] <= budget.prompt
        and tokens[1] <= budget.response
        and (budget.turn is None or longest_turn(tokenizer, shown) <= budget.turn)
    ]
    if not kept:
        shortest = min((tokens for tokens, _ in measured), key=sum)
        raise TaskError(
            f"no task fits {budget}; the shortest needs {shortest}: raise data.max_prompt_length and data.max_response_length"
        )
    return Fit(
        demonstrations=[shown for _, shown in kept],
        left_out=len(measured) - len(kept),
        prompt_tokens=max(tokens[0] for tokens, _ in kept),
        response_tokens=max(tokens[1] for tokens, _ in kept),
        budget=budget,
    )


def lengths(tokenizer: Any, demonstration: Demonstration) -> tuple[int, int]:
    """Tokens of the prompt, and of everything after it when the plan is followed."""

    def count(messages: Sequence[Any], prompt: bool) -> int:
        encoded = tokenizer.apply_chat_template(
            messages, tools=demonstration.tools, add_generation_prompt=prompt, tokenize=True, return_dict=True
        )
        return len(encoded["input_ids"])

    prompt = count(demonstration.messages[:2], True)
    return prompt, count(demonstration.messages, False) - prompt


def longest_turn(tokenizer: Any, demonstration: Demonstration) -> int:
    """About the most tokens that the model says in one turn when the plan is followed."""
    calls = [call for message in demonstration.messages for call in message.get("tool_calls") or ()]
    return max(len(tokenizer(json.dumps(call["function"]))["input_ids"]) for call in calls) + _AROUND_A_CALL


def shortest(demonstrations: Sequence[Demonstration], most: int | None) -> list[Demonstration]:
    """Of each split the ``most`` tasks with the fewest characters, in the order in which they came; None or 0: all."""
    if not most:
        return list(demonstrations)
    ranked = sorted(demonstrations, key=lambda shown: (sum(len(str(part)) for part in shown.messages), shown.task.id))
    kept: set[str] = set()
    for split in {shown.task.split for shown in demonstrations}:
        kept |= {shown.task.id for shown in [one for one in ranked if one.task.split == split][:most]}
    return [shown for shown in demonstrations if shown.task.id in kept]
