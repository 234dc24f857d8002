"""The dataset's own file: a small dataset.json beside the CSV that says what a `DatasetSpec` says.

    {"name": "kitchen", "metres_per_count": 0.001, "max_depth": 6, "focal": 0.914}

Its keys are the fields of `DatasetSpec`. `like` names a known dataset whose fields are the rest.
`focal_pixels` with `photo_width`, in pixels of one photo, may stand for `focal`. The YAML file of a
depth dataset of Ultralytics' is read as it is.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from depthlib.data.intrinsics import SHARES
from depthlib.data.specs import (
    DTYPES,
    ENCODINGS,
    SPECS,
    TEMPLATE,
    DatasetSpec,
    get_spec,
    is_template,
)
from depthlib.files import check_suffix, write_bytes
from depthlib.metrics import PROTOCOLS

NAME = "dataset.json"
_ALWAYS = ("depth_dtype", "metres_per_count", "min_depth", "max_depth", "encoding")
_UNCOUNTED = ("disparity", "none")  # encodings whose maps hold no counts of depth
_NOT_IN_NAMES = '/\\:*?"<>|+'
_LONGEST = 200  # bytes of a name: file systems take 255, of which a cache's folder adds some
_SUFFIXES = (".json", ".yaml", ".yml")


def find_dataset_file(csv: Path | str) -> Path | None:
    """The file that describes the pairs of a CSV: its own name with .json, else dataset.json."""
    csv = Path(csv)
    places = (csv.with_suffix(".json"), csv.with_name(NAME))
    return next((place for place in places if place.is_file()), None)


def read_dataset_file(path: Path | str) -> DatasetSpec:
    """What a dataset.json says, or Ultralytics' YAML.

    Errors: FileNotFoundError; ValueError that names the file for one that is no JSON object or no
    YAML of a depth dataset, and for a key that there is not, that is missing, or whose value is
    none.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}. Write one that says how depth is stored, such as "
            '{"metres_per_count": 0.001}, or let make_dataset.ipynb write it.'
        )
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(
            f"A dataset's file must end in {', '.join(_SUFFIXES)}. Received: {path}. Rename it."
        )
    try:
        given = _parse_yaml(path) if path.suffix.lower() != ".json" else _parse_json(path)
        return make_spec(**({"name": _name_of(path)} | given))
    except ValueError as error:
        raise ValueError(f"{error} The file is {path}.") from error


