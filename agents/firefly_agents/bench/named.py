"""Subjects by name: the baselines, a model at an endpoint, or a folder with a local model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from firefly_agents.bench.subjects import Oracle, Shortcut, Subject
from firefly_mcp.tasks.model import Task

BASELINES = ("oracle", "shortcut", "random", "planner")


def subject_named(name: str, tasks: Sequence[Task], *, temperature: float | None = None, seed: int | None = None) -> Subject:
    """The subject of that name.

    Args:
        name: one of :data:`BASELINES`, a folder with a transformers model, or the name of a model at ``OPENAI_BASE_URL``.
        tasks: the tasks, of which ``shortcut`` counts the answers.
        temperature: of a model's sampling.
        seed: of a model's sampling.

    Raises:
        ModelError: a model that is not configured, or a folder that cannot be loaded.
    """
    if name == "oracle":
        return Oracle()
    if name == "shortcut":
        return Shortcut(tasks)
    if name in BASELINES:
        from firefly_agents.bench.solver import planner_subject, random_subject

        return planner_subject() if name == "planner" else random_subject()
    from firefly_agents.bench.agent import AgentSubject

    if Path(name).is_dir():
        from firefly_agents.bench.local import LocalModel

        local = LocalModel(Path(name), temperature=temperature or 0.0, seed=seed or 0)
        return AgentSubject(Path(name).name, lambda task, desk, attempt: local.at(attempt), more=local.describe())
    from firefly_agents.models import make_named_model

    model = make_named_model(name)
    return AgentSubject(name, lambda task, desk, attempt: model, temperature=temperature, seed=seed)
