"""A study in two small files: on another machine its arms can be trained again, or gone on with, from the same checkpoint.

    python -m benchmarks.train_study.packed runs/study benchmarks/data/study

A warm start is as long as its CPU seconds, so no two machines make the same one. What is packed is what arms begin with
(``prepared.zip``), and the results and held-out trajectories of those that are scored (``scored.zip``), from which the table
is made.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from zipfile import ZIP_LZMA, BadZipFile, ZipFile, ZipInfo

from benchmarks.train_study.bundled import unpack as unpack_set
from benchmarks.train_study.folder import REWARDS, TOLD, scored, settings
from firefly_mcp.errors import UsageError
from firefly_mcp.jsonio import dumps, loads
from firefly_mcp.store.recording import Recording
from firefly_train.figures import ROLLOUTS

FOLDER = Path(__file__).parents[1] / "data" / "study"
PREPARED, SCORED = "prepared.zip", "scored.zip"


def pack(study: Path, folder: Path) -> None:
    """Write both files of a study over the set that comes with it, whose arms are not running."""
    folder.mkdir(parents=True, exist_ok=True)
    with Recording(study / REWARDS) as rewards:
        rewards.fold_log()
    told = {key: value for key, value in settings(study).items() if key not in ("tasks", "store")}  # where they lie there
    begun = [*study.glob("*.jsonl"), study / REWARDS, *(study / "warm" / "model").iterdir()]
    _write(folder / PREPARED, {TOLD: dumps(told), **_content(study, begun)})
    done = [out for out in study.iterdir() if scored(out)]
    results = [path for out in done for path in (out / "result.json", out / "heldout" / ROLLOUTS)]
    _write(folder / SCORED, _content(study, results))


def unpack(folder: Path, study: Path, *, arms: bool) -> None:
    """Write a study as it was before its arms or, with ``arms``, after those that are done; what is there already stays.

    Raises:
        UsageError: there is no packed study.
    """
    if (study / TOLD).exists():
        return
    try:
        with ZipFile(folder / PREPARED) as packed:
            told = loads(packed.read(TOLD))
            packed.extractall(study, [name for name in packed.namelist() if name != TOLD])
        if arms:
            with ZipFile(folder / SCORED) as packed:
                packed.extractall(study)
    except (OSError, BadZipFile, KeyError) as error:
        raise UsageError(f"{folder} holds no packed study: {error}") from error
    tasks, store = unpack_set(study / "set")
    # Last: where it is there, all of it is.
    (study / TOLD).write_bytes(dumps({**told, "tasks": str(tasks), "store": str(store.resolve())}))


def _content(study: Path, paths: Iterable[Path]) -> dict[str, bytes]:
    return {path.relative_to(study).as_posix(): path.read_bytes() for path in sorted(paths)}


def _write(file: Path, content: Mapping[str, bytes]) -> None:
    with ZipFile(file, "w", ZIP_LZMA) as packed:
        for name, told in content.items():
            packed.writestr(ZipInfo(name), told, ZIP_LZMA)  # of no date: the same content is the same file


def main() -> None:
    """Pack a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("folder", type=Path)
    told = parser.parse_args()
    pack(told.study, told.folder)


if __name__ == "__main__":
    main()
