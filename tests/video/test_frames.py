import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from depthlib.data.images import write_rgb
from depthlib.video import frames
from depthlib.video.frames import open_frames, open_writer

RED, GREEN, BLUE = (200, 30, 20), (20, 180, 40), (10, 40, 190)
HEIGHT, WIDTH = 32, 48


def plain(colour, height=HEIGHT, width=WIDTH):
    return np.full((height, width, 3), colour, np.uint8)


def write_all(target, pictures, fps=12.5):
    with open_writer(target, fps, *pictures[0].shape[:2]) as write:
        for picture in pictures:
            write(picture)
    return target


def levels(source):
    """The mean of each frame: frames of a single grey are told apart by it."""
    return [round(frame.mean()) for frame in open_frames(source)]


def test_a_video_comes_back_in_order_size_and_colour(tmp_path):
    path = write_all(tmp_path / "new" / "a.avi", [plain(c) for c in (RED, GREEN, BLUE)])
    video = open_frames(path)
    assert (video.fps, video.count, video.height, video.width) == (12.5, 3, HEIGHT, WIDTH)
    assert not video.live
    for frame, colour in zip(video, (RED, GREEN, BLUE), strict=True):
        assert (frame.dtype, frame.shape) == (np.uint8, (HEIGHT, WIDTH, 3))
        assert np.abs(frame - np.array(colour, float)).max() < 6
    assert [file.name for file in path.parent.iterdir()] == ["a.avi"]


def test_images_of_a_folder_come_in_natural_order(tmp_path):
    for number in (10, 2, 1):
        write_rgb(tmp_path / f"frame{number}.png", plain(number))
    (tmp_path / "notes.txt").touch()
    images = open_frames(tmp_path)
    assert (images.fps, images.count) == (None, 3)
    assert [frame[0, 0].tolist() for frame in images] == [[1] * 3, [2] * 3, [10] * 3]


def test_a_pattern_takes_the_photos_and_leaves_the_depth_maps(sample):
    photos = open_frames(sample / "nyu2_test" / "*_colors.png")
    assert photos.count == len(list((sample / "nyu2_test").glob("*_depth.png")))
    assert next(iter(photos)).shape == (240, 320, 3)


def test_frames_are_written_as_numbered_images(tmp_path):
    target = tmp_path / "out" / "depth_*.png"
    write_all(target, [plain(RED), plain(BLUE)])
    assert sorted(p.name for p in target.parent.iterdir()) == [
        "depth_000000.png",
        "depth_000001.png",
    ]
    assert [frame[0, 0].tolist() for frame in open_frames(target.parent)] == [list(RED), list(BLUE)]
    with pytest.raises(FileExistsError, match="must not mix.*depth_00000"):
        write_all(target, [plain(RED)])


def test_a_video_of_a_killed_process_plays(tmp_path, project):
    """What FFmpeg holds in its buffer of half a megabyte is lost, so the frames are large here."""
    code = """
import os, signal, sys
import numpy as np
from depthlib.video.frames import open_writer
noise = np.random.default_rng(0).integers(0, 100, (240, 320, 3), np.uint8)
with open_writer(sys.argv[1], 10, 240, 320) as write:
    for number in range(100):
        write(noise + np.uint8(number))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.avi")]
    assert subprocess.run(command, cwd=project, check=False).returncode == -9
    assert [file.name for file in tmp_path.iterdir()] == ["a.part.avi"]
    assert open_frames(tmp_path / "a.part.avi").count is None
    played = levels(tmp_path / "a.part.avi")
    assert 80 <= len(played) <= 100
    assert np.abs(np.array(played) - 49.5 - range(len(played))).max() < 3


def test_a_video_that_fails_half_way_plays_and_leaves_the_older_one_as_it_was(tmp_path):
    path = write_all(tmp_path / "a.avi", [plain(200)])
    with pytest.raises(KeyboardInterrupt), open_writer(path, 10, HEIGHT, WIDTH) as write:
        write(plain(50))
        write(plain(60))
        raise KeyboardInterrupt
    assert levels(path) == [200]
    assert levels(tmp_path / "a.part.avi") == pytest.approx([50, 60], abs=1)
    write_all(path, [plain(90)])
    assert levels(path) == pytest.approx([90], abs=1)
    assert not (tmp_path / "a.part.avi").exists()


def test_a_full_disk_is_an_error(tmp_path):
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, limits[1]))
    try:
        with pytest.raises(OSError, match="disk took only a part.*a.part.avi"):
            write_all(tmp_path / "a.avi", [noise] * 30)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "a.avi").exists()


def test_frames_that_change_their_size_are_refused_at_the_first_that_does(tmp_path):
    for number, width in enumerate((48, 48, 64)):
        write_rgb(tmp_path / f"{number}.png", plain(RED, width=width))
    with pytest.raises(ValueError, match="one size. Received: 32x64 after 32x48, at frame 2"):
        list(open_frames(tmp_path))


def test_a_video_file_that_changes_its_size_comes_whole_at_its_first_size(tmp_path):
    """FFmpeg, as OpenCV calls it, scales what follows and says nothing that we could pass on."""
    small, large = plain(RED), plain(RED, 64, 96)
    small[:, 24:], large[:, 48:] = BLUE, BLUE
    streams = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in (small, large)]
    (tmp_path / "a.mjpeg").write_bytes(b"".join(streams))
    first, second = open_frames(tmp_path / "a.mjpeg")
    assert first.shape == second.shape == small.shape
    assert np.abs(first.astype(float) - second).mean() < 8


def test_what_is_no_video_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no video or folder .*missing.mp4"):
        open_frames(tmp_path / "missing.mp4")
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match="FFmpeg decodes. Received: .*a.mp4, 8 bytes"):
        open_frames(tmp_path / "a.mp4")
    with open_writer(tmp_path / "empty.avi", 10, HEIGHT, WIDTH):
        pass
    with pytest.raises(ValueError, match="must have frames. Received: none.*empty.avi"):
        open_frames(tmp_path / "empty.avi")


def test_a_folder_without_images_and_a_pattern_that_finds_none_are_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    for source in (tmp_path, tmp_path / "*_colors.png"):
        with pytest.raises(ValueError, match="must hold .jpg, .jpeg, .png files. Received: none"):
            open_frames(source)


def test_a_camera_that_is_not_there_is_refused():
    for number in (97, "97"):
        with pytest.raises(ValueError, match="Received: camera 97, which gives none"):
            open_frames(number)


def test_a_camera_is_live_and_of_unknown_length(tmp_path, monkeypatch):
    path = write_all(tmp_path / "a.avi", [plain(RED)] * 2)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    monkeypatch.setattr(frames.cv2, "VideoCapture", lambda number: capture)
    camera = open_frames("0")
    assert (camera.source, camera.fps, camera.count, camera.live) == ("camera 0", 12.5, None, True)
    assert len(list(camera)) == 2
    assert not capture.isOpened()


@pytest.mark.parametrize("name", ["a.mp4", "a", "frames/a.png", "a*.gif"])
def test_a_target_that_would_not_survive_a_cut_is_refused(tmp_path, name):
    with (
        pytest.raises(ValueError, match=r"\.avi file or to images"),
        open_writer(tmp_path / name, 10, HEIGHT, WIDTH),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_rate_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="above 0. Received: fps=0"):
        write_all(tmp_path / "a.avi", [plain(RED)], fps=0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="cannot write .*a.part.avi"):
        write_all(tmp_path / "a.avi", [plain(RED)])
