import os
from pathlib import Path

import numpy as np
import pytest

import depthlib
from depthlib.commands.summary import Summary
from depthlib.data.images import write_rgb
from depthlib.data.photos import find_photos
from depthlib.files import BOARD, FIGURE, VIDEO, note_files, write_ours
from depthlib.prediction.outputs import (
    FILE,
    UNKNOWN,
    are_outputs,
    check_photos,
    find_frames,
    find_media,
    leave_out_outputs,
)
from depthlib.video.frames import open_frames

OUTPUTS = {
    "a_depth_mm.png": "png16", "a_depth_m256.png": "png16", "a_depth_relative.png": "png16",
    "a_depth_colour.jpg": "colour", "a_confidence.png": "confidence", "a_depth.mp4": "colour",
    "a_depth.part2.avi": "colour", "a/000001_depth_mm.png": "png16",
}  # fmt: skip


def list_outputs(tmp_path, output, saved):
    """Of a photo or video, its output, and another's, which are outputs."""
    of_video = output.endswith((".mp4", ".avi")) or "/" in output
    photo = tmp_path / ("a.mp4" if of_video else "a.jpg")
    paths = [photo, tmp_path / output, tmp_path / "b_depth_colour.jpg"]
    assert not are_outputs(paths).any()
    Summary(tmp_path).add(photo, {"name": "a", "saved": saved})
    return are_outputs(paths).tolist()


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("saved", ["this", UNKNOWN])  # the latter by earlier versions
def test_what_was_written_is_left_out_and_photos_are_not(tmp_path, output, saved):
    saved = f"npy {OUTPUTS[output]}" if saved == "this" else saved
    assert list_outputs(tmp_path, output, saved) == [False, True, False]


@pytest.mark.parametrize("kind", [FIGURE, BOARD])
def test_figures_and_boards_are_no_photos_until_they_are_edited(tmp_path, monkeypatch, kind):
    drawn, photo = tmp_path / "depthlib_pairs.png", tmp_path / "a.png"
    photo.write_bytes(b"a photo")
    write_ours(drawn, b"a picture", kind)
    write_ours(tmp_path / "film.mp4", b"a film", VIDEO)  # which may be labelled
    assert are_outputs([drawn, photo, tmp_path / "film.mp4"]).tolist() == [True, False, False]
    monkeypatch.chdir(tmp_path)
    assert are_outputs([drawn.name, photo.name, "gone/b.png"]).tolist() == [True, False, False]
    drawn.write_bytes(b"a photo of one's own")
    assert not are_outputs([drawn, photo]).any()


def test_what_was_written_of_a_photo_whose_name_has_lines_is_left_out(tmp_path):
    photo, output = tmp_path / "a\nb.jpg", tmp_path / "a\nb_depth_mm.png"
    Summary(tmp_path).add(photo, {"name": "a\nb", "saved": "png16"})
    assert are_outputs([photo, output]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("own", "saved"),
    [
        ("a_depth.png", UNKNOWN),  # as no output is called
        ("a_depth_colour.png", UNKNOWN),
        ("a_confidence.jpg", "confidence"),
        ("a_depth_mm.png", "npy colour"),
        ("a_depth_colour.jpg", "label"),
        ("a/000001_depth_mm.png", "npy colour"),
        ("a/b_depth_mm.png", "png16"),  # no frame
    ],
)
def test_a_photo_of_ones_own_that_is_called_like_an_output_is_none(tmp_path, own, saved):
    assert list_outputs(tmp_path, own, saved) == [False, False, False]


def test_frames_of_a_run_that_was_stopped_are_outputs(tmp_path):
    saved = "npy colour begun-npy begun-colour"
    assert list_outputs(tmp_path, "a/000001_depth.npy", saved) == [False, True, False]


def test_frames_are_found_by_their_names_alone(tmp_path):
    assert find_frames(tmp_path / "nowhere") == {}
    names = {"000000_depth.npy": "npy", "000001_depth_m256.png": "png16", "1234567.ply": "ply"}
    own = ["000000_fixed_depth.npy", "01_depth.npy", "000000.png", "x000000_depth.npy", "000002"]
    for name in [*names, *own]:
        (tmp_path / name).touch()
    assert find_frames(tmp_path) == {tmp_path / name: kind for name, kind in names.items()}


def test_what_is_listed_as_a_photo_is_no_output(tmp_path):
    own = tmp_path / "a_depth_mm.png"
    assert list_outputs(tmp_path, own.name, "png16") == [False, True, False]
    Summary(tmp_path).add(own, {"name": "a_depth_mm", "saved": "png16"})
    assert are_outputs([own, tmp_path / "a_depth_mm_depth_mm.png"]).tolist() == [False, True]


def test_of_a_photo_there_is_no_video(tmp_path):
    Summary(tmp_path).add(tmp_path / "a.jpg", {"name": "a", "saved": UNKNOWN})
    own = ["a_depth.mp4", "a/000001_depth_mm.png"]
    assert not are_outputs([tmp_path / name for name in own]).any()


