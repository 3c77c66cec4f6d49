"""A model in a folder as a subject: how its tool calls are read, and one whole run where torch is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from firefly_agents.bench.local import called, for_template, turn_items
from firefly_agents.bench.named import subject_named
from firefly_agents.bench.runner import BenchSettings, bench
from firefly_agents.bench.subjects import Limits
from firefly_mcp.errors import ModelError
from firefly_mcp.store.recording import Recording
from tests.agents.bench_peers import recorded

NAMES = {"add", "find"}


@pytest.mark.parametrize(
    ("said", "calls"),
    [
        ('<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>', [("add", {"a": 1})]),
        ('<think>{"name": "find"}</think>{"name": "add", "parameters": {"a": 1}}', [("add", {"a": 1})]),
        (
            '[TOOL_CALLS] [{"name": "add", "arguments": {}}, {"name": "find", "arguments": {"q": "x"}}]',
            [("add", {}), ("find", {"q": "x"})],
        ),
        ('<tool_call>{"name": "add", "arguments": "{\\"a\\": 1}"}</tool_call><tool_call>{"name": "fi', [("add", {"a": 1})]),
        ('{"name": "Ines", "arguments": 3}', []),
        ("The sum is 3.", []),
    ],
)
def test_tool_calls_are_read_in_the_forms_of_open_models(said: str, calls: list[tuple[str, Any]]) -> None:
    assert called(said, NAMES) == calls


def test_a_turn_without_a_call_is_a_message() -> None:
    (item,) = turn_items(' {"share": 1} ', NAMES, "call_0")
    assert item.type == "message"
    assert item.content[0].text == '{"share": 1}'  # type: ignore[union-attr]


def test_templates_get_text_and_arguments_as_an_object() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "content": [{"type": "text", "text": "hm"}], "tool_calls": [call]}
    told = for_template(message)
    assert told["content"] == "hm"
    assert told["tool_calls"][0]["function"]["arguments"] == {"a": 1}


def test_a_folder_that_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"--model .*: (not a folder that transformers can load|a local model needs)"):
        subject_named(str(tmp_path), [])


@pytest.mark.timeout(300)
def test_a_model_of_a_folder_is_benchmarked_and_is_the_same_twice(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="a local model needs torch")
    transformers = pytest.importorskip("transformers", reason="a local model needs transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.BPE())
    words.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    words.train_from_iterator(
        ["user"], tokenizers.trainers.BpeTrainer(vocab_size=300, special_tokens=["<end>"], initial_alphabet=alphabet)
    )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", pad_token="<end>")
    fast.chat_template = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    fast.save_pretrained(tmp_path / "tiny")
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 16}
    config = transformers.Qwen3Config(vocab_size=len(fast), num_key_value_heads=2, eos_token_id=0, **size)
    transformers.Qwen3ForCausalLM(config).save_pretrained(tmp_path / "tiny")
    (tmp_path / "data").mkdir()
    tasks = anyio.run(recorded, tmp_path / "data")[:1]

    async def run() -> dict[str, Any]:
        with Recording(tmp_path / "data" / "firefly.db") as recording:
            subject = subject_named(str(tmp_path / "tiny"), tasks, temperature=1.0, seed=3)
            return await bench(tasks, recording, subject, BenchSettings(limits=Limits(calls=2)))

    first, second = anyio.run(run), anyio.run(run)
    assert first["subject"] == "tiny"
    assert first["usage"]["output"] > 0
    assert first["usage"] == second["usage"]
    assert first["failures"] == second["failures"] == {"format": 1}
