"""Nothing that a user made or changed is written over without a word, whatever writes there."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from depthlib import plotting
from depthlib.data.intrinsics import CameraCalibration
from depthlib.data.stereo import Board, Rig, write_rig
from depthlib.files import write_ours, write_table
from depthlib.video.frames import open_writer
from tests.test_architecture import TREES

PHOTO = np.full((32, 48, 3), 90, np.uint8)
DEPTH = np.linspace(1, 4, 32 * 48, dtype=np.float32).reshape(32, 48)
# What takes the place of whatever is at a path, and why no file of a user's can be there.
WRITE_OVER = {
    "files.py": "it is what the others are made of",
    "plotting.py": "`save_figure` with renew",
    "downloads.py": "a file that has a known digest",
    "commands/scene_folder.py": "settings, of a scene that a command made",
    "commands/shard_notes.py": "notes, in a hidden folder",
    "commands/summary.py": "depth.csv, whose heading and rows are checked before",
    "commands/views.py": "the list in a scene's own folder",
    "data/cache.py": "shards, called by a digest",
    "data/dataset_file.py": "a dataset.json that says the same: `refuse_another`",
    "data/images.py": "photos and maps, of folders that a command made",
    "data/packed.py": "a packed folder, which is new or of the same pairs",
    "networks/saving.py": "`save_model`, of a run's own folder",
    "prediction/cloud.py": "files of photos, of which depth.csv says whose they are",
    "prediction/writers.py": "files of photos, of which depth.csv says whose they are",
    "training/devices.py": "copies, in a folder for the while",
    "training/run_folder.py": "a run's own folder, which holds a run or nothing of one",
}


def write_video(path):
    with open_writer(path, 10, 32, 48) as write:
        write(PHOTO)


def write_one_rig(path):
    matrix = np.array([[40, 0, 24], [0, 40, 16], [0, 0, 1]], float)
    camera = CameraCalibration(Path("rig.yml"), matrix, np.zeros(5), False, (32, 48))
    write_rig(Rig(camera, camera, np.eye(3), np.array([-0.1, 0, 0])), path)


WRITERS = {
    "a.png": lambda path: plotting.save_figure(plotting.show_depths([DEPTH]), path),
    "a.gif": lambda path: plotting.save_animation(PHOTO, {"depth": DEPTH}, path),
    "a.csv": lambda path: write_table(path, pd.DataFrame({"delta1": [0.5]})),
    "a.avi": write_video,
    "a.yml": write_one_rig,
    "a.pdf": lambda path: Board(7, 4, 0.03).write(path),
}


@pytest.fixture(params=WRITERS)
def target(request, tmp_path):
    yield tmp_path / request.param
    plotting.plt.close("all")


def refuse(target):
    before = {path: path.read_bytes() for path in target.parent.iterdir()}
    with pytest.raises(FileExistsError, match=f"one's own must not .*Received: .*{target.name}"):
        WRITERS[target.name](target)
    left = {path: path.read_bytes() for path in target.parent.iterdir()}
    assert left == before | {path: left[path] for path in left if ".part" in path.name}


def test_a_file_that_somebody_else_made_stays(target):
    target.write_bytes(b"made by hand")
    refuse(target)


def test_a_file_of_another_kind_that_depthlib_wrote_stays(target):
    write_ours(target, b"rgb,depth\n", "dataset")
    refuse(target)


def test_what_depthlib_wrote_is_renewed_until_somebody_changes_it(target):
    for _ in range(2):
        WRITERS[target.name](target)
    target.write_bytes(target.read_bytes() + b"a line by hand")
    refuse(target)


def test_what_writes_over_whatever_is_there_is_known_with_its_reason():
    def writes_over(tree):
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        methods = {call.attr for call in calls if isinstance(call, ast.Attribute)}
        return bool(names & {"replace_file", "write_bytes"}) or bool(
            methods & {"replace_file", "write_bytes", "write_text", "imwrite", "tofile", "dump"}
        )

    opens = {path for path, tree in TREES.items() if "open('wb')" in ast.unparse(tree)}
    found = {path for path, tree in TREES.items() if writes_over(tree)}
    assert found | opens == WRITE_OVER.keys()
