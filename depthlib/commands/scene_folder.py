"""A scene's folder in a dataset that a command makes, and what all scenes of it have in common."""

import json
import os
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from depthlib.data.csv_tables import why_unlistable
from depthlib.data.dataset_file import NAME, name_after, read_dataset_file
from depthlib.data.inputs import VIDEOS, is_junk, locate
from depthlib.data.shards import Shard
from depthlib.files import are_noted, content_of, note_files, write_bytes

SIDES = ("left", "right")
_LATER = ("rig",)  # settings that earlier versions did not note
_UNKNOWN = "other settings"  # in what settings differ from those in a file that is none of ours
_FILES = "files"  # what a scene's settings note of its sources


class SceneFolder:
    """A scene's folder in a dataset, SCENE/PART/NAME, and by which settings it is made.

    settings: the name of the file in it that holds them. parts: the folders of what is written, and
    how files there end.
    Errors: ValueError for a name that is none of a folder, or that a CSV cannot name.
    """

    def __init__(self, out: Path, name: str, settings: str, parts: Mapping[str, str]) -> None:
        reason = why_unlistable(name)
        if reason or is_junk(name) or name in ("", "..") or Path(name).name != name:
            raise ValueError(
                "A scene must be named as a folder in --out is to be. Received: "
                f"{name!r}{reason and f', {reason}'}. Use another --scene, such as drive_0001."
            )
        self.name, self.folder, self.parts = name, out / name, parts
        self.settings = self.folder / settings

    def begin(
        self,
        settings: Mapping[str, object],
        overwrite: bool,
        frames: Sequence[Path],
        listed: Container[str] = (),
        shard: Shard | None = None,
        sources: Sequence[Path] = (),
        is_theirs: Callable[[Path], bool] = lambda path: False,
    ) -> None:
        """Writes by what the scene is made; `overwrite`: and removes its files, of the shard.

        frames: the photos, or the videos, that names are made of. listed: the names of frames that
        the scene itself says to have. What else a user has put there stays.
        sources: all files of which it is made, where they are to stay the same. is_theirs: whether
        a file that is called as one of the scene's is known to be another one.
        Errors: ValueError where it was made otherwise, where there are others' files, or where
        another scene is made of the same ones.
        """
        path = self.settings
        there = [file for part in self.parts for file in (self.folder / part).glob("*")]
        if not path.is_file() and there:
            raise ValueError(
                "A scene must be a new folder, or one that this command made. Received: "
                f"{self.folder}, which has {there[0]}. Use another --scene or --out."
            )
        if overwrite:
            names = {frame.stem for frame in frames if frame.suffix.lower() not in VIDEOS}
            are_numbered = len(names) < len(frames)
            called = []
            for file in there:
                name, is_ours = file.stem, file.suffix == self.parts[file.parent.name]
                is_frame = name in names or (are_numbered and re.fullmatch("[0-9]{6,}", name))
                if is_ours and (is_frame or name in listed):
                    if shard is None or shard.holds(name):
                        called.append(file)
            if theirs := next(filter(is_theirs, called), None):
                raise FileExistsError(
                    f"A file of one's own must not be written over. Received: {theirs}, which is "
                    "not as depthlib wrote it. Move it, or use another --scene or --out."
                )
            for file in called:
                file.unlink()
        elif path.is_file():
            other = _tell_difference(path, settings, sources)
            if not other:
                return
            if there or shard or other == _UNKNOWN:  # else nothing was made that way
                raise ValueError(
                    "A scene must be made by one camera or rig and by the same settings. Received: "
                    f"{other} in {path}. Use another --scene or --out, or --overwrite."
                )
        if sources:
            settings = dict(settings) | {_FILES: note_files(*sources)}
            self.refuse_twin(str(settings[_FILES]), lambda folder: _read_note(folder / path.name))
        write_bytes(path, (json.dumps(settings, indent=2) + "\n").encode())

    def refuse_twin(self, note: str, find_note: Callable[[Path], str | None]) -> None:
        """Accepts frames that are in no other scene, whatever their folder was called then.

        note: `files.note_files` of them. find_note: gives that of another scene's folder.
        Errors: ValueError where their contents are the same.
        """
        for other in self.folder.parent.glob(f"*/{self.settings.name}"):
            noted = find_note(other.parent) if other.parent.name != self.name else None
            if noted and content_of(noted) == content_of(note):
                raise ValueError(
                    "Frames must be in a dataset once. Received: those of its scene "
                    f"{other.parent.name} for {self.name}, in {self.folder.parent}. Use --scene "
                    f"{other.parent.name}, or another --out."
                )


def _read_note(settings: Path) -> str | None:
    """What a scene's settings note of its sources; None where they are none."""
    try:
        return str(json.loads(settings.read_bytes())[_FILES])
    except (ValueError, TypeError, LookupError):
        return None


def _tell_difference(path: Path, settings: Mapping[str, object], sources: Sequence[Path]) -> str:
    """In what `settings` differ from those in a file, in words; "" where they are the same."""
    try:
        old = json.loads(path.read_bytes())
        told = [
            f"{name} {value}, not {old[name]}"
            for name, value in settings.items()
            if (name in old or name not in _LATER)
            and value != old[name]
            and not _is_one_place(name, path.parent, value, old[name])
        ]
        if sources and _FILES in old and not are_noted(str(old[_FILES]), *sources):
            told.append("files that are others than those it was made of")
        return ", ".join(told)
    except (ValueError, TypeError, LookupError):
        return _UNKNOWN


def _is_one_place(name: str, folder: Path, *paths: object) -> bool:
    """Whether a side's paths from `folder` mean one place: earlier versions wrote absolute ones."""
    whole = os.path.realpath(folder)
    places = {os.path.normpath(str(Path(whole, str(path)))) for path in paths}
    return name in SIDES and len(places) == 1


def place_sides(words: Sequence[str], folder: Path) -> dict[str, str]:
    """Where both sides, or a video, lie from a scene's folder: so a tree may move as a whole."""
    whole = [os.path.realpath(word) for word in words]
    with suppress(ValueError):  # another drive
        whole = [os.path.relpath(place, os.path.realpath(folder)) for place in whole]
    return dict(zip(SIDES, (Path(place).as_posix() for place in whole), strict=False))


def name_scene(words: Sequence[str]) -> str:
    """The name of what holds both sides: a drive's folder of two folders, or a video's own."""
    common = Path(os.path.commonpath([Path(word).resolve() for word in words]))
    while set(common.name) & set("*?["):  # a pattern of files
        common = common.parent
    return common.stem if common.suffix and not common.is_dir() else common.name or "scene"


def refuse_among(folder: Path, sides: Iterable[Sequence[Path]]) -> None:
    """Errors: ValueError where what is written to `folder` would lie among the photos."""
    place = folder.resolve()
    for photo in (photo for side in sides for photo in side):
        if locate(photo).parent == place:
            raise ValueError(
                "What is written must not lie among the photos. Received: the folder "
                f"{folder}, in which {photo.name} is. Choose another folder."
            )


def name_dataset(out: Path, usual: str) -> str:
    """What the dataset in `out` is called, by its file or its folder."""
    path = out / NAME
    return read_dataset_file(path).name if path.is_file() else name_after(out) or usual
