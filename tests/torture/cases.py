"""Every job under every disturbance: `make torture`."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.torture.jobs import (
    JOBS,
    LEFT,
    OUT,
    PYTHON,
    STAY,
    Job,
    finish,
    look,
    read_words,
    start,
    stop,
)

AS_ROOT = os.name == "posix" and os.geteuid() == 0
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT] if os.name == "posix" else []
# Of the time that the job takes alone; imports are most of the first half.
PLACES = (0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Whole:
    """What a job leaves undisturbed: files by digest, and their bytes in `out`; its sources."""

    files: dict[str, str]
    size: int
    seconds: float
    sources: Path


@pytest.fixture(scope="module")
def whole() -> Iterator:
    """A function that gives a job's `Whole`."""
    held: dict[str, Whole] = {}
    with tempfile.TemporaryDirectory(prefix="torture-") as place:
        os.chmod(place, 0o755)  # noqa: PTH101

        def give(name: str):
            if name not in held:
                job, folder = JOBS[name], Path(place, f"{name}-whole")
                sources = Path(place, f"{name}-sources")
                sources.mkdir(exist_ok=True)
                job.prepare(sources)
                shutil.copytree(sources, folder)
                begun = time.monotonic()
                finish(job, folder)
                seconds = time.monotonic() - begun
                made = [path for path in (folder / OUT).rglob("*") if path.is_file()]
                size = sum(path.stat().st_size for path in made)
                held[name] = Whole(look(job, folder), size, seconds, sources)
            return held[name]

        yield give


@pytest.fixture
def begin(whole, tmp_path):
    """A function that gives a job, a fresh copy of its sources, and what must become of them."""

    def give(name: str, place: Path | None = None) -> tuple[Job, Path, Whole]:
        undisturbed = whole(name)
        folder = (place or tmp_path) / "work"
        shutil.copytree(undisturbed.sources, folder)
        return JOBS[name], folder, undisturbed

    return give


def assert_nothing_lost(job: Job, folder: Path, expected: dict[str, str]) -> None:
    """Sources are as they were, and what is made is whole: of those bytes, or not there."""
    there = look(job, folder)
    for name, digest in expected.items():
        if not name.startswith(OUT):
            assert there.get(name) == digest, f"{name} was a source"
    halves = {
        name
        for name in there.keys() & expected.keys()
        if Path(name).suffix not in (".csv", ".json") and there[name] != expected[name]
    }
    assert not halves, f"half written: {halves}"


def assert_same(job: Job, folder: Path, expected: dict[str, str]) -> None:
    """All that an undisturbed run makes is there, byte for byte, and nothing half written."""
    there = look(job, folder)
    differing = {name for name, digest in expected.items() if there.get(name) != digest}
    assert not differing, f"{differing}: {read_words(folder)}"
    names = [f"/{path.name}" for path in (folder / OUT).rglob("*") if path.is_file()]
    left = [name for name in names if LEFT.search(name) and not STAY.search(name)]
    assert not left, left


@pytest.mark.parametrize("sign", SIGNALS, ids=lambda sign: sign.name)
@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_is_stopped_goes_on_to_the_same_bytes(begin, name, sign):
    job, folder, undisturbed = begin(name)
    for place in PLACES:
        process = start(job.words, folder)
        stop(process, place * undisturbed.seconds, sign)
        assert_nothing_lost(job, folder, undisturbed.files)
        if sign == signal.SIGINT:
            assert "Traceback" not in read_words(folder), read_words(folder)
    finish(job, folder)
    assert_same(job, folder, undisturbed.files)


@pytest.mark.parametrize("name", JOBS)
def test_two_at_once_end_in_the_same_bytes_or_one_says_why_not(begin, name):
    job, folder, undisturbed = begin(name)
    first, second = (start(job.words, folder) for _ in range(2))
    statuses = [process.wait(timeout=900) for process in (first, second)]
    assert "Traceback" not in read_words(folder), read_words(folder)
    if 0 not in statuses:
        finish(job, folder)
    assert_same(job, folder, undisturbed.files)


@pytest.mark.parametrize("name", JOBS)
def test_a_clock_that_is_set_back_changes_nothing(begin, name):
    job, folder, undisturbed = begin(name)
    stop(start(job.words, folder), 0.8 * undisturbed.seconds, signal.SIGKILL)
    later = [PYTHON, "-c", _CLOCK, *job.words[1:]]
    assert start(later, folder).wait(timeout=600) == 0, read_words(folder)
    assert_same(job, folder, undisturbed.files)


# Runs `-m MODULE ...` or `-c CODE` with a clock that is an hour behind, and falls back once more.
_CLOCK = """
import itertools, runpy, sys, time
real, calls = time.time, itertools.count()
time.time = lambda: real() - 3600 - (86400 if next(calls) > 50 else 0)
time.time_ns = lambda: int(time.time() * 1e9)
kind, what, *words = sys.argv[1:]
sys.argv = [what, *words]
exec(what) if kind == "-c" else runpy.run_module(what, run_name="__main__", alter_sys=True)
"""


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of this size in the place of `folder`."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if not AS_ROOT or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs root, and a system that lets it mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("share", [0.1, 0.6])
@pytest.mark.parametrize("name", JOBS)
def test_a_disk_that_fills_up_is_said_and_the_job_goes_on_where_there_is_room(begin, name, share):
    job, folder, undisturbed = begin(name)
    with small_disk(folder / OUT, max(8, round(share * undisturbed.size / 1024))):
        status = start(job.words, folder).wait(timeout=600)
        said = read_words(folder)
        assert "Traceback" not in said, said
        if status == 0:  # a cache that does not fit is done without
            return
        assert status == 1 and any(word in said for word in ("room", "space", "disk")), said
        assert_nothing_lost(job, folder, undisturbed.files)
        more = ["mount", "-o", "remount,size=500m", str(folder / OUT)]
        subprocess.run(more, check=True)
        finish(job, folder)
        assert_same(job, folder, undisturbed.files)


# Runs a job twice: where it may, which imports all that it needs, and then as nobody, who may read
# neither Python nor its packages where they lie in root's home.
_NOBODY = """
import os, sys
scratch, folder, kind, what, *words = sys.argv[1:]

def run():
    if kind == "-c":
        exec(what, {})
    else:
        from depthlib.__main__ import main
        sys.exit(main(words))

os.chdir(scratch)
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
os.chdir(folder)
print("As nobody:", flush=True)
run()
"""


@pytest.mark.skipif(not AS_ROOT, reason="needs root to become nobody")
@pytest.mark.parametrize("name", JOBS)
def test_what_may_not_be_written_is_said_and_stays(begin, name):
    with tempfile.TemporaryDirectory(prefix="torture-") as place:
        os.chmod(place, 0o755)  # noqa: PTH101
        job, folder, _ = begin(name, Path(place))
        (folder / OUT).mkdir()
        before = look(job, folder)
        Path(f"{folder}.said").touch()
        scratch = Path(place, "scratch")
        shutil.copytree(folder, scratch)
        words = [PYTHON, "-c", _NOBODY, str(scratch), str(folder), *job.words[1:]]
        status = start(words, folder).wait(timeout=900)
        said = read_words(folder).partition("As nobody:")[2]
        assert status == 1 and said.strip() and "Traceback" not in said, read_words(folder)
        assert look(job, folder) == before


def main() -> int:
    """Runs all cases, or those that the words name to pytest."""
    return pytest.main([__file__, "-q", "-p", "no:cacheprovider", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
