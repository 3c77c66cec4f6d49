"""What must be there before a run starts, each told in one line when it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def fitting(
    tokenizer: Any, demonstrations: Sequence[Demonstration], most_prompt: int, most_response: int
) -> tuple[list[Demonstration], int, int]:
    """The tasks that fit the token budget, and the most tokens of a prompt and of a response among them.

    Raises:
        TaskError: none fits.
    """
    fit, prompts, responses = [], [0], [0]
    shortest = None
    for demonstration in demonstrations:
        prompt, response = lengths(tokenizer, demonstration)
        shortest = min(shortest or (prompt, response), (prompt, response), key=lambda pair: pair[0] + pair[1])
        if prompt <= most_prompt and response <= most_response:
            fit.append(demonstration)
            prompts.append(prompt)
            responses.append(response)
    if not fit:
        raise TaskError(
            f"no task fits {most_prompt} prompt and {most_response} response tokens; the shortest needs {shortest}:"
            " raise data.max_prompt_length and data.max_response_length"
        )
    return fit, max(prompts), max(responses)


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
