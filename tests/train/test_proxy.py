from __future__ import annotations

from pathlib import Path

import pytest

from firefly_mcp.errors import ServerError, TaskError
from firefly_train.children import Children
from firefly_train.proxy import check_proxy, start_proxy


def test_a_started_proxy_offers_the_recordings_tools(store: Path, tmp_path: Path) -> None:
    with Children() as children:
        url = start_proxy(store, children, tmp_path / "proxy.log")
        check_proxy(url, ["find_customer", "list_orders"])
        with pytest.raises(TaskError, match="lacks 1 tools that the tasks offer, as 'refund'"):
            check_proxy(url, ["find_customer", "refund"])
    with pytest.raises(ServerError, match="no replay proxy answers at"):
        check_proxy(url, [])


def test_a_proxy_that_cannot_start_says_why(tmp_path: Path) -> None:
    with Children() as children, pytest.raises(ServerError, match=r"did not start: firefly: .*missing\.db"):
        start_proxy(tmp_path / "missing.db", children, tmp_path / "proxy.log")
