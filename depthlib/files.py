"""Files: written whole or not at all, and named in lists only where they may be."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    import pandas as pd  # importing it takes half a second, which the command saves


@contextmanager
def replace_file(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path, which takes the place of `path` once the block ends without error.

    The temporary file keeps the suffix, because writers choose the format by it. When the block
    fails (a full disk, an interrupt) the temporary file is removed and `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename is None or str(error.filename) == name:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Writes `data` to `path` atomically."""
    with replace_file(path) as temporary:
        temporary.write_bytes(data)


def write_table(path: Path | str, table: "pd.DataFrame") -> None:
    """Writes a table as CSV, atomically, without its index."""
    write_bytes(path, table.to_csv(index=False).encode())


@contextmanager
def hold_lock(path: Path | str, waiting: str | None = None) -> Iterator[None]:
    """Lets one process into the block; the system takes the lock from a process that dies.

    `path` is the lock's own file, which stays. `waiting` is said where another process is inside,
    and this one waits. Errors: BlockingIOError instead of waiting where `waiting` is None.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        if waiting is None:
            raise BlockingIOError(f"Another process holds {path}.") from error
        print(waiting, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def natural_key(name: str) -> list[str | int]:
    """A key that sorts frame2 before frame10: text and numbers by turns."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def refuse_escape(name: str, listing: Path | str) -> None:
    """Errors: ValueError where a POSIX path that `listing` names leaves the listing's folder."""
    if name.startswith("/") or ":" in name or ".." in name.split("/"):
        raise ValueError(
            f"A path in a CSV must stay in its folder. Received: {name!r} in {listing}. "
            "Write paths relative to the CSV."
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
