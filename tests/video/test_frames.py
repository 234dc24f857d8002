import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest

from depthlib.data.images import write_rgb
from depthlib.video import containers, frames
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
    assert [file.name for file in path.parent.glob("[!.]*")] == ["a.avi"]


def squeeze(folder, suffix, ratio, *rotation):
    """A video of a disc, 48x72, whose file says that its pixels are `ratio` as wide as high."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the extra `video`")
    disc = cv2.circle(plain(BLUE, 48, 72), (36, 24), 12, RED, -1)
    source = write_all(folder / "square.avi", [disc] * 3)
    run = partial(subprocess.run, check=True)
    command = [ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    said, path = folder / f"said{suffix}", folder / f"squeezed{suffix}"
    run(
        [
            *command,
            "-i",
            source,
            "-vf",
            f"setsar={ratio}:max=200",
            "-c:v",
            "mpeg4",
            "-q:v",
            "2",
            said,
        ]
    )
    run([*command, *rotation, "-i", said, "-c", "copy", path])
    return path


def measure_disc(frame):
    """Its height and width in pixels."""
    is_red = frame[..., 0].astype(int) > frame[..., 2]
    return is_red.any(1).sum(), is_red.any(0).sum()


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
@pytest.mark.parametrize(
    ("ratio", "width", "disc"),
    # HDV 4:3, DV of PAL 64:45, of NTSC 10:11; ratios that are as good as square, and absurd ones.
    [("4/3", 96, 33), ("64/45", 102, 36), ("10/11", 65, 23)]
    + [(ratio, 72, 25) for ratio in ("1", "107/106", "0", "200", "1/200")],
)
def test_frames_of_pixels_that_are_not_square_are_stretched(tmp_path, suffix, ratio, width, disc):
    video = open_frames(squeeze(tmp_path, suffix, ratio))
    assert (video.height, video.width, video.count) == (48, width, 3)
    for frame in video:
        high, wide = measure_disc(frame)
        assert abs(high - 25) <= 2 and abs(wide - disc) <= 2


@pytest.mark.parametrize(("turn", "size"), [("90", (96, 48)), ("270", (96, 48)), ("180", (48, 96))])
def test_frames_that_are_turned_are_stretched_along_the_side_that_was_their_width(
    tmp_path, turn, size
):
    video = open_frames(squeeze(tmp_path, ".mp4", "4/3", "-display_rotation", turn))
    assert (video.height, video.width) == size
    for frame in video:
        discs = zip(measure_disc(frame), (33, 25) if size[0] == 96 else (25, 33), strict=True)
        assert all(abs(found - expected) <= 2 for found, expected in discs)


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


def test_parts_of_earlier_runs_stay_and_the_next_has_a_number(tmp_path):
    for level in (50, 60, 70):
        with pytest.raises(KeyboardInterrupt), open_writer(tmp_path / "a.avi", 10, 32, 48) as write:
            write(plain(level))
            raise KeyboardInterrupt
    write_all(tmp_path / "a.avi", [plain(90)])
    names = {"a.part.avi": 50, "a.part2.avi": 60, "a.part3.avi": 70, "a.avi": 90}
    assert {file.name for file in tmp_path.glob("[!.]*")} == set(names)
    for name, level in names.items():
        assert levels(tmp_path / name) == pytest.approx([level], abs=1)


def test_a_part_without_a_frame_is_not_left(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_writer(tmp_path / "a.avi", 10, HEIGHT, WIDTH):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


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
    containers.AviFile(tmp_path / "empty.avi", 10, HEIGHT, WIDTH).close()
    with pytest.raises(ValueError, match="must have frames. Received: none.*empty.avi"):
        open_frames(tmp_path / "empty.avi")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{video}\n#EXT-X-ENDLIST\n"),
        ("a.mp4", "ffconcat version 1.0\nfile {video.name}\n"),
        ("a.avi", '\ufeff <?xml version="1.0"?><MPD profiles="dash:profile"/>'),
        ("a.sdp", "v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"),
    ],
)
def test_a_list_of_videos_in_a_videos_place_opens_no_other_file(tmp_path, name, text):
    video = write_all(tmp_path / "secret.avi", [plain(RED)])
    (tmp_path / name).write_text(text.format(video=video), encoding="utf-8")
    with pytest.raises(ValueError, match=f"must hold its own frames. Received: .*{name}"):
        open_frames(tmp_path / name)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\0\0\0\x18ftypmp42" + bytes(500), b"RIFF\xff\0\0\0AVI LIST"]
)
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_of_what_cannot_be_opened_our_error_alone_tells(tmp_path, content, suffix, capfd):
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(content)
    for source in (path, "http://127.0.0.1:9/a.mp4", "9999"):
        with pytest.raises(ValueError, match="must"):
            open_frames(source)
    os.write(2, b"still there")
    assert capfd.readouterr() == ("", "still there")


def test_a_closed_stderr_is_no_obstacle(tmp_path, project):
    write_all(tmp_path / "a.avi", [plain((10, 20, 30))] * 2)
    code = (
        "import os, sys; os.close(2); from depthlib.video.frames import open_frames; "
        "print(sum(1 for _ in open_frames(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, tmp_path / "a.avi"]
    assert subprocess.run(command, cwd=project, stdout=subprocess.PIPE).stdout.strip() == b"2"


def test_a_folder_without_images_and_a_pattern_that_finds_none_are_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    for source in (tmp_path, tmp_path / "*_colors.png"):
        with pytest.raises(ValueError, match="must hold .jpg, .jpeg, .png files. Received: none"):
            open_frames(source)


def test_a_camera_that_is_not_there_is_refused():
    for number in (97, "97"):
        with pytest.raises(ValueError, match="Received: camera 97, which gives none"):
            open_frames(number)


def test_a_device_that_is_no_camera_is_refused():
    if not Path("/dev/null").is_char_device():
        pytest.skip("devices are files on Unix alone")
    with pytest.raises(ValueError, match="Received: camera /dev/null, which gives none"):
        open_frames("/dev/null")


def test_a_camera_is_live_and_of_unknown_length(tmp_path, monkeypatch):
    path = write_all(tmp_path / "a.avi", [plain(RED)] * 2)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    monkeypatch.setattr(frames.cv2, "VideoCapture", lambda number: capture)
    camera = open_frames("0")
    assert (camera.source, camera.fps, camera.count, camera.live) == ("camera 0", 12.5, None, True)
    assert len(list(camera)) == 2
    assert not capture.isOpened()


@pytest.mark.parametrize("name", ["a.mkv", "a", "frames/a.png", "a*.gif"])
def test_a_target_that_would_not_survive_a_cut_is_refused(tmp_path, name):
    with (
        pytest.raises(ValueError, match=r"\.avi file or to images"),
        open_writer(tmp_path / name, 10, HEIGHT, WIDTH),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [0, -1, 1e-4, 1001, 10**400, float("nan"), float("inf")])
def test_a_rate_that_no_video_has_is_refused(fps, tmp_path):
    with pytest.raises(ValueError, match="from 0.01 to 1000. Received: fps="):
        write_all(tmp_path / "a.avi", [plain(RED)], fps=fps)


@pytest.mark.parametrize("name", ["a.avi", "new/a.avi", "a.mp4", "a_*.png", "new/a_*.png"])
def test_a_folder_that_cannot_be_written_to_is_an_error(name, project):
    code = """
