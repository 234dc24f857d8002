import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from depthlib import files
from depthlib.__main__ import main
from depthlib.commands import merge
from depthlib.commands.label import label_files
from depthlib.commands.merge import merge_shards
from depthlib.commands.predict import predict_files
from depthlib.commands.summary import merge_tables
from depthlib.data import kitti
from depthlib.data.images import write_rgb
from depthlib.data.lenses import parse_focal
from depthlib.data.shards import Shard
from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor
from depthlib.video.frames import open_writer
from tests.onnx_files import write_own_onnx
from tests.stereo_scenes import draw_shifted

# Predicts one shard in a process of its own, and kills it after so many photos, 0: never.
PREDICT = """
import os, signal, sys
from depthlib import files
from depthlib.data.shards import Shard
from tests.commands.test_merge import Fake, predict
files._sync = lambda path: None  # a thousand photos wait ten seconds for the disk
photos, out, shard, last = sys.argv[1:]
def count():
    count.photos += 1
    if count.photos == int(last):
        os.kill(os.getpid(), signal.SIGKILL)
count.photos = 0
print(predict(photos, out, Fake(count), shard=Shard.parse(shard)))
"""


class Fake(DepthPredictor):
    """Depth from red: what is brighter is nearer. `at`: called each time."""

    def __init__(self, at=lambda: None):
        super().__init__(View(6, 8, 10.0, focal=0.8, aspect=4 / 3), "metre", "")
        self.at = at

    def predict_batch(self, batch):
        self.at()
        return 10 * (1 - 0.9 * batch[..., 0].astype(np.float32) / 255)


def predict(photos, out, predictor=None, **named):
    named = {"save": ["npy"], "progress": False} | named
    words = photos if isinstance(photos, list) else [photos]
    return predict_files(predictor or Fake(), words, out, lens=parse_focal("0.8"), **named)


def run_shards(call, count):
    """Runs all shards, the last one first."""
    return [call(shard=Shard(number, count)) for number in range(count, 0, -1)]


def draw(path, red):
    rgb = np.full((9, 12, 3), (0, 10, 60), np.uint8)
    rgb[..., 0] = np.linspace(red, red + 20, 12)
    write_rgb(path, rgb)
    return path


def contents(folder):
    """The bytes of all files."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in found}


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Twenty photos, of which some have one name in two folders, or two suffixes."""
    monkeypatch.setattr(files, "_sync", lambda path: None)
    for number in range(8):
        draw(tmp_path / "in/a" / f"{number}.png", 20 * number)
        draw(tmp_path / "in/b" / f"{number + 4}.png", 10 * number)
    for number in range(4):
        draw(tmp_path / "in/a" / f"{number}.jpg", 30 * number)
    return tmp_path / "in"


def test_four_shards_of_4000_photos_equal_one_run_also_where_one_is_killed(
    tmp_path, monkeypatch, project
):
    monkeypatch.setattr(files, "_sync", lambda path: None)
    drawn = [draw(tmp_path / f"{red}.png", red).read_bytes() for red in range(0, 200, 10)]
    (tmp_path / "in").mkdir()
    for number in range(4000):
        (tmp_path / "in" / f"{number}.png").write_bytes(drawn[number % len(drawn)])

    def start(number, last=0):
        words = [tmp_path / "in", tmp_path / "four", f"{number}/4", last]
        return subprocess.Popen(
            [sys.executable, "-c", PREDICT, *map(str, words)], cwd=project, stdout=subprocess.PIPE
        )

    def finish(running):
        said = [process.communicate()[0].decode() for process in running]
        return [process.returncode for process in running], said

    killed = [start(1, last=100), start(2), start(3, last=500), start(4, last=900)]
    ends, (_, whole, *_) = finish(killed)
    assert ends == [-signal.SIGKILL, 0, -signal.SIGKILL, -signal.SIGKILL]
    with pytest.raises(FileNotFoundError, match=r"3 of 4 are missing: 1/4 \(begun\), 3/4 \(begun"):
        merge_shards(tmp_path / "four")
    ends, said = finish([start(number) for number in (4, 3, 1)])
    assert ends == [0, 0, 0]
    counts = [[int(part.split()[0]) for part in words.split(", ")] for words in said]
    assert sum(map(sum, counts)) + int(whole.split()[0]) == 4000
    assert 1400 < sum(there for _, there in counts) < 1500  # what was there is not predicted twice
    assert merge_shards(tmp_path / "four") == 0
    predict(tmp_path / "in", tmp_path / "one")
    one, four = contents(tmp_path / "one"), contents(tmp_path / "four")
    assert len(one) == 4001 and one == four


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_any_number_of_shards_equals_one_run(photos, tmp_path, count):
    words = [photos / "a", f"{photos}/b/*.png", photos / "a/0.png"]
    reports = run_shards(lambda **named: predict(words, tmp_path / "many", **named), count)
    assert merge_shards(tmp_path / "many") == 0
    report = predict(words, tmp_path / "one")
    written = [path for one in reports for path in one.written]
    assert sorted(written) == sorted(report.written) and len(written) == 20
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert {"0_png_depth.npy", "0_jpg_depth.npy", "a_4_png_depth.npy", "8_depth.npy"} <= names


