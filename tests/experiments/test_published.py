from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from depthlib.data.images import read_rgb, write_depth, write_rgb
from depthlib.data.pairs import find_pairs
from depthlib.data.specs import KITTI
from depthlib.evaluation import evaluate
from depthlib.metrics import KITTI_GARG
from experiments.published import PublishedDepth, add_papers, open_published

DRIVE = "2011_09_26_drive_0002"
ROWS = {69: 0, 54: 1, 42: 2}  # where Eigen's list, and so every published file, has these frames


@pytest.fixture
def pairs(tmp_path):
    """Three test frames in their natural order, which is not the list's; all is 12 m away."""
    rng = np.random.default_rng(0)
    truth = np.zeros((32, 48), np.float32)
    truth[::3, ::3] = rng.uniform(11.9, 12.1, (11, 16))
    for frame in ROWS:
        rgb = rng.integers(0, 256, (32, 48, 3), np.uint8)
        write_rgb(tmp_path / DRIVE / f"rgb/{frame:010d}.png", rgb)
        write_depth(tmp_path / DRIVE / f"depth/{frame:010d}.png", truth, KITTI)
    return find_pairs(tmp_path, KITTI)[0]


def write_disparities(path, values, dtype=np.float32):
    disparities = np.ones((697, 4, 6), dtype)
    for row, value in values.items():
        disparities[row] = value
    np.save(path, disparities)
    return path


def test_each_photo_gets_the_map_of_its_row_on_eigens_list(pairs, tmp_path):
    path = write_disparities(tmp_path / "mono.npy", {0: 0.5, 1: 0.25, 2: 0.1})
    published = PublishedDepth(path, pairs)
    photos = [read_rgb(pairs.rgb_path(i)) for i in range(3)]
    depths = published(photos)
    assert [depth.shape for depth in depths] == 3 * [(32, 48)]
    assert depths[0].dtype == np.float32
    assert [float(depth.mean()) for depth in depths] == pytest.approx([10, 4, 2])  # 42, 54, 69
    assert published.unit == "relative"


def test_disparity_is_resized_before_it_becomes_depth(pairs, tmp_path):
    path = tmp_path / "slope.npy"
    disparities = np.ones((697, 4, 6), np.float32)
    disparities[2] = np.linspace(0.1, 0.6, 6)
    np.save(path, disparities)
    depth = PublishedDepth(path, pairs, 5.4)([read_rgb(pairs.rgb_path(0))])[0]
    np.testing.assert_allclose(depth, 5.4 / cv2.resize(disparities[2], (48, 32)), rtol=1e-6)


def test_stereo_gives_metres_and_is_scored_by_the_same_code_as_ours(pairs, tmp_path):
    path = write_disparities(tmp_path / "stereo.npy", dict.fromkeys(range(3), 0.45))  # 5.4 / 12
    published = PublishedDepth(path, pairs, 5.4)
    assert published.unit == "metre"
    table = evaluate(published, pairs, KITTI_GARG)
    assert (table["abs_rel"] < 0.01).all() and (table["delta1"] == 1).all()


def test_what_is_no_published_file_is_refused(pairs, tmp_path):
    short, counts = tmp_path / "short.npy", tmp_path / "counts.npy"
    np.save(short, np.ones((652, 4, 6), np.float32))
    np.save(counts, np.ones((697, 4, 6), np.uint16))
    for path in (short, counts):
        with pytest.raises(ValueError, match=r"float \(697, height, width\).*Received: .*npy"):
            PublishedDepth(path, pairs)
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(ValueError, match="must be a .npy file. Received: .*text.npy"):
        PublishedDepth(tmp_path / "text.npy", pairs)
    with pytest.raises(FileNotFoundError, match="absent.npy. Download"):
        PublishedDepth(tmp_path / "absent.npy", pairs)
    path = write_disparities(tmp_path / "zero.npy", {2: 0.0})
    with pytest.raises(ValueError, match="above 0. Received: 0.0 in row 2 of .*zero.npy"):
        PublishedDepth(path, pairs)([read_rgb(pairs.rgb_path(0))])


def test_other_photos_and_flips_have_no_answer(pairs, tmp_path):
    path = write_disparities(tmp_path / "mono.npy", {})
    published = PublishedDepth(path, pairs)
    photo = read_rgb(pairs.rgb_path(0))
    for photos, flip in (([photo[:, ::-1]], False), ([photo], True)):
        with pytest.raises(ValueError, match=f"opened with, not flipped. .*flip_average={flip}"):
            published(photos, flip)
    pairs.rgb_path(0).rename(pairs.rgb_path(0).with_name("0000000001.png"))  # not on the list
    pairs.depth_path(0).rename(pairs.depth_path(0).with_name("0000000001.png"))
    other = find_pairs(pairs.root, KITTI)[0]
    with pytest.raises(ValueError, match="Eigen's test list. Received: .*0000000001.png. Use"):
        PublishedDepth(path, other)


@pytest.mark.parametrize("photo", ["photos/69.png", f"{DRIVE}/69.png", "69"])
def test_a_photo_of_no_drive_is_not_on_the_list_either(pairs, tmp_path, photo):
    table = pairs.table.assign(rgb=photo)
    path = write_disparities(tmp_path / "mono.npy", {})
    with pytest.raises(ValueError, match=f"Eigen's test list. Received: .*{photo}. Use"):
        PublishedDepth(path, replace(pairs, table=table))


def test_files_that_are_missing_are_left_out_with_a_note(pairs, tmp_path):
    path = write_disparities(tmp_path / "mono.npy", {})
    found, note = open_published({"M": (path, 1), "S": ("absent.npy", 5.4)}, pairs)
    assert list(found) == ["M"]
    assert note == "published: M\nS: there is no absent.npy"


def test_papers_stand_beside_the_same_kind_of_truth_alone():
    row = {"model": "ours", "alignment": "median", "abs_rel": 0.11, "delta1": 0.88, "rmse": 4.7}
    measured = pd.DataFrame([row])
    raw, improved = (add_papers(measured, spec) for spec in ("kitti_raw", "kitti_improved"))
    assert raw.index.tolist() == [
        ("raw LiDAR", "median", name) for name in ("Lite-Mono", "ours", "Monodepth2 M")
    ]
    # 2018's Monodepth2, table 1 of its paper: AbsRel 0.115, RMSE 4.863, delta1 0.877.
    paper = raw.loc[("raw LiDAR", "median", "Monodepth2 M")]
    assert paper[["abs_rel", "rmse", "delta1"]].tolist() == [0.115, 4.863, 0.877]
    assert set(improved.index.get_level_values("alignment")) == {"median", "none"}
    assert improved.xs("none", level="alignment")["supervision"].notna().all()
    assert add_papers(measured, "rendered_roads").index.tolist() == [
        ("rendered_roads", "median", "ours")
    ]
