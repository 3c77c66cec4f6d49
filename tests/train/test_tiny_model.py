from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from firefly_mcp.store.recording import Recording  # noqa: E402
from firefly_mcp.tasks.model import Task  # noqa: E402
from firefly_train import tiny_model  # noqa: E402
from firefly_train.demonstrations import demonstrate  # noqa: E402
from firefly_train.warm_start import WarmStart, warm_start  # noqa: E402


def test_a_new_model_repeats_what_was_said_before_and_warm_starts_fast(tasks: list[Task], recording: Recording) -> None:
    shown = demonstrate(tasks, recording)
    tokenizer = tiny_model.build_tokenizer(shown, 400)
    model = tiny_model.build_model(tokenizer, tiny_model.TinySize(), 5).eval()
    rng = random.Random(2)
    said = rng.choices(range(len(tokenizer)), k=60)
    between = rng.choices(range(len(tokenizer)), k=30)
    ids = torch.tensor([said + between + said])
    with torch.no_grad():
        next_ones = model(ids).logits[0].argmax(-1)
    repeated = range(len(said) + len(between) + 2, ids.shape[1] - 1)
    assert sum(int(next_ones[place] == ids[0, place + 1]) for place in repeated) >= 0.9 * len(repeated)
    plan = WarmStart(steps=40, batch=2, lr=2e-3, until=0.9, vary=True, context=0.1)
    learned = warm_start(model, tokenizer, shown, plan, seed=1)
    assert learned["loss"] < 1.0
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_a_batch_read_in_parts_teaches_what_the_whole_one_does(tasks: list[Task], recording: Recording) -> None:
    shown = demonstrate(tasks, recording)
    tokenizer = tiny_model.build_tokenizer(shown, 400)
    learned = []
    for most in (None, 700):
        model = tiny_model.build_model(tokenizer, tiny_model.TinySize(), 5)
        plan = WarmStart(steps=4, batch=4, lr=1e-3, until=2.0, context=0.1, most_tokens=most)
        warm_start(model, tokenizer, shown, plan, seed=1)
        learned.append(model.get_output_embeddings().weight.detach())
    assert torch.allclose(*learned, atol=1e-4)


def test_every_pair_of_digits_is_a_token_and_texts_come_back_whole(tasks: list[Task], recording: Recording) -> None:
    tokenizer = tiny_model.build_tokenizer(demonstrate(tasks, recording), 700)
    known = tokenizer.get_vocab()
    assert all(f"{pair:02}" in known for pair in range(100))
    for told in ('{"date": "2026-12-26", "km": 1234.5}', 'naïve – 01/2\n  "x"'):
        assert tokenizer.decode(tokenizer(told)["input_ids"]) == told
