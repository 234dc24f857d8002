"""What is attacked, and what each boundary must keep to.

A `FileBoundary` reads files that were whole until one was damaged. It must give a right value, or
an error of ours that names the file; write nothing but what it may; and neither hang nor fill the
memory. Where a format has checksums, a right value is the one of the whole file. A `WordBoundary`
takes what a user types.
"""

import contextlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from depthlib.data import cache, kitti
from depthlib.data.arrays import read_array
from depthlib.data.dataset_file import describe_spec, make_spec, read_dataset_file
from depthlib.data.decoding import MAX_PIXELS
from depthlib.data.images import read_depth, read_rgb, read_size, read_stored
from depthlib.data.inputs import list_inputs
from depthlib.data.intrinsics import read_camera
from depthlib.data.layouts import find_layout
from depthlib.data.lenses import find_lens, parse_focal
from depthlib.data.packed import check_packed, pack_pairs
from depthlib.data.pairs import read_csv
from depthlib.data.photos import find_photos
from depthlib.data.stereo.rig import read_rig

SIZE = (24, 40)
MILLIMETRES = make_spec("fuzz", metres_per_count=0.001)
FLOATS = make_spec("fuzz", depth_dtype="float32")


@dataclass(frozen=True)
class FileBoundary:
    """`write` makes whole files in a folder, `use` reads them after that of `targets` was damaged.

    targets: patterns. is_text: whether it is damaged as text too. exact: patterns of files with
    checksums. writes: patterns of what `use` may write.
    """

    write: Callable[[Path], None]
    use: Callable[[Path, Path], Any]
    targets: tuple[str, ...]
    is_text: bool = False
    exact: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


def draw_rgb(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 255, (4, 6, 3), np.uint8)
    return cv2.resize(blocks, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def draw_depth(seed: int = 0) -> np.ndarray:
    """1 to 9 m, float32, nearer in the lower rows as rooms are."""
    depth = np.linspace(9, 1 + seed % 40 / 10, SIZE[0] * SIZE[1], dtype=np.float32)
    return depth.reshape(SIZE)


def _write_photos(folder: Path) -> None:
    photo = Image.fromarray(draw_rgb())
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA405] = 26
    photo.save(folder / "a.jpg", exif=exif)
    photo.save(folder / "b.jpg", progressive=True)
    for name in ("c.png", "d.tif", "e.bmp", "f.webp", "g.avif", "h.jp2", "i.gif", "j.ppm"):
        photo.save(folder / name)
    np.save(folder / "k.npy", draw_rgb())


def _use_photo(folder: Path, path: Path) -> Any:
    rgb = read_rgb(path)
    assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3
    assert 0 < rgb.shape[0] * rgb.shape[1] <= MAX_PIXELS
    if path.suffix != ".npy":
        assert read_size(path) == rgb.shape[:2]
        lens = find_lens(path, parse_focal("exif"))
        assert lens.focal is None or 0.2 <= lens.focal <= 10
    return rgb


def _write_maps(folder: Path) -> None:
    import h5py
    import OpenEXR
    from scipy.io import savemat

    depth = draw_depth()
    counts = np.rint(depth * 1000).astype(np.uint16)
    cv2.imwrite(str(folder / "a.png"), counts)
    for name in ("b.tif", "c.pfm"):
        cv2.imwrite(str(folder / name), depth)
    np.save(folder / "d.npy", depth)
    np.savez_compressed(folder / "e.npz", depth=depth, other=depth[0])
    with h5py.File(folder / "f.h5", "w") as file:
        file["depth"] = depth
        file["camera/k"] = np.eye(3)
    savemat(folder / "g.mat", {"depth": depth, "k": np.eye(3)})
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Z": depth}).write(str(folder / "h.exr"))
    Image.fromarray(counts).save(folder / "i.jp2")
    Image.fromarray(counts).save(folder / "j.tif", compression="tiff_lzw")


def _use_map(folder: Path, path: Path) -> Any:
    stored = read_stored(path)
    assert stored.ndim in (2, 3) and 0 < stored.shape[0] * stored.shape[1] <= MAX_PIXELS
    if stored.dtype == np.float32 or stored.dtype == np.uint16:
        depth = read_depth(path, FLOATS if stored.dtype == np.float32 else MILLIMETRES)
        assert depth.dtype == np.float32 and np.isfinite(depth).all()
        assert ((depth == 0) | ((depth >= 0.1) & (depth <= 10))).all()
    if path.suffix not in (".png", ".tif", ".pfm", ".jp2"):
        assert np.array_equal(read_array(path, None, 10**6), stored, equal_nan=True)
    return stored


