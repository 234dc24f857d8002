"""What `depthlib merge` does: the tables and lists of a folder that shards have written to."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from depthlib.commands.data import merge_dataset
from depthlib.commands.label import write_labels
from depthlib.commands.predict import remove_half_written
from depthlib.commands.shard_notes import Note, read_notes, remove_notes
from depthlib.commands.stereo import SETTINGS, list_matched
from depthlib.commands.summary import merge_tables
from depthlib.data.dataset_file import NAME
from depthlib.files import hold_folder, remove_left
from depthlib.prediction.outputs import FILE, SHARDS, is_video, read_rows


def merge_shards(folder: Path) -> int:
    """Merges what the shards of a run wrote into `folder`; the exit status, 1 where files failed.

    predict: depth.csv. label: depth.csv and labels.csv. data: the CSVs, dataset.json and the
    picture. stereo match: stereo.csv and its picture, of all scenes whose shards are there. What
    was merged once is not merged again. Errors: those of `files.hold_folder` and
    `shard_notes.read_notes`, before anything is written, and those of what wrote the folder.
    """
    places = [folder] if (folder / SHARDS).is_dir() else _find_scenes(folder)
    if not places and any((folder / name).is_file() for name in (FILE, NAME)):
        print(f"{folder}: no shards are left to merge")
        return 0
    failed, places = 0, places or [folder]
    with ExitStack() as stack:
        for place in places:
            stack.enter_context(hold_folder(place))
        for place, notes in [(place, read_notes(place)) for place in places]:
            print(f"{place}: {len(notes)} shards, {_merge(place, notes)}")
            for note in notes:
                failed += len(note.problems)
                for file, problem in note.problems.items():
                    print(f"  {file}: {problem}")
            remove_notes(place)
    return 1 if failed else 0


def _find_scenes(folder: Path) -> list[Path]:
    """The scenes of matched pairs that have shards; what else lies there is an output by itself."""
    scenes = sorted(path.parent for path in folder.glob(f"*/{SETTINGS}"))
    return [scene for scene in scenes if (scene / SHARDS).is_dir()]


def _merge(place: Path, notes: Sequence[Note]) -> str:
    """Merges what wrote the notes into `place`; what is there now, in words.

    What killed shards left half written goes, of the files that the run writes alone.
    """
    command = notes[0].run.command
    if command == "data":
        merge_dataset(place, notes)
        return f"{notes[0].run.files} pairs checked"
    if command == "stereo":
        remove_left(place)
        return str(list_matched(place.parent, {}))
    rows = f"{merge_tables(place)} rows in {place / FILE}"
    table = read_rows(place)
    if command == "label":
        return f"{rows}, {write_labels(place, table)} pairs"
    videos = (row["name"] for row in table if is_video(row["photo"]))
    remove_half_written(place, (row["name"] for row in table), videos)
    return rows