def test_photos_are_found_without_what_was_written_beside_them(tmp_path, capsys):
    photos, summary = [tmp_path / "a.png", tmp_path / "b.png"], Summary(tmp_path)
    for photo in photos:
        for name in (photo.name, f"{photo.stem}_confidence.png"):
            write_rgb(tmp_path / name, np.full((32, 48, 3), 90, np.uint8))
        summary.add(photo, {"name": photo.stem, "saved": "npy confidence"})
    assert find_media([tmp_path]).split() == (photos, [])
    assert "Left out: 2 files that an earlier run wrote." in capsys.readouterr().err
    assert leave_out_outputs([*photos, tmp_path / "a_confidence.png"]) == photos
    assert find_photos(tmp_path, tmp_path, are_outputs)[0] == photos
    frames = open_frames(tmp_path)
    assert (frames.count, len(list(frames))) == (2, 2)
    with pytest.raises(ValueError, match="Received: 1 files that an earlier run wrote"):
        find_media([tmp_path / "a_confidence.png"])


def test_no_part_lists_photos_in_another_way():
    package = Path(depthlib.__file__).parent
    lists = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "list_inputs(" in path.read_text(encoding="utf-8")
    }
    assert lists == {"data/inputs.py", "data/photos.py", "prediction/outputs.py"}


@pytest.fixture
def predicted(tmp_path):
    """A folder a/1.png, b/1.png with another content, and the depth of the first in a/out."""
    for folder in "ab":
        (tmp_path / folder / "out").mkdir(parents=True)
        (tmp_path / folder / "1.png").write_text(folder)
        os.utime(tmp_path / folder / "1.png", (1, 1))  # of one size and time
    note_row(tmp_path, f"{note_files(tmp_path / 'a' / '1.png')} {note_files()}")
    return tmp_path


def note_row(folder, source, photo="a/1.png", saved="npy"):
    (folder / "a" / "out" / FILE).unlink(missing_ok=True)
    row = {"name": "1", "saved": saved, "source": source}
    Summary(folder / "a" / "out").add(folder / photo, row)


def check(folder, photo, file="a/out/1_depth.npy"):
    check_photos([(folder / file, folder / photo)])


def test_depth_of_a_photo_that_was_replaced_is_refused(predicted):
    photo = predicted / "a" / "1.png"
    photo.write_text("b")
    os.utime(photo, (2, 2))
    with pytest.raises(ValueError, match="must be of the photo .*for .*a/1.png"):
        check(predicted, "a/1.png")
    photo.write_text("a")  # the same again, written anew
    check(predicted, "a/1.png")


def test_depth_of_another_photo_of_the_same_name_is_refused(predicted):
    check(predicted, "a/1.png")
    said = r"must be of the photo .*1_depth.npy for .*b/1.png; .*depth.csv says .* of \.\./1.png"
    with pytest.raises(ValueError, match=said):
        check(predicted, "b/1.png")
    (predicted / "a" / "1.png").unlink()
    with pytest.raises(ValueError, match=said):
        check(predicted, "b/1.png")


def test_depth_of_a_photo_that_moved_was_copied_or_linked_is_taken(predicted):
    (predicted / "c.png").write_text("a")  # a copy of another time
    (predicted / "link.png").symlink_to(predicted / "a" / "1.png")
    for photo in ("c.png", "link.png", "a/../a/1.png"):
        check(predicted, photo)
    (predicted / "a").rename(predicted / "moved")
    for photo in ("moved/1.png", "c.png"):
        check(predicted, photo, "moved/out/1_depth.npy")
    (predicted / "moved" / "1.png").rename(predicted / "d.png")
    check(predicted, "d.png", "moved/out/1_depth.npy")


def test_a_table_without_notes_tells_by_the_photo_that_is_there(predicted):
    note_row(predicted, UNKNOWN)
    (predicted / "c.png").write_text("a")
    check(predicted, "c.png")
    with pytest.raises(ValueError, match="must be of the photo"):
        check(predicted, "b/1.png")
    (predicted / "a" / "1.png").unlink()
    check(predicted, "b/1.png")  # nothing says otherwise


@pytest.mark.parametrize(
    ("file", "photo", "saved"),
    [
        ("a/out/1_depth_mm.png", "a/1.png", "npy"),  # which predict has not written
        ("a/out/1.npy", "a/1.png", "npy"),
        ("a/out/2_depth.npy", "a/1.png", "npy"),
        ("b/out/1_depth.npy", "a/1.png", "npy"),  # no table there
        ("a/out/1_depth.npy", "a/1.mp4", "npy colour"),
        ("a/out/1_depth.npy", "a/1.png", "label"),
    ],
)
def test_depth_of_which_no_table_tells_is_taken(predicted, file, photo, saved):
    note_row(predicted, f"{note_files(predicted / 'a' / '1.png')} {note_files()}", photo, saved)
    check(predicted, "b/1.png", file)


def test_depth_of_the_undistorted_photo_is_none_of_the_photo(predicted):
    row = {"name": "1", "saved": "npy", "made": "light --camera gone.yaml"}
    row["source"] = f"{note_files(predicted / 'a' / '1.png')} {note_files()}"
    (predicted / "a" / "out" / FILE).unlink()
    summary = Summary(predicted / "a" / "out")
    for focal_from in ("calibration", "given", "undistorted"):
        summary.add(predicted / "a" / "1.png", row | {"focal_from": focal_from})
        if focal_from != "undistorted":
            check(predicted, "a/1.png")
    with pytest.raises(ValueError, match="of the photo as it is.*1_depth.npy for .*gone.yaml"):
        check(predicted, "a/1.png")


def test_a_table_of_ones_own_and_a_missing_photo_are_no_obstacle(predicted):
    check(predicted, "nowhere.png")  # whoever reads it says so
    (predicted / "a" / "out" / FILE).write_text("depth,photo\n1,2\n")
    check(predicted, "b/1.png")
