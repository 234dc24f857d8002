import csv
import errno
import os
import re
import subprocess
import sys
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from threading import Lock

import cv2
import numpy as np
import onnx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from depthlib.__main__ import main
from depthlib.commands import predict as command
from depthlib.commands.merge import merge_shards
from depthlib.commands.predict import predict_files
from depthlib.data import images
from depthlib.data.images import write_rgb
from depthlib.data.intrinsics import Intrinsics, read_camera
from depthlib.data.lenses import parse_focal
from depthlib.data.shards import Shard
from depthlib.networks import shipped
from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.known_distance import KnownDistance
from depthlib.prediction.outputs import are_outputs, check_photos
from depthlib.prediction.writers import WRITERS
from depthlib.video.frames import open_writer
from tests.onnx_files import write_own_onnx

HEIGHT, WIDTH = 30, 40
ROOM = View(24, 32, 10.0, focal=0.8, aspect=4 / 3)
ROAD = View(24, 32, 80.0, focal=0.6, aspect=4 / 3, horizon=0.45)


class FakePredictor(DepthPredictor):
    """Depth up to the view's range from red: what is brighter is nearer. `at`: called each time."""

    def __init__(self, view=ROOM, unit="metre", at=None):
        super().__init__(view, unit, "")
        self.at = at or (lambda: None)

    def predict_batch(self, batch):
        self.at()
        return self.view.max_depth * (1 - 0.9 * batch[..., 0].astype(np.float32) / 255)


def draw(path, red=120, height=HEIGHT, width=WIDTH):
    """Writes a photo whose red grows a little from left to right; gives its path."""
    rgb = np.full((height, width, 3), (0, 10, 60), np.uint8)
    rgb[..., 0] = np.linspace(red, red + 20, width)
    write_rgb(path, rgb)
    return path


def predict(words, out, predictor=None, lens="exif", **named):
    words = [words] if isinstance(words, str | Path) else words
    lens = parse_focal(lens) if isinstance(lens, str) else lens
    named = {"save": ["npy"], "progress": False} | named
    return predict_files(predictor or FakePredictor(), words, out, lens=lens, **named)


def rows(out):
    with (out / "depth.csv").open(newline="") as file:
        return {Path(row["photo"]).name: row for row in csv.DictReader(file)}