def write_dataset_file(spec: DatasetSpec, path: Path | str) -> None:
    """Writes atomically what `read_dataset_file` reads back as the same spec, a key a line.

    Errors: ValueError for a spec that no file can say, or a `path` that does not end in .json.
    """
    check_suffix(path, ".json")
    described = describe_spec(spec)
    if make_spec(**described) != spec:
        raise ValueError(f"A dataset's file must give back its spec. Received: {spec}.")
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in described.items()]
    write_bytes(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def list_differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The fields in which two descriptions of a dataset differ, in their order."""
    return [field for field in {**one, **other} if one.get(field) != other.get(field)]


def refuse_another(spec: DatasetSpec, path: Path | str) -> None:
    """Accepts a folder in which `write_dataset_file` may write `spec` to `path`.

    One that is there may have another name, and must say the same: what is stored beside it would
    else be read by another scale. Errors: those of `read_dataset_file`; ValueError for another.
    """
    there = read_dataset_file(path) if Path(path).is_file() else spec
    old, new = (describe_spec(replace(one, name="")) for one in (there, spec))
    differs = [
        f"{field} {new.get(field)} and {old.get(field)}" for field in list_differing(new, old)
    ]
    if differs:
        raise ValueError(
            f"What is stored in a folder must be stored alike. Received: {', '.join(differs)}, the "
            f"second in {path}. Choose another folder."
        )


def make_spec(name: str, like: str | None = None, **given: Any) -> DatasetSpec:
    """A dataset of one's own, by what is to be said of it; the rest as in the known spec `like`.

    Without `like` the rest is: 16-bit counts (floats and disparity: float32) whose scale must be
    given, but for floats, which are metres; 0.1 to 10 m; scenes unknown; any dense map in that
    range. Lists may stand for tuples, as a JSON file has them. Errors: ValueError that names a
    field that there is not, that is missing, or whose value is none.
    """
    if unknown := given.keys() - _RULES.keys():
        raise ValueError(
            f"A dataset is described by {', '.join(_RULES)}. Received: "
            f"{', '.join(sorted(unknown))} for {name!r}. Correct or remove that."
        )
    given = {field: _as_tuple(value) for field, value in given.items()}
    for field, value in ({"name": name, "like": like} | given).items():
        accepts, rule = _RULES[field]
        if not accepts(value):
            raise ValueError(f"`{field}` of a dataset must be {rule}. Received: {value!r}.")
    if like is not None:
        spec = replace(get_spec(like), name=name, **given)
    else:
        spec = DatasetSpec(name=name, **(_defaults(given) | given))
    _check_together(spec)
    return spec


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    encoding = given.get("encoding", "depth")
    counted = encoding not in _UNCOUNTED
    dtype = given.get("depth_dtype", "uint16" if counted else "float32")
    if dtype.startswith("float"):
        given = {"metres_per_count": 1.0} | dict(given)
    elif "metres_per_count" not in given and counted:
        raise ValueError(
            "`metres_per_count` must be said where depth is stored as whole numbers. Received: "
            "none. Use 0.001 for millimetres, or null for depth up to an unknown scale."
        )
    relative = counted and given.get("metres_per_count") is None
    relative |= encoding == "none" and given.get("baseline") is None
    low = given.get("min_depth", 0.01 if relative else 0.1)
    high = given.get("max_depth", 1.0 if relative else 10.0)
    return {
        "photo": "",
        "depth": "",
        "depth_dtype": dtype,
        "metres_per_count": given["metres_per_count"] if counted else None,
        "min_depth": low,
        "max_depth": high,
        "median_range": (low, high),
        "coverage_range": (0.02, 1.0),
        "scenes": "unknown",
        "made_by": "make_dataset.ipynb",
    }


def _check_together(spec: DatasetSpec) -> None:
    disparity = spec.encoding == "disparity"
    for kept, rule, *said in (
        (spec.min_depth < spec.max_depth, "rise", "min_depth", "max_depth"),
        (
            disparity == (spec.focal_baseline is not None),
            "be said of disparity alone: focal length in pixels times baseline in metres",
            "focal_baseline",
            "encoding",
        ),
        (
            disparity or (spec.pixels_per_count, spec.count_offset) == (1, 0),
            "be said of disparity alone: nothing else is counted in pixels",
            "pixels_per_count",
            "count_offset",
            "encoding",
        ),
        (
            spec.encoding not in _UNCOUNTED or spec.metres_per_count is None,
            "be left out of disparity, whose counts are pixels, and where there are no maps",
            "metres_per_count",
        ),
        (
            spec.encoding != "sunrgbd" or spec.depth_dtype == "uint16",
            "be uint16 where bits are turned",
            "depth_dtype",
        ),
        (
            spec.focal is None or spec.focal_column is None,
            "not be said both",
            "focal",
            "focal_column",
        ),
        (
            spec.has_depth or spec.focal or spec.focal_column,
            "be said where there are no depth maps: what other views tell of depth hangs on it",
            "focal",
            "focal_column",
        ),
    ):
        if not kept:
            values = ", ".join(f"{field}={getattr(spec, field)!r}" for field in said)
            fields = " and ".join(f"`{field}`" for field in said)
            raise ValueError(f"{fields} of a dataset must {rule}. Received: {values}.")


def describe_spec(spec: DatasetSpec) -> dict[str, Any]:
    """What `make_spec` needs to make `spec` again, in few fields, in the order of `DatasetSpec`."""
    if SPECS.get(spec.name) == spec:
        return {"name": spec.name, "like": spec.name}
    own = vars(spec)
    usual = vars(DatasetSpec(name="", **_defaults({field: own[field] for field in _ALWAYS})))
    return {
        field: value for field, value in own.items() if field in _ALWAYS or value != usual[field]
    }


def _parse_json(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        given = json.loads(text, object_pairs_hook=_refuse_twice)
    except (ValueError, RecursionError) as error:  # also what is no UTF-8
        raise ValueError(f"A dataset's file must be JSON. Received: {error}.") from error
    if not isinstance(given, dict):
        raise ValueError(
            f"A dataset's file must be a JSON object. Received: {type(given).__name__}."
        )
    if {"focal_pixels", "photo_width"} & given.keys():
        pixels, width = given.pop("focal_pixels", None), given.pop("photo_width", None)
        if not (_positive(pixels) and _positive(width)) or "focal" in given:
            raise ValueError(
                "`focal_pixels` and `photo_width` must be positive numbers of pixels, said "
                f"together and without `focal`. Received: {pixels!r} and {width!r}."
            )
        given["focal"] = pixels / width
    return given


def _refuse_twice(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these items. Errors: ValueError where two have one key."""
    given = dict(items)
    if len(given) < len(items):
        keys = [key for key, _ in items]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} twice")
    return given


