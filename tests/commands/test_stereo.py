import json
import os

import cv2
import numpy as np
import pytest

from depthlib.__main__ import main
from depthlib.data.dataset_file import read_dataset_file
from depthlib.data.images import read_depth, read_rgb, write_grey, write_rgb
from depthlib.data.pairs import read_csv
from depthlib.data.stereo import read_rig
from depthlib.data.stereo.boards import Board
from depthlib.files import hold_folder
from depthlib.video.frames import open_writer
from tests.stereo_scenes import draw_boards, draw_shifted

BASELINE = 0.5
FOCAL = 80.0


@pytest.fixture
def rig(tmp_path):
    """The calibration of a rig whose photos are rectified already."""
    path = tmp_path / "calib.txt"
    view = f"{FOCAL} 0 80 {{}} 0 {FOCAL} 36 0 0 0 1 0"
    path.write_text(f"P2: {view.format(0)}\nP3: {view.format(-FOCAL * BASELINE)}\n")
    return path


@pytest.fixture
def drive(tmp_path):
    """A folder of three pairs, left/ and right/."""
    for number in range(3):
        left, right, _ = draw_shifted(seed=number)
        write_rgb(tmp_path / "drive_0007" / "left" / f"{number}.png", left)
        write_rgb(tmp_path / "drive_0007" / "right" / f"{number}.png", right)
    return tmp_path / "drive_0007"


def run(rig, drive, out, *words):
    sides = [f"--{side}={drive / side}" for side in ("left", "right")]
    return main(["stereo", "match", f"--rig={rig}", *sides, f"--out={out}", *words])


def test_pairs_become_a_dataset_that_is_read_in_metres(rig, drive, tmp_path, capsys):
    out = tmp_path / "dataset"
    assert run(rig, drive, out) == 0
    assert f"{out / 'stereo.csv'}: 3 pairs" in capsys.readouterr().out
    spec = read_dataset_file(out / "dataset.json")
    assert spec.focal == pytest.approx(FOCAL / 160)
    pairs = read_csv(out / "stereo.csv", spec)
    assert pairs.table["scene"].unique().tolist() == ["drive_0007"]
    _, depths = pairs.load()
    _, _, disparity = draw_shifted()
    for depth_m in depths:
        sure = depth_m > 0
        assert sure.mean() > 0.6
        ratio = depth_m[sure] * disparity[sure] / (FOCAL * BASELINE)
        assert (np.abs(ratio - 1) < 0.02).mean() > 0.99
    rows = (out / "stereo.csv").read_text().splitlines()
    assert rows[0] == "rgb,depth,confidence,scene"
    _, depth, sure, _ = rows[1].split(",")
    assert (depth, sure) == ("drive_0007/depth/0.png", "drive_0007/confidence/0.png")
    confidence = read_rgb(out / sure)[..., 0]
    assert (confidence[depths[0] > 0] >= 0.8 * 255 - 1).all()
    assert (out / "stereo.png").stat().st_size > 5000


