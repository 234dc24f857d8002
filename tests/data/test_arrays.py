import os

import h5py
import numpy as np
import OpenEXR
import pytest
from scipy.io import savemat

from depthlib.data import arrays

MAP = np.linspace(1, 9, 16 * 24, dtype=np.float32).reshape(16, 24)
RGB = np.arange(16 * 24 * 3, dtype=np.uint16).astype(np.uint8).reshape(16, 24, 3)


def read(path, key=None, max_pixels=10**6):
    return arrays.read_array(path, key, max_pixels)


def write_exr(path, **channels):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


def write(folder, name):
    """A file of MAP in each of the kinds that hold arrays, some beside other arrays."""
    path = folder / name
    if path.suffix == ".npy":
        np.save(path, MAP)
    elif path.suffix == ".npz":
        np.savez_compressed(path, depth=MAP, intrinsics=np.eye(3))
    elif path.suffix == ".mat":
        savemat(path, {"K": np.eye(3), "rgb": RGB, "depth": MAP}, do_compression=True)
    elif path.suffix == ".exr":
        write_exr(path, Z=MAP)
    else:
        with h5py.File(path, "w") as file:
            file["rgb"], file["depth"] = RGB.transpose(2, 0, 1), MAP
    return path


KINDS = ["a.npy", "a.npz", "a.mat", "a.h5", "a.hdf5", "a.exr"]


@pytest.mark.parametrize("name", KINDS)
def test_the_one_map_of_a_file_is_read_without_a_key(tmp_path, name):
    np.testing.assert_array_equal(read(write(tmp_path, name)), MAP)


@pytest.mark.parametrize("dtype", [">f2", "<f8", ">u4", "<i2", "<i8"])
def test_numbers_of_any_width_and_byte_order_come_in_the_machines_own(tmp_path, dtype):
    np.save(tmp_path / "a.npy", np.asfortranarray(MAP.astype(dtype)))
    array = read(tmp_path / "a.npy")
    assert array.dtype == np.dtype(dtype).newbyteorder("=") and array.flags.c_contiguous
    np.testing.assert_array_equal(array, MAP.astype(dtype))


def test_a_key_or_a_path_into_the_file_names_one_of_several(tmp_path):
    np.savez(tmp_path / "a.npz", near=MAP, far=MAP + 1)
    np.testing.assert_array_equal(read(tmp_path / "a.npz", "far"), MAP + 1)
    np.testing.assert_array_equal(read(tmp_path / "a.npz" / "near"), MAP)
    with pytest.raises(ValueError, match=r"without a `key` for .*a.npz.*near \(16x24\), far"):
        read(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"Received: `middle` for .*a.npz, which holds near"):
        read(tmp_path / "a.npz", "middle")
    savemat(tmp_path / "s.mat", {"data": {"rgb": RGB, "depth": MAP}})
    np.testing.assert_array_equal(read(tmp_path / "s.mat", "data/depth"), MAP)
    np.testing.assert_array_equal(read(tmp_path / "s.mat" / "data" / "rgb"), RGB)


def test_a_photo_in_an_h5_has_its_colours_last(tmp_path):
    np.testing.assert_array_equal(read(write(tmp_path, "a.h5") / "rgb"), RGB)


def test_axes_of_one_are_left_out(tmp_path):
    np.save(tmp_path / "a.npy", MAP[None, :, :, None])
    np.testing.assert_array_equal(read(tmp_path / "a.npy"), MAP)


@pytest.mark.parametrize("header", [0, 512])
def test_a_stack_of_nyus_layout_is_read_by_place_and_upright(tmp_path, header):
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "w", userblock_size=header) as file:
        file["images"] = np.stack([RGB.T, RGB.T + 1])  # (2, 3, 24, 16)
        file["depths"] = np.stack([MAP.T, MAP.T + 1])
    np.testing.assert_array_equal(read(path / "images" / "1"), RGB + 1)
    np.testing.assert_array_equal(read(path / "depths" / "0"), MAP)
    with pytest.raises(ValueError, match="`depths` of .*labeled.mat must be from 0 to 1.*: 2"):
        read(path / "depths" / "2")
    with pytest.raises(ValueError, match="depths, 2x24x16|depths`, 2x24x16"):
        read(path, "depths")


@pytest.mark.parametrize("name", ["plain", "ViewLayer.Depth.Z"])
def test_the_depth_channel_of_an_exr_is_told_by_its_name(tmp_path, name):
    write_exr(tmp_path / "a.exr", **{name: MAP.astype(np.float16)})
    np.testing.assert_array_equal(read(tmp_path / "a.exr"), MAP.astype(np.float16))
    write_exr(tmp_path / "b.exr", R=MAP, G=MAP, B=MAP)
    with pytest.raises(ValueError, match=r"b.exr, which holds B \(16x24\), G"):
        read(tmp_path / "b.exr")
    np.testing.assert_array_equal(read(tmp_path / "b.exr", "R"), MAP)
    write_exr(tmp_path / "c.exr", A=MAP + 1, Z=MAP)
    np.testing.assert_array_equal(read(tmp_path / "c.exr"), MAP)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_cut_off_is_refused_by_name(tmp_path, name, share):
    path = write(tmp_path, name)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=f"must be whole.*{name}"):
        read(path)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", KINDS)
