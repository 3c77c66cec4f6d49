"""A tiny model with Qwen3's architecture and a tokenizer of its own, built on this machine from the tasks themselves.

It is there to run the whole training loop on two cores with nothing downloaded. It knows nothing but the demonstrations it
is warm-started with, and says nothing about how a real model would do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from firefly_mcp.jsonio import text
from firefly_train import induction
from firefly_train.demonstrations import Demonstration

TEMPLATE = Path(__file__).with_name("tiny_chat.jinja")
END, START, PAD = "<|im_end|>", "<|im_start|>", "<|endoftext|>"
MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
"""Not special: a reward that reads decoded text must see them."""

_OFTEN = 1000
"""Shown so many times, every pair of digits becomes a token."""


@dataclass(frozen=True)
class TinySize:
    """How large. ``vocabulary`` counts BPE tokens, ``context`` positions."""

    vocabulary: int = 1536
    hidden: int = 160
    layers: int = 3
    heads: int = 4
    head: int = 64
    context: int = 8192


def build_tokenizer(demonstrations: Sequence[Demonstration], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE over the demonstrations, made to copy: a token has two digits at most and every such token is there, a
    value is cut into the same tokens wherever it stands in quotes, and what stands between values (``", "``) is few tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d{1,2}| ?[^\W\d]+|\W+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pairs = [f"{pair:02}" for pair in range(100)] * _OFTEN
    tokenizer.train_from_iterator(chain(_texts(demonstrations), pairs), trainer)
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in MARKS])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, additional_special_tokens=[START])
    fast.chat_template = TEMPLATE.read_text()
    return fast


def build_model(tokenizer: PreTrainedTokenizerFast, size: TinySize, seed: int) -> Qwen3ForCausalLM:
    """A model with random weights for that tokenizer."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=(len(tokenizer) + 63) // 64 * 64,
        hidden_size=size.hidden,
        intermediate_size=size.hidden * 2,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=max(1, size.heads // 2),
        head_dim=size.head,
        max_position_embeddings=size.context,
        rope_parameters={"rope_type": "default", "rope_theta": induction.BASE},
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    model = Qwen3ForCausalLM(config)
    induction.wire(model, seed)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a Hugging Face model folder."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _texts(demonstrations: Sequence[Demonstration]) -> Iterable[str]:
    for demonstration in demonstrations:
        for message in demonstration.messages:
            if message["content"]:
                yield message["content"]
            for call in message.get("tool_calls") or []:
                yield text(call["function"])
        for entry in demonstration.tools:
            function = entry["function"]
            yield f"{function['name']}({', '.join(function['parameters'].get('properties') or {})})"