def write_pairs(folder: Path, count: int = 4) -> None:
    for number in range(count):
        scene = folder / f"room_{number // 2}"
        scene.mkdir(exist_ok=True)
        Image.fromarray(draw_rgb(number)).save(scene / f"{number}.jpg")
        counts = np.rint(draw_depth(number) * 1000).astype(np.uint16)
        cv2.imwrite(str(scene / f"{number}.png"), counts)
    names = [f"room_{number // 2}/{number}" for number in range(count)]
    rows = "".join(f"{name}.jpg,{name}.png,{name[:6]}\n" for name in names)
    (folder / "pairs.csv").write_text(f"rgb,depth,scene\n{rows}")
    plain = "".join(f"{name}.jpg {name}.png 518.8\n" for name in names)
    (folder / "plain.txt").write_text(plain)
    index = "".join(f"{name}.jpg,{name[:6]},dark\n" for name in names)
    (folder / "index.csv").write_text(f"photo,scene,condition\n{index}")
    described = {"name": "fuzz", "metres_per_count": 0.001, "max_depth": 10, "focal": 0.9,
        "median_range": [0.1, 10], "invalid_counts": [65535], "scenes": "template",
        "photo": "{scene}/{frame}.jpg", "depth": "{scene}/{frame}.png"}  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(described, indent=1))


def _use_pairs(folder: Path, path: Path) -> Any:
    tables = []
    for name in ("pairs.csv", "plain.txt", "index.csv"):
        if path.name in (name, "dataset.json") or name == "pairs.csv":
            pairs = read_csv(folder / name, root=None)
            for column in ("rgb", "depth"):
                for place in pairs.table[column]:
                    assert (folder / place).resolve().is_relative_to(folder.resolve()), place
            assert len(pairs) and pairs.spec.max_depth > 0
            tables.append(pairs.table.to_csv())
    return tables


def _use_dataset_file(folder: Path, path: Path) -> Any:
    spec = read_dataset_file(path)
    assert make_spec(**describe_spec(spec)) == spec
    return None


def _write_lists(folder: Path) -> None:
    for name in ("1.jpg", "2.jpg", "b c.png"):
        Image.fromarray(draw_rgb()).save(folder / name)
    (folder / "photos.txt").write_text("1.jpg\n2.jpg\nb c.png\n")
    (folder / "photos.csv").write_text('file,light\n1.jpg,day\n"b c.png",night\n')
    rows = "".join(f"{n}.jpg,https://127.0.0.1:9/{n}.jpg,{'0' * 64}\n" for n in (1, 2))
    sources = folder / "list"
    sources.mkdir()
    (sources / "photos.csv").write_text("1.jpg\n2.jpg\n")
    (sources / "sources.csv").write_text(f"file,url,sha256\n{rows}")


def _use_list(folder: Path, path: Path) -> Any:
    if path.parent.name == "list":
        photos, note = find_photos(path.with_name("photos.csv"), folder / "cache")
        assert note and photos
        return None
    photos, videos = list_inputs([path]).split()
    assert photos or videos
    return None


def _write_calibrations(folder: Path) -> None:
    from tests.data.test_intrinsics import ROS
    from tests.data.test_kitti import CAMERAS, SCANNER

    (folder / "ros.yaml").write_text(ROS)
    (folder / "calib_cam_to_cam.txt").write_text(CAMERAS)
    (folder / "calib_velo_to_cam.txt").write_text(SCANNER)
    matrix = np.array([[30.0, 0, 20], [0, 30, 12], [0, 0, 1]])
    rig = {
        "image_width": 40, "image_height": 24, "K1": matrix, "D1": np.full((1, 5), 0.001),
        "K2": matrix, "D2": np.zeros((1, 5)), "R": np.eye(3),
        "T": np.array([[-0.12], [0], [0]]), "baseline": 0.12,
    }  # fmt: skip
    for name in ("rig.yml", "rig.xml", "rig.json"):
        storage = cv2.FileStorage(str(folder / name), cv2.FILE_STORAGE_WRITE)
        for key, value in rig.items():
            storage.write(key, value)
        storage.release()
    points = np.random.default_rng(0).uniform(1, 20, (64, 4)).astype("<f4")
    (folder / "scan.bin").write_bytes(points.tobytes())


