"""What a dataset is: how its files are named, how its depth is encoded, where it is valid."""

import re
import warnings
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

ENCODINGS = ("depth", "disparity", "sunrgbd", "none")
DTYPES = (
    "uint8", "uint16", "uint32", "uint64", "int16", "int32", "int64", "float16", "float32",
    "float64",
)  # fmt: skip


@dataclass(frozen=True)
class DatasetSpec:
    """One dataset's conventions.

    `encoding` says what the numbers of a map mean, floats as well as counts. "depth": depth is
    `count * metres_per_count`. "sunrgbd": the same after the turn of the bits of SUN RGB-D's
    toolbox, `(v >> 3) | (v << 13)`. "disparity": depth is `focal_baseline / ((count +
    count_offset) * pixels_per_count)`, where `focal_baseline` is the focal length in pixels of the
    map times the baseline in metres. Where `metres_per_count` is None each map of "depth" is
    relative: counts over the largest value of `depth_dtype`, times an unknown scale. "none": there
    are no maps, but other views of what each photo shows: see `views`.
    0, negative numbers, NaN and infinity are never depth, nor is what `invalid_counts` names.
    Ranges are in metres (relative: in 0..1) and inclusive; what lies outside is invalid, and more
    than `most_outside` of a map's measured pixels there show that it is encoded in another way.
    `key` names the array where a file holds several (.npz, .mat, .h5; the channel of an .exr).
    `scenes` is how a CSV's scenes are told: "template", by the {scene} of `photo` or index.csv;
    "folder", by the photo's folder; "column:NAME", by that column of the CSV; "array:NAME", by that
    array of names in the photos' file, of the same places; a pattern with
    {scene}, which the end of the photo's path follows; or "unknown".
    Where all photos have about one, `focal` is the horizontal focal length over the photo's width,
    `aspect` its width over its height and `horizon` its row over the height. Only roads have a
    horizon: there the row of a thing on the ground tells its distance, and `camera_height`, in
    metres above the road, turns that row into metres. `centre` is the principal point, as shares of
    width and height. `focal_column` names the CSV's column of focal lengths where each photo has
    its own, in pixels of the photo. `baseline` is how far, in metres, the camera of the views
    called right stands to the right of the photos' own.
    Where `empty_is_far`, as in rendered maps, what has no depth lies beyond the range: the sky.
    A template without {scene} has its scenes in index.csv, else every frame is its own scene; a
    `depth` without {frame} is one map for all photos of a scene.
    """

    name: str
    photo: str  # path template with {scene} and {frame}; what both fields say makes a pair
    depth: str
    depth_dtype: str
    metres_per_count: float | None
    min_depth: float
    max_depth: float
    median_range: tuple[float, float]  # of one map; outside, the map is in another encoding
    coverage_range: tuple[float, float]  # share of valid pixels; LiDAR is sparse, a Kinect is not
    invalid_counts: tuple[float, ...] = (0,)
    border: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)  # top, bottom, left, right
    protocol: str = "full"  # the evaluation protocol in `metrics.PROTOCOLS`
    made_by: str = "make_dataset.ipynb"  # what writes its CSVs
    focal: float | None = None
    aspect: float | None = None
    horizon: float | None = None
    camera_height: float | None = None
    empty_is_far: bool = False
    encoding: str = "depth"  # or "disparity", "sunrgbd"
    pixels_per_count: float = 1.0  # of disparity, as the next two
    count_offset: float = 0.0  # added to each count, as -1 for Cityscapes
    focal_baseline: float | None = None
    key: str | None = None
    scenes: str = "template"
    focal_column: str | None = None
    most_outside: float = 0.1
    lower_is_nearer: bool = True  # in most photos, as the ground is; else disparity is suspected
    centre: tuple[float, float] = (0.5, 0.5)
    baseline: float | None = None

    @property
    def unit(self) -> str:
        """ "metre", or "relative" for depth up to an unknown scale a map."""
        return "relative" if self.is_relative else "metre"

    @property
    def is_relative(self) -> bool:
        """Whether depth is known only up to a scale, one for each map."""
        if not self.has_depth:
            return self.baseline is None
        return self.metres_per_count is None and self.encoding != "disparity"

    @property
    def has_depth(self) -> bool:
        """Whether each photo has a depth map."""
        return self.encoding != "none"

    @property
    def is_float(self) -> bool:
        """Whether maps are stored as floats."""
        return self.depth_dtype.startswith("float")

    @property
    def scale(self) -> float:
        """Depth of one count, in metres (relative: in shares of the largest count)."""
        largest = 1.0 if self.is_float else np.iinfo(self.depth_dtype).max
        return self.metres_per_count or 1.0 / largest

    @property
    def sparse(self) -> bool:
        """True where most pixels have no measurement, as with LiDAR."""
        return self.coverage_range[1] <= 0.5

    def view(self, crop_border: bool = False) -> dict[str, float | None]:
        """What a network sees that learns from it: `focal`, `aspect`, `horizon` as shares.

        crop_border: whether it sees the photos within their border alone, as a shorter photo.
        """
        top, bottom, left, right = self.border if crop_border else (0.0, 1.0, 0.0, 1.0)
        height, width = bottom - top, right - left
        return {
            "focal": self.focal and self.focal / width,
            "aspect": self.aspect and self.aspect * width / height,
            "horizon": self.horizon and (self.horizon - top) / height,
        }

    def key_of(self, path: str, template: str) -> tuple[str, str] | None:
        """(scene, frame) of a POSIX path that ends as `template` says; None where it does not.

        What the template does not name is "".
        """
        return match_template(path, template)

    def scene_of(self, photo: str) -> str:
        """The base scene of a photo; the photo's own name where its path does not say it."""
        scene, frame = self.key_of(photo, self.photo) or ("", photo)
        return base_scene(scene) if scene else frame