def test_damaged_bytes_give_an_array_or_an_error_with_the_name(tmp_path, name, seed):
    path, rng = write(tmp_path, name), np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    for place in rng.integers(0, min(len(data), 600), 4):
        data[place] = rng.integers(256)
    path.write_bytes(data)
    try:
        assert read(path).ndim in (2, 3)
    except ValueError as error:
        assert name in str(error)


@pytest.mark.parametrize("name", KINDS)
def test_bytes_of_another_kind_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"no array at all" * 50)
    with pytest.raises(ValueError, match=f"hold arrays of numbers.*{name}"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", KINDS)
def test_a_map_of_too_many_pixels_is_refused_before_it_is_loaded(tmp_path, name):
    with pytest.raises(ValueError, match=f"1 to 383 pixels.*16x24, in .*{name}"):
        read(write(tmp_path, name), max_pixels=383)


def test_a_header_that_claims_more_than_the_file_holds_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", np.zeros((10, 10)))
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(
        data.replace(b"(10, 10), }  ", b"(10000,10000)}", 1)[: len(data)]
    )
    with pytest.raises(ValueError, match="a.npz"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[{}] * 9] * 9), "Python objects|object"),
        (np.zeros((9, 9), bool), "must be of numbers. Received: `.`, bool"),
        (np.zeros((9, 9), complex), "must be of numbers"),
        (np.zeros((9, 9), [("z", "f4")]), "must be of numbers"),
        (np.zeros(9), "rows and columns"),
        (np.zeros((9, 9, 9, 9)), "rows and columns"),
        (np.zeros((0, 9)), "1 to 1,000,000 pixels"),
    ],
)
def test_what_is_no_map_is_refused_by_name(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=f"(?:{message}).*a.npy|a.npy.*(?:{message})"):
        read(tmp_path / "a.npy")


def link(file, secret):
    file["depth"] = h5py.ExternalLink(str(secret), "data")


def link_by_cells(file, secret):
    file.create_group("#refs#")["a"] = h5py.ExternalLink(str(secret), "data")
    file["depth"] = h5py.SoftLink("/#refs#/a")


def store_outside(file, secret):
    file.create_dataset("depth", MAP.shape, "f4", external=[(str(secret), 0, 4 * MAP.size)])


def put_together(file, secret):
    layout = h5py.VirtualLayout(MAP.shape, "f4")
    layout[:] = h5py.VirtualSource(str(secret), "data", MAP.shape)
    file.create_virtual_dataset("depth", layout)


@pytest.mark.parametrize("way", [link, link_by_cells, store_outside, put_together])
def test_an_array_of_another_hdf5_file_is_not_read(tmp_path, way):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.ones(MAP.shape, np.float32)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        way(file, tmp_path / "secret.h5")
        file["scenes"] = np.array([b"den"])
    for read in (
        lambda: arrays.read_array(path, "depth", 10**6),
        lambda: arrays.list_arrays(path),
        lambda: arrays.read_names(path, "scenes"),
    ):
        with pytest.raises(ValueError, match="a.h5.*`depth` lies in another file, or may"):
            read()


def test_names_of_scenes_that_lie_in_another_file_are_not_read(tmp_path):
    (tmp_path / "secret.txt").write_bytes(b"secret")
    path = tmp_path / "a.mat"
    with h5py.File(path, "w") as file:
        cells = file.create_group("#refs#")
        cells.create_dataset("a", (6,), "u1", external=[(str(tmp_path / "secret.txt"), 0, 6)])
        cells["b"] = np.frombuffer(b"den", np.uint8)
        for name, cell in (("scenes", "a"), ("others", "b")):
            file.create_dataset(name, (1,), h5py.ref_dtype)[0] = cells[cell].ref
    assert arrays.read_names(path, "others") == ["den"]
    for name in ("scenes", "#refs#/a"):
        with pytest.raises(ValueError, match=f"a.mat, `{name}`"):
            arrays.read_names(path, name)


def test_what_is_no_file_is_no_array(tmp_path):
    (tmp_path / "folder.h5").mkdir()
    os.mkfifo(tmp_path / "pipe.npy")
    for name in ("folder.h5", "pipe.npy"):
        with pytest.raises(OSError, match=f"regular file. Received: .*{name}"):
            read(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "a.npy")
    assert arrays.file_of(tmp_path / "folder.h5" / "1.png") == tmp_path / "folder.h5" / "1.png"
    assert not arrays.is_array(tmp_path / "folder.h5" / "1.png")


@pytest.mark.parametrize(("name", "module"), [("a.h5", "h5py"), ("a.exr", "OpenEXR")])
def test_a_missing_library_is_named_with_what_installs_it(tmp_path, monkeypatch, name, module):
    path = write(tmp_path, name)
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ValueError, match=f"{name} needs `pip install {module.lower()}`"):
        read(path)
