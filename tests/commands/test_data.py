import os
import shutil

import pytest

from depthlib.__main__ import main
from depthlib.data.pairs import read_csv
from depthlib.files import hold_folder


@pytest.fixture
def folder(tmp_path, write_pairs):
    """Six pairs in two folders, a mask, and what macOS leaves."""
    names = [(f"rgb/{n:04d}.jpg", f"depth/{n}.png") for n in range(1, 7)]
    root = write_pairs(tmp_path / "den", names)
    (root / "masks").mkdir()
    (root / "masks/1.png").touch()
    (root / "rgb/._0001.jpg").touch()
    return root


def test_a_folder_becomes_a_dataset_that_every_command_takes(folder, capsys):
    words = ["data", str(folder), "--spec", "indoor_millimetre", "--test", "0.34", "--check", "all"]
    assert main([*words, "--focal", "0.75"]) == 0
    said = capsys.readouterr().out
    for words in (
        "Layout, likely: 6 pairs, 6 by the same number, such as rgb/0001.jpg with depth/1.png.",
        "Encoding, as indoor_millimetre says",
        "Scenes: scenes unknown, 6 groups of like frames",
        "a hidden file",
        "a mask or another picture",
        "Test: the last 2 pairs. They may show the place that trains",
    ):
        assert words in said
    written = {"train.csv", "test.csv", "dataset.json", "depthlib_pairs.png"}
    assert written <= {path.name for path in folder.iterdir()}
    assert main(["data", str(folder)]) == 0  # its own picture is no photo
    assert "Left out: 2 rows" in capsys.readouterr().out
    assert len(read_csv(folder / "test.csv")) == 2
    assert read_csv(folder / "train.csv").spec.focal == 0.75


def test_a_share_of_the_width_is_not_silently_that_of_photos_of_another_shape(
    tmp_path, write_pairs, capsys
):
    names = [(f"rgb/{n}.png", f"depth/{n}.png") for n in range(6)]
    write_pairs(tmp_path, names[:3], height=48, width=64)
    words = ["data", str(tmp_path), "--spec", "indoor_millimetre"]
    said = "0.859 of the width, is that of all photos, which have several shapes"
    assert main([*words, "--focal", "55px"]) == main(words[:2]) == 0
    assert said not in capsys.readouterr().err
    write_pairs(tmp_path, names[3:], height=64, width=48)
    assert main(words[:2]) == 0
    assert said in capsys.readouterr().err
    assert main([*words[:2], "--focal", "55px"]) == 0
    assert said not in capsys.readouterr().err
    table = read_csv(tmp_path / "pairs.csv").table
    assert table["focal"].tolist() == [55] * 6


def test_what_is_not_sound_is_listed_and_what_has_no_sound_pair_writes_nothing(folder, capsys):
    (folder / "depth/3.png").write_bytes(b"no image")
    assert main(["data", str(folder), "--spec", "indoor_millimetre"]) == 0
    assert "Not sound: 1 rows" in capsys.readouterr().out
    assert len(read_csv(folder / "pairs.csv")) == 5
    for path in folder.glob("depth/*.png"):
        path.write_bytes(b"no image")
    (folder / "pairs.csv").unlink()
    with pytest.raises(SystemExit, match="must be sound. Received: none of 6 in .*first problem"):
        main(["data", str(folder), "--spec", "indoor_millimetre"])
    assert not (folder / "pairs.csv").exists()


@pytest.mark.parametrize("where", ["rgb", "rgb/predicted", "."])
@pytest.mark.parametrize(
    "words", [(), ("--photos", "rgb"), ("--photos", "rgb", "--depth", "depth")]
)
def test_depth_that_a_network_predicted_is_neither_photo_nor_truth(folder, where, words, capsys):
    make = ["data", str(folder), "--spec", "indoor_millimetre", *words]
    main(make)
    before = (folder / "pairs.csv").read_bytes()
    predicted = ["predict", str(folder / "rgb"), "--out", str(folder / where), "--save"]
    assert main([*predicted, "png16,colour,npy"]) == 0
    capsys.readouterr()
    assert main(make) == 0
    assert (folder / "pairs.csv").read_bytes() == before
    if not words:
        assert "depth or a figure that depthlib wrote" in capsys.readouterr().out


def test_photos_beside_nothing_but_predictions_are_no_dataset(folder, capsys):
    shutil.rmtree(folder / "depth")
    shutil.rmtree(folder / "masks")
    main(["predict", str(folder / "rgb"), "--out", str(folder / "rgb"), "--save", "png16"])
    with pytest.raises(SystemExit, match="Left out: 6 files, depth or a figure"):
        main(["data", str(folder)])
    words = ["--photos", "rgb/{frame}.jpg", "--depth", "rgb/{frame}_depth_mm.png"]
    assert main(["data", str(folder), "--spec", "indoor_millimetre", *words]) == 0
    assert len(read_csv(folder / "pairs.csv")) == 6


