"""Temporary files beside those that they become, and what killed processes left of them."""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from pathlib import Path


def temporary_beside(target: Path) -> Path:
    """A name in the folder of *target* that no other write to it uses."""
    return target.with_name(f".{target.name}.{_owner()}.{os.urandom(6).hex()}.part")


def sweep(target: Path) -> None:
    """Remove temporary files of this path that processes of this machine left when killed."""
    if os.name != "posix":
        return  # asking whether a process lives would end it there
    _, place = _owner().split("-")
    name = re.compile(rf"\.{re.escape(target.name)}\.(\d+)-{place}\.[0-9a-f]{{12}}\.part")
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        left = [(entry, found) for entry in entries if (found := name.fullmatch(entry.name))]
        for entry, found in left:
            if not _lives(int(found[1])):
                Path(entry).unlink(missing_ok=True)


def _owner() -> str:
    """The number of this process, and the machine (or container) in which that number counts."""
    import platform

    try:
        namespace = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        namespace = ""
    place = f"{platform.node()} {namespace}"
    return f"{os.getpid()}-{zlib.crc32(place.encode()):08x}"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # it is another user's
    return True
