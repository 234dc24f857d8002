import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from depthlib.__main__ import main
from depthlib.commands.label import LabelSettings, label_files
from depthlib.commands.merge import merge_shards
from depthlib.commands.predict import predict_files
from depthlib.data.dataset_file import make_spec, read_dataset_file
from depthlib.data.images import read_depth, read_rgb, write_depth, write_rgb
from depthlib.data.lenses import FocalRequest, parse_focal
from depthlib.data.pairs import read_csv
from depthlib.data.shards import Shard
from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor
from depthlib.video.frames import open_writer
from tests.onnx_files import write_onnx

ROOM = View(24, 32, 10.0, focal=0.8, aspect=4 / 3)
ROAD = View(24, 48, 80.0, focal=0.6, aspect=2.0, horizon=0.45)


class Fake(DepthPredictor):
    """Depth up to the view's range from red: what is brighter is nearer."""

    def __init__(self, view=ROOM, unit="metre", factor=1.0):
        super().__init__(view, unit, "")
        self.factor = factor

    def predict_batch(self, batch):
        red = batch[..., 0].astype(np.float32) / 255
        return self.factor * self.view.max_depth * (1 - 0.9 * red)


def draw(path, red=120, height=48, width=64):
    rgb = np.full((height, width, 3), (0, 10, 60), np.uint8)
    rgb[..., 0] = np.linspace(red, red + 20, width)
    write_rgb(path, rgb)
    return path


def label(words, out, *teachers, **settings):
    teachers = {f"teacher{number}": one for number, one in enumerate(teachers or [Fake()])}
    words = [words] if not isinstance(words, list) else words
    return label_files(teachers, words, out, LabelSettings(**settings), progress=False)


@pytest.fixture
def photos(tmp_path):
    """Three photos in a folder, of three shapes."""
    for name, height, width in (("1", 48, 64), ("2", 48, 96), ("10", 64, 48)):
        draw(tmp_path / "in" / f"{name}.png", height=height, width=width)
    return tmp_path / "in"


def test_photos_become_a_dataset_of_one_shape(photos, tmp_path):
    out = tmp_path / "labelled"
    report = label(photos, out)
    assert len(report.written) == 3 and not report.failed
    table = pd.read_csv(out / "labels.csv", keep_default_na=False)
    assert table["rgb"].tolist() == ["photos/1.jpg", "photos/2.jpg", "photos/10.jpg"]
    assert table["depth"].tolist() == ["depth/1.png", "depth/2.png", "depth/10.png"]
    assert table["scene"].tolist() == ["", "", ""]
    # Each is seen as training's camera sees: 0.8 of the width.
    assert table["focal"].tolist() == pytest.approx([0.8 * 64, 0.8 * 64, 0.8 * 48], rel=1e-3)
    shapes = [cv2.imread(str(out / name)).shape[:2] for name in table["rgb"]]
    assert shapes == [(48, 64), (48, 64), (36, 48)]
    spec = read_dataset_file(out / "dataset.json")
    assert (spec.name, spec.max_depth, spec.metres_per_count) == ("labelled", 10.0, 1e-3)
    depth = read_depth(out / "depth/1.png", spec)
    np.testing.assert_allclose(depth[0, [0, -1]], 10 * (1 - 0.9 * np.array([120, 140]) / 255), 0.02)
    confidence = cv2.imread(str(out / "confidence/1.png"), cv2.IMREAD_UNCHANGED)
    assert confidence.shape == (48, 64) and confidence.min() > 200


def test_where_teachers_differ_depth_can_be_left_out(photos, tmp_path):
    teachers = Fake(), Fake(factor=1.5)
    label(photos / "1.png", tmp_path / "all", *teachers)
    spec = read_dataset_file(tmp_path / "all" / "dataset.json")
    np.testing.assert_allclose(
        read_depth(tmp_path / "all/depth/1.png", spec)[0, 0],
        np.sqrt(1.5) * 10 * (1 - 0.9 * 120 / 255),
        rtol=0.02,
    )
    report = label(photos / "1.png", tmp_path / "sure", *teachers, least_confidence=0.5)
    assert len(report.written) == 1
    assert not cv2.imread(str(tmp_path / "sure/depth/1.png"), cv2.IMREAD_UNCHANGED).any()


