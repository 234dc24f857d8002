"""Lists of photos and depth maps as text: any dialect of CSV in, one table out."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from depthlib.data.arrays import is_container
from depthlib.data.inputs import PHOTOS

MAPS = {
    ".png", ".tif", ".tiff", ".exr", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".pfm", ".pgm", ".jp2",
    ".jpg", ".jpeg", ".bmp", ".webp", ".raw",
}  # fmt: skip
VIEWS = ("right", "previous", "next")  # columns of other photos of what a photo shows
# Columns of how the camera moved to a view: six numbers, as `data.views.Views` has them
MOTIONS = {"previous": "previous_motion", "next": "next_motion"}
FILES = ("rgb", "depth", "confidence", *VIEWS)  # columns that name files
# What a heading calls its columns, without _path, _file and the like.
COLUMNS = {
    "rgb": {"rgb", "photo", "image", "img", "color", "colour", "picture", "file", "filename",
        "input",
    },
    "depth": {
        "depth", "depth_map", "depthmap", "map", "gt", "ground_truth", "label", "target",
        "disparity", "disp",
    },
    "scene": {"scene", "room", "sequence", "scene_id", "video"},
    "focal": {"focal", "focal_length", "fx"},
    "confidence": {"confidence", "conf"},
    "right": {"right"},
    "previous": {"previous", "prev"},
    "next": {"next"},
}  # fmt: skip
_ENDS = re.compile(r"_?(path|paths|file|filename|name)s?$")
_SPACES = r"\s+"
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ufeff]")
_SEPARATORS = (",", ";", "\t", _SPACES)


def read_pair_table(path: Path) -> pd.DataFrame:
    """A list of pairs as text columns: rgb, depth, and what else the heading names, in lower case.

    A heading may name other views (VIEWS) in place of depth or beside it; a photo that has no such
    view has an empty field there.

    With a heading or without; fields parted by commas, semicolons, tabs or spaces; lines that begin
    with # and an index column are left out, as is a confidence that names no files; UTF-8, UTF-16
    with its mark, or cp1252; backslashes part folders, as Windows writes them. Without a heading
    the first two columns that name files are the photo and its map, and a number at the end of a
    row is its focal length.
    Errors: ValueError that names the file, for another list or a packed one.
    """
    rule = "A CSV must hold `rgb,depth` rows."
    lines = _drop_comments(_decode(path, rule))
    fields, separator = _split_first(lines)
    heading = name_columns(fields)
    table = _parse(lines, separator, path, rule)
    if _is_heading(heading):
        _refuse_twins(fields, path)
        table = table.iloc[1:].reset_index(drop=True)
        table.columns = pd.Index(heading[: table.shape[1]])
    else:
        table = _name_by_content(table, path)
    if table.empty:
        raise ValueError(f"{rule} Received: none in {path}. Make it again.")
    for name in ("confidence", *VIEWS):
        if name in table and not table[name].map(names_file).any():
            table = table.drop(columns=name)  # a number for each photo, say, is no map
    for name, motion in MOTIONS.items():
        if name not in table:
            table = table.drop(columns=motion, errors="ignore")
        elif motion not in table or table[motion][table[name] != ""].eq("").any():
            raise ValueError(
                f"Each photo with a {name} one must say how the camera moved there, in the column "
                f"{motion}. Received: none in {path}. Make the CSV with `depthlib views`, an "
                "older one anew with --overwrite."
            )
    files = [name for name in FILES if name in table]
    whole = [name for name in files if name not in VIEWS]
    if table[whole].isin(["", "None"]).any(axis=None):  # None: in BTS's lists
        raise ValueError(
            f"Each row of a CSV must be `rgb,depth`. Received: an empty field or None in {path}. "
            "Complete the row or remove it."
        )
    for name in files:
        table[name] = table[name].str.replace("\\", "/")
    return table


def read_photo_column(path: Path) -> list[str] | None:
    """The photos of a list whose heading names their column, behind another one; None: any other.

    Errors: ValueError that names the file.
    """
    rule = "A list must name a photo in each row."
    lines = _drop_comments(_decode(path, rule))
    for separator in _SEPARATORS if lines else ():
        fields = _split(lines[0], separator)
        heading = name_columns(fields)
        if "rgb" in heading[1:] and heading[0] != "rgb":
            _refuse_twins(fields, path)
            photos: list[str] = _parse(lines, separator, path, rule)[heading.index("rgb")].to_list()
            if not all(photos):
                raise ValueError(f"{rule} Received: an empty field in {path}. Complete the row.")
            return [photo.replace("\\", "/") for photo in photos[1:]]
    return None


def read_index(path: Path) -> pd.DataFrame | None:
    """The photo and the scene in each row of index.csv, and its other columns; None: a pair list.

    Errors: ValueError that names the file.
    """
    rule = "index.csv must have a photo and its scene in each row."
    try:
        # pandas would unpack by the suffix, and take more fields than the header has for an index.
        table = pd.read_csv(path, dtype=str, compression=None, index_col=False).fillna("")
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{rule} Received: {path}: {error}") from error
    if {"photo", "scene"} <= set(table):
        return table
    names = list(map(str, table))
    if _is_heading(name_columns(names)) or sum(map(names_file, names)) >= 2:
        return None
    raise ValueError(f"{rule} Received: {', '.join(names)} in {path}.")


def format_rows(table: pd.DataFrame, heading: bool) -> bytes:
    """The table as CSV in UTF-8, which `read_pair_table` reads back; the same rows, same bytes."""
    text = table.to_csv(header=heading, index=False, lineterminator="\n")
    # A line that begins with # would be a comment.
    return re.sub(r"(?m)^(#[^,\n]*)", r'"\1"', text).encode()


def why_unlistable(path: str) -> str:
    """Why a CSV cannot name this POSIX path, with what to do; "" where it can."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is no UTF-8: rename it"
    if "\\" in path:
        return "a backslash in its name, which parts folders in a CSV: rename it"
    if _CONTROLS.search(path):
        return "a control character in its name: rename it"
    if path != path.strip():
        return "a space at an end of its name: rename it"
    if re.match("[A-Za-z]:", path):
        return "its name begins like a drive of Windows: rename it"
    return ""


