import json
import os

import numpy as np
import pytest
from PIL import Image

from depthlib.__main__ import main
from depthlib.commands import views
from depthlib.data.dataset_file import read_dataset_file
from depthlib.data.images import read_rgb, write_rgb
from depthlib.data.pairs import read_csv
from depthlib.data.views import read_motion
from depthlib.files import hold_folder
from depthlib.video.frames import open_writer
from depthlib.video.odometry import invert
from tests.commands.test_stereo import BASELINE, FOCAL, drive, rig  # noqa: F401
from tests.video.test_motion import HEIGHT, WIDTH, draw, look
from tests.video.test_odometry import see

PLACES = (0, 2, 2, 4, 6)  # of the camera along the wall; it stands still once


@pytest.fixture
def frames(tmp_path):
    """A folder of frames of a camera that moves along a wall."""
    for number, left in enumerate(PLACES):
        write_rgb(tmp_path / "walk" / f"{number}.png", look(draw(), left))
    return tmp_path / "walk"


@pytest.fixture
def video(tmp_path):
    with open_writer(tmp_path / "walk.avi", 10, HEIGHT, WIDTH) as write:
        for left in PLACES:
            write(look(draw(), left))
    return tmp_path / "walk.avi"


def run(left, out, *words):
    moves = "--motion" in words or not any(word.startswith("--rig") for word in words)
    return main(["views", str(left), f"--out={out}", *["--apart=1"] * moves, *words])


def list_names(out):
    """The rows of views.csv by their photo's name: of each, its neighbours' names."""
    table = read_csv(out / "views.csv").table
    stems = table[["rgb", "previous", "next"]].map(lambda path: path.split("/")[-1][:-4])
    return {row.rgb: (row.previous, row.next) for row in stems.itertuples()}