def _parse_yaml(path: Path) -> dict[str, Any]:
    """Ultralytics' layout: images/ and depth/ with the same names, PNG counts or .npy metres.

    `depth_scale` is how many counts a metre has, 1000 without it; train and val may be folders.
    """
    given = _load_yaml(path)
    folder = dataset_folder(path)
    maps = [*folder.glob("depth/**/[!.]*.png"), *folder.glob("depth/**/[!.]*.npy")]
    if not maps:
        raise ValueError(
            "The YAML of a depth dataset needs depth/ with .png or .npy maps beside images/. "
            f"Received: {folder}, without. Correct its `path`."
        )
    suffix, parts = maps[0].suffix, "" if maps[0].parent.name == "depth" else "{scene}/"
    encoding: dict[str, Any] = {"depth_dtype": "float32"}
    if suffix == ".png":
        scale = given.get("depth_scale", 1000)
        if not _positive(scale):
            raise ValueError(f"`depth_scale` must be counts a metre. Received: {scale!r}.")
        encoding = {"depth_dtype": "uint16", "metres_per_count": 1 / scale}
    return encoding | {
        "name": path.stem,
        "photo": f"images/{parts}{{frame}}.*",
        "depth": f"depth/{parts}{{frame}}{suffix}",
        "max_depth": 100.0,
        "coverage_range": [0.001, 1.0],
    }


def describes_dataset(path: Path) -> bool:
    """Whether a YAML is one of a dataset in Ultralytics' layout, and no camera's or program's."""
    try:
        return not {"train", "val", "names", "depth_scale"}.isdisjoint(_load_yaml(path))
    except ValueError:  # OpenCV's have tags of their own
        return False


def dataset_folder(path: Path | str) -> Path:
    """The folder of the pairs that a dataset's file describes: its own, or its YAML's `path`."""
    path = Path(path)
    named = None if path.suffix.lower() == ".json" else _load_yaml(path).get("path")
    folder = path.parent / str(named or "")
    return folder if folder.is_dir() else path.parent


def _load_yaml(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ValueError(f"{path} needs `pip install pyyaml`.") from error
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"A dataset's file must be YAML. Received: {reason}.") from error
    if not isinstance(given, dict):
        raise ValueError(f"A dataset's YAML must have keys. Received: {type(given).__name__}.")
    return given


def name_after(folder: Path) -> str:
    """The name of a dataset that is called as its folder; "" for a folder without a letter."""
    # 50 letters: a name may have 200 bytes, and a letter has up to 4.
    return re.sub(r"[^\w.-]+", "_", folder.resolve().name).strip("_.")[:50]