def test_a_run_with_other_shards_goes_on_with_what_the_first_left(photos, tmp_path):
    out = tmp_path / "out"
    first = predict(photos / "a", out, shard=Shard(2, 2)).written
    with pytest.raises(FileNotFoundError, match="1 of 2 are missing: 1/2. Run them"):
        merge_shards(out)
    reports = run_shards(lambda **named: predict(photos / "a", out, **named), 3)
    assert sum(len(report.written) for report in reports) == 12 - len(first)
    assert merge_shards(out) == 0
    predict(photos / "a", tmp_path / "one")
    assert contents(out) == contents(tmp_path / "one")


def test_shards_write_into_the_folder_of_their_photos(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "copy")
    run_shards(lambda **named: predict(photos / "a", photos / "a", **named), 3)
    assert len(predict(photos / "a", photos / "a", shard=Shard(2, 3)).written) == 0
    merge_shards(photos / "a")
    predict(tmp_path / "copy/a", tmp_path / "copy/a")
    three, one = contents(photos / "a"), contents(tmp_path / "copy/a")
    tables = [re.sub(rb"[0-9a-f]{12}-", b"", made.pop(Path("depth.csv"))) for made in (three, one)]
    assert three == one and tables[0] == tables[1]  # but for the times of photos and copies


def test_a_merged_folder_is_merged_again_to_the_same_and_goes_on_without_shards(
    photos, tmp_path, capsys
):
    out = tmp_path / "out"
    run_shards(lambda **named: predict(photos / "a", out, **named), 2)
    with pytest.raises(ValueError, match="Shards must be merged before .*depthlib merge"):
        predict(photos / "a", out)
    assert merge_shards(out) == 0
    before = contents(out)
    assert merge_shards(out) == 0 and contents(out) == before
    assert "no shards are left" in capsys.readouterr().out
    assert len(predict([photos / "a", photos / "b"], out).written) == 8
    # A merge that is killed before it removes the notes is done again.
    run_shards(lambda **named: predict([photos / "a", photos / "b"], out, **named), 2)
    shutil.copytree(out / ".shards", tmp_path / "kept")
    assert merge_shards(out) == 0
    before = contents(out)
    shutil.copytree(tmp_path / "kept", out / ".shards")
    assert merge_shards(out) == 0 and contents(out) == before


def test_names_stay_apart_from_those_of_shards_that_are_not_merged(photos, tmp_path):
    out = tmp_path / "out"
    run_shards(lambda **named: predict(photos / "a", out, **named), 2)
    shutil.rmtree(photos / "a")
    reports = run_shards(lambda **named: predict(photos / "b", out, **named), 2)
    assert sum(len(report.written) for report in reports) == 8
    assert not any(report.failed for report in reports)
    with (out / ".shards/1of2.csv").open(newline="") as one:
        rows = list(csv.DictReader(one))
    with (out / ".shards/2of2.csv").open(newline="") as two:
        rows += list(csv.DictReader(two))
    assert len({row["name"] for row in rows}) == len(rows) == 20


