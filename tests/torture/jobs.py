"""The long work that is disturbed: commands in a folder, and what they must leave there."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from depthlib.data.images import write_rgb
from tests.fuzz.boundaries import draw_rgb, write_pairs
from tests.onnx_files import write_own_onnx
from tests.stereo_scenes import draw_shifted

PROJECT = Path(__file__).parents[2]
PYTHON = sys.executable
OUT = "out"
# What a killed process may leave, until the next one has ended, and locks and notes, which stay.
LEFT = re.compile(r"(^|/)\.|\.part\d*\.")
# What notes a source: its times, which are not those of its copies, and its content.
NOTED = rb"[0-9a-f]{12}-([0-9a-f]{12})"
STAY = re.compile(r"\.lock$|(^|/)\.[^/]+\.sha256$")


@dataclass(frozen=True)
class Job:
    """`prepare` writes sources into a folder, `words` run there and write into `out`.

    `digest` tells what was made, file by file; None: the files' bytes.
    """

    prepare: Callable[[Path], None]
    words: list[str]
    digest: Callable[[Path], str] | None = None


def start(words: list[str], folder: Path) -> subprocess.Popen:
    """A process of depthlib's, in a group of its own, whose words lie in a file beside it."""
    environment = {
        **os.environ, "PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "OFF", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    said = Path(f"{folder}.said").open("ab")
    return subprocess.Popen(
        words, cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True,
        # A job in the background, as the suite may be, hands down that Ctrl-C is ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def finish(job: Job, folder: Path) -> None:
    """Runs the job to its end, undisturbed."""
    process = start(job.words, folder)
    status = process.wait(timeout=600)
    assert status == 0, read_words(folder)


def read_words(folder: Path) -> str:
    return Path(f"{folder}.said").read_text(errors="replace")[-3000:]


def stop(process: subprocess.Popen, after: float, sign: signal.Signals) -> None:
    """Sends a signal after so many seconds, and waits for the end."""
    time.sleep(after)
    if process.poll() is None:
        os.killpg(process.pid, sign)
    process.wait(timeout=120)


def look(job: Job, folder: Path) -> dict[str, str]:
    """What the job has made, by file, and its sources, but for LEFT and STAY."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not (LEFT.search(name) or STAY.search(name)):
            made = name.startswith(OUT) and job.digest
            found[name] = job.digest(path) if made else _digest_text(path, folder)
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_text(path: Path, folder: Path) -> str:
    """The bytes of a file, wherever the job's folder is: settings name their sources in full.

    Without the times of sources, which are copies, and in a PNG the sum of the chunk that has them.
    """
    noted = re.compile(NOTED + (b".{4}" if path.suffix == ".png" else b""), re.S)
    data = path.read_bytes().replace(os.fsencode(folder.resolve()), b".")
    return _digest(noted.sub(rb"\1", data))


def _digest_run(path: Path) -> str:
    """The losses of a run without its seconds; of networks, whose zips hold times: there."""
    if path.name == "log.csv":
        log = pd.read_csv(path).drop(columns="seconds")
        return log.round(5).to_csv(index=False)
    return "there"


def _write_photos(folder: Path) -> None:
    write_own_onnx(folder / "own.onnx")
    for number in range(24):
        rgb = np.kron(draw_rgb(number), np.ones((12, 12, 1), np.uint8))
        write_rgb(folder / "photos" / f"{number}.jpg", rgb)


def _write_video(folder: Path) -> None:
    from depthlib.video.frames import open_writer

    write_own_onnx(folder / "own.onnx")
    with open_writer(folder / "v.avi", 10, 96, 160) as write:
        for number in range(60):
            write(np.kron(draw_rgb(number), np.ones((4, 4, 1), np.uint8)))


def _write_folder(folder: Path) -> None:
    (folder / "data").mkdir()
    write_pairs(folder / "data", 60)
    for name in ("pairs.csv", "plain.txt", "index.csv"):  # dataset.json says the encoding
        (folder / "data" / name).unlink()


def _write_stereo(folder: Path) -> None:
    view = "80 0 80 {} 0 80 36 0 0 0 1 0"
    (folder / "calib.txt").write_text(f"P2: {view.format(0)}\nP3: {view.format(-40)}\n")
    for number in range(12):
        left, right, _ = draw_shifted(seed=number)
        write_rgb(folder / "drive" / "left" / f"{number}.png", left)
        write_rgb(folder / "drive" / "right" / f"{number}.png", right)


def _write_cache(folder: Path) -> None:
    (folder / "data").mkdir()
    write_pairs(folder / "data", 200)


_BUILD = """
import sys
try:
    from depthlib.data import cache
    from depthlib.data.pairs import read_csv
    cache._SHARD = cache._CHUNK = 8
    pairs = read_csv("data/pairs.csv")
    cache.open_cache(pairs, 192, 256, "out", workers=2, progress=False).gather(range(len(pairs)))
except (KeyboardInterrupt, OSError) as error:
    print(f"stopped: {error}")
    sys.exit(1)
"""
_DEPTHLIB = [PYTHON, "-m", "depthlib"]
_NETWORK = ["--out", OUT, "--focal", "none"]
_CHANGES = ["network=unet_narrow", "height=32", "width=48", "epochs=6", "batch_size=4"]
JOBS = {
    "cache": Job(_write_cache, [PYTHON, "-c", _BUILD]),
    "predict": Job(
        _write_photos,
        [*_DEPTHLIB, "predict", "photos", "--model", "own.onnx", "--save", "npy,png16,colour,ply",
         *_NETWORK],
    ),
    "video": Job(
        _write_video,
        [*_DEPTHLIB, "predict", "v.avi", "--model", "own.onnx", "--save", "png16,colour",
         *_NETWORK],
    ),
    "label": Job(
        _write_photos,
        [*_DEPTHLIB, "label", "photos", "--teacher", "own.onnx", *_NETWORK],
    ),
    "data": Job(
        _write_folder,
        [*_DEPTHLIB, "data", "data", "--check", "all", "--out", OUT],
    ),
    "stereo": Job(
        _write_stereo,
        [*_DEPTHLIB, "stereo", "match", "--rig", "calib.txt", "--left", "drive/left", "--right",
         "drive/right", "--out", OUT],
    ),
    "training": Job(
        _write_cache,
        [*_DEPTHLIB, "train", "unet", *_CHANGES, "--data", "data/pairs.csv", "--run", OUT,
         "--cache", "cache", "--verbose", "0"],
        _digest_run,
    ),
}  # fmt: skip
