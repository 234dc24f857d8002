from dataclasses import replace

import h5py
import numpy as np
import pytest

from depthlib.data.dataset_file import make_spec
from depthlib.data.layouts import find_layout
from depthlib.data.pairs import Pairs, read_csv, write_csv
from depthlib.data.stacks import Stack, find_stacks


@pytest.fixture
def labelled(tmp_path):
    """A small file of the layout of NYU's nyu_depth_v2_labeled.mat: HDF5, MATLAB's axes turned."""
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((3, 3, 12, 10), np.uint8)
        file["depths"] = np.linspace(1, 5, 360, dtype=np.float32).reshape(3, 12, 10)
        file["rawDepths"] = np.zeros((3, 12, 10), np.float32)
        file["labels"] = np.zeros((3, 12, 10), np.uint16)
        names = ["kitchen_0004", "kitchen_0004", "office_0001a"]
        refs = file.create_dataset("scenes", (1, 3), h5py.ref_dtype)
        for place, name in enumerate(names):
            file[f"#refs#/{place}"] = np.array([list(map(ord, name))], np.uint16).T
            refs[0, place] = file[f"#refs#/{place}"].ref
    return path


def test_nyus_labelled_file_gives_its_pairs_with_their_scenes(labelled):
    layout = find_layout(labelled.parent)
    name = labelled.name
    assert layout.table.to_numpy().tolist() == [
        [f"{name}/images/0", f"{name}/depths/0", "kitchen_0004"],
        [f"{name}/images/1", f"{name}/depths/1", "kitchen_0004"],
        [f"{name}/images/2", f"{name}/depths/2", "office_0001a"],
    ]
    assert layout.left.empty and layout.is_certain


def test_a_place_in_a_file_is_listed_in_a_csv_and_read_back(labelled):
    spec = make_spec("labelled", depth_dtype="float32", scenes="column:scene")
    table = find_layout(labelled.parent).table
    pairs = Pairs(labelled.parent, table, spec)
    write_csv(pairs, labelled.parent / "pairs.csv")
    again = read_csv(labelled.parent / "pairs.csv", spec)
    assert sorted(set(again.table["scene"])) == ["kitchen_0004", "office_0001"]
    (labelled.parent / "plain.csv").write_text(f"{labelled.name}/images/1;{labelled.name}/depths/1")
    plain = read_csv(labelled.parent / "plain.csv", replace(spec, scenes="unknown"))
    assert plain.table["depth"][0] == f"{labelled.name}/depths/1"


def test_a_file_a_frame_gives_a_pair_each_and_one_of_depth_alone_gives_a_map(tmp_path):
    for number in (1, 2):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["rgb"] = np.zeros((3, 12, 10), np.uint8)
            file["depth"] = np.ones((12, 10), np.float32)
    assert find_stacks(tmp_path, ["1.h5", "2.h5", "a.jpg"]) == {
        name: Stack("rgb", "depth", None) for name in ("1.h5", "2.h5")
    }
    assert find_layout(tmp_path).table.iloc[1].tolist() == ["2.h5/rgb", "2.h5/depth"]
    (tmp_path / "d").mkdir()
    with h5py.File(tmp_path / "d/1.h5", "w") as file:
        file["depth"] = np.ones((12, 10), np.float32)
    assert find_stacks(tmp_path, ["d/1.h5"]) == {}