def test_what_is_there_stays_and_another_drive_becomes_another_scene(rig, drive, tmp_path):
    out = tmp_path / "dataset"
    run(rig, drive, out)
    first = out / "drive_0007" / "depth" / "0.png"
    before = first.stat().st_mtime_ns
    whole = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for lost in ("depth/2.png", "rgb/1.jpg", "confidence/1.png"):
        (out / "drive_0007" / lost).unlink()
    assert run(rig, drive, out) == 0 and first.stat().st_mtime_ns == before
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == whole
    run(rig, drive, out, "--overwrite")
    assert first.stat().st_mtime_ns > before
    for path in drive.rglob("*.png"):  # other photos
        write_rgb(path, read_rgb(path) // 2)
    run(rig, drive, out, "--scene=again", "--every=2")
    scenes = read_csv(out / "stereo.csv", read_dataset_file(out / "dataset.json")).table["scene"]
    assert scenes.value_counts().to_dict() == {"drive_0007": 3, "again": 2}


@pytest.mark.parametrize("name", ["stereo.csv", "stereo.png", "dataset.json"])
def test_a_file_of_ones_own_is_never_written_over(rig, drive, tmp_path, name):
    mine = tmp_path / "dataset" / name
    mine.parent.mkdir()
    mine.write_text('{"metres_per_count": 0.0002}')
    with pytest.raises(SystemExit, match=f"{name}.* [Cc]hoose another folder"):
        run(rig, drive, mine.parent)
    assert list(mine.parent.iterdir()) == [mine]


@pytest.mark.parametrize("when", [1, 4_000_000_000])
def test_another_photo_in_a_photos_place_is_named_whatever_its_time(
    rig, drive, tmp_path, capsys, when
):
    out = tmp_path / "dataset"
    for side in ("left", "right"):
        run(rig, drive, out)
        for path in drive.rglob("*.png"):  # as in a copy
            os.utime(path, (when, when))
        assert run(rig, drive, out) == 0
        photo, depth = drive / side / "1.png", out / "drive_0007" / "depth" / "1.png"
        write_rgb(photo, draw_shifted(seed=1)[side == "right"] // 2)
        os.utime(photo, (when + 1, when + 1))
        before = depth.read_bytes()
        capsys.readouterr()
        assert run(rig, drive, out) == 1 and depth.read_bytes() == before
        assert "drive_0007/1: is of other photos than are there now" in capsys.readouterr().out
        assert run(rig, drive, out, "--overwrite") == 0 and depth.read_bytes() != before


def test_a_table_that_was_changed_by_hand_stays(rig, drive, tmp_path):
    out = tmp_path / "dataset"
    run(rig, drive, out)
    chosen = "".join((out / "stereo.csv").read_text().splitlines(keepends=True)[:-1])
    (out / "stereo.csv").write_text(chosen)
    for words in (["--overwrite"], ["--scene=again"], ["--shard=1/2"]):
        with pytest.raises(SystemExit, match="stereo.csv, which is not as depthlib last wrote"):
            run(rig, drive, out, *words)
    assert (out / "stereo.csv").read_text() == chosen and not (out / "again").exists()


def test_a_shard_overwrites_its_own_part_alone(rig, drive, tmp_path):
    out = tmp_path / "dataset"
    for _ in range(2):
        for shard in ("1/2", "2/2"):
            assert run(rig, drive, out, f"--shard={shard}", "--overwrite") == 0
        assert main(["merge", str(out)]) == 0
        assert len(read_csv(out / "stereo.csv", read_dataset_file(out / "dataset.json"))) == 3


def test_overwriting_leaves_a_users_photo_in_a_scene_and_removes_pairs_that_are_no_more(
    rig, drive, tmp_path
):
    out = tmp_path / "dataset"
    run(rig, drive, out)
    scene = out / "drive_0007"
    for part in ("rgb/mine.jpg", "depth/mine.png", "confidence/mine.png"):
        (scene / part).write_bytes((scene / part.replace("mine", "1")).read_bytes())
    write_grey(scene / "depth" / "other.png", np.zeros((4, 6), np.uint8))  # which notes no photos
    (scene / "depth" / "mine.png").unlink()
    for side in ("left", "right"):
        (drive / side / "2.png").unlink()
    run(rig, drive, out, "--overwrite")
    names = {path.relative_to(scene).as_posix() for path in scene.glob("*/*")}
    assert {"rgb/mine.jpg", "confidence/mine.png", "depth/other.png"} < names
    assert not names & {"rgb/2.jpg", "depth/2.png", "confidence/2.png"} and "depth/1.png" in names


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("rig.png", []),
        ("f.png", ["--figure=f.png"]),
        ("rig.yml", []),
        ("rig.yml", ["--figure=f.png"]),
    ],
)
def test_a_file_of_ones_own_is_not_taken_for_the_rig_or_its_picture(
    tmp_path, monkeypatch, name, figure
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("mine")
    words = ["stereo", "calibrate", "--left=left", "--right=right", "--square=0.03", *figure]
    with pytest.raises(SystemExit, match=f"one's own must not be written over.*{name}, which"):
        main([*words, "--out=rig.yml"])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_map_of_ones_own_in_a_pairs_place_is_not_written_over(rig, drive, tmp_path):
    out = tmp_path / "dataset"
    run(rig, drive, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    mine = out / "drive_0007" / "depth" / "1.png"
    write_grey(mine, np.zeros((4, 6), np.uint8))  # which notes no photos
    before[mine] = mine.read_bytes()
    with pytest.raises(SystemExit, match="must not be written over. Received: .*/depth/1.png"):
        run(rig, drive, out, "--overwrite")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    (out / "drive_0007" / "rgb" / "1.jpg").unlink()
    assert run(rig, drive, out) == 1 and mine.read_bytes() == before[mine]
    mine.write_bytes(b"a map that was damaged")
    assert run(rig, drive, out, "--overwrite") == 0 and len(mine.read_bytes()) > 50


def test_what_a_killed_process_left_goes_with_the_next_one(rig, drive, tmp_path):
    out = tmp_path / "dataset"
    run(rig, drive, out)
    whole = sorted(out.rglob("*"))
    names = (
        "rgb/.1-depthlib-01234567.jpg",
        "depth/.1-depthlib-01234567.png",
        ".stereo-depthlib-01234567.json",
    )
    for name in (*(f"drive_0007/{name}" for name in names), ".stereo-depthlib-01234567.csv",
                 ".dataset-depthlib-01234567.json",
                 "..stereo.png-depthlib-01234567.sha256"):  # fmt: skip
        (out / name).touch()
    (out / ".depthlib.lock").touch()
    (out / "drive_0007" / ".depthlib.lock").touch()
    mine = out / ".mine-depthlib-01234567.csv"
    mine.touch()
    run(rig, drive, out)
    (out / ".depthlib.lock").unlink()
    assert sorted(out.rglob("*")) == sorted([*whole, mine])


def test_shards_may_see_their_folder_mounted_at_two_places(rig, drive, tmp_path, monkeypatch):
    words = [f"--rig={rig}", "--left=drive_0007/left", "--right=drive_0007/right", "--out=set"]
    for number, place in enumerate(("one", "two"), start=1):
        (tmp_path / place).mkdir()
        for path in (tmp_path if number == 1 else tmp_path / "one").iterdir():
            if path.name in ("drive_0007", "set"):
                path.rename(tmp_path / place / path.name)
        monkeypatch.chdir(tmp_path / place)
        assert main(["stereo", "match", *words, f"--shard={number}/2"]) == 0
    assert main(["merge", "set"]) == 0
    assert len(read_csv(tmp_path / "two" / "set" / "stereo.csv")) == 3


def test_a_scene_is_matched_by_one_process_and_shards_by_one_each(rig, drive, tmp_path):
    out = tmp_path / "dataset"
    with hold_folder(out / "drive_0007"):
        for more in ([], ["--overwrite"], ["--shard=1/2"]):
            with pytest.raises(SystemExit, match="Another process holds .*drive_0007"):
                run(rig, drive, out, *more)
    with hold_folder(out / "drive_0007", part="1of2"):
        for more in ([], ["--shard=1/2"]):
            with pytest.raises(SystemExit, match="Another process holds .*drive_0007.*-1of2"):
                run(rig, drive, out, *more)
        assert run(rig, drive, out, "--shard=2/2") == 0
        with pytest.raises(SystemExit, match="Another process holds .*drive_0007.*-1of2"):
            main(["merge", str(out)])
    assert run(rig, drive, out, "--shard=1/2") == 0 and main(["merge", str(out)]) == 0


@pytest.mark.parametrize(
    "given", ["left", "right", "video left", "video right", "video left right", ""]
)
def test_what_is_neither_two_sides_nor_a_video_is_refused(rig, drive, tmp_path, given):
    words = [f"--{name}={drive}" for name in given.split()]
    with pytest.raises(SystemExit, match="Give --left and --right, or --video"):
        main(["stereo", "match", f"--rig={rig}", f"--out={tmp_path / 'out'}", *words])
    assert not (tmp_path / "out").exists()


def test_one_video_of_both_sides_gives_the_depth_of_two(rig, drive, tmp_path):
    video, out = tmp_path / "both.avi", tmp_path / "dataset"
    photos = [[read_rgb(drive / side / f"{n}.png") for side in ("left", "right")] for n in range(3)]
    with open_writer(video, 10, 72, 320) as write:
        for pair in photos:
            write(np.hstack(pair))
    assert main(["stereo", "match", f"--rig={rig}", f"--video={video}", f"--out={out}"]) == 0
    for number, side in enumerate(("left", "right")):
        with open_writer(tmp_path / f"{side}.avi", 10, 72, 160) as write:
            for pair in photos:
                write(pair[number])
    words = [f"--{side}={tmp_path / side}.avi" for side in ("left", "right")]
    main(["stereo", "match", f"--rig={rig}", *words, f"--out={out}", "--scene=two"])
    spec = read_dataset_file(out / "dataset.json")
    one, two = (read_depth(out / name / "depth" / "000001.png", spec) for name in ("both", "two"))
    both = (one > 0) & (two > 0)
    assert both.mean() > 0.5
    assert np.median(np.abs(one[both] / two[both] - 1)) < 0.02


@pytest.mark.parametrize("command", ["match", "views"])
def test_a_rig_whose_distortion_was_corrected_is_another_one(drive, tmp_path, command):
    left = [str(drive / "left")] if command == "views" else [f"--left={drive / 'left'}"]
    start = ["views"] if command == "views" else ["stereo", "match"]
    out = tmp_path / "rig+1"  # whose name a dataset cannot have as it is
    path, text = (
        tmp_path / "rig.yml",
        (
            "K1: [{f}, 0, 80, 0, {f}, 36, 0, 0, 1]\nK2: [{f}, 0, 80, 0, {f}, 36, 0, 0, 1]\n"
            "D1: [{bend}, 0, 0, 0]\nD2: [0, 0, 0, 0]\nR: [1, 0, 0, 0, 1, 0, 0, 0, 1]\n"
            "T: [-{b}, 0, 0]\nimage_width: 160\nimage_height: 72\n"
        ),
    )

    def work(bend, *more):
        path.write_text(text.format(f=FOCAL, b=BASELINE, bend=bend))
        words = [*left, f"--right={drive / 'right'}", f"--rig={path}", f"--out={out}", *more]
        return main([*start, *words])

    work(-0.001)
    with pytest.raises(SystemExit, match="one camera or rig .*rig|camera|stored alike"):
        work(0)
    assert work(-0.001) == 0
    settings = out / "drive_0007" / ("views.json" if command == "views" else "stereo.json")
    said = json.loads(settings.read_text())
    del said["rig"]  # as earlier versions wrote it
    settings.write_text(json.dumps(said))
    assert work(-0.001) == 0


@pytest.mark.parametrize("command", ["match", "views"])
def test_pairs_are_no_second_scene_where_their_folder_is_renamed(rig, drive, tmp_path, command):
    out = tmp_path / "out"

    def work(drive):
        if command == "match":
            return run(rig, drive, out)
        words = [f"--right={drive / 'right'}", f"--rig={rig}", f"--out={out}"]
        return main(["views", str(drive / "left"), *words])

    assert work(drive) == 0
    table = (out / ("stereo.csv" if command == "match" else "views.csv")).read_bytes()
    drive = drive.rename(tmp_path / "drive_0008")
    with pytest.raises(SystemExit, match="in a dataset once.*drive_0007 for drive_0008"):
        work(drive)
    assert not (out / "drive_0008").exists()
    assert table == (out / ("stereo.csv" if command == "match" else "views.csv")).read_bytes()


def test_a_photo_that_cannot_be_read_is_named_and_the_others_are_matched(
    rig, drive, tmp_path, capsys
):
    (drive / "right" / "1.png").write_bytes(b"no photo")
    assert run(rig, drive, tmp_path / "dataset") == 1
    text = capsys.readouterr().out
    assert "2 pairs" in text and "drive_0007/1: " in text and "1.png" in text


def test_wrong_input_is_told(rig, drive, tmp_path):
    out = tmp_path / "dataset"
    swapped = ["stereo", "match", f"--rig={rig}", f"--left={drive / 'right'}"]
    with pytest.raises(SystemExit, match="Swap --left and --right"):
        main([*swapped, f"--right={drive / 'left'}", f"--out={out}"])
    run(rig, drive, out)
    with pytest.raises(SystemExit, match="made by one camera or rig and by the same settings"):
        run(rig, drive, out, "--sure=0.9")
    with pytest.raises(SystemExit, match="stored alike. Received: max_depth 20.0 and 80.0"):
        run(rig, drive, out, "--far=20", "--scene=other")
    for words, rule in (
        (["--sure=1.5"], "`sure` must be"),
        (["--far=1000"], "`far` above 0.1"),
        (["--every=0"], "`every` 1 or more"),
        (["--near=0.1"], "`near` must be a depth that both cameras see"),
        (["--video=x.avi"], "Give --left and --right, or --video"),
    ):
        with pytest.raises(SystemExit, match=rule):
            run(rig, drive, tmp_path / "new", *words)
    (drive / "left" / "1.png").unlink()
    with pytest.raises(SystemExit, match="must have a right one of its number. Received: .*1.png"):
        run(rig, drive, tmp_path / "new")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SystemExit, match="must hold photos or videos. Received: .*empty"):
        main(["stereo", "match", f"--rig={rig}", f"--left={empty}", f"--right={empty}", "--out=o"])


@pytest.mark.parametrize("scene", ["../away", "a/b", ".", ".hidden", " x ", "a\\b", "a\nb"])
def test_a_scene_that_is_no_name_of_a_folder_is_refused_and_nothing_is_written(
    rig, drive, tmp_path, scene
):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit, match="A scene must be named as a folder"):
        run(rig, drive, tmp_path / "dataset", f"--scene={scene}")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_not_its_own_is_never_taken_nor_written_over(rig, drive, tmp_path):
    with pytest.raises(SystemExit, match="must not lie among the photos. Received: the folder"):
        run(rig, drive, drive / "left")
    (drive / "depth").mkdir()
    theirs = drive / "depth" / "0.png"
    cv2.imwrite(str(theirs), np.full((72, 160), 900, np.uint16))
    before = theirs.read_bytes()
    for more in ([], ["--overwrite"]):
        with pytest.raises(SystemExit, match=f"one that this command made. Received: .*{theirs}"):
            run(rig, drive, tmp_path, *more)
    assert theirs.read_bytes() == before
    other = tmp_path / "theirs" / "rgb" / "0.jpg", tmp_path / "theirs" / "depth" / "0.png"
    write_rgb(other[0], read_rgb(drive / "left" / "0.png"))
    other[1].parent.mkdir()
    other[1].write_bytes(before)
    run(rig, drive, tmp_path, "--scene=mine")
    scenes = read_csv(tmp_path / "stereo.csv", tmp_path / "dataset.json").table["scene"]
    assert scenes.unique().tolist() == ["mine"]


