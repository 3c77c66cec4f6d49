"""Runs a program in a place of its own: shown at a fixed path where Linux lets us mount, writing only there with Landlock.

Started as a script in a bare interpreter (``python -I -S confine.py --show SOURCE=TARGET --write DIR ... -- COMMAND ARG...``),
so that nothing is forked from the proxy with Python code in between. Reading and executing stay free. See ``landlock(7)``,
``user_namespaces(7)`` and ``mount_namespaces(7)``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
import sys

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH, _NO_NEW_PRIVS = 1, 1, 38
_WRITE_FILE, _REMOVE_DIR, _REMOVE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 4, 1 << 5, 1 << 13, 1 << 14
_MAKE = sum(1 << bit for bit in range(6, 13))
_FILE_RIGHTS = _WRITE_FILE | _TRUNCATE
_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18


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


def show(source: str, target: str) -> None:
    """Let this process, and all that it starts, see the folder ``source`` at ``target`` as well; nobody else does.

    Raises:
        OSError: the system does not allow it, or one of the two is no folder.
    """
    user, group = os.getuid(), os.getgid()
    # A privileged process needs no user namespace of its own; in one, it would lose its rights over other users' files.
    if _libc().unshare(_NEW_MOUNTS) != 0:
        _checked(_libc().unshare(_NEW_USERS | _NEW_MOUNTS), "unshare")
        for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as handle:  # noqa: PTH123 - no pathlib in this small process
                handle.write(line)
    _checked(_libc().mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None), "mount /")
    _checked(_libc().mount(os.fsencode(source), os.fsencode(target), None, _BIND | _RECURSIVE, None), f"mount {target}")


def limit_processes(most: int) -> None:
    """Let the user of this process have so many processes and threads in this user namespace.

    In a namespace of its own (see :func:`show`) only those in it are counted; in the system's own one the limit would count
    all that the user has elsewhere, and is left alone. It does not bind root.
    """
    with open("/proc/self/uid_map", encoding="ascii") as handle:  # noqa: PTH123
        if handle.read().split() == ["0", "0", "4294967295"]:
            return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    return int(_libc().syscall(number, *arguments))


def main(argv: list[str]) -> None:
    """Confine, then become the command; exit code 126 if its place cannot be shown, 127 if it cannot be run."""
    split = argv.index("--")
    options = [(argv[at], argv[at + 1]) for at in range(0, split, 2)]
    command = argv[split + 1 :]
    try:
        for source, _, target in (value.partition("=") for name, value in options if name == "--show"):
            show(source, target)
        for folder in (value for name, value in options if name == "--in"):
            os.chdir(folder)
    except OSError as trouble:
        sys.stderr.write(f"the sandbox cannot be set up: {trouble}\n")
        sys.exit(126)
    for most in (int(value) for name, value in options if name == "--processes"):
        limit_processes(most)
    folders = [value for name, value in options if name == "--write"]
    if folders:
        confine(folders)
    try:
        os.execvp(command[0], command)
    except OSError as trouble:
        sys.stderr.write(f"{command[0]}: {trouble.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
