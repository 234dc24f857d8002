"""What matched depth is worth: beside a laser, Middlebury's disparity, and exact rendered depth.

python -m experiments.stereo laser PAIRS DEPTH RIG      KITTI's image_02 and image_03, its maps
python -m experiments.stereo middlebury FOLDER          im2, im6, disp2.png in quarter pixels
python -m experiments.stereo rendered FOLDER RIG        what `python -m rendering stereo` writes
python -m experiments.stereo speed LEFT RIGHT           seconds of a core a pair of 640x360
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from depthlib import plotting
from depthlib.data import stereo
from depthlib.data.images import read_depth, read_rgb, resize_rgb
from depthlib.data.specs import DENSE_M256, KITTI

SURES = (0.0, 0.5, stereo.SURE, 0.9)
FAR = 80.0  # metres


def score_depth(pairs, rig):
    """A row for each least confidence of SURES: AbsRel, δ1 and share, means over the pairs.

    pairs: (left photo, right photo, true depth in metres, 0 where unknown) each. The share is that
    of the pixels with a true depth whose depth is sure.
    """
    rows = []
    for left, right, truth in pairs:
        rectifier = rig.rectify(*left.shape[:2])
        count = stereo.count_disparities(left.shape[1], rectifier.focal_baseline)
        found = stereo.match(*rectifier.rectify(left, right), count)
        known = (truth > 0) & (truth < FAR)
        for sure in SURES:
            depth_m = stereo.to_depth(*found, rectifier.focal_baseline, FAR, max(sure, 1e-6))
            both = known & (depth_m > 0)
            ratio = depth_m[both] / truth[both]
            delta1 = (np.maximum(ratio, 1 / ratio) < 1.25).mean()
            rows.append((sure, np.abs(ratio - 1).mean(), delta1, both.sum() / known.sum()))
    names = ["sure", "abs_rel", "delta1", "share"]
    return pd.DataFrame(rows, columns=names).groupby("sure").mean()


def read_laser(pairs, depth):
    """The pairs of image_02 and image_03 in `pairs` that have a map of their name in `depth`."""
    for photo in sorted((Path(pairs) / "image_02").iterdir()):
        truth = next(Path(depth).rglob(f"depth/{photo.stem}.png"), None)
        if truth:
            right = photo.parents[1] / "image_03" / photo.name
            yield read_rgb(photo), read_rgb(right), read_depth(truth, KITTI)


def read_rendered(folder):
    """All pairs of a folder of rendered drives, or of one drive."""
    for truth in sorted(Path(folder).rglob("depth/*.png")):
        left, right = (
            read_rgb(truth.parents[1] / side / f"{truth.stem}.jpg") for side in ("left", "right")
        )
        yield left, right, read_depth(truth, DENSE_M256)


def score_middlebury(folder):
    """A row for each least confidence: bad-2.0, the share of sure pixels more than 2 pixels off."""
    left, right = (read_rgb(Path(folder) / name) for name in ("im2.png", "im6.png"))
    truth = cv2.imread(str(Path(folder) / "disp2.png"), cv2.IMREAD_UNCHANGED) / 4
    found, confidence = stereo.match(left, right, stereo.count_disparities(left.shape[1], 1.0))
    rows = []
    for sure in SURES:
        both = (truth > 0) & (found > 0) & (confidence >= sure)
        bad = (np.abs(found - truth)[both] > 2).mean()
        rows.append((sure, bad, both.sum() / (truth > 0).sum()))
    return pd.DataFrame(rows, columns=["sure", "bad2", "share"]).set_index("sure")


def measure_speed(left, right, rounds=10):
    """Seconds of processor time that matching a pair of 640x360 takes, and metres of it."""
    left, right = (resize_rgb(read_rgb(path), 360, 640) for path in (left, right))
    count = stereo.count_disparities(640, 1.0)
    start = time.process_time()
    for _ in range(rounds):
        stereo.to_depth(*stereo.match(left, right, count), 60.0)
    return (time.process_time() - start) / rounds


def draw_errors(pairs, rig, path):
    """A figure of some pairs: photo, depth, and the error beside the truth."""
    photos, truths, found, scores = [], [], [], []
    for left, right, truth in pairs:
        rectifier = rig.rectify(*left.shape[:2])
        count = stereo.count_disparities(left.shape[1], rectifier.focal_baseline)
        matched = stereo.match(*rectifier.rectify(left, right), count)
        depth_m = stereo.to_depth(*matched, rectifier.focal_baseline, FAR)
        both = (truth > 0) & (depth_m > 0)
        ratio = depth_m[both] / truth[both]
        good = (np.maximum(ratio, 1 / ratio) < 1.25).mean()
        scores.append({"delta1": good, "abs_rel": np.abs(ratio - 1).mean()})
        photos.append(left)
        found.append(depth_m)
        truths.append(np.where(depth_m > 0, truth, 0))
    figure = plotting.compare_with_truth(
        photos, truths, {"matched": found}, {"matched": pd.DataFrame(scores)}
    )
    return plotting.save_figure(figure, path)


def main(words):
    """Prints what the first word asks for."""
    what, *paths = words or [""]
    if what == "laser":
        pairs, depth, rig = paths
        print(score_depth(read_laser(pairs, depth), stereo.read_rig(rig)).round(4))
    elif what == "middlebury":
        print(score_middlebury(*paths).round(4))
    elif what == "rendered":
        folder, rig = paths
        print(score_depth(read_rendered(folder), stereo.read_rig(rig)).round(4))
    elif what == "speed":
        seconds = measure_speed(*paths)
        print(f"{seconds:.3f} s of a core a pair: {2 / seconds:.1f} pairs/s on two idle cores")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