def _use_calibration(folder: Path, path: Path) -> Any:
    if path.name.startswith("calib_") or path.suffix == ".bin":
        camera = kitti.read_camera(folder)
        assert 0 < camera.height * camera.width <= MAX_PIXELS and camera.focal > 0
        depth = kitti.project(kitti.read_scan(folder / "scan.bin"), camera)
        assert np.isfinite(depth).all() and (depth >= 0).all()
        return None
    seen = read_camera(path)
    rgb, intrinsics = seen.undistort(draw_rgb()) if not seen.size else (None, seen.fit(*seen.size))
    assert 0.2 <= intrinsics.focal <= 10
    if path.name.startswith("rig"):
        rig = read_rig(path)
        assert 0.005 <= rig.baseline <= 5
        rig.rectify(*(rig.left.size or SIZE))
    return None


def _write_video(folder: Path) -> None:
    from depthlib.video.frames import open_writer

    for name in ("v.avi", "v.mp4"):
        with open_writer(folder / name, 10, *SIZE) as write:
            for number in range(6):
                write(draw_rgb(number))


def _use_video(folder: Path, path: Path) -> Any:
    from itertools import islice

    from depthlib.video.frames import open_frames

    frames = open_frames(path)
    assert frames.fps is None or frames.fps > 0
    for frame in islice(frames, 20):
        assert frame.shape == (frames.height, frames.width, 3) and frame.dtype == np.uint8
    return None


def _write_cache(folder: Path) -> None:
    write_pairs(folder, 6)
    cache._SHARD = 4
    cache.open_cache(read_csv(folder / "pairs.csv"), *SIZE, folder / "cache", progress=False)


def _use_cache(folder: Path, path: Path) -> Any:
    cache._SHARD = 4
    pairs = read_csv(folder / "pairs.csv")
    held = cache.open_cache(pairs, *SIZE, folder / "cache", progress=False)
    return held.gather(range(6))


def _write_onnx(folder: Path) -> None:
    from tests.onnx_files import write_onnx, write_own_onnx

    write_onnx(folder / "other.onnx")
    write_own_onnx(folder / "own.onnx")


def _use_onnx(folder: Path, path: Path) -> Any:
    from depthlib.prediction.onnx import OnnxPredictor

    predictor = OnnxPredictor(path, threads=1)
    (depth,) = predictor([draw_rgb()])
    assert depth.shape == SIZE and depth.dtype == np.float32
    return None


def _write_summary(folder: Path) -> None:
    from depthlib.commands.summary import Summary

    summary = Summary(folder)
    for number in range(4):
        photo = folder / f"{number}.jpg"
        Image.fromarray(draw_rgb()).save(photo)
        summary.add(photo, {"name": f"{number}", "height": 24, "width": 40, "made": "light"})
    summary.close()


def _use_summary(folder: Path, path: Path) -> Any:
    from depthlib.commands.summary import Summary
    from depthlib.prediction.outputs import are_outputs

    photos = sorted(folder.glob("*.jpg"))
    summary = Summary(folder)
    names = summary.name_outputs(photos)
    assert len(set(names.values())) == len(photos)
    summary.add(photos[0], {"name": names[photos[0]], "made": "best"})
    summary.close()
    assert Summary(folder).find_other(photos[0], "light") == "best"
    are_outputs(photos)
    return None


def _write_times(folder: Path) -> None:
    write_pairs(folder)
    for kind, ending in (("rgb", "jpg"), ("depth", "png")):
        rows = "".join(f"130503110{n}.1 room_{n // 2}/{n}.{ending}\n" for n in range(4))
        (folder / f"{kind}.txt").write_text(f"# time file\n{rows}")


def _use_times(folder: Path, path: Path) -> Any:
    table = find_layout(folder).table
    for column in ("rgb", "depth"):
        for place in table[column]:
            assert (folder / place).resolve().is_relative_to(folder.resolve()), place
            assert (folder / place).is_file()
    return None


def _write_packed(folder: Path) -> None:
    cache._SHARD = 4
    (folder / "photos").mkdir()
    write_pairs(folder / "photos", 6)
    pairs = read_csv(folder / "photos" / "pairs.csv")
    pack_pairs(pairs, *SIZE, folder / "packed", progress=False)


def _use_packed(folder: Path, path: Path) -> Any:
    cache._SHARD = 4
    pairs = read_csv(folder / "packed" / "pairs.csv")
    damage = check_packed(folder / "packed")
    packed = cache.open_cache(pairs, *SIZE, folder / "cache", progress=False)
    assert len(packed) == len(pairs)
    read = packed.gather(range(len(pairs)))
    assert not damage, damage
    return read


