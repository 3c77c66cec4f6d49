from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

from firefly_train.batches import BatchSampler, Limits  # noqa: E402
from firefly_train.cache import ATTENTION, new_cache  # noqa: E402
from firefly_train.decoding import ROOM, GraphDecoder, MakeDecoder, StepDecoder  # noqa: E402
from firefly_train.plugged import ATTEMPT  # noqa: E402
from firefly_train.sampling import Sample, SamplingParams, sample_batch  # noqa: E402

PAD = 0


def qwen(**changes: Any) -> Any:
    """A small model with random weights, the same ones for the same ``changes``."""
    torch.manual_seed(3)
    config = transformers.Qwen3Config(
        vocab_size=40,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=PAD,
        **changes,
    )
    return transformers.Qwen3ForCausalLM(config).eval()


@pytest.fixture(scope="module")
def model() -> Any:
    return qwen()


def sample(prompt: list[int], seed: int, **changes: Any) -> Sample:
    return Sample(prompt, SamplingParams(**{"max_tokens": 12, **changes}), random.Random(seed))


PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12, 13, 14], [21]]


def test_a_prompt_is_sampled_alike_alone_and_in_any_company(model: Any) -> None:
    together = [sample(prompt, at, max_tokens=4 + 3 * at) for at, prompt in enumerate(PROMPTS)]
    sample_batch(model, together, PAD)
    for at, prompt in enumerate(PROMPTS):
        alone = sample(prompt, at, max_tokens=4 + 3 * at)
        sample_batch(model, [alone], PAD)
        assert alone.tokens == together[at].tokens
        assert alone.log_probs == pytest.approx(together[at].log_probs, abs=1e-4)


