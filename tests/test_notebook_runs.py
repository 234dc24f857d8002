"""Every notebook, run from top to bottom on a dataset of a few small pairs."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from depthlib.__main__ import main
from depthlib.data.dataset_file import read_dataset_file
from depthlib.data.pairs import read_csv
from depthlib.data.specs import KITTI_RAW
from depthlib.video.frames import open_frames
from tests.onnx_files import write_onnx
from tools.run_notebooks import run_notebooks


def test_every_notebook_runs_and_leaves_what_it_promises(tiny_nyu, project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.setenv("DEPTHLIB_PHOTOS", "")
    root, out = tiny_nyu(scenes=4, frames=2, height=64, width=96, tests=3), tmp_path / "out"
    for name in ("nyu2_train.csv", "nyu2_test.csv"):
        (root / name).unlink()  # make_dataset writes them
    photo = root / "nyu2_test/00000_colors.png"
    (root / "photos.csv").write_text(photo.relative_to(root).as_posix())
    data = {"DATA": f"{root}/nyu2_test.csv", "COUNT": 2}
    train = {"DATA": f"{root}/nyu2_train.csv", "CACHE": f"{out}/cache", "VERBOSE": 2}
    train |= {"HEIGHT": 32, "WIDTH": 64, "BATCH_SIZE": 4, "EPOCHS": 1}
    models = {name: f"{out}/{name}/best.keras" for name in ("resnet", "unet")}
    runs = [("make_dataset", {"FOLDER": str(root), "FIGURE": f"{out}/make_dataset.png"})]
    runs += [(f"train_{name}", {**train, "RUN": f"{out}/{name}"}) for name in models]
    for name, model in models.items():
        figure = {"MODEL": model, "FIGURE": f"{out}/{name}.png"}
        runs.append((f"predict_{name}", {**data, **figure, "TABLE": f"{out}/{name}.csv"}))
        photos = {"PHOTOS": f"{root}/photos.csv", "FIGURE": f"{out}/{name}_photos.png"}
        photos["OUT"] = f"{out}/{name}_depth"
        runs.append((f"predict_{name}_real_images", {**figure, **photos}))
    compared = {"MODEL_1": models["resnet"], "MODEL_2": models["unet"], "FOLDER": str(out)}
    compared |= {"TRAIN_DATA": train["DATA"], "PHOTOS": f"{root}/photos.csv"}
    epochs = {**train, "TEST_DATA": data["DATA"], "EPOCHS": 2, "SHOWN": (1, 2), "COUNT": 2}
    epochs |= {"RUN": f"{out}/epochs", "FIGURES": str(out)}
    for name in ("CACHE", "VERBOSE", "BATCH_SIZE"):
        epochs.pop(name)
    runs.append(("experiments/epochs", epochs))
    runs += [("compare_two_models", {**data, **compared}), ("gpu_test", {"SIZE": 256})]
    onnx = {"tiny": str(write_onnx(root / "tiny.onnx")), "absent": "absent.onnx"}
    peers = {"MODELS": models, "PEERS": onnx, "SPECS": {"tiny": {"output": "disparity"}}, **data}
    peers |= {"ROUNDS": 2, "FOLDER": f"{out}/onnx", "FIGURE": f"{out}/peers.png"}
    peers |= {"TABLE": f"{out}/peers.csv", "LATENCY": f"{out}/latency.csv"}
    runs.append(("experiments/peers", peers))
    runs.append(("experiments/weather", {"FIGURE": f"{out}/weather.png"}))
    corrupted = {"MODELS": models, "DATA": data["DATA"], "MOST": 2, "SEVERITIES": (5,)}
    corrupted |= {"CORRUPTIONS": ["contrast", "pixelate"], "FOG": (0.5,)}
    corrupted |= {"TABLE": f"{out}/corruptions.csv", "FIGURE": f"{out}/corruptions.png"}
    runs.append(("experiments/corruptions", corrupted))
    film = {"MODEL": models["unet"], "VIDEO": f"{root}/nyu2_test/*_colors.png"}
    suffix = ".mp4" if find_spec("imageio_ffmpeg") else ".avi"
    film |= {"TARGET": f"{out}/film{suffix}", "FIGURE": f"{out}/film.png", "FOCAL": "26mm"}
    runs.append(("predict_video", film))
    assert len(runs) == 14
    run_all(runs, out)
    figures = ("make_dataset", "resnet", "resnet_photos", "unet", "unet_photos", "comparison")
    for name in (*figures, "peers", "epochs", "epochs_metrics", "film", "weather", "corruptions"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    assert (out / "epochs.gif").read_bytes().startswith(b"GIF89a")
    assert len(pd.read_csv(out / "unet.csv")) == 3
    table = pd.read_csv(out / "metrics.csv").set_index("model")
    assert table.index.tolist() == ["resnet34", "unet", "mean_map", "constant"]
    assert table.columns[:3].tolist() == ["delta1", "delta2", "delta3"]
    assert table["delta1"].between(0, 1).all()
    scores = pd.read_csv(out / "peers.csv")
    assert len(scores) == 2 * 3 * 3 + 3 * 2  # ours by metres too
    disparity = scores[scores["model"] == "tiny"]
    assert set(disparity["alignment"]) == {"disparity", "median"}
    assert set(disparity["protocol"]) == {"nyu_densedepth", "nyu_bts", "nyu_fastdepth"}
    latency = pd.read_csv(out / "latency.csv")
    assert latency["model"].tolist() == ["resnet", "unet", "tiny"]
    assert latency["parameters"].tolist() == [24_456_154, 6_124_089, 4]
    assert open_frames(out / f"film{suffix}").count == 3
    film = str(nbformat.read(out / "predict_video.ipynb", as_version=4).cells)
    assert ("data:video/mp4" in film) == (suffix == ".mp4")
    assert "focal length over the width: 0.72" in film  # of a 3:2 frame, as film's is
    for name in models:
        depth = out / f"{name}_depth"
        for path in (depth, depth / "road"):
            assert {one.suffix for one in path.glob("00000_colors*")} == {
                ".jpg",
                ".npy",
                ".png",
                ".ply",
            }
    robust = pd.read_csv(out / "corruptions.csv").set_index("model")
    assert robust.at["resnet", "mce"] == 100 and robust.at["unet", "mce"] > 0
    executed = nbformat.read(out / "gpu_test.ipynb", as_version=4)
    assert "cpu:0" in str(executed.cells[-2].outputs)


@pytest.mark.parametrize("focal", ["exif", "0.75"])
def test_the_notebook_for_photos_make_and_the_command_agree_on_metres(
    project, tmp_path, monkeypatch, focal
):
    """Of ten photos, one with an EXIF and one no photo, by networks that need no Keras."""
    monkeypatch.chdir(project)
    out, folder = tmp_path / "out", tmp_path / "my photos"
    folder.mkdir()
    phone = Image.Exif()
    phone.get_ifd(0x8769)[0xA405] = 26  # FocalLengthIn35mmFilm
    photo = np.random.default_rng(0).integers(0, 255, (48, 72, 3), np.uint8)
    for number in range(9):
        exif = phone if number == 1 else Image.Exif()
        Image.fromarray(np.roll(photo, number)).save(folder / f"{number}.jpg", exif=exif)
    (folder / "9.jpg").write_text("no photo")
    parameters = {"MODEL": "light", "MODEL_ROAD": "road", "PHOTOS": folder, "FOCAL": focal}
    parameters |= {"OUT": out / "depth", "FIGURE": out / "figure.png", "SAVE": "npy,colour"}
    run_all([("predict_unet_real_images", parameters)], out)
    assert {path.name for path in out.glob("*.png")} == {"figure_1.png", "figure_2.png"}
    for network, written in (("light", out / "depth"), ("road", out / "depth" / "road")):
        words = ["predict", str(folder), "--model", network, "--focal", focal, "--save", "npy"]
        assert main([*words, "--out", str(tmp_path / network)]) == 1  # for 9.jpg
        for number in range(9):
            name = f"{number}_depth.npy"
            np.testing.assert_array_equal(
                np.load(written / name), np.load(tmp_path / network / name)
            )
        assert (written / "0_depth_colour.jpg").is_file()
        assert (written / "0.ply").read_bytes().startswith(b"ply")
    executed = str(nbformat.read(out / "predict_unet_real_images.ipynb", 4))
    assert re.search("9 written, 1 failed.*9.jpg: .* must be", executed)


def run_all(runs, out):
    texts = [
        (f"{name}.ipynb", {key: str(value) for key, value in parameters.items()})
        for name, parameters in runs
    ]
    run_notebooks([(Path(name), values) for name, values in texts], out)


def test_the_notebooks_of_the_road_run(tiny_nyu, project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    root, out = tiny_nyu(scenes=4, frames=2, height=64, width=96, tests=3), tmp_path / "out"
    data = {"DATA": f"{root}/nyu2_test.csv", "SPEC": "nyu_test"}
    train = {"DATA": f"{root}/nyu2_train.csv", "SPEC": "nyu_train", "CACHE": f"{out}/cache"}
    train |= {"EXTRA": [[train["DATA"], "nyu_train"]], "RECIPE": "road_unet", "VERBOSE": 2}
    train |= {"HEIGHT": 32, "WIDTH": 64, "EPOCHS": 1}
    models = {name: f"{out}/{name}/best.keras" for name in ("kitti_unet", "kitti_resnet")}
    runs = [(f"train_{name}", {**train, "RUN": f"{out}/{name}"}) for name in models]
    onnx = {"tiny": str(write_onnx(root / "tiny.onnx")), "absent": "absent.onnx"}
    driving = {"MODELS": {"road": models["kitti_unet"], "absent": "absent.keras"}, "PEERS": onnx}
    driving |= {"TRAIN_DATA": train["DATA"], "TRAIN_SPEC": "nyu_train", "COUNT": 2}
    runs.append(("experiments/driving", {**data, **driving, "FOLDER": str(out)}))
    focal = {"ZOOMS": [0.5], "EVERY": 3, "TABLE": f"{out}/focal.csv"}
    runs.append(("experiments/focal_length", {**data, **focal, "FIGURE": f"{out}/focal.png"}))
    (root / "photos.csv").write_text("nyu2_test/00000_colors.png")
    photos = {"MODEL": models["kitti_unet"], "MODEL_ROAD": models["kitti_resnet"]}
    photos |= {"PHOTOS": f"{root}/photos.csv", "FIGURE": f"{out}/photos.png", "OUT": None}
    runs.append(("predict_unet_real_images", photos))
    roads = project / "datasets/sample_roads/road_test.csv"
    relit = {"MODELS": {"road": list(models.values())}, "BESIDE": {"one": models["kitti_unet"]}}
    relit |= {"ONLY": ["lift_shadows", "learned"], "TRAIN_DATA": str(roads), "STEPS": 1}
    shutil.copy(root / "nyu2_test/00000_colors.png", root / "5.jpg")
    relit |= {"PHOTOS": [str(root)], "SHOWN": [f"{root}/5.jpg"], "RELIGHT": f"{out}/relight.keras"}
    relit |= {"TABLE": f"{out}/relit.csv", "FIGURES": f"{out}/relit"}
    runs.append(("experiments/preprocessing", relit))
    run_all(runs, out)
    relit = pd.read_csv(out / "relit.csv")
    assert relit["method"].unique().tolist() == ["as it is", "lift_shadows", "learned"]
    assert relit["model"].eq("road").all() and relit["views"].eq(2 * 7).all()
    assert relit["condition"].nunique() == 8 and relit["abs_rel_inside"].gt(0).all()
    figures = ("relit/networks", "relit/lift_shadows", "relit/learned")
    for name in (*figures, "driving", "focal", "photos", "kitti_unet/history"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    scores = pd.read_csv(out / "scores.csv")
    assert scores["model"].unique().tolist() == ["road", "mean_map", "level road", "tiny"]
    assert scores["alignment"].tolist() == 4 * ["none", "median"]
    assert len(pd.read_csv(out / "focal.csv")) == 2 * (4 + 1)


def test_kittis_notebook_runs_on_the_synthetic_drive(sample, project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    source = sample.with_name("sample_kitti")
    folder = shutil.copytree(
        source, tmp_path / "kitti", ignore=shutil.ignore_patterns("proj_depth", "*.csv")
    )
    figures = {"FIGURE": f"{tmp_path}/points.png", "HISTOGRAM": f"{tmp_path}/depths.png"}
    notebook = project / "make_kitti_dataset.ipynb"
    run_notebooks([(notebook, {"FOLDER": str(folder), **figures})], tmp_path / "out")
    for path in figures.values():
        assert Path(path).read_bytes().startswith(b"\x89PNG"), path
    assert len(read_csv(folder / "kitti_raw_other.csv", KITTI_RAW)) == 3
    with pytest.raises(RuntimeError, match="kitti_improved.*{frame}.png. Received: .*has none"):
        run_notebooks([(notebook, {"FOLDER": str(folder), "DEPTH": "improved"})], tmp_path / "out")


def test_the_stereo_notebook_makes_a_dataset_of_its_sample(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    notebook = project / "make_stereo_dataset.ipynb"
    names = {"RIG": f"{tmp_path}/rig.yml", "FOLDER": f"{tmp_path}/dataset"}
    run_notebooks([(notebook, names)], tmp_path / "out")
    spec = read_dataset_file(tmp_path / "dataset" / "dataset.json")
    pairs = read_csv(tmp_path / "dataset" / "stereo.csv", spec)
    assert len(pairs) == 3 and set(pairs.table["scene"]) == {"motorway_0001"}


def test_a_notebook_whose_data_is_missing_says_what_makes_it(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    missing = {"DATA": str(tmp_path / "missing.csv"), "RUN": str(tmp_path / "run")}
    with pytest.raises(RuntimeError, match="missing.csv. Make it with make_dataset.ipynb"):
        run_notebooks([(project / "train_unet.ipynb", missing)], tmp_path)


def test_a_study_starts_in_its_own_folder_as_lab_starts_it(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project / "experiments")
    study = {"EVERY": "30", "TABLE": f"{tmp_path}/focal.csv", "FIGURE": f"{tmp_path}/focal.png"}
    run_notebooks([(project / "experiments/focal_length.ipynb", study)], tmp_path)
    assert len(pd.read_csv(tmp_path / "focal.csv")) == 2 * (4 + 3)
