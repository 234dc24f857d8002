"""Which files of a folder are photos, which are depth maps, and which of them belong together."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image

from depthlib.data.csv_tables import MAPS, why_unlistable
from depthlib.data.inputs import PHOTOS, AreOutputs, is_junk
from depthlib.data.scenes import ROLE_WORDS, SPLIT_WORDS, is_role, split_words
from depthlib.data.specs import TEMPLATE, is_template, match_template
from depthlib.data.stacks import find_stacks
from depthlib.files import natural_key, refuse_escape

TOLERANCE = 0.02  # seconds between a photo and its map, as TUM's associate.py has it
PICTURE = "depthlib_pairs.png"  # what `depthlib data` draws into the folder
NO_MAP, NO_PHOTO = "no depth map", "no photo"
WRITTEN = "depth or a figure that depthlib wrote"
_SUFFIXES = PHOTOS | MAPS
_ALWAYS_PHOTOS = PHOTOS - {".png", ".tif", ".tiff", ".jp2", ".bmp"}
_ALWAYS_MAPS = MAPS - PHOTOS
_IN_NAMES = {"depth", "depths", "depthmap", "disparity", "disp", "gt", "groundtruth", "lidar"}
_WORDS = {
    *ROLE_WORDS["rgb"] - {"frames", "input", "inputs", "cam", "camera"},
    *_IN_NAMES, "sync", "raw",
}  # fmt: skip
_ROLE_IN_NAME = re.compile(
    rf"(?<![a-z])(?:{'|'.join(sorted(map(re.escape, _WORDS), key=len, reverse=True))})(?![a-z])"
)
_FORMS = (
    "a folder (rgb), a pattern ('*_rgb.png', '{scene}/color/{frame}.jpg'), or a list of times and "
    "files (rgb.txt)"
)

_DATE = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?([0-2]\d|3[01])[-_.t ]*([01]\d|2[0-3])"
    r"[-_.:]?([0-5]\d)[-_.:]?([0-5]\d)(?:[-_.,]?(\d{6}|\d{3}))?(?!\d)"
)
_DECIMAL = re.compile(r"\d\.\d")  # 2.05 is not 2.5
_MINUS = "~"  # in a key, of a number below 0
Key = tuple[tuple[str, ...], str]  # the folders that say where, and the name without its role


@dataclass(frozen=True)
class Layout:
    """The pairs of a folder.

    `table` has rgb and depth, POSIX paths relative to `root`, in natural order, and scene where a
    pattern says it. `left`: file and problem of what is left out. `matched` counts pairs by how
    their files were matched.
    """

    root: Path
    table: pd.DataFrame
    left: pd.DataFrame
    matched: Mapping[str, int]

    @property
    def is_certain(self) -> bool:
        """Whether names alone matched all pairs."""
        return set(self.matched) <= {"the same name", "the pattern"}

    def __str__(self) -> str:
        ways = ", ".join(f"{count} by {way}" for way, count in self.matched.items())
        rgb, depth = self.table.loc[0, ["rgb", "depth"]]
        return f"{len(self.table)} pairs, {ways}, such as {rgb} with {depth}."


def find_layout(
    folder: Path | str,
    photos: str | None = None,
    depth: str | None = None,
    tolerance: float = TOLERANCE,
    are_outputs: AreOutputs | None = None,
) -> Layout:
    """The pairs in `folder`.

    photos, depth: where they are: a folder, a pattern with {scene} and {frame} or *, or a list of
    times and files as TUM's rgb.txt; None: told by the words in folders and names (rgb, color,
    image; depth, disparity), else by their formats. Files match by name without such words, by
    number, or, where names are times, the nearest within `tolerance` seconds.
    are_outputs: tells which files are depth that a network has predicted: such are no pictures, and
    no maps but where `depth` says so.
    Errors: FileNotFoundError for a missing folder, or one without a pair; ValueError where several
    files could be one photo's map.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  # Path.absolute leaves ..
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}. Give the one that holds the data.")
    lists = _find_lists(folder, photos, depth)
    if lists:
        return _join_lists(folder, lists, tolerance)
    root = _common_root(folder, photos, depth)
    junk: list[str] = []
    chosen, scenes = _choose_files(root, folder, photos, depth, junk)
    written = _drop_outputs(root, chosen, ("rgb",) if depth else ("rgb", "depth"), are_outputs)
    left = [
        (name, reason)
        for role in ("rgb", "depth")
        for name in list(chosen[role])
        if (reason := why_unlistable(name)) and chosen[role].pop(name)
    ]
    rows, matched = _match(chosen["rgb"], chosen["depth"], tolerance)
    paired = {name for row in rows for name in row}
    left += [(name, NO_MAP) for name in chosen["rgb"] if name not in paired]
    left += [(name, NO_PHOTO) for name in chosen["depth"] if name not in paired]
    left += [(name, "a mask or another picture, no depth") for name in chosen["other"]]
    left += [(name, "a hidden file") for name in junk]
    left += [(name, WRITTEN) for name in written]
    if not rows:
        said = _describe_nothing(folder, chosen, photos, depth)
        if written:
            said += f" Left out: {len(written)} files, {WRITTEN}; `depth` may name it."
        raise FileNotFoundError(said)
    rows.sort(key=lambda row: natural_key(row[0]))
    table = pd.DataFrame(rows, columns=["rgb", "depth"])
    if scenes and all(scenes.get(name) for name in table["rgb"]):
        table["scene"] = [scenes[name] for name in table["rgb"]]
    return Layout(root, table, _tabulate(left), matched)


