"""Runs a program that may write only below given folders, where Linux has Landlock; elsewhere it just runs it.

Started as a script in a bare interpreter (``python -I -S confine.py --write DIR ... -- COMMAND ARG...``), so that nothing is
forked from the proxy with Python code in between. Reading and executing stay free. See ``landlock(7)``.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH, _NO_NEW_PRIVS = 1, 1, 38
_WRITE_FILE, _REMOVE_DIR, _REMOVE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 4, 1 << 5, 1 << 13, 1 << 14
_MAKE = sum(1 << bit for bit in range(6, 13))
_FILE_RIGHTS = _WRITE_FILE | _TRUNCATE


def landlock_version() -> int:
    """The version of the system's Landlock interface; 0 where there is none."""
    try:
        return max(0, int(_call(_CREATE_RULESET, None, 0, _VERSION_FLAG)))
    except (OSError, AttributeError, ValueError):
        return 0


def confine(folders: list[str]) -> bool:
    """Take from this process, and all that it starts, the right to write outside ``folders``.

    Returns:
        Whether the system could do it.
    """
    version = landlock_version()
    if version < 1 or _libc().prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    rights = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE
    rights |= (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    attributes = struct.pack("=Q", rights)
    ruleset = int(_call(_CREATE_RULESET, attributes, len(attributes), 0))
    if ruleset < 0:
        return False
    for folder in folders:
        try:
            handle = os.open(folder, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there cannot be written to
        allowed = rights if os.path.isdir(folder) else rights & _FILE_RIGHTS  # noqa: PTH112 - no pathlib in this small process
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, handle), 0)
        os.close(handle)
    done = _call(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return done


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    return int(_libc().syscall(number, *arguments))


def main(argv: list[str]) -> None:
    """Confine, then become the command; exit code 127 if it cannot be run."""
    split = argv.index("--")
    confine([argv[i + 1] for i in range(0, split, 2) if argv[i] == "--write"])
    command = argv[split + 1 :]
    try:
        os.execvp(command[0], command)
    except OSError as trouble:
        sys.stderr.write(f"{command[0]}: {trouble.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