def test_shards_of_two_runs_are_refused(photos, tmp_path):
    out = tmp_path / "out"
    predict(photos / "a", out, shard=Shard(1, 2))
    before = contents(out)
    for words, named in (
        (photos / "b", {}),
        (photos / "a", {"flip": True}),
        (photos / "a", {"save": ["png16"]}),
    ):
        predict(words, out, shard=Shard(2, 2), **named)
        with pytest.raises(ValueError, match="of one run. Received: 1/2 of .*; 2/2 of .*Run them"):
            merge_shards(out)
    assert not (out / "depth.csv").exists() and before.items() <= contents(out).items()


def test_a_shard_that_ended_before_photos_came_runs_again(photos, tmp_path):
    out = tmp_path / "out"
    predict(photos / "a", out, shard=Shard(1, 2))
    draw(photos / "a/new.png", 100)
    predict(photos / "a", out, shard=Shard(2, 2))
    with pytest.raises(ValueError, match="1/2 of .* 12 files .*2/2 of .* 13 files"):
        merge_shards(out)
    predict(photos / "a", out, shard=Shard(1, 2))
    assert merge_shards(out) == 0 and len(list(out.glob("*.npy"))) == 13


def test_what_failed_is_told_and_a_folder_without_shards_is_refused(photos, tmp_path, capsys):
    (photos / "a/3.png").write_bytes(b"no photo")
    reports = run_shards(lambda **named: predict(photos / "a", tmp_path / "out", **named), 2)
    assert sum(len(report.failed) for report in reports) == 1
    assert main(["merge", str(tmp_path / "out")]) == 1
    assert f"{photos / 'a/3.png'}: " in capsys.readouterr().out
    for folder in (photos, tmp_path / "nowhere"):
        with pytest.raises(SystemExit, match="depthlib merge: There are no shards to merge in"):
            main(["merge", str(folder)])


def test_a_users_hidden_files_stay_and_what_killed_shards_left_goes(photos, tmp_path):
    out = photos / "a"
    run_shards(lambda **named: predict(out, out, **named), 2)
    left = out / ".1_png_depth-depthlib-01234567.npy"
    # The last is of a process that may be writing to another folder.
    mine = [".1-20261130.png", "mine/.2-20261130.jpg", "mine/.2-depthlib-01234567.jpg"]
    for name in (left, out / "mine/2.jpg", *(out / name for name in mine)):
        name.parent.mkdir(exist_ok=True)
        name.touch()
    assert merge_shards(out) == 0
    assert all((out / name).exists() for name in mine) and not left.exists()


def test_two_do_not_merge_one_folder_at_once(photos, tmp_path, monkeypatch):
    out, tables = tmp_path / "out", []
    run_shards(lambda **named: predict(photos / "a", out, **named), 2)

    def merge_twice(place):
        before = contents(out)
        for act in (merge_shards, lambda folder: predict(photos / "a", folder, shard=Shard(1, 2))):
            with pytest.raises(BlockingIOError, match=f"holds {out}/.depthlib.lock. Wait"):
                act(out)
        assert contents(out) == before
        tables.append(place)
        return merge_tables(place)

    monkeypatch.setattr(merge, "merge_tables", merge_twice)
    assert merge_shards(out) == 0 and tables == [out]
    predict(photos / "a", tmp_path / "one")
    assert contents(out) == contents(tmp_path / "one")


@pytest.mark.parametrize("name", ["", "stereo.json"])
def test_the_shards_of_outputs_in_a_folder_are_not_merged_as_the_folders(photos, tmp_path, name):
    folder = tmp_path / "all"
    run_shards(lambda **named: predict(photos / "a", folder / "depth", **named), 2)
    labels = {"fake": Fake()}, [photos / "a"], folder / "labels"
    run_shards(lambda **named: label_files(*labels, progress=False, **named), 2)
    predict(photos / "a", folder / "unfinished", shard=Shard(1, 2))
    (folder / "scene").mkdir()
    (folder / "scene" / (name or "views.json")).write_text("{}")
    before = contents(folder)
    with pytest.raises(SystemExit, match=f"There are no shards to merge in {folder}"):
        main(["merge", str(folder)])
    assert contents(folder) == before