def _decode(path: Path, rule: str) -> str:
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        raise ValueError(f"{rule} Received: {path}, which is packed by gzip. Unpack it: gunzip.")
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError:
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError as error:
            raise ValueError(f"{rule} Received: {path}: {error}. Save it as UTF-8.") from error


def _drop_comments(text: str) -> list[str]:
    text = text.replace("\r\n", "\n")
    lines = text.split("\n" if "\n" in text else "\r")  # as old Macs ended them
    return [line for line in lines if line.strip(" \t") and not line.lstrip().startswith("#")]


def _split_first(lines: Sequence[str]) -> tuple[list[str], str]:
    """The fields of the first line, and the separator by which it has a photo and its map."""
    first = lines[0] if lines else ""
    for separator in _SEPARATORS:
        fields = _split(first, separator)
        if _is_heading(name_columns(fields)) or sum(map(names_file, fields)) >= 2:
            return fields, separator
    return _split(first, ","), ","


def _split(line: str, separator: str) -> list[str]:
    if separator == _SPACES:
        return line.split()
    reader = csv.reader([line], delimiter=separator, skipinitialspace=True)
    try:
        return [field.strip() for field in next(reader, [])]
    except csv.Error:  # no line of a CSV, which reading all of them says
        return []


def _parse(lines: Sequence[str], separator: str, path: Path, rule: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            io.StringIO("\n".join(lines) + "\n"),
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=separator != _SPACES,
            index_col=False,
        )
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ValueError(f"{rule} Received: {path}: {error}") from error
    return table.fillna("").apply(lambda column: column.str.strip())


def name_columns(fields: Sequence[str]) -> list[str]:
    """What a heading's fields mean: rgb, depth, scene, focal, or their own name in lower case."""
    names = []
    for field in fields:
        own = field.strip().lower().replace(" ", "_").replace("-", "_")
        short = _ENDS.sub("", own) or own
        names.append(next((name for name, words in COLUMNS.items() if short in words), own))
    for name in COLUMNS:  # of rgb and image, rgb is the photo
        exact = [field.strip().lower() == name for field in fields]
        if sum(exact) == 1:
            names = [
                field.strip().lower() if found == name and not same else found
                for field, found, same in zip(fields, names, exact, strict=True)
            ]
    return names


def find_column(table: pd.DataFrame, name: str) -> str | None:
    """The column of a list of pairs that a user calls `name`; None where it has none."""
    own = name.strip().lower()
    return next((column for column in (own, *name_columns([name])) if column in table), None)


def _is_heading(names: Sequence[str]) -> bool:
    """Whether these are the columns of pairs: a photo, and its depth or other views of it."""
    return "rgb" in names and not {"depth", *VIEWS}.isdisjoint(names)


def _refuse_twins(fields: Sequence[str], path: Path) -> None:
    """Errors: ValueError for a heading with two columns of one thing that is read."""
    heading = name_columns(fields)
    for name in (*COLUMNS, *MOTIONS.values(), "condition"):
        if heading.count(name) > 1:
            twins = [field for field, own in zip(fields, heading, strict=True) if own == name]
            raise ValueError(
                f"One column of a heading must be its {name}. Received: {' and '.join(twins)} in "
                f"{path}. Rename the others."
            )


def _name_by_content(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The columns of a list without a heading, told by its first row."""
    first = [str(field) for field in table.iloc[0]] if len(table) else []
    files = [column for column, field in enumerate(first) if names_file(field)]
    if len(files) != 2 and len(first) == 2:
        files = [0, 1]
    if len(files) != 2:
        raise ValueError(
            f"Each row of a CSV must be `rgb,depth`. Received: {len(first)} columns, "
            f"{len(files)} of them files, in {path}. Name two columns rgb and depth in a heading."
        )
    named = {"rgb": table[files[0]], "depth": table[files[1]]}
    last = len(first) - 1
    if last > files[1] and _is_number(first[last]):
        named["focal"] = table[last]
    return pd.DataFrame(named)


def names_file(field: str) -> bool:
    """Whether a field of a CSV ends as a picture or a map does, or leads into one of arrays."""
    path = Path(field.strip().replace("\\", "/"))
    return path.suffix.lower() in PHOTOS | MAPS or any(map(is_container, path.parts[:-1]))


def _is_number(field: str) -> bool:
    try:
        return float(field) > 0
    except ValueError:
        return False