def test_frames_of_a_moving_camera_become_a_dataset_with_their_neighbours(frames, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(frames, out, "--focal=0.7", "--horizon=0.4", "--far=40") == 0
    told = capsys.readouterr().out
    assert "4 photos with previous, next" in told
    assert "walk: 4 of 5 frames taken, 1 stand still, 0 cuts. Focal length 0.7" in told
    assert list_names(out) == {"0": ("", "1"), "1": ("0", "3"), "3": ("1", "4"), "4": ("3", "")}
    spec = read_dataset_file(out / "dataset.json")
    assert (spec.encoding, spec.unit, spec.focal, spec.horizon) == ("none", "relative", 0.7, 0.4)
    assert (spec.min_depth, spec.max_depth, spec.centre) == (1, 40, (0.5, 0.5))
    assert spec.aspect == pytest.approx(WIDTH / HEIGHT)
    pairs = read_csv(out / "views.csv")
    assert pairs.table["scene"].tolist() == 4 * ["walk"]
    assert pairs.view_path(1, "next").name == "3.jpg"
    there, back = (read_motion(pairs.motion(*row)) for row in ((0, "next"), (1, "previous")))
    np.testing.assert_allclose(invert(there), back, atol=1e-5)
    # To the right, by as much each time; the wall counts as far as sqrt(near far).
    ways = [read_motion(pairs.motion(row, "next"))[3:] for row in range(3)]
    np.testing.assert_allclose(np.array(ways)[:, 0], -2 / 112 * np.sqrt(40), rtol=0.2)
    assert np.abs(read_rgb(pairs.rgb_path(1)) - look(draw(), PLACES[1]).astype(int)).mean() < 2
    assert not (out / "walk" / "rgb" / "2.jpg").exists()
    assert read_rgb(out / "views.png").std() > 20


def test_neighbours_are_some_frames_apart_or_as_far_as_a_shot_goes(tmp_path):
    for shot, count in ((0, 5), (1, 2)):
        for number in range(count):
            photo = look(draw(shot), 2 * number)
            write_rgb(tmp_path / "walk" / f"{shot}{number}.png", photo)
    run(tmp_path / "walk", tmp_path / "out", "--focal=0.7", "--apart=3")
    assert list_names(tmp_path / "out") == {
        "00": ("", "03"), "01": ("", "04"), "02": ("", ""), "03": ("00", ""), "04": ("01", ""),
        "10": ("", "11"), "11": ("10", ""),
    }  # fmt: skip
    far = read_csv(tmp_path / "out" / "views.csv")
    run(tmp_path / "walk", tmp_path / "near", "--focal=0.7")
    near = read_csv(tmp_path / "near" / "views.csv")
    steps = [read_motion(near.motion(row, "next"))[3:] for row in range(3)]
    np.testing.assert_allclose(read_motion(far.motion(0, "next"))[3:], sum(steps), atol=0.1)


def test_a_video_gives_the_frames_that_its_pictures_give(frames, video, tmp_path, capsys):
    run(video, tmp_path / "out", "--focal=0.7")
    assert list(list_names(tmp_path / "out")) == ["000000", "000001", "000003", "000004"]
    run(video, tmp_path / "half", "--focal=0.7", "--every=2")
    assert list(list_names(tmp_path / "half")) == ["000000", "000002", "000004"]


def test_a_focal_length_that_nothing_says_is_guessed_and_told(frames, tmp_path, capsys):
    run(frames, tmp_path / "out")
    told = capsys.readouterr().out
    assert "which is a guess (26mm, as a phone's main camera has it)" in told and "--focal" in told
    # 26 mm before a film frame's diagonal of 43.27 mm.
    expected = 26 / 43.2666 * np.hypot(WIDTH, HEIGHT) / WIDTH
    assert read_dataset_file(tmp_path / "out" / "dataset.json").focal == pytest.approx(
        expected, rel=1e-4
    )


def test_the_exif_of_the_first_frame_says_the_focal_length(tmp_path, capsys):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 40  # FocalLengthIn35mmFilm
    (tmp_path / "walk").mkdir()
    for number in range(3):
        photo = Image.fromarray(look(draw(), 4 * number)[:, :120])
        photo.save(tmp_path / "walk" / f"{number}.jpg", exif=exif, quality=95)
    run(tmp_path / "walk", tmp_path / "out")
    assert "by the EXIF of the first photo" in capsys.readouterr().out
    expected = 40 / 43.2666 * np.hypot(120, HEIGHT) / 120
    focal = read_dataset_file(tmp_path / "out" / "dataset.json").focal
    assert focal == pytest.approx(expected, rel=1e-4)


def test_a_calibration_says_focal_length_and_centre_and_undistorts(frames, tmp_path):
    says = "image_width: 160\nimage_height: 72\ncamera_matrix: [100, 0, 84, 0, 100, 33, 0, 0, 1]\n"
    plain, bent = tmp_path / "plain.yml", tmp_path / "bent.yml"
    plain.write_text(says)
    bent.write_text(says + "distortion_coefficients: [-0.2, 0.03, 0, 0]\n")
    run(frames, tmp_path / "plain", f"--camera={plain}")
    spec = read_dataset_file(tmp_path / "plain" / "dataset.json")
    assert spec.focal == pytest.approx(100 / 160)
    # The first pixel's centre is 0: a centre of 84 is 84.5 of the width's 160 pixels.
    assert spec.centre == pytest.approx((84.5 / 160, 33.5 / 72), abs=1e-6)
    run(frames, tmp_path / "bent", f"--camera={bent}")
    one, other = (read_rgb(tmp_path / name / "walk/rgb/0.jpg") for name in ("plain", "bent"))
    assert np.abs(one.astype(int) - other).mean() > 5
    with pytest.raises(SystemExit, match="Give --focal or --camera. Received: both"):
        run(frames, tmp_path / "both", f"--camera={plain}", "--focal=0.7")


@pytest.mark.parametrize(
    ("matrix", "rule"),
    [
        ("[nan, 0, 80, 0, 100, 36, 0, 0, 1]", "finite numbers"),
        ("[100, 0, 80, 0, inf, 36, 0, 0, 1]", "finite numbers"),
        ("[0, 0, 80, 0, 0, 36, 0, 0, 1]", "fx and fy above 0"),
        ("[100, 0, 900, 0, 100, 36, 0, 0, 1]", "principal point"),
    ],
)
def test_a_calibration_of_no_camera_is_refused(frames, tmp_path, matrix, rule):
    path = tmp_path / "camera.yml"
    path.write_text(f"image_width: 160\nimage_height: 72\ncamera_matrix: {matrix}\n")
    with pytest.raises(SystemExit, match=rule):
        run(frames, tmp_path / "out", f"--camera={path}")
    assert not (tmp_path / "out").exists()


def test_large_photos_are_shrunk_and_their_shares_stay(tmp_path):
    for number in range(3):
        write_rgb(tmp_path / "hall" / f"{number}.png", see((0, 0, 0.4 * number)))
    run(tmp_path / "hall", tmp_path / "out", "--focal=150px", "--long-side=160")
    assert read_rgb(tmp_path / "out/hall/rgb/0.jpg").shape == (96, 160, 3)
    assert read_dataset_file(tmp_path / "out" / "dataset.json").focal == pytest.approx(150 / 200)
    # Straight on, as far each time: the motion is found in the small photos' pixels.
    pairs = read_csv(tmp_path / "out" / "views.csv")
    first, second = (read_motion(pairs.motion(row, "next")) for row in (0, 1))
    assert -first[5] == pytest.approx(np.linalg.norm(first[3:]), rel=0.02)
    assert np.linalg.norm(second[3:]) == pytest.approx(np.linalg.norm(first[3:]), rel=0.1)


def test_two_cameras_give_pairs_in_metres(rig, drive, tmp_path, capsys):  # noqa: F811
    out, sides = tmp_path / "out", [f"--right={drive / 'right'}", f"--rig={rig}"]
    assert run(drive / "left", out, *sides) == 0
    assert "drive_0007: 3 pairs taken. Focal length 0.5 of" in capsys.readouterr().out
    pairs = read_csv(out / "views.csv")
    assert pairs.views == ("right",) and pairs.spec.unit == "metre"
    assert pairs.spec.baseline == BASELINE and pairs.spec.focal == FOCAL / 160
    right = read_rgb(pairs.view_path(2, "right"))
    expected = read_rgb(drive / "right" / "2.png")
    assert np.abs(right.astype(int) - expected).mean() < 3
    swapped = [f"--right={drive / 'left'}", f"--rig={rig}"]
    with pytest.raises(SystemExit, match="left photo must be the left camera's"):
        run(drive / "right", tmp_path / "swapped", *swapped)
    small = tmp_path / "small.yml"
    small.write_text(
        "image_width: 100\nimage_height: 100\nK1: [80, 0, 50, 0, 80, 50, 0, 0, 1]\n"
        "K2: [80, 0, 50, 0, 80, 50, 0, 0, 1]\nR: [0, 0, 0]\nT: [-0.5, 0, 0]\n"
    )
    with pytest.raises(SystemExit, match="must have the aspect of its calibration"):
        run(drive / "left", tmp_path / "small", sides[0], f"--rig={small}")


def test_two_cameras_that_move_have_neighbours_too_and_lose_no_pair_at_a_cut(
    rig, tmp_path, capsys  # noqa: F811
):  # fmt: skip
    back = 8  # pixels of disparity, of the whole wall
    for number, (wall, left) in enumerate(((0, 0), (0, 3), (0, 3), (0, 6), (1, 0))):
        for side, shift in (("left", 0), ("right", back)):
            photo = look(draw(wall), left + shift)
            write_rgb(tmp_path / "both" / side / f"{number}.png", photo)
    sides = [f"--right={tmp_path / 'both' / 'right'}", f"--rig={rig}"]
    run(tmp_path / "both" / "left", tmp_path / "out", *sides, "--motion")
    assert "4 of 5 frames taken, 1 stand still, 1 cut." in capsys.readouterr().out
    assert list_names(tmp_path / "out") == {
        "0": ("", "1"), "1": ("0", "3"), "3": ("1", ""), "4": ("", ""),
    }  # fmt: skip
    pairs = read_csv(tmp_path / "out" / "views.csv")
    assert pairs.views == ("right", "previous", "next")
    # 3 pixels where the baseline is 8: in metres.
    assert read_motion(pairs.motion(1, "next"))[3] == pytest.approx(-3 / back * BASELINE, rel=0.1)


def test_a_run_that_was_stopped_goes_on_and_other_scenes_are_added(
    frames, video, tmp_path, monkeypatch, capsys
):
    out, written = tmp_path / "out", []

    def stop(path, *more):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        write_rgb(path, *more)

    monkeypatch.setattr(views, "write_rgb", stop)
    with pytest.raises(SystemExit):
        run(frames, out, "--focal=0.7")
    monkeypatch.setattr(views, "write_rgb", write_rgb)
    assert len(written) == 2 and not (out / "views.csv").exists()
    before = [path.stat().st_mtime_ns for path in written]
    run(frames, out, "--focal=0.7")
    assert [path.stat().st_mtime_ns for path in written] == before and len(list_names(out)) == 4
    capsys.readouterr()
    run(frames, out, "--focal=0.7")
    assert "walk: there already (--overwrite makes it anew)" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="same settings. Received: every 2, not 1 in .*views.json"):
        run(frames, out, "--focal=0.7", "--every=2")
    (out / "walk/rgb/mine.jpg").write_bytes(b"mine")
    assert (out / "walk/rgb/1.jpg").exists()
    (frames / "1.png").unlink()  # what was made of it goes too
    run(frames, out, "--focal=0.7", "--every=2", "--overwrite")
    left = sorted(path.name for path in (out / "walk/rgb").iterdir())
    assert left == ["0.jpg", "3.jpg", "mine.jpg"]
    run(video, out, "--focal=0.7", "--scene=film")
    scenes = read_csv(out / "views.csv").table["scene"]
    assert scenes.tolist() == 4 * ["film"] + 2 * ["walk"]
    with pytest.raises(SystemExit, match="stored alike.*focal 0.8 and 0.7"):
        run(video, out, "--focal=0.8", "--scene=other")


