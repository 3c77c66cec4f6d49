"""What must be there before a run starts, each told in one line when it is not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import JsonObject
from firefly_train.demonstrations import Demonstration

PINNED = {"verl": "0.9.1"}
NEEDED = ("transformers", "ray", "tensordict", "TransferQueue", "fastapi", "cachetools", "pyarrow", "tensorboard", "matplotlib")
INSTALL = "pip install 'firefly-mcp[train]'"
INSTALL_TORCH = f"pip install torch==2.13.0 && {INSTALL}"
OLDEST_TORCH = (2, 6)
"""verl's FSDP2 engine needs ``torch.distributed.fsdp.fully_shard``, which is public from 2.6 on."""


def check_installed(installed: Callable[[str], str] = version) -> dict[str, str]:
    """The versions of what training needs.

    Raises:
        UsageError: something is missing, or is a version that this was not made for.
    """
    found = {}
    for name in ("torch", *PINNED, *NEEDED):
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            how = INSTALL_TORCH if name == "torch" else INSTALL
            raise UsageError(f"training needs {name}, which is not installed: {how}") from None
        if name == "torch" and _release(found[name]) < OLDEST_TORCH:
            oldest = ".".join(map(str, OLDEST_TORCH))
            raise UsageError(f"training needs torch {oldest} or newer; {found[name]} is installed: {INSTALL_TORCH}")
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


def check_names(tokenizer: Any, demonstrations: Sequence[Demonstration]) -> None:
    """The template must write calls so that verl's parser of Hermes' form reads the same tool and arguments again.

    Raises:
        UsageError: it writes calls in another form, or cannot carry a tool's name.
    """
    calls: dict[str, JsonObject] = {}
    for shown in demonstrations:
        for message in shown.messages:
            for call in message.get("tool_calls") or ():
                calls.setdefault(str(call["function"]["name"]), call)
        for entry in shown.tools:
            name = str(entry["function"]["name"])
            calls.setdefault(name, {"type": "function", "function": {"name": name, "arguments": {}}})
    for name, call in calls.items():
        messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
        try:
            rendered = tokenizer.apply_chat_template(messages, tokenize=False)
        except Exception as error:  # a template may raise what it likes
            raise UsageError(f"the model's chat template refuses a call of the tool {name!r}: {error}") from error
        written = _last_call(rendered)
        if written is None:
            raise UsageError(
                "the model's chat template does not write calls as <tool_call>{JSON}</tool_call>; name its form with"
                " -- actor_rollout_ref.rollout.multi_turn.format=FORM, or choose a model of that form"
            )
        if written != {"name": name, "arguments": call["function"]["arguments"]}:
            raise UsageError(
                f"the model's chat template cannot carry a call of the tool {name!r}; leave out the tasks that offer it"
            )


def _last_call(text: str) -> Any:
    """What verl's parser reads of the last call in the text; None when it finds none."""
    found = re.findall(r"<tool_call>(.*?)</tool_call>", text, re.DOTALL)
    if not found:
        return None
    try:
        return json.loads(found[-1])
    except ValueError:
        return found[-1]


def _release(version_text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version_text)[:2])


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
