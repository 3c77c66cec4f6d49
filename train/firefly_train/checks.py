"""What must be there before a run starts, each told in one line when it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from firefly_mcp.errors import TaskError, UsageError
from firefly_train.demonstrations import Demonstration

PINNED = {"verl": "0.9.1"}
NEEDED = ("torch", "transformers", "ray", "tensordict", "TransferQueue", "fastapi", "cachetools", "pyarrow")
INSTALL = "pip install torch && pip install 'firefly-mcp[train]'"


def check_installed(installed: Callable[[str], str] = version) -> dict[str, str]:
    """The versions of what training needs.

    Raises:
        UsageError: something is missing, or is a version that this was not made for.
    """
    found = {}
    for name in (*PINNED, *NEEDED):
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            raise UsageError(f"training needs {name}, which is not installed: {INSTALL}") from None
        wanted = PINNED.get(name)
        if wanted is not None and found[name] != wanted:
            raise UsageError(f"training needs {name} {wanted}; {found[name]} is installed: pip install {name}=={wanted}")
    return found


def check_template(tokenizer: Any, demonstration: Demonstration) -> None:
    """A chat template must carry tools.

    Raises:
        UsageError: the model has no chat template, or one that leaves the tools out.
    """
    if not tokenizer.chat_template:
        raise UsageError("the model has no chat template; choose an instruction-tuned model")
    beginning = demonstration.messages[:2]
    with_tools = tokenizer.apply_chat_template(beginning, tools=demonstration.tools, tokenize=False)
    if with_tools == tokenizer.apply_chat_template(beginning, tokenize=False):
        raise UsageError("the model's chat template leaves the tools out; choose a model that was trained with tools")


def lengths(tokenizer: Any, demonstration: Demonstration) -> tuple[int, int]:
    """Tokens of the prompt, and of everything after it when the plan is followed."""

    def count(messages: Sequence[Any], prompt: bool) -> int:
        encoded = tokenizer.apply_chat_template(
            messages, tools=demonstration.tools, add_generation_prompt=prompt, tokenize=True, return_dict=True
        )
        return len(encoded["input_ids"])

    prompt = count(demonstration.messages[:2], True)
    return prompt, count(demonstration.messages, False) - prompt


@dataclass(frozen=True)
class Fit:
    """The tasks that fit a token budget, how many did not, and the most tokens of a prompt and a response among them."""

    demonstrations: list[Demonstration]
    left_out: int
    prompt_tokens: int
    response_tokens: int
    most_response: int


def fitting(tokenizer: Any, demonstrations: Sequence[Demonstration], most_prompt: int, most_response: int) -> Fit:
    """Keep the tasks whose prompt and followed plan are within the budget.

    Raises:
        TaskError: none is.
    """
    measured = [(lengths(tokenizer, shown), shown) for shown in demonstrations]
    kept = [(tokens, shown) for tokens, shown in measured if tokens[0] <= most_prompt and tokens[1] <= most_response]
    if not kept:
        shortest = min((tokens for tokens, _ in measured), key=sum)
        raise TaskError(
            f"no task fits {most_prompt} prompt and {most_response} response tokens; the shortest needs {shortest}:"
            " raise data.max_prompt_length and data.max_response_length"
        )
    return Fit(
        demonstrations=[shown for _, shown in kept],
        left_out=len(measured) - len(kept),
        prompt_tokens=max(tokens[0] for tokens, _ in kept),
        response_tokens=max(tokens[1] for tokens, _ in kept),
        most_response=most_response,
    )


def check_result_length(demonstrations: Sequence[Demonstration], limit: int) -> None:
    """No result that a plan needs may be cut.

    Raises:
        UsageError: one would be.
    """
    worst = max(demonstrations, key=lambda shown: shown.longest_result)
    if worst.longest_result > limit:
        raise UsageError(
            f"max_tool_response_length={limit} would cut a result of {worst.longest_result} characters that task"
            f" {worst.task.id} needs; leave it out, or set it at least as high"
        )