def test_photos_that_a_whole_scene_has_lost_are_made_again(frames, tmp_path):
    out = tmp_path / "out"
    run(frames, out, "--focal=0.7")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    lost = out / "walk" / "rgb" / "3.jpg"
    lost.unlink()
    for left in (
        ".views-depthlib-01234567.csv",
        "walk/rgb/.0-depthlib-01234567.jpg",
        "walk/.depthlib.lock",
    ):
        (out / left).touch()  # of a process that was killed
    assert run(frames, out, "--focal=0.7") == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_photo_of_ones_own_that_is_called_as_a_frame_is_not_written_over(frames, tmp_path):
    out = tmp_path / "out"
    run(frames, out, "--focal=0.7")
    mine = out / "walk" / "rgb" / "2.jpg"  # a frame that shows no motion
    assert not mine.exists()
    mine.write_bytes(b"mine")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit, match="must not be written over. Received: .*walk/rgb/2.jpg"):
        run(frames, out, "--focal=0.7", "--overwrite")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    with hold_folder(out / "walk"), pytest.raises(SystemExit, match="Another process holds"):
        run(frames, out, "--focal=0.7")


@pytest.mark.parametrize("when", [1, 4_000_000_000])
def test_another_frame_or_video_in_its_place_is_told(frames, video, tmp_path, when):
    out = tmp_path / "out"
    for source, path in ((frames, frames / "3.png"), (video, video)):
        words = source, out, "--focal=0.7", f"--scene={path.stem}"
        run(*words)
        os.utime(path, (when, when))  # as in a copy
        run(*words)
        path.write_bytes(path.read_bytes() + b"\0")
        os.utime(path, (when, when))
        with pytest.raises(SystemExit, match="files that are others than those it was made of"):
            run(*words)
        run(*words, "--overwrite")
        run(*words)