def test_a_stopped_run_goes_on_and_other_teachers_are_refused(photos, tmp_path):
    out = tmp_path / "out"
    label([photos / "1.png", photos / "2.png"], out)
    before = (out / "depth/1.png").stat().st_mtime_ns
    (out / "confidence/2.png").unlink()  # as where the run was killed
    for name in (
        "photos/.2-depthlib-01234567.jpg",
        "depth/.2-depthlib-01234567.png",
        ".labels-depthlib-01234567.csv",
    ):
        (out / name).touch()
    report = label(photos, out)
    left = [path.name for path in out.rglob(".*") if path.is_file()]
    assert left == [".labels.csv.sha256"]
    assert [path.name for path in report.skipped] == ["1.png"] and len(report.written) == 2
    assert (out / "depth/1.png").stat().st_mtime_ns == before
    assert str(report) == "2 written, 1 there already"
    other = label(photos, out, Fake(), Fake())
    assert len(other.failed) == 3
    assert "by teacher0 --combine mean" in other.failed[photos / "1.png"]
    assert len(label(photos, out, combine="median").failed) == 3
    assert (out / "depth/1.png").stat().st_mtime_ns == before
    assert len(pd.read_csv(out / "labels.csv")) == 3


PARTS = ["photos/1.jpg", "depth/1.png", "confidence/1.png"]


def correct(out, names):
    """Changes files as somebody does who cleans labels up; gives what is in them."""
    for name in names:
        pixels = cv2.imread(str(out / name), cv2.IMREAD_UNCHANGED)
        pixels[:10] = 0
        cv2.imwrite(str(out / name), pixels)
    return {name: (out / name).read_bytes() for name in names}


@pytest.mark.parametrize("missing", [[name] for name in PARTS] + [PARTS[:2], PARTS[1:]])
def test_labels_that_were_corrected_by_hand_stay_where_other_files_are_missing(
    photos, tmp_path, missing
):
    out = tmp_path / "out"
    label(photos, out)
    written = {name: (out / name).read_bytes() for name in missing}
    mine = correct(out, [name for name in PARTS if name not in missing])
    for name in missing:
        (out / name).unlink()
    assert label(photos, out).written == [photos / "1.png"]
    for name, content in (mine | written).items():
        assert (out / name).read_bytes() == content
    assert len(label(photos, out).skipped) == len(pd.read_csv(out / "labels.csv")) == 3


@pytest.mark.parametrize("missing", PARTS)
def test_labels_of_a_photo_that_was_replaced_stay_and_are_named_where_some_are_missing(
    photos, tmp_path, missing
):
    out = tmp_path / "out"
    label(photos, out)
    (out / missing).unlink()
    draw(photos / "1.png", red=30)
    mine = correct(out, [name for name in PARTS if name != missing])
    report = label(photos, out)
    assert report.changed == [photos / "1.png"] and not report.written
    assert {name: (out / name).read_bytes() for name in mine} == mine
    assert not (out / missing).exists()
    for name in mine:
        (out / name).unlink()
    assert label(photos, out).written == [photos / "1.png"]


def test_labels_of_a_frame_that_were_corrected_by_hand_stay(tmp_path):
    with open_writer(tmp_path / "drive.avi", 10, 48, 64) as write:
        for red in range(3):
            write(np.full((48, 64, 3), 40 * red, np.uint8))
    out = tmp_path / "out"
    label(tmp_path / "drive.avi", out, every=2)
    mine = correct(out, ["depth/drive/000002.png"])
    (out / "confidence/drive/000002.png").unlink()
    assert len(label(tmp_path / "drive.avi", out, every=2).written) == 1
    assert (out / "depth/drive/000002.png").read_bytes() == mine["depth/drive/000002.png"]