def test_what_is_matched_by_other_settings_is_told_and_anew_without_a_rest(rig, drive, tmp_path):
    out = tmp_path / "dataset"
    run(rig, drive, out)
    moved = out.rename(tmp_path / "moved")
    with pytest.raises(
        SystemExit, match="same settings. Received: every 2, not 1 in .*stereo.json"
    ):
        run(rig, drive, moved, "--every=2")
    run(rig, drive, moved, "--every=2", "--overwrite")
    assert len(read_csv(moved / "stereo.csv")) == 2
    assert len(list((moved / "drive_0007" / "rgb").iterdir())) == 2
    (moved / "drive_0007" / "stereo.json").write_text('{"every":')
    with pytest.raises(SystemExit, match="Received: other settings in"):
        run(rig, drive, moved)


@pytest.mark.parametrize("command", [["stereo", "match", "--left"], ["views"]])
def test_one_camera_twice_gives_no_dataset(rig, drive, tmp_path, command):
    words = [*command, str(drive / "left"), f"--rig={rig}", f"--out={tmp_path / 'out'}"]
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (drive / "left").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    for right in (drive / "left", copy):
        with pytest.raises(SystemExit, match="of two cameras. Received: the same photo twice"):
            main([*words, f"--right={right}"])
    assert not (tmp_path / "out").exists()