def _name_of(path: Path) -> str:
    """The name of a dataset whose file says none: its folder's, or the file's own."""
    return path.absolute().parent.name if path.name == NAME else path.stem


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # Not math.isfinite: JSON has whole numbers that are too long for a float.
    return number and -sys.float_info.max <= value <= sys.float_info.max and low <= value <= high


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_range(value: Any, count: int = 2, high: float = math.inf) -> bool:
    if not isinstance(value, tuple) or len(value) != count:
        return False
    pairs = zip(value[::2], value[1::2], strict=True)
    return all(_is_number(n, 0, high) for n in value) and all(a < b for a, b in pairs)


def _positive(value: Any) -> bool:
    return _is_number(value, 0) and value > 0


def _or_none(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or rule(value)


# What may be said of a dataset: which values a field takes, and how an error says it.
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (
        lambda v: _is_text(v) and not set(v) & set(_NOT_IN_NAMES) and len(v.encode()) <= _LONGEST,
        f"a file's name, of at most {_LONGEST} bytes",
    ),
    "like": (lambda v: v is None or v in list(SPECS), f"one of {', '.join(SPECS)}"),
    "photo": (lambda v: isinstance(v, str) and is_template(v), TEMPLATE),
    "depth": (lambda v: isinstance(v, str) and is_template(v), TEMPLATE),
    "encoding": (lambda v: v in ENCODINGS, f"one of {', '.join(ENCODINGS)}"),
    "depth_dtype": (lambda v: v in DTYPES, f"one of {', '.join(DTYPES)}"),
    "metres_per_count": (_or_none(_positive), "a positive number, or null for relative depth"),
    "pixels_per_count": (_positive, "a positive number"),
    "count_offset": (_is_number, "a number"),
    "focal_baseline": (_or_none(_positive), "a positive number"),
    "key": (_or_none(_is_text), "the name of an array"),
    "min_depth": (_positive, "a positive number"),
    "max_depth": (_positive, "a positive number"),
    "median_range": (_is_range, "[least, most]"),
    "coverage_range": (lambda v: _is_range(v, 2, 1), "[least, most], as shares of the pixels"),
    "most_outside": (lambda v: _is_number(v, 0, 1), "a share of the pixels, 0 to 1"),
    "invalid_counts": (
        lambda v: isinstance(v, tuple) and all(map(_is_number, v)), "a list of numbers"
    ),
    "border": (lambda v: _is_range(v, 4, 1), "[top, bottom, left, right], as shares of the size"),
    "focal": (
        _or_none(lambda v: _is_number(v, *SHARES)),
        "a focal length over the photo's width, {:g} to {:g}".format(*SHARES),
    ),
    "focal_column": (_or_none(_is_text), "the name of a column of the CSV"),
    "aspect": (_or_none(_positive), "the photo's width over its height"),
    "horizon": (_or_none(lambda v: _is_number(v, 0, 1)), "a row over the photo's height"),
    "camera_height": (_or_none(_positive), "metres above the road"),
    "centre": (
        lambda v: isinstance(v, tuple) and len(v) == 2 and all(_is_number(n, 0, 1) for n in v),
        "[across, down], as shares of the photo's width and height",
    ),
    "baseline": (_or_none(_positive), "metres between the cameras of the photos and of right"),
    "empty_is_far": (lambda v: isinstance(v, bool), "true or false"),
    "lower_is_nearer": (lambda v: isinstance(v, bool), "true or false"),
    "scenes": (
        lambda v: isinstance(v, str)
        and (v.startswith(("column:", "array:")) or is_template(v))
        and re.fullmatch(r"template|folder|unknown|(column|array):.+|.*\{scene\}.*", v) is not None,
        "template, folder, column:NAME, array:NAME, a pattern with {scene}, or unknown",
    ),
    "protocol": (lambda v: v in list(PROTOCOLS), f"one of {', '.join(PROTOCOLS)}"),
    "made_by": (_is_text, "what writes its CSVs"),
}  # fmt: skip