def test_labels_in_a_folder_below_are_no_truth(folder, capsys):
    make = ["data", str(folder), "--spec", "indoor_millimetre"]
    main(make)
    before = (folder / "pairs.csv").read_bytes()
    label = ["label", str(folder / "rgb"), "--teacher", "light", "--out"]
    for out in ("more/labelled", "nest/depth"):
        assert main([*label, str(folder / out)]) == 0
    capsys.readouterr()
    assert main(make) == 0 and (folder / "pairs.csv").read_bytes() == before
    assert "depth or a figure that depthlib wrote" in capsys.readouterr().out


def test_a_csv_elsewhere_comes_with_the_word_that_reads_it(folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["data", str(folder), "--spec", "indoor_millimetre", "--out", str(out)]
    assert main([*words, "--check", "headers"]) == 0
    assert f"give --root {folder}" in capsys.readouterr().out
    assert len(read_csv(out / "pairs.csv", root=folder)) == 6


def test_nothing_is_written_outside_of_the_folder_where_photos_lie_elsewhere(
    folder, tmp_path, capsys
):
    own = tmp_path / "own"
    own.mkdir()
    there = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    words = ["data", str(own), "--spec", "indoor_millimetre", "--check", "headers"]
    assert main([*words, "--photos", "../den/rgb", "--depth", str(folder / "depth")]) == 0
    assert f"give --root {folder}" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == there
    assert len(read_csv(own / "pairs.csv", root=folder)) == 6


def test_a_picture_of_ones_own_is_not_written_over_and_that_is_said_before_the_work(folder):
    mine = folder / "depthlib_pairs.png"
    mine.write_bytes(b"mine")
    with pytest.raises(SystemExit, match="one's own must not be written over.*depthlib_pairs.png"):
        main(["data", str(folder), "--spec", "indoor_millimetre"])
    assert mine.read_bytes() == b"mine" and not (folder / "pairs.csv").exists()


def test_names_of_bytes_that_are_no_text_are_listed(folder, capsys):
    (folder / os.fsdecode(b"rgb/caf\xe9.jpg")).touch()
    assert main(["data", str(folder), "--spec", "indoor_millimetre", "--check", "headers"]) == 0
    assert r"rgb/caf\udce9.jpg" in capsys.readouterr().out


def test_wrong_words_are_refused_without_a_traceback(folder):
    for words, message in (
        (["--spec", "kinect"], "`spec` must be one of"),
        (["--photos", "photo"], "a folder .rgb., a pattern"),
        (["--spec", "kitti", "--check", "half"], "`check` must be a number"),
        (["--spec", "kitti", "--check", "²"], "`check` must be a number"),
        (["--spec", "kitti", "--check", "9" * 5000], "`check` must be a number"),
        (["--test", "nan"], "`test` must be a share of the pairs.*Received: test=nan"),
        (["--test=-0.1"], "`test` must be a share of the pairs"),
        (["--test", "1"], "`test` must be a share of the pairs"),
        (["--tolerance", "nan"], "`tolerance` seconds, 0 or more.*tolerance=nan"),
        (["--spec", "indoor_millimetre", "--focal", "26"], "`focal` must be"),
    ):
        with pytest.raises(SystemExit, match=f"depthlib data: .*{message}"):
            main(["data", str(folder), *words])


def test_a_share_is_not_set_aside_where_folders_say_what_tests(tmp_path, write_pairs):
    folders = [f"{side}/{{}}/{n}" for side in ("train", "test") for n in "123"]
    write_pairs(tmp_path, [(f"{n.format('rgb')}.jpg", f"{n.format('depth')}.png") for n in folders])
    with pytest.raises(SystemExit, match="--test 0.2 for .*, which has train, test. Leave out"):
        main(["data", str(tmp_path), "--spec=indoor_millimetre", "--test=0.2"])
    assert not list(tmp_path.glob("*.csv"))


def test_what_a_killed_process_left_of_a_dataset_goes_with_the_next_one(folder):
    assert main(["data", str(folder), "--spec=indoor_millimetre"]) == 0
    before = sorted(folder.rglob("*"))
    mine = folder / "rgb" / ".1-depthlib-01234567.jpg"
    for name in (
        mine,
        ".pairs-depthlib-01234567.csv",
        "..pairs.csv-depthlib-01234567.sha256",
        ".depthlib.lock",
    ):
        (folder / name).touch()
    assert main(["data", str(folder), "--spec=indoor_millimetre"]) == 0
    assert sorted(folder.rglob("*")) == sorted([*before, mine])
    with hold_folder(folder), pytest.raises(SystemExit, match="Another process holds"):
        main(["data", str(folder), "--spec=indoor_millimetre"])