def listed(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


@pytest.fixture
def photos(tmp_path):
    """Three photos, the redder the nearer."""
    for number in range(3):
        draw(tmp_path / "in" / f"{number}.png", 50 + 50 * number)
    return tmp_path / "in"


def test_each_photo_has_its_files_and_its_row(photos, tmp_path):
    out = tmp_path / "out"
    report = predict(photos, out, save=["png16", "colour", "npy", "ply", "confidence"])
    assert len(report.written) == 3 and not report.failed
    ends = "_depth_mm.png", "_depth_colour.jpg", "_depth.npy", ".ply", "_confidence.png"
    assert listed(out) == sorted(["depth.csv", *(f"{n}{end}" for n in range(3) for end in ends)])
    depth = np.load(out / "1_depth.npy")
    assert depth.shape == (HEIGHT, WIDTH)
    row = rows(out)["1.png"]
    assert row["photo"] == "../in/1.png" and row["name"] == "1"
    assert (row["height"], row["width"], row["sky"]) == ("30", "40", "0.000")
    assert (row["focal"], row["focal_from"]) == ("0.8", "unknown")
    for name, value in zip(("nearest", "median", "farthest"), (0, 50, 100), strict=True):
        assert float(row[name]) == pytest.approx(np.percentile(depth, value), rel=1e-3)
    counts = cv2.imread(str(out / "1_depth_mm.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(counts / 1000, depth, atol=6e-4)


def test_what_is_there_stays_unless_it_is_to_be_overwritten(photos, tmp_path):
    out = tmp_path / "out"
    predict(photos, out)
    far = FakePredictor(View(24, 32, 20.0, focal=0.8, aspect=4 / 3))
    before, depth = (out / "0_depth.npy").read_bytes(), np.load(out / "0_depth.npy")
    assert len(predict(photos, out, far).skipped) == 3
    assert (out / "0_depth.npy").read_bytes() == before
    report = predict(photos, out, far, save=["npy", "png16"])  # the one is there, the other not
    assert len(report.written) == 3 and (out / "0_depth_mm.png").exists()
    assert (out / "0_depth.npy").read_bytes() == before
    assert len(predict(photos, out, far, overwrite=True).written) == 3
    np.testing.assert_allclose(np.load(out / "0_depth.npy"), 2 * depth)
    assert len((out / "depth.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize("when", [1, 4_000_000_000])  # a photo from an old backup, and a new one
def test_depth_of_another_photo_or_network_is_named_whatever_their_times(photos, tmp_path, when):
    out, network = tmp_path / "out", tmp_path / "mine.keras"
    network.write_text("a network")
    predict(photos, out, network=str(network))
    for path in (network, *photos.iterdir()):  # as in a copy
        os.utime(path, (when, when))
    assert "another" not in str(predict(photos, out, network=str(network)))
    draw(photos / "1.png", 200)
    os.utime(photos / "1.png", (when + 1, when + 1))
    said = str(predict(photos, out, network=str(network)))
    assert said.endswith(
        f"1 of them of another photo or network than is there now: {photos / '1.png'}"
    )
    old = np.load(out / "1_depth.npy")
    save = ["npy", "png16"]
    said = str(predict(photos, out, save=save, network=str(network)))
    assert "1 of them of another" in said and not (out / "1_depth_mm.png").exists()
    predict(photos, out, save=save, network=str(network), overwrite=True)  # of the new photo
    new = np.load(out / "1_depth.npy")
    assert not np.allclose(new, old)
    counts = cv2.imread(str(out / "1_depth_mm.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(counts / 1000, new, atol=6e-4)
    network.write_text("b network")
    os.utime(network, (when + 1, when + 1))
    assert "3 of them of another" in str(predict(photos, out, network=str(network)))


@pytest.mark.parametrize("words", [["predict", "--model=light"], ["label", "--teacher=light"]])
def test_another_version_of_a_network_that_ships_is_noticed(
    photos, tmp_path, monkeypatch, capsys, words
):
    monkeypatch.setattr(shipped, "PACKAGED", tmp_path)
    network = write_own_onnx(tmp_path / "light.onnx")
    said = []
    for version in ("", "", "another"):
        changed = onnx.load(network)
        changed.doc_string = version
        onnx.save(changed, network)
        main([*words, str(photos), "--out", str(tmp_path / "out"), "--focal=26mm"])
        said.append(capsys.readouterr().out)
    assert "3 written" in said[0] and "3 there already" in said[1]
    assert "of another photo" not in said[1]
    assert "3 of them of another photo or network than is there now" in said[2]


@pytest.mark.parametrize("overwrite", [False, True])
def test_depth_of_another_photo_is_not_taken_for_this_ones_and_stays_unless_it_may_go(
    photos, tmp_path, overwrite
):
    out = tmp_path / "out"
    predict(photos, out, save=["png16"])
    before = (out / "1_depth_mm.png").read_bytes()
    draw(photos / "1.png", 200)
    predict(photos, out, save=["npy", "png16"], overwrite=overwrite)
    assert ((out / "1_depth_mm.png").read_bytes() != before) == overwrite
    assert (out / "1_depth.npy").exists() == overwrite
    assert rows(out)["0.png"]["saved"] == "npy png16"
    assert rows(out)["1.png"]["saved"] == ("npy png16" if overwrite else "png16")
    report = predict(photos, out, save=["png16"])
    if overwrite:
        assert len(report.skipped) == 3 and not report.changed
    else:
        assert report.changed == [photos / "1.png"] and not report.written
        assert (out / "1_depth_mm.png").read_bytes() == before


def read_all(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("changed", ["photo", "network"])
@pytest.mark.parametrize(("first", "then"), [("png16", "colour"), ("png16", "npy"), ("npy", "ply")])
def test_old_depth_never_lies_beside_new_depth_of_a_photo_or_network_that_was_replaced(
    tmp_path, changed, first, then
):
    photo, network, out = draw(tmp_path / "a.png"), tmp_path / "mine.keras", tmp_path / "out"
    network.write_text("a network")
    predict(photo, out, save=[first, "confidence"], network=str(network))
    before = read_all(out)
    old = next(out / name for name in before if name.startswith("a_depth"))
    if changed == "photo":
        draw(photo, 200)
    else:
        network.write_text("another network")
    for _ in range(2):
        report = predict(photo, out, save=[then], network=str(network))
        assert report.skipped == report.changed == [photo] and read_all(out) == before
        if changed == "photo":
            with pytest.raises(ValueError, match="Depth must be of the photo"):
                check_photos([(old, photo)])
    report = predict(photo, out, save=[then], network=str(network), overwrite=True)
    assert "go and not be made anew: confidence" in report.failed[photo] and read_all(out) == before
    save = {first, then, "confidence"}
    report = predict(photo, out, save=[*save], network=str(network), overwrite=True)
    assert report.written == [photo] and len(listed(out)) == 1 + len(save)
    assert old.read_bytes() != before[old.name] or changed == "network"
    assert set(rows(out)["a.png"]["saved"].split()) == save


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_overwriting_keeps_what_it_would_not_make_anew(tmp_path, kind):
    photo, out = draw(tmp_path / "a.png"), tmp_path / "out"
    predict(photo, out, save=[*WRITERS])
    before = read_all(out)
    save = [other for other in WRITERS if other != kind]
    report = predict(photo, out, save=save, lens="28mm", overwrite=True)
    assert f"not be made anew: {kind}. Add them to --save" in report.failed[photo]
    assert read_all(out) == before
    assert predict(photo, out, save=[*WRITERS], lens="28mm", overwrite=True).written == [photo]
    before = {name: data for name, data in read_all(out).items() if name != "depth.csv"}
    assert predict(photo, out, save=save, lens="28mm", overwrite=True).written == [photo]
    assert before.keys() < read_all(out).keys()  # the same way: those of `kind` are right


def test_a_photo_whose_old_files_were_removed_is_predicted_again(tmp_path):
    photo, out = draw(tmp_path / "a.png"), tmp_path / "out"
    predict(photo, out, save=["npy", "png16"])
    draw(photo, 200)
    (out / "a_depth.npy").unlink()
    assert predict(photo, out, save=["npy"]).changed == [photo]
    (out / "a_depth_mm.png").unlink()
    assert predict(photo, out, save=["npy"]).written == [photo]


def convert(written, name, texts=None):
    """Writes a map of depthlib's in another scale, as a user's own program would."""
    with Image.open(written) as image:
        held = PngInfo()
        for key in texts or ():
            held.add_text(key, image.text[key])
        Image.fromarray(np.asarray(image) // 4).save(written.with_name(name), pnginfo=held)
    return written.with_name(name)


OWN = {
    "a_depth_m256.png": None,
    "a_depth_relative.png": None,
    "a_depth_mm.png": None,  # the map itself, corrected
    "a_depth_m256.png ": ["unit", "depth_scale_metres"],  # by a program that keeps texts
}


@pytest.mark.parametrize(("own", "texts"), OWN.items())
@pytest.mark.parametrize("save", ["png16", "colour"])
def test_a_map_that_a_user_converted_or_corrected_is_neither_removed_nor_written_over(
    tmp_path, own, texts, save
):
    photo, out = draw(tmp_path / "a.png"), tmp_path / "out"
    predict(photo, out, save=["png16", "npy"])
    mine = convert(out / "a_depth_mm.png", own.strip(), texts)
    before = read_all(out)
    report = predict(photo, out, save=[save, "npy"], lens="26mm", overwrite=True)
    assert f"{mine} is not as depthlib wrote it" in report.failed[photo]
    assert read_all(out) == before
    (out / "a_depth.npy").unlink()
    draw(photo, 200)
    before = read_all(out)
    assert predict(photo, out, save=["png16", "npy"]).changed == [photo]
    assert predict(photo, out, save=["png16", "npy"], overwrite=True).failed
    assert read_all(out) == before
    mine.rename(tmp_path / "mine.png")
    assert predict(photo, out, save=["png16", "npy"], overwrite=True).written == [photo]
    assert listed(out) == ["a_depth.npy", "a_depth_mm.png", "depth.csv"]


def test_a_photo_with_a_name_too_long_for_other_scales_is_predicted_anew(tmp_path):
    (tmp_path / "in").mkdir()
    long, photo = draw(tmp_path / "a.png"), draw(tmp_path / "in" / "b.png")
    long = long.rename(tmp_path / "in" / f"{'a' * 240}.png")  # ..._depth_relative.png has 259
    for red in (120, 200):
        draw(photo, red)
        (tmp_path / "a.png").write_bytes(photo.read_bytes())
        (tmp_path / "a.png").rename(long)
        report = predict(photo.parent, tmp_path / "out", save=["png16"], overwrite=True)
        assert report.written == [long, photo] and not report.failed


def test_photos_of_a_folder_that_was_renamed_are_not_predicted_again(photos, tmp_path):
    out, video = tmp_path / "out", write_video(tmp_path / "walk.avi", 2)
    predict([photos, video], out)
    before = read_all(out)
    photos = photos.rename(tmp_path / "renamed")
    video = video.rename(photos / "walk.avi")
    assert len(predict([photos, video], out).skipped) == 4
    assert {name: data for name, data in read_all(out).items() if name != "depth.csv"} == {
        name: data for name, data in before.items() if name != "depth.csv"
    }
    assert rows(out)["1.png"]["photo"] == "../renamed/1.png"


def test_a_photo_that_was_renamed_has_files_by_its_new_name(tmp_path):
    photo, out = draw(tmp_path / "in" / "a.png"), tmp_path / "out"
    predict(photo, out)
    other = photo.rename(tmp_path / "in" / "b.png")
    draw(photo, 200)  # a new one takes the old name
    for _ in range(2):
        report = predict(photo.parent, out)
        assert report.changed == [photo]  # whose old depth is told, and not given to it
        assert {name: row["name"] for name, row in rows(out).items()} == {
            "a.png": "a", "b.png": "b"
        }  # fmt: skip
    assert np.array_equal(np.load(out / "b_depth.npy"), np.load(out / "a_depth.npy"))
    assert predict(photo, out, overwrite=True).written == [photo]
    assert np.load(out / "b_depth.npy").mean() > np.load(out / "a_depth.npy").mean()
    predict(other.rename(tmp_path / "in" / "c.png"), out)
    assert sorted(rows(out)) == ["a.png", "b.png", "c.png"] and (out / "c_depth.npy").is_file()


def test_of_photos_that_were_renumbered_each_has_the_depth_of_its_name(photos, tmp_path):
    out = tmp_path / "out"
    predict(photos, out)
    for number in (2, 1, 0):  # each takes the next name
        (photos / f"{number}.png").rename(photos / f"{number + 1}.png")
    report = predict(photos, out)
    assert report.written == [photos / "3.png"] and len(report.changed) == 2
    predict(photos, out, overwrite=True)
    depths = [np.load(out / f"{number}_depth.npy").mean() for number in (1, 2, 3)]
    assert depths == sorted(depths, reverse=True)
    assert {row["name"] for row in rows(out).values()} == {"0", "1", "2", "3"}


def test_videos_in_a_folder_of_photos_are_said_to_be_left(photos, tmp_path, capsys):
    (photos / "walk.mp4").touch()
    film = write_video(tmp_path / "film.avi", 2)
    assert len(predict([photos, film], photos).written) == 4  # and in/film_depth.mp4
    assert len(predict(photos, photos).skipped) == 3
    said = capsys.readouterr().err
    assert f"Left out: videos beside photos, 1: {photos / 'walk.mp4'}. Name them too" in said
    report = predict([photos, photos / "walk.mp4"], tmp_path / "out")
    assert photos / "walk.mp4" in report.failed  # it is empty
    assert "Left out: videos" not in capsys.readouterr().err


def test_another_video_in_a_videos_place_is_named(tmp_path):
    video = tmp_path / "drive.avi"
    for brightness in (200, 50):  # the second one is older
        with open_writer(video, 10, 24, 32) as write:
            write(np.full((24, 32, 3), brightness, np.uint8))
        os.utime(video, (brightness, brightness))
        said = str(predict(video, tmp_path / "out", save=["colour"]))
        assert ("1 of them of another" in said) == (brightness == 50)


def test_photos_of_one_name_do_not_meet_in_one_run_nor_in_two(photos, tmp_path):
    out = tmp_path / "out"
    other = draw(tmp_path / "other" / "0.png", 200)
    jpeg = draw(photos / "0.jpg", 230)
    predict([photos / "0.png", jpeg], out)
    predict(other, out)
    assert not predict(other, out).written
    depths = {name: np.load(out / f"{name}_depth.npy").mean() for name in ("0_png", "0_jpg", "0")}
    assert depths["0_png"] > depths["0"] > depths["0_jpg"]
    assert len((out / "depth.csv").read_text().splitlines()) == 4


def test_a_file_that_is_of_no_photo_of_the_table_is_not_taken_for_this_ones(photos, tmp_path):
    out = tmp_path / "out"
    predict(photos / "0.png", out)
    (out / "depth.csv").unlink()
    before = (out / "0_depth.npy").read_bytes()
    report = predict(photos, out)
    assert len(report.written) == 2
    assert "does not say that it is of this photo" in report.failed[photos / "0.png"]
    assert len(predict(photos, out, overwrite=True).written) == 2
    assert (out / "0_depth.npy").read_bytes() == before


def test_a_notebook_renews_what_an_earlier_run_wrote_and_no_file_of_ones_own(photos, tmp_path):
    own, video = tmp_path / "1_depth.npy", write_video(tmp_path / "a.avi", 2)
    own.write_text("mine")
    film = tmp_path / f"a_depth{'.mp4' if find_spec('imageio_ffmpeg') else '.avi'}"
    film.write_text("mine")
    for lens in ("none", "26mm"):
        report = predict([photos, video], tmp_path, lens=lens, overwrite=True)
        assert [*report.failed] == [photos / "1.png", video] and len(report.written) == 2
        assert own.read_text() == film.read_text() == "mine"
    own.unlink()
    film.unlink()
    assert not predict([photos, video], tmp_path, lens="26mm", overwrite=True).failed
    assert own.stat().st_size > 1000 < film.stat().st_size


@pytest.mark.parametrize("out", ["in", "in/depth", "in/../in"])
def test_a_folder_is_predicted_again_without_what_was_written_into_it(
    photos, tmp_path, out, capsys
):
    save = ["png16", "colour"]
    predict(photos, tmp_path / out, save=save)
    draw(photos / "new.png")
    report = predict([photos, f"{photos}/**/*.png"], tmp_path / out, save=save)
    assert report.written == [photos / "new.png"] and len(report.skipped) == 3
    assert "files that an earlier run wrote" in capsys.readouterr().err
    written = tmp_path / out / "0_depth_colour.jpg"
    with pytest.raises(ValueError, match="Received: 1 files that an earlier run wrote"):
        predict(written, tmp_path / "elsewhere")


def test_photos_that_are_called_like_outputs_are_predicted_again_too(tmp_path, capsys):
    folder, save = tmp_path / "pp", ["png16", "colour"]
    for name in ("x.png", "x_depth.png"):
        draw(folder / name)
    assert len(predict(folder, folder, save=save).written) == 2
    assert len(predict(folder, folder, save=save, overwrite=True).written) == 2
    assert "Left out: 4 files that an earlier run wrote" in capsys.readouterr().err


def test_a_depth_map_among_photos_is_named_and_not_predicted(photos, tmp_path):
    ramp = np.linspace(500, 8000, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    cv2.imwrite(str(photos / "0_depth.png"), ramp.astype(np.uint16))
    report = predict(photos, tmp_path / "out")
    assert len(report.written) == 3
    assert "values up to 8000" in report.failed[photos / "0_depth.png"]


def test_no_photo_of_the_run_is_written_over(tmp_path):
    photo, other = draw(tmp_path / "a.png"), draw(tmp_path / "a_depth_colour.jpg")
    before = other.read_bytes()
    report = predict([photo, other], tmp_path, save=["colour"], overwrite=True)
    assert "is to be predicted itself" in report.failed[photo]
    assert other.read_bytes() == before and report.written == [other]


CHILD = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from tests.commands.test_predict import FakePredictor, predict
calls = []
def at():
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
predict(sys.argv[2], sys.argv[3], FakePredictor(at=at), save=["npy", "colour"])
"""


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGINT"])
def test_a_run_that_was_stopped_goes_on(photos, tmp_path, project, signal):
    for number in range(3, 8):
        draw(photos / f"{number}.png")
    out = tmp_path / "out"
    command = [sys.executable, "-c", CHILD, signal, str(photos), str(out)]
    assert subprocess.run(command, cwd=project, capture_output=True, check=False).returncode != 0
    assert len(list(out.glob("[0-9]*.npy"))) < 8
    left = [
        ".depth-depthlib-01234567.csv",
        ".3_depth-depthlib-01234567.npy",
        ".3_depth_colour-depthlib-0a234567.jpg",
    ]
    for name in [*left, ".mine-depthlib-01234567.npy", ".3_depth-depthlib-0123.npy", "mine.npy"]:
        (out / name).touch()
    report = predict(photos, out, save=["npy", "colour"])
    assert {path.name for path in out.glob(".*")} == {
        ".mine-depthlib-01234567.npy",
        ".3_depth-depthlib-0123.npy",
    }
    assert not report.failed and len(report.written) + len(report.skipped) == 8
    assert len(rows(out)) == 8 and len(list(out.glob("[0-9]*.npy"))) == 8


def test_bad_files_are_named_and_the_rest_is_done(photos, tmp_path):
    whole = (photos / "0.png").read_bytes()
    (photos / "text.jpg").write_text("no photo")
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "empty.jpg").touch()
    (photos / "folder.jpg").mkdir()
    (photos / "nothing.jpg").symlink_to("gone")
    os.mkfifo(photos / "pipe.jpg")
    # A header of 60000 x 60000 pixels, more than OpenCV takes.
    huge = bytearray(cv2.imencode(".bmp", np.zeros((2, 2, 3), np.uint8))[1].tobytes())
    huge[18:26] = np.array([60000, 60000], "<i4").tobytes()
    (photos / "huge.bmp").write_bytes(huge)
    report = predict(photos, tmp_path / "out")
    assert len(report.written) == 3 and len(rows(tmp_path / "out")) == 3
    said = {path.name: reason for path, reason in report.failed.items()}
    assert set(said) == {
        "text.jpg", "cut.png", "empty.jpg", "folder.jpg", "nothing.jpg", "pipe.jpg", "huge.bmp",
    }  # fmt: skip
    assert "must be an image" in said["text.jpg"] or "OpenCV reads" in said["text.jpg"]
    assert "must be whole" in said["cut.png"]
    assert "a pipe" in said["pipe.jpg"] and "folder" in said["folder.jpg"]
    assert said["nothing.jpg"] == "No such file or directory"
    for name in said:
        assert name in str(report)


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs root, to be nobody")
def test_a_photo_and_a_folder_that_one_may_not_use_are_named(photos, tmp_path, project):
    (photos / "0.png").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):  # pytest's, for root alone
        if folder.is_relative_to(gettempdir()) and folder != Path(gettempdir()):
            folder.chmod(0o755)
    (tmp_path / "out").mkdir(mode=0o777)
    (tmp_path / "out").chmod(0o777)
    (tmp_path / "shut").mkdir(mode=0o755)
    code = (
        "import os, sys; from pathlib import Path; "
        "from PIL import Image; Image.init(); "  # it imports while it opens, which nobody may not
        "from tests.commands.test_predict import predict; os.setuid(65534); "
        "print(predict(sys.argv[1], Path(sys.argv[2])))"
    )
    said = {}
    for out in ("out", "shut"):
        command = [sys.executable, "-c", code, str(photos), str(tmp_path / out)]
        answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        said[out] = answer.stdout + answer.stderr
    assert re.search(r"2 written, 1 failed:\n  .*0.png: Permission denied", said["out"])
    assert "must be a folder that you may write to. Received" in said["shut"]


def test_a_name_that_is_too_long_for_its_files_stops_no_other(tmp_path):
    photos = [draw(tmp_path / f"{name}.png") for name in "abc"]
    (tmp_path / "in").mkdir()
    for place, length in enumerate((1, 250, 220)):
        name = f"{photos[place].stem * length}.png"
        photos[place] = photos[place].rename(tmp_path / "in" / name)
    report = predict([tmp_path / "in"], tmp_path / "out")
    assert report.written == [photos[0], photos[2]] and list(report.failed) == [photos[1]]
    assert "Rename the photo" in report.failed[photos[1]]


def test_a_full_disk_stops_the_run_at_once(photos, tmp_path, monkeypatch):
    for number in range(3, 30):
        draw(photos / f"{number}.png")
    seen = []

    def write(path, result):
        seen.append(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setitem(WRITERS, "npy", write)
    with pytest.raises(OSError, match="disk must have room.*_depth.npy. Make room"):
        predict(photos, tmp_path / "out")
    assert len(seen) < 10


def once(act):
    """What does `act` the first time that it is called; other threads wait until that is done."""
    lock, begun = Lock(), []

    def at():
        with lock:
            if not begun:
                begun.append(True)
                act()

    return at


def test_a_second_run_into_a_folder_is_turned_away_before_it_writes_anything(photos, tmp_path):
    out, other = tmp_path / "out", draw(tmp_path / "other" / "0.png", 200)

    def run_again():  # while the first photo is in the network
        before = listed(out)
        with pytest.raises(BlockingIOError, match=f"holds {out}/.depthlib.lock. Wait"):
            predict(other, out)
        assert listed(out) == before

    assert len(predict(photos, out, FakePredictor(at=once(run_again))).written) == 3
    assert sorted(rows(out)) == ["0.png", "1.png", "2.png"]  # threads end in any order
    assert listed(out) == ["0_depth.npy", "1_depth.npy", "2_depth.npy", "depth.csv"]  # no lock
    assert len(predict(other, out).written) == 1  # by another name


def test_shards_of_a_run_write_at_once_but_none_of_them_twice(photos, tmp_path):
    out, one, two = tmp_path / "out", Shard(1, 2), Shard(2, 2)
    written = []

    def run_both():
        written.append(len(predict(photos, out, shard=two).written))
        with pytest.raises(BlockingIOError, match=f"holds {out}/.depthlib.lock-1of2. Wait"):
            predict(photos, out, shard=one)
        for act in (lambda: predict(photos, out), lambda: merge_shards(out)):
            with pytest.raises(BlockingIOError, match=f"holds {out}/.depthlib.lock-1of2. Wait"):
                act()

    first = predict(photos, out, FakePredictor(at=once(run_both)), shard=one)
    assert len(first.written) == 3 - written[0] > 0
    assert not list(out.glob(".*lock*"))
    assert merge_shards(out) == 0


def test_a_shard_is_turned_away_while_a_run_without_is_going_on(photos, tmp_path):
    out = tmp_path / "out"

    def run_shard():
        with pytest.raises(BlockingIOError, match=f"holds {out}/.depthlib.lock. Wait"):
            predict(photos, out, shard=Shard(1, 2))

    assert len(predict(photos, out, FakePredictor(at=once(run_shard))).written) == 3
    assert listed(out) == ["0_depth.npy", "1_depth.npy", "2_depth.npy", "depth.csv"]


def test_rows_are_in_the_order_of_the_photos_wherever_a_run_was_stopped(photos, tmp_path):
    for number in range(3, 12):
        draw(photos / f"{number}.png", 20 * number)
    names = sorted(photos.iterdir(), key=lambda path: int(path.stem))
    predict(photos, tmp_path / "whole")
    predict(names[7:9], tmp_path / "parts")
    predict([names[3], names[1]], tmp_path / "parts")
    predict(photos, tmp_path / "parts")
    whole = (tmp_path / "whole/depth.csv").read_bytes()
    assert (tmp_path / "parts/depth.csv").read_bytes() == whole
    assert list(rows(tmp_path / "whole")) == [path.name for path in names]


@pytest.mark.parametrize("out", ["file", "file/in"])
def test_a_file_is_no_folder_for_depth(photos, tmp_path, out):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="must be a folder. Received"):
        predict(photos, tmp_path / out)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("view", [ROOM, ROAD])
def test_sky_everywhere_is_zero_and_stops_nothing(tmp_path, view):
    draw(tmp_path / "in" / "a.png", 100)
    write_rgb(tmp_path / "in" / "sky.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    save = ["colour", "ply", "png16", "npy"]
    report = predict(tmp_path / "in", tmp_path / "out", FakePredictor(view), save=save)
    depth = np.load(tmp_path / "out" / "sky_depth.npy")
    if view is ROAD:
        assert not depth.any() and rows(tmp_path / "out")["sky.png"]["sky"] == "1.000"
        assert [path.name for path in report.failed] == ["sky.png"]
        assert (tmp_path / "out" / "sky_depth_m256.png").exists()
    else:
        assert (depth > 0).all() and not report.failed
    assert tmp_path / "in" / "a.png" in report.written


def test_a_photo_without_exif_says_a_line(photos, tmp_path, capsys):
    report = predict(photos, tmp_path / "out")
    lines = [line for line in capsys.readouterr().err.splitlines() if "0.png" in line]
    assert len(report.written) == 3 and len(lines) == 1 and "not known" in lines[0]
    predict(photos, tmp_path / "none", lens="none")
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("focal", "share"), [("0.5", 0.5), ("20px", 0.5), ("26mm", 0.7211)])
def test_a_focal_length_makes_the_metres(photos, tmp_path, focal, share):
    """26 mm over the diagonal of film, 43.27 mm, times that of 40x30 pixels over its width."""
    predict(photos, tmp_path / "out", lens=focal)
    row = rows(tmp_path / "out")["1.png"]
    assert float(row["focal"]) == pytest.approx(
        26 / 43.267 * 50 / 40 if "mm" in focal else share, 1e-3
    )
    assert row["focal_from"] == "given"
    photo = cv2.cvtColor(cv2.imread(str(photos / "1.png")), cv2.COLOR_BGR2RGB)
    (expected,) = FakePredictor()([photo], focals=[float(row["focal"])])
    np.testing.assert_allclose(np.load(tmp_path / "out" / "1_depth.npy"), expected, rtol=1e-3)


def test_a_network_that_knows_no_lens_takes_photos_as_they_are(photos, tmp_path, capsys):
    network = FakePredictor(View(24, 32, 10.0))
    assert len(predict(photos, tmp_path / "out", network, lens="exif").written) == 3
    assert "focal length" not in capsys.readouterr().err  # nor asks for what it would refuse
    predict(photos, tmp_path / "other", lens="exif")
    assert "The focal length is not known" in capsys.readouterr().err
    for focal in ("0.7", "26mm", "30px"):
        with pytest.raises(ValueError, match="needs a network whose training data had a known"):
            predict(photos, tmp_path / "given", network, lens=focal)


def test_a_known_distance_sets_the_scale(tmp_path):
    photo = draw(tmp_path / "in" / "a.png", 100)
    depths = []
    for number, known in enumerate((None, KnownDistance.parse("5,15,35,15=6"))):
        out = tmp_path / str(number)
        predict(photo, out, known=known, lens="0.8")
        depths.append(np.load(out / "a_depth.npy"))
    camera = Intrinsics(32, 32, 19.5, 14.5, width=WIDTH, height=HEIGHT)

    def place(column, row, depth):
        z = depth[row, column]
        return z * np.array([(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, 1])

    distance = np.linalg.norm(place(5, 15, depths[1]) - place(35, 15, depths[1]))
    assert distance == pytest.approx(6, rel=0.02)
    ratio = depths[1] / depths[0]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)


def test_a_known_distance_moves_the_sky_with_the_rest(tmp_path):
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[10:, :, 0] = 140  # the road; above it is sky
    write_rgb(tmp_path / "a.png", rgb)
    known = KnownDistance.parse("5,25,35,25=0.01")
    out = tmp_path / "out"
    report = predict(tmp_path / "a.png", out, FakePredictor(ROAD), known=known, save=["npy", "ply"])
    depth = np.load(out / "a_depth.npy")
    assert not report.failed and not depth[:6].any() and (depth[16:] > 0).all()
    far = KnownDistance.parse("5,25,35,25=900")
    report = predict(
        tmp_path / "a.png", out, FakePredictor(ROAD), known=far, save=["npy", "ply"], overwrite=True
    )
    assert not report.failed  # the road is farther than 64 m now, and still no sky


def test_a_known_distance_makes_metres_of_relative_depth(tmp_path):
    photo = draw(tmp_path / "a.png", 100)
    network = FakePredictor(View(24, 32, 1.0, focal=0.8, aspect=4 / 3), unit="relative")
    save = ["png16", "npy"]
    predict(photo, tmp_path / "out", network, save=save)
    known = KnownDistance.parse("5,15,35,15=2")
    predict(photo, tmp_path / "known", network, save=save, known=known)
    ends = "_depth_relative.npy", "_depth_relative.png"
    assert listed(tmp_path / "out") == [*(f"a{end}" for end in ends), "depth.csv"]
    assert listed(tmp_path / "known") == ["a_depth.npy", "a_depth_mm.png", "depth.csv"]
    assert predict(photo, tmp_path / "out", network, save=save).skipped == [photo]
    assert are_outputs([tmp_path / f"out/a{end}" for end in ends]).all()
    predict(photo, tmp_path / "out", network, save=save, known=known, overwrite=True)
    assert listed(tmp_path / "out") == listed(tmp_path / "known")


@pytest.mark.parametrize(
    ("metres", "scale", "metres_per_count"), [("2", "mm", 1e-3), ("120", "m256", 1 / 256)]
)
def test_depth_by_a_known_distance_is_in_a_scale_that_holds_it(
    tmp_path, metres, scale, metres_per_count
):
    photo, out = draw(tmp_path / "a.png", 100), tmp_path / "out"
    words = {"known": KnownDistance.parse(f"5,15,35,15={metres}"), "save": ["npy", "png16"]}
    assert not predict(photo, out, **words).failed
    assert listed(out) == ["a_depth.npy", f"a_depth_{scale}.png", "depth.csv"]
    counts = cv2.imread(str(out / f"a_depth_{scale}.png"), cv2.IMREAD_UNCHANGED)
    depth = np.load(out / "a_depth.npy")
    np.testing.assert_allclose(counts * metres_per_count, depth, atol=metres_per_count)
    assert predict(photo, out, **words).skipped == [photo]


def test_a_folder_never_holds_one_photo_by_two_networks_or_lenses(tmp_path):
    photo, out = draw(tmp_path / "a.png"), tmp_path / "out"
    predict(photo, out, FakePredictor(ROAD), save=["png16", "npy"], network="road")
    before = (out / "a_depth.npy").read_bytes()
    for changed in ({"network": "light"}, {"network": "road", "lens": "26mm"}):
        report = predict(photo, out, FakePredictor(ROAD), save=["npy", "colour"], **changed)
        (reason,) = report.failed.values()
        assert "were made by road --focal exif, not by " in reason and "--overwrite" in reason
    assert (out / "a_depth.npy").read_bytes() == before and len(listed(out)) == 3
    report = predict(photo, out, save=["png16", "npy"], network="light", overwrite=True)
    assert not report.failed
    assert listed(out) == ["a_depth.npy", "a_depth_mm.png", "depth.csv"]  # the road's _m256 is gone
    assert rows(out)["a.png"]["made"] == "light --focal exif"


def test_confidence_without_the_members_that_a_file_hides_is_warned_of(tmp_path):
    photo, network = draw(tmp_path / "a.png"), FakePredictor()
    network.hidden = 2
    with pytest.warns(UserWarning, match="is the mean of 2 networks.*by the mirrored photo alone"):
        predict(photo, tmp_path / "out", network, save=["confidence"])
    with warnings.catch_warnings(action="error"):
        predict(photo, tmp_path / "other", network, save=["npy"])


def test_two_networks_in_memory_do_not_meet_in_a_folder(tmp_path):
    photo, out = draw(tmp_path / "a.png"), tmp_path / "out"
    one, other = FakePredictor(), FakePredictor()
    one.digest, other.digest = (lambda: "0f3a"), (lambda: "9be1")
    assert predict(photo, out, one).written == [photo]
    assert predict(photo, out, one).skipped == [photo]
    for save in (["npy"], ["png16"]):
        (reason,) = predict(photo, out, other, save=save).failed.values()
        assert "were made by 0f3a --focal exif, not by 9be1 --focal exif" in reason


def test_a_network_and_a_calibration_are_the_same_from_wherever_they_are_named(
    tmp_path, monkeypatch
):
    photo, out, runs = draw(tmp_path / "a.png"), tmp_path / "out", tmp_path / "runs"
    for name in ("one", "two"):
        (runs / name).mkdir(parents=True)
        (runs / name / "best.keras").write_text(name)
        lines = f"camera_matrix: [40, 0, 19.5, 0, 40, 14.5, 0, 0, 1]\n# {name}\n"
        (runs / name / "camera.yaml").write_text(lines)

    def go(network, camera):
        return predict(photo, out, network=str(network), lens=read_camera(Path(camera)))

    assert go(runs / "one/best.keras", runs / "one/camera.yaml").written == [photo]
    assert rows(out)["a.png"]["made"] == "best.keras --camera camera.yaml"
    monkeypatch.chdir(runs)
    assert go("one/best.keras", "./one/camera.yaml").skipped == [photo]
    (runs / "one").rename(runs / "moved")
    assert go("moved/best.keras", "moved/camera.yaml").skipped == [photo]
    for network, camera in (("two", "moved"), ("moved", "two")):
        said = str(go(f"{network}/best.keras", f"{camera}/camera.yaml"))
        assert "1 of them of another photo or network" in said


def test_files_of_ones_own_beside_the_photo_outlive_another_way_of_predicting_it(tmp_path):
    photo = draw(tmp_path / "a.png")
    own = [tmp_path / f"a{end}" for end in (".ply", ".glb", "_confidence.png", "_depth.npy")]
    for file in own:
        file.write_bytes(b"a scan")
        os.utime(file, (1e9, 1e9))  # older than the photo, as what is to be made anew
    predict(photo, tmp_path, save=["png16"])
    save = ["colour", "png16"]
    for _ in range(2):
        assert not predict(photo, tmp_path, save=save, lens="26mm", overwrite=True).failed
        assert {file.read_bytes() for file in own} == {b"a scan"}
    for overwrite in (False, True):
        report = predict(photo, tmp_path, save=["colour", "npy"], lens="26mm", overwrite=overwrite)
        assert "does not say that it is of this photo" in report.failed[photo]
        assert own[-1].read_bytes() == b"a scan"
    own[-1].unlink()
    assert not predict(photo, tmp_path, save=["npy"], lens="26mm", overwrite=True).failed
    assert np.load(own[-1]).shape == (30, 40)
    assert not predict(photo, tmp_path, save=["npy", "colour"], lens="26mm").failed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,40,2=1", "40 wide and 30 high"),
        ("-1,2,3,4=1", "40 wide and 30 high"),
        ("nan,2,3,4=1", "40 wide and 30 high"),
        ("5,2,5,2=1", "between two places"),
        ("0.2,0.2,0.8,0.8=1", "a pixel apart at least"),
    ],
)
def test_a_known_distance_that_the_photo_does_not_have_is_named(tmp_path, text, said):
    photo = draw(tmp_path / "a.png")
    report = predict(photo, tmp_path / "out", known=KnownDistance.parse(text))
    assert said in report.failed[photo]


def test_shards_by_another_version_of_a_network_or_camera_are_not_merged(photos, tmp_path):
    calibration = tmp_path / "camera.yaml"
    for number, focal in ((1, 30), (2, 50)):
        calibration.write_text(f"camera_matrix: [{focal}, 0, 19.5, 0, {focal}, 14.5, 0, 0, 1]\n")
        lens = read_camera(calibration)
        predict(photos, tmp_path / "out", lens=lens, shard=Shard(number, 2))
    with pytest.raises(ValueError, match="Shards must be of one run"):
        merge_shards(tmp_path / "out")


def test_a_known_distance_is_of_one_photo(photos, tmp_path):
    with pytest.raises(ValueError, match="must be of one photo. Received: 3 photos"):
        predict(photos, tmp_path / "out", known=KnownDistance.parse("1,2,3,4=1"))


def test_a_calibration_undistorts(tmp_path):
    photo = draw(tmp_path / "a.png")
    calibration = tmp_path / "camera.yaml"
    calibration.write_text(
        "image_width: 40\nimage_height: 30\n"
        "camera_matrix: {rows: 3, cols: 3, data: [30, 0, 19.5, 0, 30, 14.5, 0, 0, 1]}\n"
        "distortion_coefficients: {rows: 1, cols: 5, data: [-0.2, 0.05, 0, 0, 0]}\n"
    )
    lens = read_camera(calibration)
    rgb = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
    undistorted, camera = lens.undistort(rgb)
    with pytest.raises(ValueError, match="measured in the photo that is predicted.*camera.yaml"):
        predict(photo, tmp_path / "out", lens=lens, known=KnownDistance.parse("1,2,30,4=1"))
    predict(photo, tmp_path / "out", lens=lens)
    (expected,) = FakePredictor()([undistorted], focals=[camera.focal])
    np.testing.assert_allclose(np.load(tmp_path / "out" / "a_depth.npy"), expected, rtol=1e-5)
    row = rows(tmp_path / "out")["a.png"]
    assert row["focal_from"] == "undistorted"
    assert float(row["focal"]) == pytest.approx(camera.focal, rel=1e-3) and camera.focal != 0.75
    wide = draw(tmp_path / "wide.png", height=20)
    report = predict([photo, wide], tmp_path / "two", lens=lens)
    assert report.written == [photo] and "aspect of its calibration" in report.failed[wide]


@pytest.mark.parametrize("bend", [-0.2, 0])
def test_depth_by_a_calibration_is_of_the_photo_unless_it_undistorts_wherever_that_lies_later(
    tmp_path, bend, monkeypatch
):
    photo, calibration = draw(tmp_path / "a.png"), tmp_path / "camera.yaml"
    camera = "image_width: 40\nimage_height: 30\nK: [30, 0, 19.5, 0, 30, 14.5, 0, 0, 1]\n"
    calibration.write_text(f"{camera}D: [{bend}, 0, 0, 0, 0]\n")
    monkeypatch.chdir(tmp_path)
    predict(photo, tmp_path / "out", lens=read_camera("camera.yaml"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Path("camera.yaml").write_text(f"{camera}D: [{-0.1 - bend}, 0, 0, 0, 0]\n")
    maps = [(tmp_path / "out" / "a_depth.npy", photo)]
    if bend:
        with pytest.raises(ValueError, match="of the photo as it is.*which undistorts it"):
            check_photos(maps)
    else:
        check_photos(maps)
    said = "undistorted" if bend else "calibration"
    assert rows(tmp_path / "out")["a.png"]["focal_from"] == said


def test_depth_is_the_same_whatever_else_is_saved(photos, tmp_path):
    for number, save in enumerate((["npy"], ["npy", "confidence"])):
        predict(photos, tmp_path / str(number), save=save)
    first, second = (np.load(tmp_path / n / "1_depth.npy") for n in ("0", "1"))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("save", [["jpg"], ["png"], ["npy", ""], ["NPY"], []])
def test_an_unknown_format_is_refused_before_anything_is_written(photos, tmp_path, save):
    with pytest.raises(ValueError, match="`save` must be of npy, png16, .* Received"):
        predict(photos, tmp_path / "out", save=save)
    assert not (tmp_path / "out").exists()


def test_a_video_becomes_a_video_and_files_of_its_frames(tmp_path, monkeypatch, capsys):
    from depthlib.video import render
    from depthlib.video.frames import open_frames, open_writer

    monkeypatch.setattr(render.time_alone, "__defaults__", (0.01,))
    for name in ("a.avi", "a.mov"):
        with open_writer(tmp_path / "in" / "a.avi", 5, HEIGHT, WIDTH) as write:
            for number in range(3):
                write(np.full((HEIGHT, WIDTH, 3), (60 * number, 10, 60), np.uint8))
        (tmp_path / "in" / "a.avi").rename(tmp_path / "in" / f"x{name}")
    out = tmp_path / "out"
    report = predict(tmp_path / "in", out)
    assert len(report.written) == 2 and not report.failed
    videos = sorted(out.glob("[!.]*_depth.*"))
    assert [video.stem for video in videos] == ["xa_avi_depth", "xa_mov_depth"]
    assert open_frames(videos[0]).count == 3
    assert len(list((out / "xa_avi").glob("*_depth.npy"))) == 3
    assert rows(out)["xa.avi"]["name"] == "xa_avi"
    assert len(predict(tmp_path / "in", out).skipped) == 2


def write_video(path, frames):
    from depthlib.video.frames import open_writer

    with open_writer(path, 5, HEIGHT, WIDTH) as write:
        for number in range(frames):
            write(np.full((HEIGHT, WIDTH, 3), (60 * number, 10, 60), np.uint8))
    return path


def test_frames_of_a_video_are_those_that_it_has_and_of_each_kind_that_is_asked_for(
    tmp_path, monkeypatch
):
    from depthlib.video import render

    monkeypatch.setattr(render.time_alone, "__defaults__", (0.01,))
    video, out = write_video(tmp_path / "a.avi", 3), tmp_path / "out"
    predict(video, out, save=["npy"])
    assert len(predict(video, out, save=["npy", "png16"]).written) == 1
    assert len(list((out / "a").iterdir())) == 6
    write_video(video, 2)
    assert len(predict(video, out, save=["npy", "png16"]).skipped) == 1
    predict(video, out, save=["npy", "png16"], overwrite=True)
    assert len(list((out / "a").iterdir())) == 4
    report = predict(video, out, save=["npy"], overwrite=True, lens="26mm")
    assert "go and not be made anew: png16. Add" in report.failed[video]
    assert len(list((out / "a").iterdir())) == 4
    for file in (out / "a").glob("*.png"):
        file.unlink()
    predict(video, out, save=["npy"], overwrite=True, lens="26mm")
    names = sorted(path.name for path in (out / "a").iterdir())
    assert names == ["000000_depth.npy", "000001_depth.npy"]


def test_frames_of_a_video_that_are_gone_are_made_again(tmp_path, monkeypatch):
    from depthlib.video import render

    monkeypatch.setattr(render.time_alone, "__defaults__", (0.01,))
    video, out = write_video(tmp_path / "in" / "a.avi", 4), tmp_path / "out"
    predict(video, out)
    whole = {path.name: path.read_bytes() for path in (out / "a").iterdir()}
    for number in (2, 3):
        (out / "a" / f"00000{number}_depth.npy").unlink()
    assert predict(video, out).written == [video]
    assert {path.name: path.read_bytes() for path in (out / "a").iterdir()} == whole
    assert predict(video, out).skipped == [video]


def test_a_video_that_is_cut_off_is_named_and_what_it_has_is_predicted(tmp_path, monkeypatch):
    from depthlib.video import render
    from depthlib.video.frames import open_writer

    monkeypatch.setattr(render.time_alone, "__defaults__", (0.01,))
    video, out = tmp_path / "drive.avi", tmp_path / "out"
    with open_writer(video, 10, HEIGHT, WIDTH) as write:
        for number in range(20):
            rng = np.random.default_rng(number)
            write(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    report = predict(video, out)
    assert "frames too early" in report.failed[video] and not report.written
    assert 2 < len(list((out / "drive").glob("*_depth.npy"))) < 20


def test_a_folder_of_ones_own_is_not_taken_for_a_videos_frames(tmp_path):
    video, mine = write_video(tmp_path / "a.avi", 2), tmp_path / "out/a/000000_depth.npy"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    report = predict(video, tmp_path / "out", save=["npy"])
    assert "does not say that it is of this" in report.failed[video]
    mine = mine.rename(tmp_path / "000000.ply")
    predict(video, tmp_path / "out")
    mine = mine.rename(tmp_path / "out/a/000000.ply")
    report = predict(video, tmp_path / "out", save=["ply"])
    assert "does not say that it is of this" in report.failed[video]
    assert not predict(video, tmp_path / "out", save=["npy"], lens="26mm", overwrite=True).failed
    assert mine.read_text() == "mine"


FILM = "a_depth.mp4" if find_spec("imageio_ffmpeg") else "a_depth.avi"


@pytest.fixture
def fast(monkeypatch):
    from depthlib.video import render

    monkeypatch.setattr(render.time_alone, "__defaults__", (0.01,))


@pytest.mark.parametrize(
    "words",
    [
        {"save": ["npy", "png16"]},
        {"overwrite": True},
        {"overwrite": True, "lens": "26mm", "save": ["npy", "png16"]},
        {"overwrite": True, "network": "another"},
    ],
)
def test_a_film_that_somebody_has_changed_stays_with_its_frames(tmp_path, fast, words):
    video, out = write_video(tmp_path / "a.avi", 3), tmp_path / "out"
    predict(video, out)
    with (out / FILM).open("ab") as film:
        film.write(b"cut by hand")
    before = read_all(out)
    report = predict(video, out, **words)
    assert "not as depthlib last wrote it" in report.failed[video]
    assert read_all(out) == before
    assert predict(video, out).skipped == [video]


def stop_at(number, kind, monkeypatch, act):
    """Runs `act`, which Ctrl-C stops as it writes the frame of this number and format."""

    def stop(path, result):
        if path.name.startswith(f"{number:06d}"):
            raise KeyboardInterrupt
        return write(path, result)

    write = WRITERS[kind]
    with monkeypatch.context() as stopped:
        stopped.setitem(WRITERS, kind, stop)
        with pytest.raises(KeyboardInterrupt):
            act()


@pytest.mark.parametrize("save", [["png16"], ["npy", "png16"]])
def test_a_run_for_more_kinds_that_is_stopped_leaves_what_was_finished_and_goes_on(
    tmp_path, fast, monkeypatch, save
):
    video, out = write_video(tmp_path / "a.avi", 4), tmp_path / "out"
    predict(video, out)
    before = read_all(out)
    del before["depth.csv"]

    stop_at(2, "png16", monkeypatch, lambda: predict(video, out, save=save))
    assert before.items() <= read_all(out).items()
    for part in out.glob("*.part*"):
        part.unlink()  # as whoever cleans up
    times = {path: path.stat().st_mtime_ns for path in (out / "a").glob("*.png")}
    assert len(times) == 2
    assert predict(video, out, save=save).written == [video]
    assert len(list((out / "a").glob("*_depth_mm.png"))) == 4
    assert times.items() <= {path: path.stat().st_mtime_ns for path in times}.items()
    assert before.items() <= read_all(out).items()
    assert predict(video, out, save=save).skipped == [video]
    assert rows(out)["a.avi"]["saved"] == "npy png16 colour"


def test_frames_that_a_stopped_run_did_not_write_are_known_to_be_missing_after_other_runs(
    tmp_path, fast, monkeypatch
):
    video, out = write_video(tmp_path / "a.avi", 4), tmp_path / "out"
    stop_at(2, "npy", monkeypatch, lambda: predict(video, out))
    for save in (["png16"], ["colour"]):
        predict(video, out, save=save)
        assert predict(video, out, save=save).skipped == [video]
    assert len(list((out / "a").glob("*.npy"))) == 2
    assert predict(video, out).written == [video]
    assert len(list((out / "a").glob("*.npy"))) == 4
    assert predict(video, out).skipped == [video]


@pytest.mark.parametrize("again", [False, True])
def test_a_stopped_run_that_overwrites_goes_on_to_the_same_with_no_frame_of_before(
    tmp_path, fast, monkeypatch, again
):
    video, out = write_video(tmp_path / "a.avi", 4), tmp_path / "out"
    predict(video, out)
    film = (out / FILM).read_bytes()
    write_video(video, 3)
    stop_at(1, "npy", monkeypatch, lambda: predict(video, out, overwrite=True))
    assert (out / FILM).read_bytes() == film  # until the new one is whole
    assert predict(video, out, overwrite=again).written == [video]
    predict(video, tmp_path / "whole")
    assert read_all(out / "a") == read_all(tmp_path / "whole" / "a")
    assert predict(video, out).skipped == [video]


@pytest.mark.parametrize("save", [["npy"], ["npy", "png16"], ["npy", "ply"]])
def test_depth_of_a_video_that_was_replaced_stays_unless_it_may_go(tmp_path, fast, save):
    video, out = write_video(tmp_path / "a.avi", 4), tmp_path / "out"
    predict(video, out)
    before = read_all(out)
    write_video(video, 2)
    report = predict(video, out, save=save)
    assert report.skipped == report.changed == [video] and read_all(out) == before
    assert predict(video, out, save=save, overwrite=True).written == [video]
    assert len(list((out / "a").glob("*"))) == 2 * len(save)
    assert rows(out)["a.avi"]["saved"] == " ".join(k for k in WRITERS if k in [*save, "colour"])


def test_files_of_ones_own_among_frames_stay_whatever_they_are_called(tmp_path, fast):
    video, out = write_video(tmp_path / "a.avi", 3), tmp_path / "out"
    predict(video, out, save=["png16"])
    names = ["000002_fixed_depth_mm.png", "000002_mine.png", "02_depth_mm.png", "000002.txt"]
    for name in names:
        (out / "a" / name).write_bytes(b"mine")
    mine = convert(out / "a" / "000002_depth_mm.png", "000002_depth_m256.png")
    before = read_all(out / "a")
    assert predict(video, out, save=["png16", "npy"]).written == [video]
    assert before.items() <= read_all(out / "a").items()
    before = read_all(out)
    save = ["npy", "png16"]
    report = predict(video, out, save=save, lens="26mm", overwrite=True)
    assert f"{mine} is not as depthlib wrote it" in report.failed[video]
    assert read_all(out) == before
    mine.unlink()
    assert predict(video, out, save=save, lens="26mm", overwrite=True).written == [video]
    ends = ("_depth.npy", "_depth_mm.png")
    assert sorted(path.name for path in (out / "a").iterdir()) == sorted(
        [*names, *(f"{number:06d}{end}" for number in range(3) for end in ends)]
    )


def test_bad_videos_are_named_and_a_calibration_is_of_photos(tmp_path, capsys):
    (tmp_path / "a.mp4").write_text("no video")
    os.mkfifo(tmp_path / "b.mp4")
    report = predict([tmp_path / "a.mp4", tmp_path / "b.mp4"], tmp_path / "out")
    assert len(report.failed) == 2
    for named in ({"save": ["confidence"]}, {"flip": True}):
        report = predict(tmp_path / "a.mp4", tmp_path / "two", **named)
        assert "must be of photos" in report.failed[tmp_path / "a.mp4"]


def test_the_part_of_a_video_that_a_full_disk_left_goes_with_the_next_run(tmp_path, monkeypatch):
    from depthlib.video import frames, render

    monkeypatch.setattr(render.time_alone, "__defaults__", (0.01,))
    video, out = write_video(tmp_path / "a.avi", 3), tmp_path / "out"
    with monkeypatch.context() as full:
        full.setattr(frames, "_is_whole", lambda part, written: False)
        assert "The disk took only a part" in predict(video, out).failed[video]
    (part,) = out.glob("a_depth.part.*")
    part.with_stem("a_depth.part2").write_bytes(b"of a run that was killed")
    mine = [part.with_stem(f"{name}.part") for name in ("b_depth", "a", "a_depth.depart")]
    for path in mine:
        path.write_bytes(b"mine")
    assert predict(video, out).written == [video]
    assert sorted(out.glob("*.part*.*")) == sorted(mine)


def test_a_frame_of_ones_own_is_not_written_over_by_a_run_that_may_overwrite(tmp_path, monkeypatch):
    from depthlib.video import render

    monkeypatch.setattr(render.time_alone, "__defaults__", (0.01,))
    video, out = write_video(tmp_path / "a.avi", 2), tmp_path / "out"
    predict(video, out)
    mine = out / "a" / "000001_depth_mm.png"
    mine.write_bytes(b"mine")
    report = predict(video, out, save=["npy", "png16"], overwrite=True)
    assert "does not say that it is of this" in report.failed[video]
    assert mine.read_bytes() == b"mine"
    assert predict(video, out, overwrite=True).written == [video] and mine.exists()


@pytest.mark.parametrize(("room", "together"), [(1, 1), (2 * HEIGHT * WIDTH, 2), (10**8, 3)])
def test_photos_that_are_in_memory_together_have_no_more_pixels_than_there_is_room(
    tmp_path, monkeypatch, room, together
):
    paths = [draw(tmp_path / "in" / f"{number}.png") for number in range(8)]
    paths[2].write_text("no photo")
    cv2.imwrite(str(paths[3]), np.full((HEIGHT, WIDTH), 200, np.uint16))  # refused once it is read
    there, most, write_colour = set(), [], WRITERS["colour"]

    def read(path):
        there.add(path.stem)
        most.append(len(there))
        try:
            return images.read_rgb(path)
        except ValueError:
            there.remove(path.stem)
            raise

    def write(path, result):
        time.sleep(0.05)
        write_colour(path, result)
        there.remove(path.name.removesuffix("_depth_colour.jpg"))

    monkeypatch.setattr(command, "ROOM", room)
    monkeypatch.setattr(command, "read_rgb", read)
    monkeypatch.setitem(WRITERS, "colour", write)
    report = predict(tmp_path / "in", tmp_path / "out", save=["colour"])
    assert set(report.failed) == {paths[2], paths[3]} and len(report.written) == 6
    assert max(most) == together if together < 3 else max(most) >= 3


def test_an_error_of_the_network_ends_a_run_in_which_the_next_photo_waits_for_room(
    tmp_path, monkeypatch
):
    for number in range(4):
        draw(tmp_path / "in" / f"{number}.png")
    monkeypatch.setattr(command, "ROOM", 1)
    with pytest.raises(ZeroDivisionError):
        predict(tmp_path / "in", tmp_path / "out", FakePredictor(at=lambda: 1 / 0))


def test_memory_does_not_grow_with_the_number_of_photos(tmp_path, project):
    """Peaks of two processes, 5 and 25 photos of 3 megapixels."""
    draw(tmp_path / "0.jpg", height=1500, width=2000)
    code = (
        "import resource, sys; from pathlib import Path; "
        "from tests.commands.test_predict import predict; "
        "report = predict(sys.argv[1], Path(sys.argv[2])); "
        "assert not report.failed, report; "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for count in (5, 25):
        for number in range(1, count):
            if not (tmp_path / f"{number}.jpg").exists():
                (tmp_path / f"{number}.jpg").symlink_to("0.jpg")
        command = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / f"out{count}")]
        answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
        peaks.append(int(answer.stdout) / 1024)
    assert peaks[1] < peaks[0] + 60  # MiB; twenty photos and their maps would be 420