def test_rows_that_were_removed_from_the_list_by_hand_do_not_come_back(frames, tmp_path):
    run(frames, tmp_path, "--focal=0.7")
    table = tmp_path / "views.csv"
    chosen = "".join(table.read_text().splitlines(keepends=True)[:-1])
    table.write_text(chosen)
    for words in ([], ["--overwrite"], ["--scene=again"]):
        with pytest.raises(SystemExit, match="views.csv, which is not as depthlib last wrote it"):
            run(frames, tmp_path, "--focal=0.7", *words)
    assert table.read_text() == chosen and not (tmp_path / "again").exists()


def test_a_video_that_shows_no_motion_is_told_and_leaves_no_dataset(tmp_path):
    wall = draw()
    films = {"one": [look(wall, 0)], "still": 4 * [look(wall, 0)]}
    films["cuts"] = [look(draw(seed), 0) for seed in range(3)]
    told = {"one": "0 of 1 frames taken, 0 stand", "still": "0 of 4 frames taken, 3 stand still"}
    told["cuts"] = "2 cuts, 3 without a neighbour"
    for name, photos in films.items():
        with open_writer(tmp_path / f"{name}.avi", 10, HEIGHT, WIDTH) as write:
            for rgb in photos:
                write(rgb)
        with pytest.raises(SystemExit, match=f"go on from each other.*{told[name]}"):
            run(tmp_path / f"{name}.avi", tmp_path / "out")
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_frames_are_no_second_scene_where_their_folder_is_renamed(frames, video, tmp_path):
    for source in (frames, video):
        out = tmp_path / f"out{source.suffix}"
        run(source, out)
        before = (out / "views.csv").read_bytes()
        renamed = source.rename(tmp_path / f"stroll{source.suffix}")
        with pytest.raises(
            SystemExit, match="in a dataset once.*its scene walk for stroll.*--scene"
        ):
            run(renamed, out)
        assert (out / "views.csv").read_bytes() == before and not (out / "stroll").exists()
        assert run(renamed, tmp_path / f"other{source.suffix}") == 0