def _drop_outputs(
    root: Path,
    chosen: Mapping[str, dict[str, Key]],
    roles: Iterable[str],
    are_outputs: AreOutputs | None,
) -> list[str]:
    """Takes from the files of these roles what an earlier run wrote, and gives their names."""
    written: list[str] = []
    if are_outputs is None:
        return written
    for role in roles:
        names = list(chosen[role])
        outputs = are_outputs([root / name for name in names])
        written += [name for name, is_output in zip(names, outputs, strict=True) if is_output]
    for name in written:
        for files in chosen.values():
            files.pop(name, None)
    return written


def summarise_left(left: pd.DataFrame) -> pd.DataFrame:
    """What is left out, a row a folder and reason: folder, problem, files, example."""
    folders = [PurePosixPath(name).parent.as_posix() for name in left["file"]]
    groups = left.assign(folder=folders).groupby(["folder", "problem"], sort=False)["file"]
    return groups.agg(files="count", example="first").reset_index()


def _tabulate(left: list[tuple[str, str]]) -> pd.DataFrame:
    left = sorted(left, key=lambda row: natural_key(row[0]))
    return pd.DataFrame(left, columns=["file", "problem"])


def _walk(root: Path, junk: list[str], start: Path | None = None) -> list[str]:
    """The files under `start` whose names end as a picture's or a map's; hidden ones to `junk`."""
    found: list[str] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(start or root, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # links that go round in a circle
            folders.clear()
            continue
        seen.add(real)
        base = Path(place).relative_to(root).as_posix()
        for name in names:
            if os.path.splitext(name)[1].lower() in _SUFFIXES and name != PICTURE:  # noqa: PTH122  # 100,000 of them
                path = name if base == "." else f"{base}/{name}"
                (junk if is_junk(path) else found).append(path)
    return found


def _choose_files(
    root: Path,
    folder: Path,
    photos: str | None,
    depth: str | None,
    junk: list[str],
) -> tuple[dict[str, dict[str, Key]], dict[str, str]]:
    """The files of each role (rgb, depth, other) with their keys, and scenes that patterns say."""
    chosen: dict[str, dict[str, Key]] = {"rgb": {}, "depth": {}, "other": {}}
    scenes: dict[str, str] = {}
    for role, word in (("rgb", photos), ("depth", depth)):
        if word:
            chosen[role] = _find_named(root, folder, word, junk, scenes if role == "rgb" else {})
    taken = chosen["rgb"].keys() | chosen["depth"].keys()
    if not (photos and depth):
        start = len(folder.relative_to(root).parts)
        files = _walk(root, junk, folder)
        stacks = find_stacks(root, files) if not (photos or depth) else {}
        for file, stack in stacks.items():
            for photo, depth_map, place in stack.pairs(file):
                chosen["rgb"][photo] = chosen["depth"][depth_map] = ((file,), place)
                scenes |= {photo: stack.scenes[int(place)]} if stack.scenes else {}
        taken |= stacks.keys()
        for role, names in _tell_roles(root, [f for f in files if f not in taken]).items():
            if role == "other" or not chosen[role]:
                chosen[role] = {name: _make_key(name, start) for name in names}
    for name in chosen["rgb"].keys() & chosen["depth"].keys():
        raise ValueError(
            f"A photo and its depth must be two files. Received: {name} for both. Name other "
            "folders or patterns."
        )
    return chosen, scenes


def _find_named(
    root: Path, folder: Path, word: str, junk: list[str], scenes: dict[str, str]
) -> dict[str, Key]:
    """The files that a user's word means, with their keys."""
    place = Path(os.path.normpath(folder / word))  # without ..
    if place.is_dir():
        start = place.relative_to(root)
        names = _walk(root, junk, root / start)
        if not names:
            raise FileNotFoundError(
                f"A folder of photos or depth must hold pictures or maps. Received: {place}, "
                f"without. Photos and depth may be {_FORMS}."
            )
        return {name: _make_key(name, len(start.parts)) for name in names}
    template = _as_template(word)
    if template is None:
        raise FileNotFoundError(
            f"Photos and depth must be {_FORMS}. Received: {word!r}, which is not in {folder}."
        )
    if not is_template(template):
        raise ValueError(f"A pattern must be {TEMPLATE}. Received: {word!r}. Name it in fewer.")
    pattern = re.sub(r"\{\w+\}", "*", template)
    found: dict[str, Key] = {}
    for path in folder.glob(pattern):
        name = path.relative_to(root).as_posix()
        fields = match_template(path.relative_to(folder).as_posix(), template)
        if is_junk(name):
            junk.append(name)
        elif fields and path.suffix.lower() in _SUFFIXES:
            scene, frame = fields
            scenes[name] = scene
            found[name] = (((scene.lower(),) if scene else ()), _reduce(frame))
    if not found:
        raise FileNotFoundError(
            f"A pattern must fit files. Received: {word!r}, which fits none in {folder}. It is "
            f"relative to that folder; it may be {_FORMS}."
        )
    return found


def _as_template(word: str) -> str | None:
    """A pattern with {scene} and {frame}; of two *, the first is the scene, the last the frame."""
    if "{" in word:
        unknown = set(re.findall(r"\{(\w*)\}", word)) - {"scene", "frame"}
        if unknown or "{frame}" not in word:
            raise ValueError(
                "A pattern must have {frame}, and may have {scene}. Received: "
                f"{word!r}. Write such as '{{scene}}/rgb/{{frame}}.png'."
            )
        return word
    stars = word.count("*")
    if not stars or "**" in word:
        return None
    if word.endswith(".*"):  # of any format
        return f"{_as_template(word[:-2]) or word[:-2]}.*"
    head, _, tail = word.rpartition("*")
    head = head.replace("*", "{scene}", 1)
    return f"{head}{{frame}}{tail}"


def _tell_roles(root: Path, files: Iterable[str]) -> dict[str, list[str]]:
    """The files of each role."""
    found: dict[str, list[str]] = {"rgb": [], "depth": [], "other": []}
    roles: dict[str, str] = {}
    for name in files:
        head, _, tail = name.rpartition("/")
        if head not in roles:
            roles[head] = _role_of_folder(head)
        role = _role_of(tail, roles[head]) or _role_by_format(root / name)
        found[role].append(name)
    return found


def _role_of_folder(folder: str) -> str:
    """The role that the last folder says whose name is one."""
    for part in reversed(folder.split("/")):
        if is_role(part):
            words = set(re.findall("[a-z]+", part.lower())) | set(split_words(part))
            for role in ("other", "depth", "rgb"):
                if words & ROLE_WORDS[role]:
                    return role
    return ""


def _role_of(name: str, folder_role: str) -> str:
    stem, _, suffix = name.lower().rpartition(".")
    words = set(re.findall("[a-z]+", stem)) | set(split_words(stem))
    if folder_role == "other" or words & ROLE_WORDS["other"]:
        return "other"
    if words & _IN_NAMES or f".{suffix}" in _ALWAYS_MAPS:
        return "depth"
    if folder_role:
        return folder_role
    return "rgb" if words & ROLE_WORDS["rgb"] or f".{suffix}" in _ALWAYS_PHOTOS else ""


def _role_by_format(path: Path) -> str:
    """Of one channel, or of more than 8 bits a channel: depth."""
    try:
        with path.open("rb") as file, Image.open(file) as image:
            return "depth" if image.mode in ("L", "I", "F") or ";16" in image.mode else "rgb"
    except Exception:  # what Pillow's plugins raise; whoever reads it says what is wrong
        return "rgb"


def _make_key(name: str, start: int = 0) -> Key:
    """The key of a path without its first `start` folders."""
    path = PurePosixPath(name)
    folders = [part.lower() for part in path.parts[start:-1]]
    sides = [part for part in folders if _side_of(part)]
    places = [part for part in folders if not is_role(part)]
    return (*sides, *places), _reduce(path.stem)


def _reduce(stem: str) -> str:
    """A name without the words that say what the file is."""
    lower = re.sub(r"(?<![^_. ])-(?=\d)", _MINUS, stem.lower())  # of -20; in a-20 it parts
    short = re.sub(r"([_\-. ])[_\-. ]+", r"\1", _ROLE_IN_NAME.sub("", lower)).strip("_-. ")
    return short or lower


def side_of(photo: str) -> str:
    """train, val or test, where a folder of a path says so; else ""."""
    return next((side for part in photo.split("/")[:-1] if (side := _side_of(part))), "")


def _side_of(folder: str) -> str:
    words = SPLIT_WORDS.intersection(split_words(folder)) if is_role(folder) else ()
    sides = {side for side in ("train", "val", "test") for word in words if word.startswith(side)}
    return sides.pop() if len(sides) == 1 else ""


def _match(
    photos: Mapping[str, Key], maps: Mapping[str, Key], tolerance: float
) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """Pairs (photo, map), and how many were matched in which way: the strictest first."""
    rows: list[tuple[str, str]] = []
    matched: dict[str, int] = {}
    left, right = dict(photos), dict(maps)
    for way, rule, strict in (
        ("the same name", _by_name, True),
        ("the same number", _by_number, True),
        ("the last number", _by_last_number, False),
        ("the same name in another folder", _by_name_beside, False),
    ):
        if rule is _by_name_beside and rows:  # what is left over then has no partner
            continue
        told = {photos[photo][0] for photo, _ in rows}  # where names have told partners: as there
        open_left, open_right = (
            {name: key for name, key in side.items() if strict or key[0] not in told}
            for side in (left, right)
        )
        found = list(_match_keys(open_left, open_right, rule, strict))
        rows += found
        if found:
            matched[way] = len(found)
        for photo, depth_map in found:
            del left[photo], right[depth_map]
    found = list(_match_times(left, right, tolerance))
    if found:
        matched[f"the nearest time within {tolerance:g} s"] = len(found)
    return rows + found, matched


def _match_keys(
    photos: Mapping[str, Key],
    maps: Mapping[str, Key],
    rule: Callable[[Key], Hashable],
    strict: bool,
) -> Iterator[tuple[str, str]]:
    """Pairs that `rule` gives one value, where no other file has it; `strict`: refuses others."""
    groups: dict[Hashable, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, files in enumerate((photos, maps)):
        for name, key in files.items():
            reduced = rule(key)
            if reduced is not None:
                groups[reduced][side].append(name)
    for ours, theirs in groups.values():
        if len(ours) == len(theirs) == 1:
            yield ours[0], theirs[0]
        elif ours and theirs and strict:
            raise ValueError(
                f"A photo must have one depth map. Received: {', '.join(sorted(ours)[:3])} with "
                f"{', '.join(sorted(theirs)[:3])}. Say which: photos and depth may be {_FORMS}."
            )


def _by_name(key: Key) -> Hashable:
    return key


def _by_number(key: Key) -> Hashable:
    places, name = key
    return None if _DECIMAL.search(name) else (places, natural_key(name))


def _by_last_number(key: Key) -> Hashable:
    places, name = key
    numbers = re.findall(rf"{_MINUS}?\d+", name)
    is_other = _DATE.search(name) or _DECIMAL.search(name) or time_of(name) is not None
    if not numbers or is_other:
        return None
    return places, int(numbers[-1].replace(_MINUS, "-"))


def _by_name_beside(key: Key) -> Hashable:
    """By name alone beside each other: in lowres_wide/ and lowres_depth/, as ARKitScenes has it."""
    places, name = key
    return places[:-1], name


def time_of(name: str) -> float | None:
    """The seconds that a name says: 1305031102.175304, or a number of ms, µs or ns; else None.

    A date with its time, 20240101_120000123, is one too, of the same zone as all others.
    """
    if date := _DATE.search(name):
        *numbers, part = date.groups("")
        with suppress(ValueError):  # the 31st of June
            start = datetime(*map(int, numbers)).replace(tzinfo=UTC).timestamp()  # type: ignore[arg-type]
            return start + float(f"0.{part}0") if date.end() == len(name) else None
    # What begins with 0 is a counter.
    match = re.fullmatch(r"\D*?([1-9]\d{8,9}[.]\d+|[1-9]\d{11,18}(?:[.]\d+)?)", name)
    if match is None:
        return None
    digits = len(match[1].partition(".")[0])
    unit = 0 if digits < 12 else 3 if digits < 15 else 6 if digits < 18 else 9
    return float(match[1]) / 10**unit


def _match_times(
    photos: Mapping[str, Key], maps: Mapping[str, Key], tolerance: float
) -> Iterator[tuple[str, str]]:
    places: dict[tuple[str, ...], tuple[list, list]] = defaultdict(lambda: ([], []))
    for side, files in enumerate((photos, maps)):
        for file, (place, name) in files.items():
            time = time_of(name)
            if time is not None:
                places[place][side].append((time, file))
    for ours, theirs in places.values():
        yield from nearest(ours, theirs, tolerance)


def nearest(
    ours: Sequence[tuple[float, str]], theirs: Sequence[tuple[float, str]], tolerance: float
) -> Iterator[tuple[str, str]]:
    """Pairs whose times (seconds) differ least, each file once, as TUM's associate.py has them."""
    if not ours or not theirs:
        return
    theirs = sorted(theirs)
    times = np.array([time for time, _ in theirs])
    candidates = []
    for time, file in ours:
        low, high = np.searchsorted(times, (time - tolerance, time + tolerance))
        candidates += [
            (abs(times[place] - time), file, theirs[place][1]) for place in range(low, high)
        ]
    taken: set[str] = set()
    for _, one, other in sorted(candidates):
        if one not in taken and other not in taken:
            taken |= {one, other}
            yield one, other


def _find_lists(folder: Path, photos: str | None, depth: str | None) -> list[tuple[Path, Path]]:
    """The lists of times of photos and of maps, as TUM's sequences have them."""
    if photos and depth:
        pair = folder / photos, folder / depth
        return [pair] if all(path.is_file() for path in pair) else []
    if photos or depth:
        return []
    found = [*folder.glob("rgb.txt"), *folder.glob("*/rgb.txt")]
    pairs = [(path, path.with_name("depth.txt")) for path in sorted(found)]
    return [pair for pair in pairs if pair[1].is_file()]


def _join_lists(root: Path, lists: list[tuple[Path, Path]], tolerance: float) -> Layout:
    rows: list[tuple[str, str]] = []
    left: list[tuple[str, str]] = []
    for pair in lists:
        ours, theirs = (_read_times(path, root) for path in pair)
        for files in (ours, theirs):
            left += [(name, "not there") for _, name in files if not (root / name).is_file()]
        ours, theirs = ([row for row in f if (root / row[1]).is_file()] for f in (ours, theirs))
        found = list(nearest(ours, theirs, tolerance))
        rows += found
        paired = {name for row in found for name in row}
        late = f" within {tolerance:g} s"
        left += [(name, NO_MAP + late) for _, name in ours if name not in paired]
        left += [(name, NO_PHOTO + late) for _, name in theirs if name not in paired]
    if not rows:
        raise FileNotFoundError(
            f"Lists of times must have pairs within {tolerance:g} s. Received: none in "
            f"{lists[0][0]} and {lists[0][1]}. Give a larger tolerance."
        )
    rows.sort(key=lambda row: natural_key(row[0]))
    matched = {f"the nearest time within {tolerance:g} s": len(rows)}
    return Layout(root, pd.DataFrame(rows, columns=["rgb", "depth"]), _tabulate(left), matched)


def _read_times(path: Path, root: Path) -> list[tuple[float, str]]:
    """The (seconds, file relative to `root`) of each line."""
    found = []
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.replace(",", " ").split()
        if not fields or fields[0].startswith("#"):
            continue
        try:
            time, name = float(fields[0]), fields[1]
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"A list of times must have a time and a file a line. Received: {line!r} in line "
                f"{number} of {path}. Correct it."
            ) from error
        place = Path(os.path.normpath(path.parent / name))  # it may have ..
        inside = Path(os.path.relpath(place, root)).as_posix()
        refuse_escape(inside, path)
        found.append((time, inside))
    return found


def _common_root(folder: Path, photos: str | None, depth: str | None) -> Path:
    """The folder itself, or where photos or depth lie outside it, the one that holds all."""
    places = [
        Path(os.path.normpath(folder / word))
        for word in (photos, depth)
        if word and (folder / word).is_dir()
    ]
    if all(place.is_relative_to(folder) for place in places):
        return folder
    return Path(os.path.commonpath(places if len(places) == 2 else [*places, folder]))


def _describe_nothing(
    folder: Path, chosen: Mapping[str, Mapping[str, Key]], photos: str | None, depth: str | None
) -> str:
    counts = {role: len(files) for role, files in chosen.items()}
    examples = [next(iter(chosen[role]), "none") for role in ("rgb", "depth")]
    said = ", ".join(
        f"{name}={word!r}" for name, word in (("photos", photos), ("depth", depth)) if word
    )
    most = Counter(
        PurePosixPath(name).parent.as_posix() for files in chosen.values() for name in files
    )
    folders = ", ".join(f"{name} ({count})" for name, count in most.most_common(6)) or "none"
    return (
        "A folder must hold photos and their depth maps. Received: "
        f"{folder}{', ' * bool(said)}{said} with {counts['rgb']} photos (such as {examples[0]}) "
        f"and {counts['depth']} maps (such as {examples[1]}), of which no two match; folders with "
        f"pictures: {folders}. Say where they are: photos and depth may be {_FORMS}."
    )