def _write_shards(folder: Path) -> None:
    from depthlib.commands.data import make_dataset
    from depthlib.commands.label import PARTS
    from depthlib.commands.shard_notes import Run, note_shard
    from depthlib.commands.summary import Summary
    from depthlib.data.shards import Shard

    (folder / "data").mkdir()
    write_pairs(folder / "data")
    (folder / "data" / "pairs.csv").unlink()  # which merging would not write over
    for shard in (Shard(1, 2), Shard(2, 2)):
        for command in ("predict", "label"):
            out = folder / command
            with note_shard(out, shard, Run(command, "light", "a" * 64, 2)) as note:
                photo = out / f"{shard.number}.jpg"
                out.mkdir(exist_ok=True)
                (out / ".shards").mkdir(exist_ok=True)
                Image.fromarray(draw_rgb()).save(photo)
                for part, suffix in PARTS.items():  # by which a row is a label's
                    file = out / part / f"{shard.number}{suffix}"
                    file.parent.mkdir(exist_ok=True)
                    Image.fromarray(np.full((24, 40), 255, np.uint8)).save(file)
                shown = {"height": 24, "width": 40, "focal": "0.8", "made": "light"}
                summary = Summary(out, shard)
                summary.add(photo, {"name": f"{shard.number}", **shown})
                summary.close()
                note.problems = {"3.jpg": "it is no photo"}
        with contextlib.redirect_stdout(io.StringIO()):
            make_dataset(folder / "data", *[None] * 4, 0.0, "all", 0.02, None, shard)


def _use_shards(folder: Path, path: Path) -> Any:
    from depthlib.commands.merge import merge_shards

    out = folder / path.relative_to(folder).parts[0]
    with contextlib.redirect_stdout(io.StringIO()):
        merge_shards(out)
    written = {"predict": "depth.csv", "label": "labels.csv", "data": "pairs.csv"}[out.name]
    assert (out / written).is_file() and not (out / ".shards").exists()
    return None


def _write_scores(folder: Path) -> None:
    write_pairs(folder)
    depth = folder / "depths"
    depth.mkdir()
    counts = np.rint(1000 * draw_depth()).astype(np.uint16)
    text = PngInfo()
    text.add_text("depth_scale_metres", "0.001")
    for number in range(4):
        if number % 2:
            np.save(depth / f"{number}.npy", draw_depth())
        else:
            Image.fromarray(counts).save(depth / f"{number}.png", pnginfo=text)


def _use_scores(folder: Path, path: Path) -> Any:
    from depthlib.evaluation import evaluate_files
    from depthlib.metrics import PROTOCOLS

    pairs = read_csv(folder / "pairs.csv")
    tables = evaluate_files(folder / "depths", pairs, PROTOCOLS["full"], ["none"], None)
    errors = tables["full", "none"]["abs_rel"].to_numpy(float)
    assert len(errors) == 4 and np.isfinite(errors).all()
    return errors


def _build_network() -> Any:
    """The smallest of our networks: it loads in a tenth of the time of one that is of use."""
    from keras import Input, Model, layers

    from depthlib.networks.layers import BatchNormalization, add_depth_head
    from tests.tiny_networks import HEAD

    photos = Input((32, 48, 3), dtype="uint8")
    features = layers.Rescaling(1 / 255)(photos)
    features = BatchNormalization()(layers.Conv2D(4, 3, padding="same")(features))
    return Model(photos, add_depth_head(features, **HEAD))