def test_a_photo_that_is_replaced_after_a_run_was_stopped_gets_no_label_of_before(
    photos, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    with monkeypatch.context() as killed:
        killed.setattr("depthlib.commands.label.write_depth", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            label(photos / "1.png", out)
    before = (out / "photos/1.jpg").read_bytes()
    draw(photos / "1.png", red=30)
    assert label(photos / "1.png", out).changed == [photos / "1.png"]
    (out / "photos/1.jpg").unlink()
    assert len(label(photos / "1.png", out).written) == 1
    assert (out / "photos/1.jpg").read_bytes() != before


@pytest.mark.parametrize(
    "name",
    ["photos/1.jpg", "depth/1.png", "confidence/1.png", "labels.csv", "dataset.json"],
)
def test_a_file_of_ones_own_is_never_written_over(photos, tmp_path, name):
    out = tmp_path / "room"
    mine = out / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b'{"metres_per_count": 0.0002}')
    try:
        report = label(photos, out)
        assert list(report.failed) == [photos / "1.png"] and len(report.written) == 2
        assert "Use another folder" in report.failed[photos / "1.png"]
        assert len(pd.read_csv(out / "labels.csv")) == 2
    except (FileExistsError, ValueError) as error:
        assert name in str(error) and "hoose another folder" in str(error)
        assert [path for path in out.rglob("*") if path.is_file()] == [mine]
    assert mine.read_bytes() == b'{"metres_per_count": 0.0002}'


def test_photos_that_lie_where_their_labels_would_are_left_as_they_are(tmp_path):
    photo = draw(tmp_path / "room/photos/1.jpg")
    measured = tmp_path / "room/depth/1.png"
    write_depth(measured, np.full((48, 64), 2.0, np.float32), make_spec("room", metres_per_count=1))
    before = photo.read_bytes(), measured.read_bytes()
    report = label(photo.parent, tmp_path / "room")
    assert list(report.failed) == [photo]
    assert (photo.read_bytes(), measured.read_bytes()) == before


@pytest.mark.parametrize("when", [1, 4_000_000_000])
def test_labels_of_another_photo_or_video_are_named_whatever_their_times(photos, tmp_path, when):
    video, out = tmp_path / "drive.avi", tmp_path / "out"
    said = []
    for brightness in (100, 100, 200):
        with open_writer(video, 10, 48, 64) as write:
            write(np.full((48, 64, 3), brightness, np.uint8))
        write_rgb(photos / "2.png", np.full((48, 64, 3), brightness, np.uint8))
        for path in (photos / "2.png", video):
            os.utime(path, (when + len(said), when + len(said)))
        said.append(str(label([photos, video], out)))
    assert "another" not in said[1]
    assert f"2 of them of another photo or network than is there now: {photos / '2.png'}" in said[2]


def test_rows_that_were_removed_from_the_table_by_hand_do_not_come_back(photos, tmp_path):
    label(photos, tmp_path)
    table = tmp_path / "labels.csv"
    written = table.read_text()
    label(photos, tmp_path)
    assert table.read_text() == written
    chosen = "".join(written.splitlines(keepends=True)[:-1])
    table.write_text(chosen)
    with pytest.raises(FileExistsError, match="not as depthlib last wrote it. Rename or move it"):
        label(photos, tmp_path)
    assert table.read_text() == chosen
    table.rename(tmp_path / "chosen.csv")
    label(photos, tmp_path)
    assert table.read_text() == written


def test_predict_takes_no_label_of_a_photo_or_a_video_for_its_own(photos, tmp_path):
    video, out = tmp_path / "drive.avi", tmp_path / "out"
    with open_writer(video, 10, 48, 64) as write:
        write(np.full((48, 64, 3), 100, np.uint8))
    label([photos, video], out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    lens = parse_focal("exif")
    for overwrite in (True, False):
        report = predict_files(Fake(), [photos, video], out, lens=lens, overwrite=overwrite)
        assert len(report.failed) == 4 and not report.written
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
        assert "it is labelled in" in report.failed[photos / "1.png"]


@pytest.mark.parametrize("what", ["photos", "out", "both", "one photo"])
def test_photos_that_were_moved_are_not_labelled_again(photos, tmp_path, what):
    out = tmp_path / "out"
    label(photos, out)
    before = (out / "labels.csv").read_bytes()
    if what in ("photos", "both"):
        photos = photos.rename(tmp_path / "renamed")
    if what in ("out", "both"):
        (tmp_path / "far" / "away").mkdir(parents=True)
        out = out.rename(tmp_path / "far" / "away" / "out")
    if what == "one photo":
        (photos / "2.png").rename(photos / "3.png")
    report = label(photos, out)
    assert len(report.skipped) == 3 and not (report.written or report.changed or report.failed)
    assert (out / "labels.csv").read_bytes() == before
    assert len(label(photos, out).skipped) == 3  # and so it stays
    draw(photos / "new.png", red=30)
    assert [path.name for path in label(photos, out).written] == ["new.png"]


def test_frames_of_a_video_that_was_moved_are_not_labelled_again(tmp_path):
    with open_writer(tmp_path / "drive.avi", 10, 48, 64) as write:
        for red in range(5):
            write(np.full((48, 64, 3), 40 * red, np.uint8))
    out = tmp_path / "out"
    assert len(label(tmp_path / "drive.avi", out, every=2).written) == 3
    before = (out / "labels.csv").read_bytes()
    (tmp_path / "drive.avi").rename(tmp_path / "walk.avi")
    assert len(label(tmp_path / "walk.avi", out, every=2).skipped) == 3
    assert (out / "labels.csv").read_bytes() == before


def test_a_video_in_anothers_place_adds_no_frames_to_its_scene(tmp_path):
    def make(frames, red):
        with open_writer(tmp_path / "drive.avi", 10, 48, 64) as write:
            for number in range(frames):
                write(np.full((48, 64, 3), red + 5 * number, np.uint8))

    video, out = tmp_path / "drive.avi", tmp_path / "out"
    make(4, 0)
    assert len(label(video, out, every=2).written) == 2
    before = (out / "labels.csv").read_bytes()
    make(9, 100)
    report = label(video, out, every=2)
    assert report.changed == [video] and not report.written
    assert (out / "labels.csv").read_bytes() == before


@pytest.mark.parametrize("part", ["photos/1.jpg", "depth/1.png", "confidence/1.png"])
def test_a_label_of_which_a_file_is_missing_is_not_listed(photos, tmp_path, part):
    out = tmp_path / "out"
    label(photos, out)
    (out / part).unlink()
    draw(photos / "1.png", red=30)
    assert label(photos, out).changed == [photos / "1.png"]
    table = pd.read_csv(out / "labels.csv")
    assert table["rgb"].tolist() == ["photos/2.jpg", "photos/10.jpg"]


def test_copies_of_photos_that_are_still_there_are_photos_of_their_own(photos, tmp_path):
    label(photos, tmp_path / "out")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "1.png").write_bytes((photos / "1.png").read_bytes())
    assert len(label([photos, tmp_path / "copy"], tmp_path / "out").written) == 1


def test_of_moved_photos_with_one_content_each_has_its_row(tmp_path):
    for name in "ab":
        draw(tmp_path / "in" / f"{name}.png")
    label(tmp_path / "in", tmp_path / "out")
    photos = (tmp_path / "in").rename(tmp_path / "renamed")
    assert len(label(photos, tmp_path / "out").skipped) == 2
    table = pd.read_csv(tmp_path / "out" / "depth.csv")
    assert table["photo"].tolist() == ["../renamed/a.png", "../renamed/b.png"]


def test_depth_beyond_what_the_dataset_holds_is_told_once(photos, tmp_path):
    with pytest.warns(
        UserWarning, match="beyond 10 m, which the teachers learned, is left out"
    ) as w:
        label(photos, tmp_path / "long", lens=parse_focal("4"))
    assert len({str(one.message) for one in w}) == 1


def test_shards_of_teachers_of_one_name_but_another_file_are_not_merged(photos, tmp_path):
    for number, factor in ((1, 1.0), (2, 1.1)):
        teacher, path = Fake(factor=factor), tmp_path / f"{number}" / "net.keras"
        path.parent.mkdir()
        path.write_text(str(factor))
        teacher.path = path
        label_files(
            {"net.keras": teacher}, [photos], tmp_path / "out", LabelSettings(), progress=False,
            shard=Shard(number, 2),
        )  # fmt: skip
    with pytest.raises(ValueError, match="Shards must be of one run"):
        merge_shards(tmp_path / "out")


def test_teachers_are_the_same_from_wherever_they_are_named(photos, tmp_path, monkeypatch):
    teachers = {}
    for name in ("one", "two"):
        path = tmp_path / name / "net.keras"
        path.parent.mkdir()
        path.write_text(name)
        teachers[name] = Fake()
        teachers[name].path = path

    def go(*words):
        named = {word: teachers[Path(word).parent.name] for word in words}
        return label_files(named, [photos], tmp_path / "out", LabelSettings(), progress=False)

    count = len(go(*(str(tmp_path / f"{name}/net.keras") for name in ("one", "two"))).written)
    monkeypatch.chdir(tmp_path)
    assert count and len(go("one/net.keras", "./two/net.keras").skipped) == count
    assert "of another photo or network" in str(go("two/net.keras", "one/net.keras"))


def test_a_video_that_is_cut_off_is_named_and_its_frames_are_labelled(tmp_path):
    video, out = tmp_path / "drive.avi", tmp_path / "out"
    with open_writer(video, 10, 48, 64) as write:
        for number in range(20):
            write(np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8))
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    report = label(video, out, every=2)
    assert 0 < len(report.written) < 10
    assert "frames too early" in report.failed[video]


