"""Every run begins from the same files, and what it begins from has a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from firefly_agents.sandboxes import Seeds, check_seeds
from firefly_mcp.errors import ConfigError
from firefly_mcp.servers.bundled import bundled_servers, seed_folder
from firefly_mcp.servers.config import ServerSpec


def spec(*seed: str, env: dict[str, str] | None = None) -> ServerSpec:
    return ServerSpec(name="files", command="serve", env=env or {}, extra={"firefly": {"seed": list(seed)}})


def test_seed_files_are_copied_and_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    source = tmp_path / "data" / "shop.txt"
    source.write_text("lamp")
    source.chmod(0o444)
    work = tmp_path / "work"
    work.mkdir()
    Seeds(tmp_path).prepare(spec("data/shop.txt"), work)
    (work / "data" / "shop.txt").write_text("desk")
    assert source.read_text() == "lamp"


@pytest.mark.parametrize("name", ["missing.txt", "../outside.txt"])
def test_a_seed_file_that_is_missing_or_elsewhere_is_told_before_anything_starts(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.txt").write_text("x")
    folder = tmp_path / "seed"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"server 'files'.*txt"):
        check_seeds(Seeds(folder), [spec(name)])


def test_the_origin_changes_with_the_seed_files_and_with_the_command_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    seeds = Seeds(tmp_path)
    first = seeds.origin_id(spec("a.txt"))
    assert first == Seeds(tmp_path).origin_id(spec("a.txt"))
    assert first != seeds.origin_id(spec())
    (tmp_path / "a.txt").write_text("two")
    assert first != seeds.origin_id(spec("a.txt"))


def test_the_bundled_servers_are_pinned_and_their_seed_files_are_there() -> None:
    specs = bundled_servers()
    assert len(specs) >= 8
    check_seeds(Seeds(seed_folder()), specs.values())
    for one in specs.values():
        assert any("==" in arg or "@" in arg[1:] for arg in one.args), one.name
        assert one.command in ("uvx", "npx")
        if one.command == "npx":
            assert one.env["npm_config_ignore_scripts"] == "true"