def _write_models(folder: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    model = _build_network()
    model.save(folder / "model.keras")
    # The parts by themselves: a zip's checksums find what is changed in it, but not who packs anew.
    with zipfile.ZipFile(folder / "model.keras") as archive:
        archive.extractall(folder / "parts")


def _use_model(folder: Path, path: Path) -> Any:
    from depthlib.networks.saving import load_model

    if path.parent.name == "parts":
        with zipfile.ZipFile(folder / "model.keras", "w") as archive:
            for part in sorted((folder / "parts").iterdir()):
                archive.write(part, part.name)
        path = folder / "model.keras"
    model = load_model(path)
    if model.input_shape[1:3] != (32, 48):
        return None
    depth = np.asarray(model(np.zeros((1, 32, 48, 3), np.uint8)))
    return depth if path.parent == folder else None


def _write_run(folder: Path) -> None:
    from depthlib.training.recipes import Recipe
    from depthlib.training.run_folder import BEST, LAST, RUN, save_model
    from depthlib.training.train import compile_network

    recipe = Recipe(network="unet", height=32, width=48, epochs=2)
    model = _build_network()
    compile_network(model, recipe, MILLIMETRES, 4)
    save_model(model, folder / LAST)
    shutil.copy(folder / LAST, folder / BEST)
    (folder / RUN).write_text(json.dumps(_describe_run(), indent=2))
    (folder / "log.csv").write_text(
        "epoch,loss,val_delta1,learning_rate,seconds\n1,0.5,0.4,0.001,3\n2,0.4,0.5,0.0001,3\n"
    )


def _describe_run() -> dict:
    from depthlib.training.recipes import Recipe

    split = {"training": "a" * 64, "validation": "b" * 64}
    recipe = Recipe(network="unet", height=32, width=48, epochs=2).to_dict()
    return {"recipe": recipe, "dataset": "fuzz", "split": split, "versions": {}}


def _use_run(folder: Path, path: Path) -> Any:
    from depthlib.training.run_folder import check_folder, count_epochs, read_last, read_log

    check_folder(folder, _describe_run())
    log = read_log(folder, 2, "val_delta1")
    assert log["epoch"].tolist() == [1, 2]
    if path.suffix == ".keras":
        model = read_last(folder)
        assert model is not None and count_epochs(folder, model, 2, 2) == 0
    return None


def _write_answers(folder: Path) -> None:
    body = bytes(range(256)) * 20
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
    (folder / "plain.http").write_bytes(head.encode() + body)
    chunks = b"".join(b"%x\r\n%b\r\n" % (1024, body[i : i + 1024]) for i in range(0, 5120, 1024))
    head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    (folder / "chunked.http").write_bytes(head.encode() + chunks + b"0\r\n\r\n")
    head = "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:9/a\r\nContent-Length: 0\r\n\r\n"
    (folder / "away.http").write_bytes(head.encode())


def _use_answer(folder: Path, path: Path) -> Any:
    import hashlib
    import socket
    import threading

    from depthlib.downloads import fetch

    digest = hashlib.sha256(bytes(range(256)) * 20).hexdigest()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as caller:
                caller.recv(65536)
                caller.sendall(path.read_bytes())

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/{path.name}"
        limits = {"most_bytes": 10**6, "seconds": 2, "schemes": ("http", "https")}
        target = fetch(url, folder / "got" / "a.jpg", f"sha256:{digest}", **limits)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == digest
    return None


FILES = {
    "photo": FileBoundary(_write_photos, _use_photo, ("*",), exact=("*.png",)),
    "map": FileBoundary(_write_maps, _use_map, ("*",), exact=("*.png", "*.npz")),
    "csv": FileBoundary(write_pairs, _use_pairs, ("*.csv", "*.txt", "*.json"), is_text=True),
    "dataset file": FileBoundary(write_pairs, _use_dataset_file, ("*.json",), is_text=True),
    "list": FileBoundary(
        _write_lists, _use_list, ("photos.*", "list/*"), is_text=True, writes=("cache/*",)
    ),
    "calibration": FileBoundary(
        _write_calibrations, _use_calibration, ("*.y*ml", "*.xml", "*.json", "*.txt", "*.bin"),
        is_text=True,
    ),
    "video": FileBoundary(_write_video, _use_video, ("*",)),
    "cache": FileBoundary(
        _write_cache, _use_cache, ("cache/*/*.npy",), exact=("*.npy",), writes=("cache/*",)
    ),
    "summary": FileBoundary(
        _write_summary, _use_summary, ("depth.csv",), is_text=True, writes=("depth.csv",)
    ),
    "list of times": FileBoundary(_write_times, _use_times, ("*.txt",), is_text=True),
    "packed": FileBoundary(
        _write_packed, _use_packed, ("packed/*.*", "packed/*/*.npy"), is_text=True, exact=("*.npy",)
    ),
    "shards": FileBoundary(
        _write_shards, _use_shards, ("*/.shards/*",), is_text=True,
        writes=("*/*.csv", "*/.*.sha256", "*/.shards/*", "data/*"),
    ),
    "scores": FileBoundary(_write_scores, _use_scores, ("depths/*",), exact=("*.png",)),
    "onnx": FileBoundary(_write_onnx, _use_onnx, ("*",)),
    "download": FileBoundary(
        _write_answers, _use_answer, ("*.http",), is_text=True, writes=("got/*",)
    ),
    "model": FileBoundary(
        _write_models, _use_model, ("model.keras", "parts/*"), exact=("model.keras",),
        writes=("model.keras",),
    ),
    "run folder": FileBoundary(_write_run, _use_run, ("*.json", "*.csv", "last.keras"), True),
}  # fmt: skip
SLOW = {"model", "run folder"}  # Keras takes long to load a network