_ONE_PART = re.compile(r"\{scene\}[^/]+\{frame\}")
TEMPLATE = (
    "a path in its folder with {scene} and {frame}, each at most once, and in each of its parts at "
    "most three of these and *"
)


def base_scene(folder: str) -> str:
    """The scene that a folder shows: its name without `_out` and without a trailing letter.

    NYU's 284 training folders are 249 scenes: `living_room_0038a_out` and `…b_out` are one room.
    So are ScanNet's scans `scene0000_00` and `scene0000_01`.
    """
    if scan := re.fullmatch(r"(scene\d{4})_\d{2}", folder):
        return scan[1]
    return re.sub(r"(?<=\d)[a-z]$", "", folder.removesuffix("_out"))


def is_template(text: str) -> bool:
    """Whether a text is a path template: see TEMPLATE. Many * would take years to match."""
    parts = text.split("/")
    return (
        all(text.count(f"{{{name}}}") <= 1 for name in ("scene", "frame"))
        and not re.match("/|[A-Za-z]:", text)
        and not {"..", "\0"} & {*parts, *text}
        and all(part == "**" or "**" not in re.sub(r"\{\w+\}", "*", part) for part in parts)
        and all(part.count("*") + part.count("{") <= 3 for part in parts)
    )


def match_template(path: str, template: str) -> tuple[str, str] | None:
    """(scene, frame) of a POSIX path that ends as `template` says: see `DatasetSpec.key_of`.

    Of names that can be read in several ways, living_room_1 as {scene}_{frame}, the scene is the
    shortest: no place is then two scenes. That is warned of.
    """
    match = _pattern(template).search(path)
    if match is None:
        return None
    fields = match.groupdict()
    if _ONE_PART.search(template):
        longest = _pattern(template, is_longest=True).search(path)
        if longest and longest["scene"] != fields["scene"]:
            warnings.warn(
                f"The pattern {template} can be read in several ways: of each name the shortest "
                "scene counts, as {scene}_{frame} finds living in living_room_1. If scenes have "
                "longer names, put them into folders, or into a column scene of the CSV.",
                stacklevel=2,
            )
    return fields.get("scene", ""), fields.get("frame", "")


@cache
def _pattern(template: str, is_longest: bool = False) -> re.Pattern[str]:
    """A template as a regular expression with the groups scene and frame."""
    if not is_template(template):
        raise ValueError(f"A pattern must be {TEMPLATE}. Received: {template!r}.")
    pattern = re.escape(template).replace(r"\*", "[^/]*")
    pattern = pattern.replace(r"\{scene\}", f"(?P<scene>[^/]+{'?' * (not is_longest)})")
    pattern = pattern.replace(r"\{frame\}", "(?P<frame>[^/]+?)")
    return re.compile(f"(?:^|/){pattern}$")


# The photos of NYU Depth V2 carry a white frame from undistortion; (43, 45)-(608, 472) is picture.
_NYU_BORDER = (45 / 480, 472 / 480, 43 / 640, 608 / 640)
_NYU_FOCAL = 518.86 / 640  # of the Kinect's colour camera, from the dataset's own toolbox