def test_a_folder_of_predictions_becomes_no_dataset(photos, tmp_path):
    predict_files(Fake(), [photos], tmp_path, lens=parse_focal("exif"), progress=False)
    there = sorted(tmp_path.rglob("*"))
    assert len(label(photos, tmp_path).failed) == 3
    assert sorted(tmp_path.rglob("*")) == there


def test_a_folder_keeps_one_scale_of_depth(photos, tmp_path):
    out = tmp_path / "out"
    label(photos / "1.png", out)
    before = (out / "dataset.json").read_bytes()
    with pytest.raises(ValueError, match=r"max_depth 80.0 and 10.0.*dataset.json.*another folder"):
        label(photos / "2.png", out, Fake(ROAD))
    assert (out / "dataset.json").read_bytes() == before


def test_a_run_that_was_killed_before_a_photos_row_labels_it_again(photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as killed:
        killed.setattr("depthlib.commands.label.write_grey", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            label(photos / "1.png", out)
    assert len(label(photos, out).written) == 3
    assert len(pd.read_csv(out / "labels.csv")) == 3
    table = (out / "depth.csv").read_text()
    heading, row, *rows = table.splitlines(keepends=True)
    (out / "depth.csv").write_text("".join([heading, row, row, *rows]))  # as killed before its end
    label(photos, out)
    assert (out / "depth.csv").read_text() == table


def test_frames_of_a_video_are_one_scene(tmp_path):
    video = tmp_path / "drive.avi"
    frame = np.full((48, 64, 3), 100, np.uint8)
    frame[..., 0] = np.linspace(60, 200, 64)
    with open_writer(video, 10, 48, 64) as write:
        for number in range(7):
            write(np.roll(frame, 9 * number, axis=1))
    photo = draw(tmp_path / "photo.png")
    report = label([video, photo], tmp_path / "out", every=3)
    assert len(report.written) == 4 and not report.failed
    table = pd.read_csv(tmp_path / "out/labels.csv", keep_default_na=False)
    frames = [f"photos/drive/{number:06d}.jpg" for number in (0, 3, 6)]
    assert sorted(table["rgb"]) == [*frames, "photos/photo.jpg"]
    assert table.set_index("rgb")["scene"].to_dict() == {
        **dict.fromkeys(frames, "drive"),
        "photos/photo.jpg": "",
    }
    assert len(label([video, photo], tmp_path / "out", every=3).skipped) == 4


def test_roads_keep_their_shape_and_reach_farther(photos, tmp_path):
    label(photos / "1.png", tmp_path / "out", Fake(ROAD), lens=parse_focal("0.7"), long_side=64)
    assert cv2.imread(str(tmp_path / "out/photos/1.jpg")).shape == (48, 64, 3)
    spec = read_dataset_file(tmp_path / "out/dataset.json")
    assert spec.metres_per_count == 1 / 256 and 80 <= spec.max_depth < 256
    table = pd.read_csv(tmp_path / "out/labels.csv")
    assert table["focal"].tolist() == pytest.approx([0.7 * 64])


class Foreign(Fake):
    """Another project's network, which knows neither its range nor a lens."""

    def __init__(self, unit="metre"):
        super().__init__(View(24, 24, np.inf), unit)

    def predict_batch(self, batch):
        return 10 - batch[..., 0].astype(np.float32) / 30


def say_focal(path, millimetres=26):
    """Gives a photo an EXIF with this focal length (35-mm equivalent)."""
    exif = Image.Exif()
    exif[0x8769] = {0xA405: millimetres}
    with Image.open(path) as photo:
        photo.save(path, exif=exif)
    return path


@pytest.mark.parametrize("unit", ["disparity", "metre", "relative"])
def test_the_first_teacher_that_knows_a_lens_decides_shape_and_focal_length(photos, tmp_path, unit):
    say_focal(photos / "1.png")
    for number, focal in enumerate(("exif", "26mm", "none")):
        tables = []
        for order in (1, -1):
            out = tmp_path / f"{number}{order}"
            teachers = [Fake(), Foreign(unit)][::order]
            report = label(photos, out, *teachers, lens=parse_focal(focal))
            assert len(report.written) == 3 and not report.failed
            assert read_dataset_file(out / "dataset.json").focal_column == "focal"
            tables.append(pd.read_csv(out / "labels.csv"))
            assert cv2.imread(str(out / "photos/2.jpg")).shape == (48, 64, 3)
        pd.testing.assert_frame_equal(*tables)
    assert tables[0]["focal"].tolist() == pytest.approx([0.8 * 64, 0.8 * 64, 0.8 * 48], rel=1e-3)


@pytest.mark.parametrize("unit", ["metre", "relative"])
def test_a_focal_length_that_is_said_is_written_where_no_teacher_knows_a_lens(tmp_path, unit):
    photos = [say_focal(draw(tmp_path / f"{name}.png", width=80), 24) for name in "ab"]
    pixels = 24 / 43.2666 * np.hypot(48, 80)
    for focal in ("exif", "24mm", f"{pixels}px", str(pixels / 80)):
        out = tmp_path / focal
        report = label(photos, out, Foreign(unit), lens=parse_focal(focal), long_side=200)
        assert len(report.written) == 2 and not report.failed
        pairs = read_csv(out / "labels.csv", read_dataset_file(out / "dataset.json"))
        assert pairs.table["focal"].tolist() == pytest.approx([pixels] * 2, rel=1e-3)
        assert read_rgb(pairs.rgb_path(0)).shape == (48, 48, 3)  # cut, which moves no pixel


@pytest.mark.parametrize("focal", ["exif", "none"])
def test_a_dataset_whose_focal_lengths_nobody_knows_has_none(photos, tmp_path, focal):
    if focal == "none":
        say_focal(photos / "1.png")
    with open_writer(tmp_path / "drive.avi", 10, 48, 64) as write:
        write(np.full((48, 64, 3), 100, np.uint8))
    out = tmp_path / "out"
    words, lens = [photos, tmp_path / "drive.avi"], parse_focal(focal)
    assert len(label(words, out, Foreign(), lens=lens).written) == 4
    assert list(pd.read_csv(out / "labels.csv")) == ["rgb", "depth", "confidence", "scene"]
    spec = read_dataset_file(out / "dataset.json")
    assert (spec.focal, spec.focal_column) == (None, None)
    assert len(read_csv(out / "labels.csv", spec)) == 4
    assert len(label(words, out, Foreign(), lens=lens).skipped) == 4
    with pytest.raises(ValueError, match="focal_column focal and None.*another folder"):
        label(words, out, Foreign(), lens=parse_focal("26mm"))


def test_photos_without_a_focal_length_are_refused_beside_photos_with_one(photos, tmp_path):
    say_focal(photos / "2.png")
    with open_writer(tmp_path / "drive.avi", 10, 48, 64) as write:
        write(np.full((48, 64, 3), 100, np.uint8))
    words, out = [photos, tmp_path / "drive.avi"], tmp_path / "out"
    for found in ("written", "skipped"):
        report = label(words, out, Foreign())
        assert getattr(report, found) == [photos / "2.png"]
        assert set(report.failed) == {photos / "1.png", photos / "10.png", tmp_path / "drive.avi"}
        assert all("such as --focal 26mm" in reason for reason in report.failed.values())
    pairs = read_csv(out / "labels.csv", read_dataset_file(out / "dataset.json"))
    assert pairs.table["focal"].tolist() == pytest.approx([26 / 43.2666 * np.hypot(48, 96)], 1e-3)


def test_a_network_that_says_no_range_follows_those_that_do(photos, tmp_path):
    endless = Fake(View(24, 32, np.inf), factor=0.0)
    ramp = np.linspace(25, 30, 32, dtype=np.float32)
    endless.predict_batch = lambda batch: np.broadcast_to(ramp, batch.shape[:3])
    label(photos / "1.png", tmp_path / "alone", endless)
    spec = read_dataset_file(tmp_path / "alone/dataset.json")
    assert spec.max_depth == 65.535
    assert read_depth(tmp_path / "alone/depth/1.png", spec).max() == pytest.approx(27.5, 0.1)
    label(photos / "1.png", tmp_path / "both", endless, Fake())
    spec = read_dataset_file(tmp_path / "both/dataset.json")
    counts = cv2.imread(str(tmp_path / "both/depth/1.png"), cv2.IMREAD_UNCHANGED)
    assert spec.max_depth == 10 and not counts.any()  # sqrt(25 * 5) m lies beyond


def test_relative_teachers_give_a_relative_dataset_and_large_photos_shrink(tmp_path):
    photo = draw(tmp_path / "large.png", height=300, width=400)
    label(photo, tmp_path / "out", Fake(unit="relative"), long_side=128)
    spec = read_dataset_file(tmp_path / "out/dataset.json")
    assert spec.is_relative
    assert read_depth(tmp_path / "out/depth/large.png", spec).max() == 1
    assert cv2.imread(str(tmp_path / "out/photos/large.jpg")).shape == (96, 128, 3)


def test_a_file_that_is_no_photo_is_named_and_the_rest_is_done(photos, tmp_path):
    (photos / "3.jpg").write_text("no photo")
    report = label(photos, tmp_path / "out")
    assert len(report.written) == 3 and list(report.failed) == [photos / "3.jpg"]
    assert "3.jpg" in report.failed[photos / "3.jpg"]


def test_a_second_run_into_a_folder_is_turned_away_before_it_writes_anything(photos, tmp_path):
    out, other = tmp_path / "out", draw(tmp_path / "other" / "1.png", 200)

    class Meanwhile(Fake):
        def predict_batch(self, batch):
            before = sorted(out.rglob("*"))
            with pytest.raises(BlockingIOError, match=f"holds {out}/.depthlib.lock. Wait"):
                label(other, out)
            with pytest.raises(BlockingIOError, match=f"holds {out}/.depthlib.lock. Wait"):
                predict_files(Fake(), [other], out, lens=FocalRequest("exif"))
            assert sorted(out.rglob("*")) == before
            return super().predict_batch(batch)

    assert len(label(photos, out, Meanwhile()).written) == 3
    assert pd.read_csv(out / "labels.csv")["rgb"].size == 3
    assert not list(out.glob("*.lock"))


def test_a_teacher_that_is_named_twice_is_refused(tmp_path):
    words = ["label", str(tmp_path), "--teacher=light", "--teacher=light", f"--out={tmp_path}"]
    with pytest.raises(SystemExit, match="must be given once. Received: light, light"):
        main(words)


def test_settings_that_are_none_are_refused():
    for name, value in (
        ("combine", "best"),
        ("least_confidence", 1.0),
        ("least_confidence", float("nan")),
        ("long_side", 10),
        ("every", 0),
    ):
        with pytest.raises(ValueError, match=f"`{name}` must be .*Received: "):
            LabelSettings(**{name: value})


def test_no_teacher_and_teachers_of_disparity_alone_are_refused_before_anything_is_written(
    photos, tmp_path
):
    for teachers, received in (({}, "none"), ({"a": Foreign("disparity")}, "disparity")):
        with pytest.raises(ValueError, match=f"must give depth: .*Received: {received}. Add"):
            label_files(teachers, [photos], tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_the_command_labels_by_networks_of_ours_and_of_others(tmp_path, capsys):
    photo = draw(tmp_path / "photo.png")
    other = write_onnx(tmp_path / "other.onnx", bias=1.0)
    words = ["label", str(photo), "--teacher", "light", "--teacher", f"{other},output=relative"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "1 written" in capsys.readouterr().out
    made = pd.read_csv(tmp_path / "out/depth.csv")["made"][0]
    assert made.startswith("light + other.onnx,output=relative --combine mean")
    assert read_dataset_file(tmp_path / "out/dataset.json").max_depth == 10.0
