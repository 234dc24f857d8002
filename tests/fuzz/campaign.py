"""Makes tries at a boundary and tells what it did not keep: see `boundaries`.

python -m tests.fuzz.campaign [--tries 20000] [--seed 0] [NAME ...]
"""

import argparse
import faulthandler
import hashlib
import random
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.boundaries import FILES, FileBoundary
from tests.fuzz.mutations import mutate

SECONDS = 60  # that a try may take
MORE_BYTES = 2 << 30  # that a try may claim of memory
OURS = {
    ValueError, OSError, FileNotFoundError, PermissionError, IsADirectoryError,
    NotADirectoryError, FileExistsError, BlockingIOError, ConnectionError,
}  # fmt: skip


def attack(name: str, tries: int, seed: int = 0) -> list[str]:
    """What `name` did not keep in so many tries, a text each; what it read is kept beside."""
    faults = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        whole = Path(place, "whole")
        whole.mkdir()
        boundary = FILES[name]
        boundary.write(whole)
        limit_memory()  # after the import of what the boundary needs
        for number in range(seed, seed + tries):
            folder = Path(place, str(number))
            fault = _try(name, boundary, whole, folder, number)
            if fault:
                faults.append(f"{name}, try {number}: {fault}")
            shutil.rmtree(folder)
    return faults


def limit_memory() -> None:
    """Lets this process claim so much more than it has: what asks for all of it fails alone."""
    with suppress(ImportError):  # of POSIX systems
        import resource

        status = Path("/proc/self/status")
        if status.exists():
            (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmSize"))
            most = 1024 * int(line.split()[1]) + MORE_BYTES
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _try(name: str, boundary: FileBoundary, whole: Path, folder: Path, number: int) -> str:
    """What one damaged file brought about; "" where all was kept."""
    shutil.copytree(whole, folder)
    rng = random.Random(f"{name} {number}")
    paths = sorted(path for way in boundary.targets for path in folder.glob(way) if path.is_file())
    path = rng.choice(paths)
    summed = any(fnmatch(path.name, way) for way in boundary.exact)
    expected = boundary.use(folder, path) if summed else None
    path.write_bytes(mutate(path.read_bytes(), rng, boundary.is_text))
    before = _digest_files(folder)
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = boundary.use(folder, path)
    except Exception as error:
        if fault := judge_error(error, folder, path):
            return f"{path.relative_to(folder)}: {fault}\n{traceback.format_exc()}"
    else:
        if expected is not None and value is not None and not _are_equal(value, expected):
            return f"{path.relative_to(folder)}: another value than that of the whole file"
    finally:
        faulthandler.cancel_dump_traceback_later()
    after = _digest_files(folder)
    changed = {file for file in before | after if before.get(file) != after.get(file)}
    wrong = [file for file in changed if not any(fnmatch(file, way) for way in boundary.writes)]
    hidden = [file for file in after if Path(file).name.startswith(".")]
    half = [file for file in hidden if not file.endswith(".sha256")]  # which `write_ours` leaves
    return f"{path.name}: it changed or left {wrong + half}" if wrong or half else ""


def judge_error(error: Exception, folder: Path, path: Path) -> str:
    """What is wrong with an error that a boundary raised; "" where it is one of ours."""
    if type(error) not in OURS:
        return f"a foreign {type(error).__name__}"
    said = f"{error} {getattr(error, 'filename', '')}"
    if str(folder) not in said and path.name not in said:
        return "an error that names no file"
    return ""


def _are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return all(map(_are_equal, one, other))
    return np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f")


def _digest_files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def main() -> None:
    """The command line: all boundaries or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[], metavar="NAME", help=", ".join(FILES))
    parser.add_argument("--tries", type=int, default=20_000, help="of all boundaries together")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    names = arguments.names or list(FILES)
    tries = -(-arguments.tries // len(names))
    found = []
    for name in names:
        start = time.monotonic()
        faults = attack(name, tries, arguments.seed)
        found += faults
        print(f"{name}: {tries} tries, {len(faults)} faults, {time.monotonic() - start:.0f} s")
        for fault in faults[:10]:
            print(fault)
    sys.exit(f"{len(found)} faults, seed {arguments.seed}" if found else 0)


if __name__ == "__main__":
    main()