def test_a_scene_without_frames_can_be_made_by_other_settings(frames, tmp_path):
    with pytest.raises(SystemExit, match="smaller --least-motion"):
        run(frames, tmp_path / "out", "--least-motion=0.9")
    assert run(frames, tmp_path / "out") == 0


def test_wrong_input_is_told_and_nothing_is_written(frames, tmp_path, rig):  # noqa: F811
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "out"
    for words, rule in (
        (["--near=0"], "`near` must be above 0"),
        (["--near=90"], "below `far`"),
        (["--far=nan"], "below `far`"),
        (["--every=0"], "`every` and `apart` 1 or more"),
        (["--apart=0"], "`every` and `apart` 1 or more"),
        (["--horizon=1.5"], "`horizon` of a dataset must be"),
        (["--least-motion=1"], "must be a share of the width"),
        (["--focal=30"], "must be the focal length over the photo's width"),
        ([f"--right={frames}"], "Right frames must have a rig"),
        ([f"--rig={rig}", "--focal=0.7"], "which say the focal length too"),
        ([f"--rig={rig}", "--apart=1"], "Received: least_motion=None, apart=1, and --rig without"),
        ([f"--rig={rig}", "--least-motion=0.01"], "Give --motion, or leave them out"),
        (["--scene=../away"], "must be named as a folder"),
    ):
        with pytest.raises(SystemExit, match=rule):
            run(frames, out, *words)
    with pytest.raises(SystemExit, match="names of their own. Received: 2 called walk"):
        main(["views", str(frames), str(frames), f"--out={out}"])
    with pytest.raises(SystemExit, match="must not lie among the photos"):
        run(frames, frames)
    with pytest.raises(SystemExit, match="must hold photos or videos"):
        (tmp_path / "empty").mkdir()
        run(tmp_path / "empty", out)
    (tmp_path / "empty").rmdir()
    assert sorted(tmp_path.rglob("*")) == before