def test_a_failed_run_leaves_no_folder_and_keeps_one_that_was_there(photos, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no photo")
    assert predict(tmp_path / "bad.png", tmp_path / "new/deep").failed
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").mkdir()
    assert predict(tmp_path / "bad.png", tmp_path / "mine").failed
    assert (tmp_path / "mine").is_dir()

    def fill_disk():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(photos / "a", tmp_path / "new", Fake(fill_disk))
    assert not (tmp_path / "new").exists()


def test_labels_of_shards_equal_those_of_one_run(photos, tmp_path):
    with open_writer(photos / "clip.avi", 10, 48, 64) as write:
        for number in range(4):
            write(np.full((48, 64, 3), 40 * number, np.uint8))
    words = [photos / "a", photos / "clip.avi"]

    def label(out, **named):
        return label_files({"fake": Fake()}, words, tmp_path / out / "set", progress=False, **named)

    reports = run_shards(lambda **named: label("four", **named), 4)
    assert not (tmp_path / "four/set/labels.csv").exists()
    assert merge_shards(tmp_path / "four/set") == 0
    whole = label("one")
    assert sum(len(report.written) for report in reports) == len(whole.written) == 13
    assert contents(tmp_path / "four") == contents(tmp_path / "one")
    assert len(pd.read_csv(tmp_path / "one/set/labels.csv")) == 13


@pytest.mark.parametrize("out", [None, "out"])
def test_a_dataset_of_shards_equals_that_of_one_run(write_pairs, tmp_path, out):
    names = [(f"rgb/{number:04d}.jpg", f"depth/{number:04d}.png") for number in range(12)]
    for way in ("one", "four"):
        root = write_pairs(tmp_path / way / "den", names)
        (root / "depth/0003.png").write_bytes(b"no image")
        (root / "depth/0007.png").write_bytes(b"no image")
        where = [f"--out={tmp_path / way / out}"] if out else []
        words = ["data", str(root), "--spec=indoor_millimetre", "--test=0.3", *where]
        words += ["--check=3", "--focal=0.75"]
        if way == "one":
            assert main(words) == 0
            continue
        for number in (3, 1, 2, 4):
            assert not (tmp_path / way / (out or "den") / "train.csv").exists()
            assert main([*words, f"--shard={number}/4"]) == 0
        assert main(["merge", str(tmp_path / way / (out or "den"))]) == 1
    assert contents(tmp_path / "four") == contents(tmp_path / "one")
    assert (tmp_path / "one" / (out or "den") / "train.csv").is_file()


def test_a_folder_that_changed_before_its_shards_were_merged_is_refused(write_pairs, tmp_path):
    root = write_pairs(tmp_path, [(f"rgb/{n}.jpg", f"depth/{n}.png") for n in range(6)])
    for number in (1, 2):
        assert main(["data", str(root), "--spec=indoor_millimetre", f"--shard={number}/2"]) == 0
    (root / "depth/5.png").unlink()
    with pytest.raises(SystemExit, match="must stay as it is until its shards are merged"):
        main(["merge", str(root)])
    assert not (root / "pairs.csv").exists()


@pytest.mark.parametrize("changed", [{"folder": None}, {"folder": "elsewhere"}, {"test": 0.5}])
def test_settings_that_no_shard_of_a_dataset_noted_are_refused(write_pairs, tmp_path, changed):
    root = write_pairs(tmp_path, [(f"rgb/{n}.jpg", f"depth/{n}.png") for n in range(6)])
    assert main(["data", str(root), "--spec=indoor_millimetre", "--shard=1/1"]) == 0
    path = root / ".shards/1of1.json"
    words = json.loads(path.read_text())
    words["run"]["settings"] |= changed
    path.write_text(json.dumps(words))
    with pytest.raises(SystemExit, match="must be those that `depthlib data` wrote"):
        main(["merge", str(root)])
    assert path.exists() and not (root / "pairs.csv").exists()


@pytest.mark.parametrize("changed", [{"folder": "../other"}, {"photos": 5}, {"test": "half"}])
def test_settings_that_a_stranger_noted_write_nothing_elsewhere(write_pairs, tmp_path, changed):
    names = [(f"rgb/{n}.jpg", f"depth/{n}.png") for n in range(6)]
    root, other = (write_pairs(tmp_path / name, names) for name in ("root", "other"))
    assert main(["data", str(root), "--spec=indoor_millimetre", "--shard=1/1"]) == 0
    path = root / ".shards/1of1.json"
    words = json.loads(path.read_text())
    words["run"]["settings"] |= changed
    words["run"]["made"] = f"{words['run']['settings']} --check 200"
    path.write_text(json.dumps(words))
    before = contents(other)
    with pytest.raises(SystemExit, match="must be those that `depthlib data` wrote"):
        main(["merge", str(root)])
    assert contents(other) == before and not (root / "pairs.csv").exists()


@pytest.mark.parametrize("kind", ["photos", "videos"])
def test_matched_pairs_of_shards_equal_those_of_one_run(tmp_path, kind):
    (tmp_path / "calib.txt").write_text(
        "".join(f"P{n}: 80 0 80 {x} 0 80 36 0 0 0 1 0\n" for n, x in ((2, 0), (3, -40)))
    )
    views = [draw_shifted(seed=number)[:2] for number in range(5)]
    for side, shown in zip(("left", "right"), zip(*views, strict=True), strict=True):
        for number, view in enumerate(shown):
            write_rgb(tmp_path / "drive" / side / f"{number}.png", view)
        with open_writer(tmp_path / f"drive/{side}.avi", 10, *shown[0].shape[:2]) as write:
            for view in shown:
                write(view)
    end = "" if kind == "photos" else ".avi"
    words = ["stereo", "match", f"--rig={tmp_path / 'calib.txt'}"]
    words += [f"--{side}={tmp_path / 'drive' / side}{end}" for side in ("left", "right")]
    one, three = tmp_path / "one/set", tmp_path / "three/set"
    assert main([*words, f"--out={one}"]) == 0
    for number in (2, 3, 1):
        assert main([*words, f"--out={three}", f"--shard={number}/3"]) == 0
    assert not (three / "stereo.csv").exists()
    assert main(["merge", str(three)]) == 0
    assert contents(three) == contents(one) and len(contents(one)) == 3 * 5 + 6


def test_projected_drives_of_shards_equal_those_of_one_run(project, tmp_path):
    for way in ("one", "three"):
        shutil.copytree(project / "datasets/sample_kitti", tmp_path / way)
        for made in (tmp_path / way).glob("*/*/proj_depth"):
            shutil.rmtree(made)
    problems = kitti.project_drives(tmp_path / "one", workers=1)
    parts = [kitti.project_drives(tmp_path / "three", shard=f"{n}/3") for n in (1, 2, 3)]
    assert contents(tmp_path / "three") == contents(tmp_path / "one")
    assert sum(map(len, parts)) == len(problems)
    assert list((tmp_path / "one").glob("*/*/proj_depth/velodyne_raw/image_02/*.png"))


def test_the_command_takes_shards(photos, tmp_path, capsys):
    network = write_own_onnx(tmp_path / "network.onnx")
    words = ["predict", str(photos / "a"), f"--out={tmp_path / 'out'}", f"--model={network}"]
    for number in (1, 2):
        assert main([*words, "--shard", f"{number}/2"]) == 0
    assert main(["merge", str(tmp_path / "out")]) == 0
    assert "2 shards, 12 rows" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="A shard must be I/N with I from 1 to N. Received: 0/2"):
        main([*words, "--shard", "0/2"])