NYU_TRAIN = DatasetSpec(
    name="nyu_train",
    photo="nyu2_train/{scene}/{frame}.jpg",
    depth="nyu2_train/{scene}/{frame}.png",
    depth_dtype="uint8",
    metres_per_count=10 / 255,
    min_depth=0.1,
    max_depth=10.0,
    median_range=(0.4, 9.9),
    coverage_range=(0.5, 1.0),
    border=_NYU_BORDER,
    protocol="nyu_densedepth",
    focal=_NYU_FOCAL,
    aspect=640 / 480,
)
NYU_TEST = DatasetSpec(
    name="nyu_test",
    photo="nyu2_test/{frame}_colors.*",
    depth="nyu2_test/{frame}_depth.png",
    depth_dtype="uint16",
    metres_per_count=1e-3,
    min_depth=0.1,
    max_depth=10.0,
    median_range=(0.4, 9.9),
    coverage_range=(0.5, 1.0),
    border=_NYU_BORDER,
    protocol="nyu_densedepth",
    focal=_NYU_FOCAL,
    aspect=640 / 480,
)
# The labelled set as NYU publishes it, one file of 1,449 pairs: floats, holes filled.
NYU_LABELLED = replace(
    NYU_TEST,
    name="nyu_labelled",
    photo="nyu_depth_v2_labeled.mat/images/{frame}",
    depth="nyu_depth_v2_labeled.mat/depths/{frame}",
    depth_dtype="float32",
    metres_per_count=1.0,
    scenes="array:scenes",
)
NYU_RELATIVE = DatasetSpec(
    name="nyu_relative",
    photo="relative_*/{frame}.jpg",
    depth="relative_*/{frame}.png",
    depth_dtype="uint8",
    metres_per_count=None,
    min_depth=0.01,
    max_depth=1.0,
    median_range=(0.02, 0.99),
    coverage_range=(0.5, 1.0),
    border=_NYU_BORDER,
    protocol="nyu_densedepth",
    focal=_NYU_FOCAL,
    aspect=640 / 480,
)
INDOOR_MILLIMETRE = DatasetSpec(
    name="indoor_millimetre",
    photo="{scene}/{frame}_rgb.*",
    depth="{scene}/{frame}_depth.png",
    depth_dtype="uint16",
    metres_per_count=1e-3,
    min_depth=0.1,
    max_depth=10.0,
    median_range=(0.3, 9.9),
    coverage_range=(0.2, 1.0),
    invalid_counts=(0, 65535),
)
# Roads whose every pixel has a depth: by stereo, by a game, or as `prediction.writers` writes them.
DENSE_M256 = DatasetSpec(
    name="dense_m256",
    photo="{scene}/rgb/{frame}.*",
    depth="{scene}/depth/{frame}.png",
    depth_dtype="uint16",
    metres_per_count=1 / 256,
    min_depth=0.1,
    max_depth=65535 / 256,
    median_range=(0.5, 250.0),
    coverage_range=(0.2, 1.0),
)
KITTI = DatasetSpec(
    name="kitti",
    photo="{scene}/rgb/{frame}.*",
    depth="{scene}/depth/{frame}.png",
    depth_dtype="uint16",
    metres_per_count=1 / 256,
    min_depth=1.0,
    max_depth=80.0,
    median_range=(2.0, 60.0),
    coverage_range=(0.0005, 0.5),
    protocol="kitti_garg",
    focal=721.5377 / 1242,  # of 2011_09_26; the other days' are within 1 % of it
    aspect=1242 / 375,
    horizon=0.46,
    camera_height=1.65,  # its setup paper (Geiger et al. 2013)
)
# The official archives' layout: photos where the raw drives have them, and scans as projected by
# `depthlib.data.kitti`, or the annotated maps, gathered over 11 scans and checked by stereo.
KITTI_RAW = replace(
    KITTI,
    name="kitti_raw",
    photo="*/{scene}_sync/image_02/data/{frame}.*",
    depth="*/{scene}_sync/proj_depth/velodyne_raw/image_02/{frame}.png",
    made_by="make_kitti_dataset.ipynb",
)
KITTI_IMPROVED = replace(
    KITTI_RAW,
    name="kitti_improved",
    depth="*/{scene}_sync/proj_depth/groundtruth/image_02/{frame}.png",
)
# Rendered: `rendering.roads.write`. One map for all the photos of a scene.
ROADS = DatasetSpec(
    name="rendered_roads",
    photo="{scene}/{frame}.jpg",
    depth="{scene}/depth.png",
    depth_dtype="uint16",
    metres_per_count=1 / 256,
    min_depth=1.0,
    max_depth=80.0,
    median_range=(2.0, 60.0),
    coverage_range=(0.2, 1.0),
    focal=0.87,  # half of the width over the tangent of 28 to 32 degrees
    aspect=320 / 240,
    horizon=0.45,
    empty_is_far=True,
)
# Roads rendered as KITTI's camera sees them: `make roads VIEW=kitti`.
ROADS_AS_KITTI = replace(
    ROADS,
    name="rendered_kitti",
    focal=KITTI.focal,
    aspect=KITTI.aspect,
    horizon=KITTI.horizon,
    camera_height=KITTI.camera_height,
)
_ALL = (
    NYU_TRAIN, NYU_TEST, NYU_LABELLED, NYU_RELATIVE, INDOOR_MILLIMETRE, DENSE_M256,
    KITTI, KITTI_RAW, KITTI_IMPROVED, ROADS, ROADS_AS_KITTI,
)  # fmt: skip
SPECS = {spec.name: spec for spec in _ALL}


def get_spec(name: str) -> DatasetSpec:
    """The dataset called `name`. Errors: ValueError that lists the names."""
    if name not in SPECS:
        raise ValueError(f"`spec` must be one of {', '.join(SPECS)}. Received: spec={name!r}.")
    return SPECS[name]
