"""Whole drives: every scan projected once, as depth maps beside the photos."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.cache import count_threads
from depthlib.data.images import read_size, read_text, write_depth
from depthlib.data.kitti.scan import WHERE, Camera, project, read_camera, read_scan
from depthlib.data.shards import Shard
from depthlib.data.specs import KITTI_RAW, DatasetSpec

_DIGEST = "calibration"  # the text in a map that says by which one it was projected
_CUT_OFF = 0.5  # of the median of a drive's scans, which hardly differ; smaller ones lack rings


def see_from(spec: DatasetSpec, camera: str) -> DatasetSpec:
    """`KITTI_RAW` or `KITTI_IMPROVED` by another camera: "03" is the right one."""
    photo, depth = (
        path.replace("image_02", f"image_{camera}") for path in (spec.photo, spec.depth)
    )
    return replace(spec, photo=photo, depth=depth)


def project_drives(
    folder: Path | str,
    camera: str = "02",
    workers: int | None = None,
    shard: Shard | str | None = None,
) -> pd.DataFrame:
    """Writes the depth map of each photo in `folder`/<day>/<drive>_sync; a table (file, problem).

    Maps go where the official archive has them, <drive>_sync/proj_depth/velodyne_raw/image_02, in
    its encoding, each with a digest of its calibration. Those that are there stay, so an
    interrupted run goes on; what another calibration made is made anew, and a map without a digest,
    as the official ones are, stays. `workers` threads (None: one a core). `shard`: the part of the
    photos that is projected, as "2/4"; several may run at once. Problems: a day without
    calibration, one of photos of another size, a photo without a scan, a scan that is cut off, bad,
    or sees nothing of the photo. Errors: FileNotFoundError where no photo is there, or none can
    have a map; those of `count_threads`.
    """
    folder, spec, threads = Path(folder), see_from(KITTI_RAW, camera), count_threads(workers)
    photos = sorted(folder.glob(f"*/*_sync/image_{camera}/data/*.*"))
    if not photos:
        raise FileNotFoundError(
            f"There is no {folder}/<day>/<drive>_sync/image_{camera}/data with photos. Download "
            f"KITTI's raw data, synced and rectified, with its calibration from {WHERE} and "
            "unpack it there."
        )
    if shard is not None:
        part = Shard.parse(shard) if isinstance(shard, str) else shard
        photos = [photo for photo in photos if part.holds(photo.relative_to(folder).as_posix())]
    cameras, problems = _read_cameras({photo.parents[3] for photo in photos}, camera)
    jobs = [(photo, cameras[photo.parents[3]]) for photo in photos if photo.parents[3] in cameras]
    usual = {drive: _usual_size(drive) for drive in {photo.parents[2] for photo, _ in jobs}}
    with ThreadPoolExecutor(threads) as pool:
        results = pool.map(
            lambda job: _project_photo(job[0], job[1], usual[job[0].parents[2]], spec), jobs
        )
        failed = [result for result in tqdm(results, "project", len(jobs)) if result]
    problems += failed
    if shard is None and len(failed) == len(jobs):
        path, problem = problems[0]
        raise FileNotFoundError(
            f"A photo must have a calibration and a scan. Received: {len(photos)} photos in "
            f"{folder}, none of which has both; the first problem, {path}: {problem}"
        )
    rows = [(path.relative_to(folder).as_posix(), problem) for path, problem in problems]
    return pd.DataFrame(rows, columns=["file", "problem"])


def _read_cameras(
    days: set[Path], camera: str
) -> tuple[dict[Path, Camera], list[tuple[Path, str]]]:
    """The camera of each day that has a calibration, and (day, problem) of each other."""
    cameras, problems = {}, []
    for day in sorted(days):
        try:
            cameras[day] = read_camera(day, camera)
        except (FileNotFoundError, ValueError) as error:
            problems.append((day, str(error)))
    return cameras, problems


def _usual_size(drive: Path) -> float:
    """The median size of a drive's scans in bytes."""
    sizes = [scan.stat().st_size for scan in (drive / "velodyne_points" / "data").glob("*.bin")]
    return float(np.median(sizes)) if sizes else 0.0


def _project_photo(
    photo: Path, camera: Camera, usual: float, spec: DatasetSpec
) -> tuple[Path, str] | None:
    """Writes one photo's depth map; (file, problem) where it cannot."""
    drive, frame = photo.parents[2], photo.stem
    scan = drive / "velodyne_points" / "data" / f"{frame}.bin"
    target = drive / f"proj_depth/velodyne_raw/{photo.parents[1].name}" / f"{frame}.png"
    try:
        size = read_size(photo)
    except (OSError, ValueError) as error:
        return photo, str(error)
    if size != (camera.height, camera.width):
        return photo, (
            f"the calibration is of photos of {camera.height}x{camera.width}, this one is "
            f"{size[0]}x{size[1]}: use its own day's calibration, and photos as they are downloaded"
        )
    if target.exists() and read_text(target, _DIGEST) in (None, camera.digest):
        return None
    if not scan.exists():
        return photo, "no scan"
    if scan.stat().st_size < _CUT_OFF * usual:
        return scan, f"cut off: {scan.stat().st_size} bytes, its drive's median is {usual:.0f}"
    try:
        depth_m = project(read_scan(scan), camera)
        if not depth_m.any():
            return scan, "no point falls on the photo"
        write_depth(target, depth_m, spec, {_DIGEST: camera.digest})
    except ValueError as error:
        return scan, str(error)
    return None