def test_pairs_that_do_not_match_are_named_and_where_none_does_it_is_told_why(
    rig, drive, tmp_path, capsys
):
    (drive / "left" / "0.png").write_bytes(b"no photo")  # the first one, too
    for side in ("left", "right"):
        write_rgb(drive / side / "2.png", np.zeros((72, 160, 3), np.uint8))
    assert run(rig, drive, tmp_path / "dataset") == 1
    text = capsys.readouterr().out
    assert "1 pairs" in text and "drive_0007/0: An image must be" in text
    assert "drive_0007/2: only 0.0% of its pixels are sure" in text
    for path in drive.glob("*/*.png"):
        write_rgb(path, np.zeros((72, 160, 3), np.uint8))
    with pytest.raises(SystemExit, match="must match. Received: none that do, of .*left and"):
        run(rig, drive, tmp_path / "new")
    for path in (drive / "left").iterdir():
        path.write_bytes(b"no photo")
    with pytest.raises(SystemExit, match="Some photo must be.* none of 3. .*0.png"):
        run(rig, drive, tmp_path / "none")


def test_a_video_that_ends_too_early_is_told(rig, drive, tmp_path, capsys):
    for side in ("left", "right"):
        with open_writer(tmp_path / f"{side}.avi", 10, 72, 160) as write:
            for number in range(3):
                write(read_rgb(drive / side / f"{number}.png"))
    cut = tmp_path / "right.avi"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    words = [f"--left={tmp_path / 'left.avi'}", f"--right={cut}", f"--out={tmp_path / 'out'}"]
    assert main(["stereo", "match", f"--rig={rig}", *words, "--scene=s"]) == 1
    assert "right.avi ends here, " in capsys.readouterr().out


