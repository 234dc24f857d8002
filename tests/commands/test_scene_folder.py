import json
from pathlib import Path

import pytest

from depthlib.commands.scene_folder import (
    SceneFolder,
    name_dataset,
    name_scene,
    refuse_among,
)
from depthlib.data.dataset_file import make_spec, write_dataset_file
from depthlib.data.shards import Shard

SETTINGS = {"every": 1, "far": 80.0}
FRAMES = [Path(f"{number}.png") for number in range(8)]


@pytest.fixture
def folder(tmp_path):
    return SceneFolder(tmp_path / "out", "drive", "made.json", {"rgb": ".jpg", "right": ".jpg"})


def test_a_scene_goes_on_by_its_own_settings_alone(folder):
    folder.begin(SETTINGS, False, FRAMES)
    (folder.folder / "rgb").mkdir()
    (folder.folder / "rgb" / "0.jpg").write_bytes(b"photo")
    folder.begin(SETTINGS, False, FRAMES)
    with pytest.raises(ValueError, match="Received: far 20.0, not 80.0 in .*made.json"):
        folder.begin(SETTINGS | {"far": 20.0}, frames=FRAMES, overwrite=False)
    folder.begin(SETTINGS | {"far": 20.0}, frames=FRAMES, overwrite=True)
    assert json.loads(folder.settings.read_text())["far"] == 20.0
    assert not (folder.folder / "rgb" / "0.jpg").exists()
    folder.begin(SETTINGS | {"far": 10.0}, frames=FRAMES, overwrite=False)  # nothing is made yet
    with pytest.raises(ValueError, match="Received: far 5.0, not 10.0"):  # others may be at work
        folder.begin(SETTINGS | {"far": 5.0}, False, FRAMES, shard=Shard(1, 2))
    folder.settings.write_text("[]")  # somebody's own
    with pytest.raises(ValueError, match="Received: other settings"):
        folder.begin(SETTINGS, False, FRAMES)


@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_others_stay(folder, overwrite):
    theirs = folder.folder / "right" / "0.jpg"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"photo")
    with pytest.raises(ValueError, match="one that this command made. Received"):
        folder.begin(SETTINGS, overwrite, FRAMES)
    assert theirs.read_bytes() == b"photo" and not folder.settings.exists()


@pytest.mark.parametrize("name", ["..", "", ".x", "a/b", "a\\b", "Thumbs.db", " a"])
def test_a_name_of_no_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="must be named as a folder"):
        SceneFolder(tmp_path, name, "made.json", {"rgb": ".jpg"})


def test_a_scene_is_named_by_what_holds_all_its_photos(tmp_path):
    (tmp_path / "drive.v2" / "left").mkdir(parents=True)
    drive = str(tmp_path / "drive.v2")
    assert name_scene([f"{drive}/left", f"{drive}/right"]) == "drive.v2"
    assert name_scene([f"{drive}/left/*_c.png"]) == "left"
    assert name_scene([f"{drive}/film.mp4"]) == "film"


def test_a_dataset_keeps_its_name(tmp_path):
    assert name_dataset(tmp_path / "new", "usual") == "new"
    write_dataset_file(make_spec("mine", encoding="none", focal=0.7), tmp_path / "dataset.json")
    assert name_dataset(tmp_path, "usual") == "mine"


@pytest.mark.parametrize("shard", ["1/2", "2/2"])
def test_a_shard_that_begins_anew_leaves_the_others_files(folder, shard):
    folder.begin(SETTINGS, False, FRAMES)
    (folder.folder / "rgb").mkdir()
    names = [f"{number}.jpg" for number in range(8)]
    for name in names:
        (folder.folder / "rgb" / name).touch()
    part = Shard.parse(shard)
    folder.begin(SETTINGS, True, FRAMES, shard=part)
    left = {path.name for path in (folder.folder / "rgb").iterdir()}
    assert left == {name for name in names if not part.holds(Path(name).stem)}
    assert 0 < len(left) < 8


@pytest.mark.parametrize(
    ("frames", "listed", "gone"),
    [
        (FRAMES, {"old"}, {"0.jpg", "7.jpg", "old.jpg"}),
        ([Path("film.mp4")], {"old"}, {"000001.jpg", "1000000.jpg", "old.jpg"}),
        ([Path("film.MOV")], set(), {"000001.jpg", "1000000.jpg"}),
    ],
)
def test_overwriting_a_scene_leaves_what_a_user_has_put_there(folder, frames, listed, gone):
    folder.begin(SETTINGS, False, frames)
    theirs = {"mine.jpg", "0.txt", "0.jpeg", "000001.png", "film.jpg", "12345.jpg", "old.png"}
    every = theirs | {"0.jpg", "7.jpg", "000001.jpg", "1000000.jpg", "old.jpg"}
    for part in ("rgb", "right"):
        (folder.folder / part).mkdir()
        for name in every:
            (folder.folder / part / name).touch()
    folder.begin(SETTINGS, True, frames, listed)
    for part in ("rgb", "right"):
        assert {path.name for path in (folder.folder / part).iterdir()} == every - gone


def test_nothing_is_written_among_photos(tmp_path):
    photo = tmp_path / "a" / "0.jpg"
    photo.parent.mkdir()
    photo.touch()
    refuse_among(tmp_path, [[photo], []])
    with pytest.raises(ValueError, match="must not lie among the photos"):
        refuse_among(Path(tmp_path / "a" / ".." / "a"), [[], [photo]])