import os, sys, tempfile
from pathlib import Path
import numpy as np
from depthlib.video.containers import find_ffmpeg
from depthlib.video.frames import open_writer
with tempfile.TemporaryDirectory() as folder:
    Path(folder).chmod(0o555)
    if sys.argv[1].endswith(".mp4"):
        find_ffmpeg()
    if not os.geteuid():
        os.seteuid(65534)  # root may write anywhere
    try:
        with open_writer(Path(folder, sys.argv[1]), 10, 32, 48) as write:
            write(np.zeros((32, 48, 3), np.uint8))
    except PermissionError as error:
        print(error)
    if not os.getuid():
        os.seteuid(0)
"""
    if name.endswith(".mp4"):
        pytest.importorskip("imageio_ffmpeg", reason="needs the extra `video`")
    command = [sys.executable, "-c", code, name]
    said = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout
    assert "Permission denied" in said and "hoose a" in said


def test_a_target_that_is_a_folder_is_refused_before_the_first_frame(tmp_path):
    (tmp_path / "a.avi").mkdir()
    with (
        pytest.raises(IsADirectoryError, match="must be a file. Received: .*a.avi, a folder"),
        open_writer(tmp_path / "a.avi", 10, HEIGHT, WIDTH),
    ):
        pass


@pytest.mark.parametrize("name", ["a.avi", "*.png"])
def test_a_frame_of_another_size_is_refused(name, tmp_path):
    with (
        pytest.raises(ValueError, match="one size. Received: 32x64 for 32x48 in"),
        open_writer(tmp_path / name, 10, HEIGHT, WIDTH) as write,
    ):
        write(plain(RED, width=64))


@pytest.mark.parametrize("name", ["depth[1]_*.png", "what?*.jpg", "[!a]*.png"])
def test_images_are_not_overwritten_whatever_their_name_holds(name, tmp_path):
    write_all(tmp_path / name, [plain(RED)])
    with pytest.raises(FileExistsError, match="must not mix"):
        write_all(tmp_path / name, [plain(BLUE)])


@pytest.mark.parametrize("name", ["2024", "00", "0", "7"])
def test_a_folder_comes_before_a_camera_of_its_number(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_rgb(tmp_path / name / "0.png", plain(40))
    assert levels(name) == [40]
    if str(int(name)) == name:
        assert levels(int(name)) == [40]


@pytest.mark.parametrize(
    "name", ["007", "00", "20241231235959", "-1", "²", "٣", "1e3", "file:a.avi"]
)
def test_what_only_looks_like_a_camera_or_a_url_is_a_file_that_is_missing(
    name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path / "a.avi", [plain(RED)])
    with pytest.raises(FileNotFoundError, match="no video or folder"):
        open_frames(name)


@pytest.mark.parametrize("name", ["file:a.avi", "concat:a.avi", "subfile,,start,0,end,0,,:a.avi"])
def test_a_name_that_ffmpeg_takes_for_a_protocol_is_a_file_s(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path / "a.avi", [plain(40)])
    write_all(Path(name), [plain(90)])
    assert levels(name) == pytest.approx([90], abs=1)
    assert levels("a.avi") == pytest.approx([40], abs=1)


def test_hidden_files_are_no_frames_of_a_folder_or_a_pattern(tmp_path):
    write_rgb(tmp_path / "x.png", plain(40))
    for name in ("._x.png", ".x.png", ".hidden.jpg"):
        (tmp_path / name).write_bytes(b"Mac OS X")
    (tmp_path / "y.png").mkdir()
    assert levels(tmp_path) == levels(tmp_path / "*.png") == [40]


def write_stamped(path, stamps):
    """A frame at each millisecond of `stamps`, in a file that claims 1,000 frames a second."""
    code, size = cv2.VideoWriter.fourcc(*"MJPG"), (WIDTH, HEIGHT)
    options = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 1000, size, options)
    for stamp in stamps:
        writer.set(cv2.VIDEOWRITER_PROP_PTS, stamp)
        writer.write(cv2.imencode(".jpg", plain(RED))[1][None])
    writer.release()
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@pytest.mark.parametrize(
    "stamps, fps",
    [
        (range(0, 2000, 40), 25),  # a browser's recording
        ([0, 33, 67, 100, 133, 200, 300, 400], 17.5),  # a phone's, in the dark
        ([0, 500], 2),
        ([500, 540, 580, 620], 25),
        (range(1500), 1000),  # it is what it claims
    ],
)
def test_the_rate_is_what_the_time_stamps_say(suffix, stamps, fps, tmp_path):
    video = open_frames(write_stamped(tmp_path / f"a{suffix}", stamps))
    assert video.fps == pytest.approx(fps, rel=1e-6)
    assert video.count == len(list(video)) == len(stamps)


def test_a_rate_that_the_first_thousand_stamps_do_not_show_is_that_of_the_whole(tmp_path):
    """1,200 frames at 40 a second, 1,200 at 20."""
    stamps = [*range(0, 30_000, 25), *range(30_000, 90_000, 50)]
    video = open_frames(write_stamped(tmp_path / "a.mkv", stamps))
    assert (video.fps, video.count) == (pytest.approx(2399 / 89.95, rel=1e-6), 2400)


def test_a_file_without_time_stamps_keeps_its_rate(tmp_path):
    stream = cv2.imencode(".jpg", plain(RED))[1].tobytes()
    (tmp_path / "a.mjpeg").write_bytes(3 * stream)
    assert open_frames(tmp_path / "a.mjpeg").fps == 25  # what FFmpeg takes such a stream for


@pytest.mark.parametrize("code", [b"XYZ1", b"AV99", b"Q\0\0\0", b"XYZ\xff", b"\xff" * 4])
def test_a_codec_that_is_not_decoded_is_named_with_what_converts_it(code, tmp_path):
    path = write_all(tmp_path / "my film.avi", [plain(RED)] * 2)
    path.write_bytes(path.read_bytes().replace(b"MJPG", code))
    with pytest.raises(ValueError, match="FFmpeg decodes. Received: .*my film.avi") as caught:
        open_frames(path)
    assert f"codec is {repr(code)[2:-1]}." in str(caught.value)
    assert f"ffmpeg -i '{path}' -c:v libx264 '{tmp_path}/my film_h264.mp4'" in str(caught.value)


INTERLACED = {
    "dv.avi": "-vf scale=720:576,format=yuv420p -c:v dvvideo",
    "h264.mp4": "-vf setfield=tff,format=yuv420p -c:v libx264 -flags +ildct+ilme -x264opts tff=1",
    "dvd.mpg": "-vf setfield=tff,format=yuv420p -c:v mpeg2video -flags +ildct+ilme",
}


@pytest.mark.parametrize("name", INTERLACED)
def test_interlaced_video_is_refused_with_what_converts_it(name, tmp_path, capfd):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the extra `video`")
    source = write_all(tmp_path / "a.avi", [plain(c, 64, 96) for c in (RED, GREEN, BLUE)], 25)
    command = [ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", source]
    path, whole = tmp_path / name, tmp_path / "whole.mp4"
    subprocess.run([*command, *INTERLACED[name].split(), path], check=True)
    with pytest.raises(ValueError, match="must be whole pictures.*interlaced") as caught:
        list(open_frames(path))
    assert "swscaler" not in capfd.readouterr().err  # which is no line for a user
    said = str(caught.value)
    converting = shlex.split(said[said.index("ffmpeg -i") :])[1:]
    assert converting[-1] == str(tmp_path / f"{path.stem}_h264.mp4")
    subprocess.run([*command[:4], *converting[:-1], whole], check=True)
    for frame, colour in zip(open_frames(whole), (RED, GREEN, BLUE), strict=True):
        assert np.abs(frame.mean((0, 1)) - np.array(colour, float)).max() < 12


def test_what_turns_interlaced_later_ends_there(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the extra `video`")
    source = write_all(tmp_path / "a.avi", [plain(c, 64, 96) for c in (RED, GREEN, BLUE)])
    command = [ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    parts = {"1.ts": ["-c:v", "libx264"], "2.ts": INTERLACED["h264.mp4"].split()}
    for name, words in parts.items():
        subprocess.run([*command, "-i", source, *words, tmp_path / name], check=True)
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join((tmp_path / name).read_bytes() for name in parts))
    seen = []
    with pytest.raises(ValueError, match="must be whole pictures"):
        seen.extend(open_frames(path))
    assert len(seen) <= 3


def test_what_libraries_say_of_a_frame_is_said_and_of_threads_each_has_its_stderr(capfd):
    class Capture:
        def read(self, frame):
            os.write(2, b"[h264] a damaged slice\n")
            return True, frame

    picture = plain(RED)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(frames._read_frame, Capture(), picture, "a.mp4") for _ in range(200)]
        assert all(job.result() is picture for job in jobs)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == 200 * "[h264] a damaged slice\n" + "after\n"


@pytest.fixture
def served(tmp_path):
    """A folder and the URL under which a server on this machine gives it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    address = "127.0.0.1", 0
    with ThreadingHTTPServer(address, partial(Quiet, directory=tmp_path)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_video_is_read_from_a_url(served):
    folder, url = served
    write_all(folder / "a.avi", [plain(c) for c in (RED, GREEN, BLUE)])
    video = open_frames(f"{url}/a.avi")
    assert (video.source, video.fps, video.count, video.live) == (f"{url}/a.avi", 12.5, 3, False)
    for frame, colour in zip(video, (RED, GREEN, BLUE), strict=True):
        assert np.abs(frame - np.array(colour, float)).max() < 6


def test_a_url_that_gives_no_video_is_refused_without_its_password(served):
    folder, url = served
    (folder / "page.html").write_text("no video")
    for name in ("missing.mp4", "page.html"):
        with pytest.raises(ValueError, match="A URL must give a video") as caught:
            open_frames(f"{url.replace('//', '//me:secret@')}/{name}")
        assert f"Received: {url}/{name}," in str(caught.value)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_a_video_without_a_frame_leaves_the_one_that_was_there(name, tmp_path):
    if name == "a.mp4":
        pytest.importorskip("imageio_ffmpeg")
    write_all(tmp_path / name, [plain(RED)], fps=np.float32(10))
    held = (tmp_path / name).read_bytes()
    with pytest.raises(ValueError, match=f"must have frames. Received: none for .*{name}"):
        with open_writer(tmp_path / name, 10, HEIGHT, WIDTH):
            pass
    assert [path.name for path in tmp_path.glob("[!.]*")] == [name]
    assert (tmp_path / name).read_bytes() == held


def test_a_size_that_no_video_has_is_refused_by_name(tmp_path):
    with pytest.raises(OSError, match="cannot write .*a.part.avi, 0x0 at 10 frames/s"):
        with open_writer(tmp_path / "a.avi", 10, 0, 0):
            pass
    assert not any(tmp_path.iterdir())
