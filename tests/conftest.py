"""What the tests share: a tiny dataset in NYU's layout, the embedded sample, the real data."""

import contextlib
import inspect
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import depthlib  # noqa: F401  Before any test file's `import keras`: it says how TensorFlow computes.

with contextlib.suppress(ModuleNotFoundError):
    # Before TensorFlow: the other way round the process aborts at its end, in free().
    import mitsuba  # noqa: F401

PROJECT = Path(__file__).parents[1]
POSIX_ONLY = re.compile(
    r"mkfifo|symlink_to|set[ug]id|killpg|SIGKILL|AF_UNIX|chmod|umask|\bAS_ROOT\b|bin/python|/dev/"
)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes at its import
os.environ.setdefault("MPLBACKEND", "Agg")  # figures without a screen


def pytest_collection_modifyitems(items):
    """Windows has neither pipes with a name, nor other users, nor signals that end a process."""
    if os.name == "posix":
        return
    skip = pytest.mark.skip(reason="uses what only POSIX systems have")
    for item in items:
        if POSIX_ONLY.search(inspect.getsource(item.function)):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def project() -> Path:
    """The repository's root."""
    return PROJECT


@pytest.fixture(scope="session")
def sample() -> Path:
    """The embedded sample, in the Kaggle archive's layout."""
    return PROJECT / "datasets" / "sample"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data that lies beside the repository on the machines of its developers."""
    folder = PROJECT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the real data in ../shared")
    return folder


@pytest.fixture(scope="session")
def golden():
    """What segmentation_models' ResNet34 answers: arrays of tests/parity."""
    from tests.parity.segmentation_models_parity import GOLDEN

    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def resnet34(golden):
    """Our ResNet34 for the golden photos; tests set the weights that they need."""
    from depthlib.networks.encoder_decoder import build_resnet34
    from tests.tiny_networks import HEAD

    return build_resnet34(*golden["images"].shape[1:3], **HEAD)


@pytest.fixture
def tiny_nyu(tmp_path):
    """A function that writes a small dataset in the Kaggle archive's layout and gives its folder.

    It makes nyu2_train/room_0001_out/1.jpg and 1.png (8 bits, 255 = 10 m), nyu2_test/
    00000_colors.png and 00000_depth.png (16 bits, millimetres), nyu2_train.csv and nyu2_test.csv.
    The nearer, the brighter, so a network learns it in a few steps.
    """

    def write(**sizes) -> Path:
        return write_tiny_nyu(tmp_path / "tiny_nyu", **sizes)

    return write


def write_tiny_nyu(root, scenes=3, frames=2, height=32, width=48, tests=2) -> Path:
    """Writes what `tiny_nyu` says into `root`, which it gives."""
    rooms = [f"nyu2_train/room_{scene + 1:04d}_out/" for scene in range(scenes)]
    train = [f"{room}{frame + 1}" for room in rooms for frame in range(frames)]
    test = [f"nyu2_test/{index:05d}_" for index in range(tests)]
    rng = np.random.default_rng(0)
    for stem in train:
        rgb, depth_m = _draw_pair(rng, height, width)
        _write_pair(root / f"{stem}.jpg", rgb, root / f"{stem}.png", depth_m * 25.5, np.uint8)
    for stem in test:
        rgb, depth_m = _draw_pair(rng, height, width)
        paths = root / f"{stem}colors.png", root / f"{stem}depth.png"
        _write_pair(paths[0], rgb, paths[1], depth_m * 1000, np.uint16)
    (root / "nyu2_train.csv").write_text("".join(f"{s}.jpg,{s}.png\n" for s in train))
    (root / "nyu2_test.csv").write_text("".join(f"{s}colors.png,{s}depth.png\n" for s in test))
    return root


@pytest.fixture
def write_pairs():
    """A function that writes photos and their maps in millimetres at the paths of `names`.

    Each pair shows another scene than the one before; pairs of one `like` show it a pixel further.
    """

    def write(root, names, like=None, height=48, width=64):
        for number, (photo, depth) in enumerate(names):
            rng = np.random.default_rng(number if like is None else like)
            rgb, depth_m = _draw_pair(rng, height + 8, width + 8 + len(names))
            blocks = rng.uniform(0, 120, (7, 9, 3)).astype(np.float32)
            rgb = rgb / 2 + cv2.resize(blocks, rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC)
            start = 0 if like is None else number
            rgb = rgb[:height, start : start + width]
            counts = depth_m[:height, start : start + width] * 1000
            _write_pair(root / photo, rgb, root / depth, counts, np.uint16)
        return root

    return write


@pytest.fixture
def study(tiny_nyu, project, tmp_path, monkeypatch):
    """A function that gives the run of a study, by its name and what it is to change."""
    monkeypatch.chdir(project)
    root, out = tiny_nyu(scenes=4, frames=2, height=64, width=96), tmp_path / "out"
    common = {"DATA": f"{root}/nyu2_train.csv", "CACHE": f"{out}/cache", "SEEDS": (0,)}
    common |= {"HEIGHT": 32, "WIDTH": 64, "EPOCHS": 1}

    def give(name, own):
        files = {"FOLDER": f"{out}/{name}", "FIGURE": f"{out}/{name}.png"}
        if name not in ("learning_curve", "encoders"):  # their tables stand beside their figures
            files["TABLE"] = f"{out}/{name}.csv"
        return f"experiments/{name}", common | files | own

    return give


def _draw_pair(rng, height, width):
    """The picture and the depth, 1 to 9 m, of a tilted plane with a nearer bump."""
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    down, right, row, column = rng.uniform((1, -1.5, 0.2, 0.2), (3, 1.5, 0.8, 0.8))
    bump = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 0.02)
    depth_m = 5.5 - down * (rows - 0.5) + right * (columns - 0.5) - 2 * bump
    light = 255 * (1 - depth_m / 10)[..., None] * rng.uniform(0.7, 1.0, 3)
    return light + rng.normal(0, 4, (height, width, 3)), depth_m


def _write_pair(rgb_path, rgb, depth_path, counts, dtype):
    rgb_path.parent.mkdir(parents=True, exist_ok=True)
    depth_path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(rgb_path), np.clip(rgb[..., ::-1], 0, 255).astype(np.uint8))
    cv2.imwrite(str(depth_path), np.round(counts).astype(dtype))