def test_sources_in_the_folder_of_a_scene_are_never_written_over(tmp_path):
    for number in range(3):
        write_rgb(tmp_path / "walk" / "rgb" / f"{number}.jpg", look(draw(), 3 * number))
    before = {path: path.read_bytes() for path in (tmp_path / "walk" / "rgb").iterdir()}
    for more in ([], ["--overwrite"]):
        with pytest.raises(SystemExit, match="new folder, or one that this command made"):
            run(tmp_path / "walk" / "rgb", tmp_path, "--scene=walk", *more)
    assert {path: path.read_bytes() for path in (tmp_path / "walk" / "rgb").iterdir()} == before


def test_a_frame_that_cannot_be_read_is_named_and_the_others_are_taken(frames, tmp_path, capsys):
    (frames / "1.png").write_bytes(b"no photo")
    write_rgb(frames / "4.png", look(draw(), 6)[:-8])
    write_rgb(frames / "5.png", look(draw(), 7))
    assert run(frames, tmp_path / "out", "--focal=0.7") == 1
    told = capsys.readouterr().out
    assert "walk/1: " in told and "walk/4: The frames of a scene must have one size" in told
    assert list_names(tmp_path / "out") == {
        "0": ("", "2"), "2": ("0", "3"), "3": ("2", "5"), "5": ("3", ""),
    }  # fmt: skip


def test_where_the_first_frame_is_broken_the_next_one_tells_the_lens(frames, tmp_path, capsys):
    (frames / "0.png").write_bytes(b"no photo")
    assert run(frames, tmp_path / "out") == 1
    told = capsys.readouterr().out
    assert "walk/0: " in told and list(list_names(tmp_path / "out")) == ["1", "3", "4"]


def test_a_tree_that_was_moved_goes_on_and_so_does_a_scene_of_an_earlier_version(frames, tmp_path):
    out = tmp_path / "out"
    assert run(frames, out) == 0
    before = list(list_names(out))
    path = out / "walk" / "views.json"
    settings = json.loads(path.read_text()) | {"left": str(frames.resolve())}
    path.write_text(json.dumps(settings))  # as earlier versions wrote it
    assert run(frames, out) == 0
    path.write_text(json.dumps(settings | {"left": "../../walk"}))
    (tmp_path / "elsewhere").mkdir()
    for folder in (frames, out):
        folder.rename(tmp_path / "elsewhere" / folder.name)
    moved = tmp_path / "elsewhere"
    assert run(moved / frames.name, moved / "out") == 0
    assert list(list_names(moved / "out")) == before


def test_the_settings_of_a_scene_are_kept_beside_it(frames, tmp_path):
    run(frames, tmp_path / "out", "--focal=0.7", "--least-motion=0.01")
    settings = json.loads((tmp_path / "out" / "walk" / "views.json").read_text())
    assert settings["least"] == 0.01 and settings["left"] == os.path.relpath(
        frames, tmp_path / "out" / "walk"
    )
    # What the command takes where nothing is said is what Python takes.
    assert main(["views", str(frames), f"--out={tmp_path / 'plain'}", "--focal=0.7"]) == 0
    settings = json.loads((tmp_path / "plain" / "walk" / "views.json").read_text())
    assert settings["apart"] == views.ViewSettings().apart == 5
