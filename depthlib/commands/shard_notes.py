"""What each shard of a run notes once it has ended, and whether all shards have."""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from depthlib.data.shards import Shard
from depthlib.files import hold_folder, natural_key, write_bytes
from depthlib.prediction.outputs import SHARDS, list_tables

SHOWN = 20  # missing shards that an error names


@dataclass(frozen=True)
class Run:
    """What all shards of a run have in common.

    made: the settings, in words. listing: the digest of all names, where they are known; files:
    their number.
    settings: what merging needs to know.
    """

    command: str
    made: str
    listing: str
    files: int
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        listing = f" ({self.listing[:8]})" if self.listing else ""
        return f"`{self.command}` {self.made}, {self.files} files{listing}"


@dataclass
class Note:
    """What came of a shard: a problem a file, and what else merging needs."""

    shard: Shard
    run: Run
    problems: dict[str, str] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        problems = "".join(f"\n  {file}: {problem}" for file, problem in self.problems.items())
        failed = f"{len(self.problems)} failed{problems}"
        return f"shard {self.shard} of {self.run.files} files has ended, {failed}"


@contextmanager
def note_shard(out: Path, shard: Shard | None, run: Run) -> Iterator[Note]:
    """Keeps `out` to this process, and gives the note of its shard.

    Other shards may write there at the same time, but none twice, and nothing that is no shard. The
    note is written into `out` once the block ends without error; until then the shard counts as one
    that is missing. None: no shard, no note. Errors: those of `files.hold_folder`.
    """
    note = Note(shard or Shard(1, 1), run)
    with hold_folder(out, part=shard.label if shard else None):
        path = out / SHARDS / f"{note.shard.label}.json"
        if shard is not None:
            path.unlink(missing_ok=True)
        yield note
        if shard is not None:
            write_bytes(path, json.dumps(asdict(note), indent=1).encode())


def read_notes(out: Path) -> list[Note]:
    """The notes of all shards of a run, in their order.

    What was begun with another number of shards may lie beside them, and copies by other names.
    Errors: FileNotFoundError where no shard is, or some are missing, which it names; ValueError for
    shards of several runs, and for a file that is no note.
    """
    by_run, by_count = defaultdict(list), defaultdict(list)
    found = (out / SHARDS).glob("[0-9]*of[0-9]*.json")
    paths = [path for path in found if Shard.find(path.stem)]
    for path in sorted(paths, key=lambda path: natural_key(path.name)):
        note = _read(path)
        by_run[str(note.run)].append(str(note.shard))
        by_count[note.shard.count].append(note)
    if len(by_run) > 1:
        runs = "; ".join(f"{', '.join(shards)} of {run}" for run, shards in by_run.items())
        raise ValueError(
            f"Shards must be of one run. Received: {runs}, in {out}. Run them again with the same "
            f"words on the same files, or remove from {out / SHARDS} those of another run."
        )
    for count, notes in by_count.items():
        if len(notes) == count:
            return notes
    raise FileNotFoundError(_describe_missing(out, by_count))


def remove_notes(out: Path) -> None:
    """Removes what the shards of `out` noted, and their tables, all at once."""
    merged = out / f"{SHARDS}-merged"
    shutil.rmtree(merged, ignore_errors=True)  # of a process that was killed here
    (out / SHARDS).rename(merged)
    shutil.rmtree(merged)


def _read(path: Path) -> Note:
    try:
        words = json.loads(path.read_bytes())
        run = Run(**words["run"])
        note = Note(**words | {"shard": Shard(**words["shard"]), "run": run})
        if note.shard.label != path.stem:
            raise ValueError(f"It is of shard {note.shard}")
        for part in (note.problems, note.results, note.run.settings):
            if not isinstance(part, dict):
                raise TypeError(f"{part!r} has no names")
        if not all(isinstance(word, str) for word in (run.command, run.made, run.listing)):
            raise TypeError(f"{run!r} is no run")
        for row in chain.from_iterable(note.results.values()):
            if not (isinstance(row, list) and all(isinstance(name, str) for name in row)):
                raise TypeError(f"{row!r} is no pair of files")
        return note
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"{path} must be what a shard noted. Received: {type(error).__name__}: {error}. Remove "
            "it, and run that shard again."
        ) from error


def _describe_missing(out: Path, by_count: Mapping[int, Sequence[Note]]) -> str:
    begun = {table.stem for table in list_tables(out)}
    counts = set(by_count) | {shard.count for shard in map(Shard.find, begun) if shard}
    if not counts:
        return f"There are no shards to merge in {out}. Give the --out of runs with --shard."
    count = max(counts, key=lambda count: len(by_count.get(count, ())))
    ended = {note.shard.number for note in by_count.get(count, ())}
    missing = (Shard(number, count) for number in range(1, count + 1) if number not in ended)
    shown = [f"{shard}{' (begun)' * (shard.label in begun)}" for shard in islice(missing, SHOWN)]
    left = count - len(ended)
    shown += [f"{left - SHOWN} more"] * (left > SHOWN)
    return (
        f"All shards must have ended before they are merged. Received: {out}, where "
        f"{left} of {count} are missing: {', '.join(shown)}. Run them; what is there stays."
    )
