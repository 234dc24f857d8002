import re
import subprocess
import sys

import numpy as np
import pytest

from depthlib.video.frames import open_frames, open_writer

CODE = """
import resource, sys
import numpy as np
from depthlib.video.frames import open_writer
target, limit, count = sys.argv[1], *map(int, sys.argv[2:])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
noise = np.random.default_rng(0).integers(0, 50, (240, 320, 3), np.uint8)
written = 0
try:
    with open_writer(target, 10, 240, 320) as write:
        for number in range(count):
            write(noise + np.uint8(number))
            written += 1
except OSError as error:
    print(error)
print(written)
"""


@pytest.fixture(scope="module")
def fill(project):
    """A function that writes frames of 40 kB, each a level brighter, where files have a limit.

    It gives how many were taken before it stopped, and why.
    """
    pytest.importorskip("resource", reason="only Unix limits the size of files")

    def run(target, limit, count=200):
        command = [sys.executable, "-c", CODE, str(target), str(limit), str(count)]
        done = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)
        *said, written = done.stdout.splitlines()
        return int(written), "".join(said)

    return run


@pytest.fixture(scope="module")
def whole(fill, tmp_path_factory):
    """The size of a video of 20 frames that fits."""
    path = tmp_path_factory.mktemp("whole") / "a.avi"
    assert fill(path, 10**9, 20) == (20, "")
    return path.stat().st_size


def check_part(path, message):
    """The frames that the message says play, which must be there, in order and whole."""
    said = re.search(rf"only a part of the video: (.*) of .* play in {path}", message)
    means = np.array([frame.mean() for frame in open_frames(path)])
    assert len(means) == int(said[1])
    assert np.abs(means - 24.5 - range(len(means))).max() < 3
    return len(means)


@pytest.mark.parametrize("limit", [100_000, 1_000_000, 3_000_000])
def test_a_full_disk_ends_an_avi_at_once_and_its_part_plays(limit, tmp_path, fill):
    written, message = fill(tmp_path / "a.avi", limit)
    assert [file.name for file in tmp_path.iterdir()] == ["a.part.avi"]
    plays = check_part(tmp_path / "a.part.avi", message)
    assert limit / 50_000 - 2 < plays < written < plays + 20


def test_a_disk_that_has_no_room_at_all_plays_no_frame(tmp_path, fill):
    written, message = fill(tmp_path / "a.avi", 3_000)
    assert written < 20 and "0 of" in message


@pytest.mark.parametrize("missing", [1, 400, 100_000])
def test_a_disk_that_is_full_at_the_very_end_is_no_success(missing, tmp_path, fill, whole):
    """The header then promises all frames; a piece of the index or of frames is not there."""
    _, message = fill(tmp_path / "a.avi", whole - missing, 20)
    plays = check_part(tmp_path / "a.part.avi", message)
    assert 20 - missing / 30_000 - 1 <= plays <= 20
    assert not (tmp_path / "a.avi").exists()


def test_a_full_disk_ends_images_with_their_number(tmp_path, fill):
    written, message = fill(tmp_path / "*.png", 20_000)
    assert "Only 0 images of the video are written" in message and written == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.mp4", "new/b.mp4"])
def test_an_mp4_is_not_written_without_ffmpeg(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with (
        pytest.raises(ValueError, match=r"\.avi file or to images.*install imageio-ffmpeg"),
        open_writer(tmp_path / name, 10, 32, 48),
    ):
        pass
    assert not list(tmp_path.iterdir())


class TestMp4:
    @pytest.fixture(autouse=True)
    def ffmpeg(self):
        pytest.importorskip("imageio_ffmpeg", reason="needs the extra `video`")

    @pytest.mark.parametrize("fps", [0.5, 12.5, 29.97])
    def test_a_video_comes_back_in_order_size_rate_and_colour(self, fps, tmp_path):
        colours = [(200, 30, 20), (20, 180, 40), (10, 40, 190)]
        with open_writer(tmp_path / "a.mp4", fps, 32, 48) as write:
            for colour in colours:
                write(np.full((32, 48, 3), colour, np.uint8))
        video = open_frames(tmp_path / "a.mp4")
        assert (video.fps, video.count) == (pytest.approx(fps, rel=1e-4), 3)
        for frame, colour in zip(video, colours, strict=True):
            assert frame.shape == (32, 48, 3)
            assert np.abs(frame.mean((0, 1)) - colour).max() < 12
        assert [file.name for file in tmp_path.glob("[!.]*")] == ["a.mp4"]

    def test_odd_sides_get_a_row_or_a_column(self, tmp_path):
        with open_writer(tmp_path / "a.mp4", 10, 33, 47) as write:
            write(np.full((33, 47, 3), 200, np.uint8))
        (frame,) = open_frames(tmp_path / "a.mp4")
        assert frame.shape == (34, 48, 3)
        assert frame[:32, :46].mean() == pytest.approx(200, abs=4)

    def test_an_interrupted_one_plays(self, tmp_path):
        with pytest.raises(KeyboardInterrupt), open_writer(tmp_path / "a.mp4", 10, 32, 48) as write:
            for number in range(25):
                write(np.full((32, 48, 3), 5 * number, np.uint8))
            raise KeyboardInterrupt
        means = [frame.mean() for frame in open_frames(tmp_path / "a.part.mp4")]
        assert means == pytest.approx(5.0 * np.arange(25), abs=3)

    def test_a_full_disk_ends_it_and_its_part_plays(self, tmp_path, fill):
        written, message = fill(tmp_path / "a.mp4", 300_000)
        assert [file.name for file in tmp_path.iterdir()] == ["a.part.mp4"]
        assert 0 < check_part(tmp_path / "a.part.mp4", message) <= written