class Shaken:
    """A model whose logits depend a little on how many rows are computed together, as sums in another order would."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.config, self.parameters = model.config, model.parameters

    def __call__(self, **told: Any) -> Any:
        out = self._model(**told)
        out.logits[..., 7] += 3e-6 * (len(out.logits) - 1)
        return out


class Fixed(random.Random):
    """Draws the same number always."""

    def __init__(self, drawn: float) -> None:
        super().__init__()
        self._drawn = drawn

    def random(self) -> float:
        return self._drawn


def test_a_draw_at_the_very_edge_of_a_token_is_the_same_alone_and_in_any_company(model: Any) -> None:
    with torch.no_grad():
        edges = model(torch.tensor([PROMPTS[0]])).logits[0, -1].double().softmax(-1).cumsum(-1)
    # Far above what 3e-6 in one logit moves is nothing to see: the draws lie between the edges of both.
    draws = [float(edges[token]) + shift for token in (6, 7, 8, 20, 30) for shift in (-2e-8, 2e-8)]

    def tokens(company: int) -> list[int]:
        found = []
        for draw in draws:
            drawn = Sample(PROMPTS[0], SamplingParams(max_tokens=1), Fixed(draw))
            # Others of the same length, so that nothing but the company differs.
            others = [sample([9, 9, at], at, max_tokens=1) for at in range(company)]
            sample_batch(Shaken(model), [drawn, *others], PAD)
            found += drawn.tokens
        return found

    assert tokens(0) == tokens(7)
    assert tokens(0) == [token + above for token in (6, 7, 8, 20, 30) for above in (0, 1)]


def test_log_probabilities_are_the_models_own(model: Any) -> None:
    drawn = sample(PROMPTS[0], 5, temperature=0.7)
    sample_batch(model, [drawn], PAD)
    with torch.no_grad():
        logits = model(torch.tensor([drawn.prompt + drawn.tokens])).logits[0, len(drawn.prompt) - 1 : -1]
    own = torch.log_softmax(logits / 0.7, -1)[range(len(drawn.tokens)), drawn.tokens]
    assert drawn.log_probs == pytest.approx(own.tolist(), abs=1e-4)


def test_temperature_zero_takes_the_likeliest(model: Any) -> None:
    greedy = [sample(PROMPTS[1], seed, temperature=0.0) for seed in (1, 2)]
    sample_batch(model, greedy, PAD)
    assert greedy[0].tokens == greedy[1].tokens
    with torch.no_grad():
        assert greedy[0].tokens[0] == int(model(torch.tensor([PROMPTS[1]])).logits[0, -1].argmax())


def test_sampling_ends_with_a_stop_token(model: Any) -> None:
    free = sample(PROMPTS[0], 9)
    sample_batch(model, [free], PAD)
    stopped = sample(PROMPTS[0], 9, stop=frozenset({free.tokens[3]}))
    sample_batch(model, [stopped], PAD)
    assert stopped.tokens == free.tokens[: free.tokens.index(free.tokens[3]) + 1]


class NoEnd:
    """A tokenizer that knows no end of a turn."""

    eos_token_id, pad_token_id = None, PAD


class Endless:
    """A model without a token that ends a turn."""

    generation_config = transformers.GenerationConfig(eos_token_id=None)

    def __init__(self, model: Any) -> None:
        self._model = model
        self.config, self.parameters = model.config, model.parameters

    def __call__(self, **told: Any) -> Any:
        return self._model(**told)


async def test_a_turn_ends_where_the_limit_of_a_turn_says(model: Any) -> None:
    for turn, long in ((5, 5), (None, 20)):
        sampler = BatchSampler(Endless(model), NoEnd(), Limits(prompt=10, response=20, turn=turn), 1)
        drawn = await sampler.sample(PROMPTS[0], {"temperature": 0.0})
        await sampler.close()
        assert len(drawn.tokens) == long


async def test_an_attempt_draws_the_same_in_whatever_order_attempts_ask(model: Any) -> None:
    async def drawn(order: Sequence[int]) -> dict[int, list[int]]:
        sampler = BatchSampler(Endless(model), NoEnd(), Limits(prompt=10, response=20), 1)
        found = {attempt: (await sampler.sample(PROMPTS[0], {ATTEMPT: attempt})).tokens for attempt in order}
        # The same attempt at the same prompt once more, as where a task is in a batch twice, is another draw.
        assert (await sampler.sample(PROMPTS[0], {ATTEMPT: 0})).tokens != found[0]
        await sampler.close()
        return found

    forwards = await drawn(range(4))
    assert await drawn([2, 0, 3, 1]) == forwards
    assert len({tuple(tokens) for tokens in forwards.values()}) == 4


@pytest.mark.parametrize("merge", [True, False])
async def test_the_last_of_a_batch_keep_no_others_waiting_where_they_may_go_on_in_the_next(model: Any, merge: bool) -> None:
    sampler = BatchSampler(Endless(model), NoEnd(), Limits(prompt=20, response=400), 1, merge=merge)
    ended: list[str] = []

    async def turns(at: int) -> list[Sample]:
        first = await sampler.sample([*PROMPTS[0], at], {"max_tokens": 4})
        second = await sampler.sample([*first.said, at], {"max_tokens": 4})
        ended.append("two short turns")
        return [first, second]

    async def long() -> list[Sample]:
        one = await sampler.sample(PROMPTS[1], {"max_tokens": 400})
        ended.append("a long turn")
        return [one]

    found = [one for some in await asyncio.gather(*map(turns, range(7)), long()) for one in some]
    await sampler.close()
    assert ended == (["two short turns"] * 7 + ["a long turn"] if merge else ["a long turn"] + ["two short turns"] * 7)
    assert [len(one.tokens) for one in found] == [4] * 14 + [400]
    for one in (found[0], found[1], found[-1]):
        with torch.no_grad():
            logits = model(torch.tensor([one.said])).logits[0, len(one.prompt) - 1 : -1]
        own = torch.log_softmax(logits, -1)[range(len(one.tokens)), one.tokens]
        assert one.log_probs == pytest.approx(own.tolist(), abs=1e-4)


def test_top_k_keeps_to_the_likeliest(model: Any) -> None:
    with torch.no_grad():
        allowed = set(model(torch.tensor([PROMPTS[2]])).logits[0, -1].topk(3).indices.tolist())
    drawn = [sample(PROMPTS[2], seed, top_k=3, max_tokens=1) for seed in range(40)]
    sample_batch(model, drawn, PAD)
    assert {one.tokens[0] for one in drawn} == allowed


def test_frequencies_follow_the_distribution(model: Any) -> None:
    with torch.no_grad():
        wanted = torch.softmax(model(torch.tensor([PROMPTS[0]])).logits[0, -1], -1)
    drawn = [sample(PROMPTS[0], seed, max_tokens=1) for seed in range(4000)]
    sample_batch(model, drawn, PAD)
    counted = torch.bincount(torch.tensor([one.tokens[0] for one in drawn]), minlength=40) / len(drawn)
    # Four standard deviations of each share.
    assert bool(((counted - wanted).abs() <= 4 * (wanted * (1 - wanted) / len(drawn)).sqrt() + 1e-3).all())


@pytest.mark.parametrize("attention", ["sdpa", ATTENTION])
def test_a_long_sample_from_a_cache_is_what_the_model_says_without_one(attention: str) -> None:
    model = qwen()
    model.set_attn_implementation(attention)
    drawn = [sample(prompt, at, max_tokens=150) for at, prompt in enumerate([*PROMPTS, PROMPTS[1]])]
    sample_batch(model, drawn, PAD)
    model.set_attn_implementation("sdpa")
    for one in drawn:
        with torch.no_grad():
            logits = model(torch.tensor([one.prompt + one.tokens])).logits[0, len(one.prompt) - 1 : -1]
        own = torch.log_softmax(logits, -1)[range(len(one.tokens)), one.tokens]
        assert len(one.tokens) == 150
        assert one.log_probs == pytest.approx(own.tolist(), abs=1e-4)


def test_a_cache_of_fixed_length_gives_the_same_samples(model: Any) -> None:
    def sampled(decoder: MakeDecoder) -> list[Sample]:
        # Of several lengths, some longer than the cache has room for, so that it is made anew; and two of one prompt.
        drawn = [
            sample(prompt, at, max_tokens=length)
            for at, (prompt, length) in enumerate(zip([*PROMPTS, PROMPTS[1]], (3, 30, 5, 2 * ROOM + 9), strict=True))
        ]
        sample_batch(model, drawn, PAD, decoder)
        return drawn

    made: list[GraphDecoder] = []

    def fixed(*args: Any) -> GraphDecoder:
        made.append(GraphDecoder(*args, recorded=False))
        return made[-1]

    for one, other in zip(sampled(fixed), sampled(StepDecoder), strict=True):
        assert one.tokens == other.tokens
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-4)
    assert [decoder.rows for decoder in made] == [1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no card here")
def test_a_recorded_graph_gives_the_samples_of_the_model() -> None:
    model = qwen().cuda()
    model.set_attn_implementation(ATTENTION)
    drawn = [sample(prompt, at, max_tokens=ROOM + 20 * at) for at, prompt in enumerate([*PROMPTS, PROMPTS[1]])]
    sample_batch(model, drawn, PAD)
    for one in drawn:
        with torch.no_grad():
            logits = model(torch.tensor([one.prompt + one.tokens], device="cuda")).logits[0, len(one.prompt) - 1 : -1]
        own = torch.log_softmax(logits, -1)[range(len(one.tokens)), one.tokens]
        assert one.log_probs == pytest.approx(own.tolist(), abs=1e-3)


def test_a_model_with_a_window_keeps_the_cache_made_for_it() -> None:
    model = qwen(use_sliding_window=True, sliding_window=4, max_window_layers=1)
    assert any(layer.is_sliding for layer in new_cache(model.config).layers)
    model.set_attn_implementation(ATTENTION)
    drawn = [sample(prompt, at, max_tokens=9) for at, prompt in enumerate([PROMPTS[1]] * 2)]
    sample_batch(model, drawn, PAD)
    with torch.no_grad():
        logits = model(torch.tensor([drawn[1].prompt + drawn[1].tokens])).logits[0, len(PROMPTS[1]) - 1 : -1]
    own = torch.log_softmax(logits, -1)[range(9), drawn[1].tokens]
    assert drawn[1].log_probs == pytest.approx(own.tolist(), abs=1e-4)