def test_photos_of_another_size_than_the_first_are_named(rig, drive, tmp_path, capsys):
    write_rgb(drive / "right" / "2.png", read_rgb(drive / "right" / "2.png")[:-4])
    assert run(rig, drive, tmp_path / "dataset") == 1
    assert "must have one size. Received: 72x160 and 68x160" in capsys.readouterr().out


def test_a_board_is_written_and_photos_of_it_are_calibrated(tmp_path, capsys):
    assert main(["stereo", "board", "--square=0.024", f"--out={tmp_path / 'board.pdf'}"]) == 0
    assert "297 x 210 mm" in capsys.readouterr().out
    left, right = draw_boards(Board(7, 4, 0.03), tmp_path, count=6)
    out = tmp_path / "rig.yml"
    words = [f"--left={left[0].parent}", f"--right={right[0].parent}", f"--out={out}"]
    for _ in range(2):  # the second picture takes the place of the first
        assert main(["stereo", "calibrate", *words, "--board=7x4", "--square=0.03"]) == 0
    assert "pairs: 6 of 6" in capsys.readouterr().out
    assert read_rig(out).baseline == pytest.approx(0.12, rel=0.01)
    picture = cv2.imread(str(out.with_suffix(".png")))
    assert picture.std() > 20
    with pytest.raises(SystemExit, match="24 mm are 0.024"):
        main(["stereo", "board", "--square=24", f"--out={tmp_path / 'board.pdf'}"])
    before = sorted(tmp_path.rglob("*"))
    among = left[0].parent / "rig.yml"
    for name, figure, rule in (
        (among, tmp_path / "f.png", "must not lie among the photos"),
        (tmp_path / "r.txt", tmp_path / "f.png", "must end in .yml"),
        (tmp_path / "r.yml", tmp_path / "f.doc", "must end in .png"),
    ):
        more = [*words[:2], f"--out={name}", f"--figure={figure}", "--board=7x4", "--square=0.03"]
        with pytest.raises(SystemExit, match=rule):
            main(["stereo", "calibrate", *more])
    assert sorted(tmp_path.rglob("*")) == before


def test_the_settings_of_a_scene_are_kept_beside_it(rig, drive, tmp_path):
    out = tmp_path / "dataset"
    run(rig, drive, out, "--near=2")
    settings = json.loads((out / "drive_0007" / "stereo.json").read_text())
    assert settings["disparities"] == 32 and settings["baseline"] == pytest.approx(BASELINE)
