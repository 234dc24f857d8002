"""Every notebook, run from top to bottom on a dataset of a few small pairs; one kernel a test."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import keras
import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from depthlib.__main__ import main
from depthlib.data.dataset_file import read_dataset_file
from depthlib.data.pairs import read_csv
from depthlib.data.specs import KITTI_RAW, NYU_TRAIN
from depthlib.training.build import build_network
from depthlib.training.recipes import get_recipe
from depthlib.video.frames import open_frames
from tests.onnx_files import write_onnx, write_own_onnx
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
    train |= {"HEIGHT": 32, "WIDTH": 64, "EPOCHS": 1}
    train |= {"WEIGHTS": None, "CHANGES": {"batch_size": 4}}
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
    runs += [("compare_two_models", {**data, **compared}), ("gpu_test", {"SIZE": 256})]
    film = {"MODEL": models["unet"], "VIDEO": f"{root}/nyu2_test/*_colors.png"}
    suffix = ".mp4" if find_spec("imageio_ffmpeg") else ".avi"
    film |= {"TARGET": f"{out}/film{suffix}", "FIGURE": f"{out}/film.png", "FOCAL": "26mm"}
    runs.append(("predict_video", film))
    start = {"PHOTO": photo, "FIGURE": f"{out}/start.png", "SCORED": f"{out}/scored.png"}
    runs.append(("start_here", {**start, **data}))
    assert len(runs) == 11
    run_all(runs, out)
    figures = ("make_dataset", "resnet", "resnet_photos", "unet", "unet_photos", "comparison")
    for name in (*figures, "start", "scored", "film"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    assert len(pd.read_csv(out / "unet.csv")) == 3
    table = pd.read_csv(out / "metrics.csv").set_index("model")
    assert table.index.tolist() == ["resnet34", "unet", "mean_map", "constant"]
    assert table.columns[:3].tolist() == ["delta1", "delta2", "delta3"]
    assert table["delta1"].between(0, 1).all()
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
    executed = nbformat.read(out / "gpu_test.ipynb", as_version=4)
    assert "cpu:0" in str(executed.cells[-2].outputs)


@pytest.mark.slow  # four studies, one of which trains
def test_the_studies_of_trained_networks_run_and_leave_their_tables(
    tiny_nyu, project, tmp_path, monkeypatch
):
    monkeypatch.chdir(project)
    root, out = tiny_nyu(scenes=4, frames=2, height=64, width=96, tests=3), tmp_path / "out"
    data = {"DATA": f"{root}/nyu2_test.csv", "COUNT": 2}
    models = {}
    for name, recipe in {"resnet": "resnet34", "unet": "unet"}.items():
        models[name] = f"{root}/{name}.keras"
        save_untrained(recipe, models[name])
    epochs = {"DATA": f"{root}/nyu2_train.csv", "TEST_DATA": data["DATA"], "COUNT": 2}
    epochs |= {"HEIGHT": 32, "WIDTH": 64, "EPOCHS": 2, "SHOWN": (1, 2)}
    runs = [("experiments/epochs", epochs | {"RUN": f"{out}/epochs", "FIGURES": str(out)})]
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
    run_all(runs, out)
    for name in ("peers", "epochs", "epochs_metrics", "weather", "corruptions"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    assert (out / "epochs.gif").read_bytes().startswith(b"GIF89a")
    scores = pd.read_csv(out / "peers.csv")
    assert len(scores) == 2 * 3 * 3 + 3 * 2  # ours by metres too
    disparity = scores[scores["model"] == "tiny"]
    assert set(disparity["alignment"]) == {"disparity", "median"}
    assert set(disparity["protocol"]) == {"nyu_densedepth", "nyu_bts", "nyu_fastdepth"}
    latency = pd.read_csv(out / "latency.csv")
    assert latency["model"].tolist() == ["resnet", "unet", "tiny"]
    assert latency["parameters"].tolist() == [24_456_154, 6_124_089, 4]
    robust = pd.read_csv(out / "corruptions.csv").set_index("model")
    assert robust.at["resnet", "mce"] == 100 and robust.at["unet", "mce"] > 0


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


def save_untrained(recipe, path, seed=0):
    """A recipe's network at 32x64, whose head sees something: its kernel starts at zero."""
    keras.utils.set_random_seed(seed)
    network = build_network(get_recipe(recipe, height=32, width=64), NYU_TRAIN)
    kernel = network.get_layer("final_conv").kernel
    kernel.assign(keras.random.normal(kernel.shape, stddev=0.01))
    network.save(path)


def run_all(runs, out):
    texts = [
        (f"{name}.ipynb", {key: str(value) for key, value in parameters.items()})
        for name, parameters in runs
    ]
    run_notebooks([(Path(name), values) for name, values in texts], out, one_kernel=True)
    for path in out.glob("*.ipynb"):  # what is red in Lab
        outputs = [o for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", ())]
        assert [output.text for output in outputs if output.get("name") == "stderr"] == [], path


def test_the_notebooks_of_the_road_run(tiny_nyu, project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    root, out = tiny_nyu(scenes=4, frames=2, height=64, width=96, tests=3), tmp_path / "out"
    train = {"DATA": f"{root}/nyu2_train.csv", "SPEC": "nyu_train", "CACHE": f"{out}/cache"}
    train |= {"EXTRA": [[train["DATA"], "nyu_train"]], "RECIPE": "road_unet", "VERBOSE": 2}
    train |= {"HEIGHT": 32, "WIDTH": 64, "EPOCHS": 1}
    models = {name: f"{out}/{name}/best.keras" for name in ("kitti_unet", "kitti_resnet")}
    runs = [(f"train_{name}", {**train, "RUN": f"{out}/{name}"}) for name in models]
    (root / "photos.csv").write_text("nyu2_test/00000_colors.png")
    photos = {"MODEL": models["kitti_unet"], "MODEL_ROAD": models["kitti_resnet"]}
    photos |= {"PHOTOS": f"{root}/photos.csv", "FIGURE": f"{out}/photos.png", "OUT": None}
    runs.append(("predict_unet_real_images", photos))
    run_all(runs, out)
    for name in ("photos", "kitti_unet/history"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name


@pytest.mark.slow  # three studies
def test_the_studies_of_the_road_run(tiny_nyu, project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    root, out = tiny_nyu(scenes=4, frames=2, height=64, width=96, tests=3), tmp_path / "out"
    data = {"DATA": f"{root}/nyu2_test.csv", "SPEC": "nyu_test"}
    train = {"DATA": f"{root}/nyu2_train.csv"}
    models = {}
    for seed, name in enumerate(("kitti_unet", "kitti_resnet")):
        models[name] = f"{root}/{name}.keras"
        save_untrained("road_unet", models[name], seed)
    runs = []
    onnx = {"tiny": str(write_onnx(root / "tiny.onnx")), "absent": "absent.onnx"}
    driving = {"MODELS": {"road": models["kitti_unet"], "absent": "absent.keras"}, "PEERS": onnx}
    driving |= {"TRAIN_DATA": train["DATA"], "TRAIN_SPEC": "nyu_train", "COUNT": 2}
    runs.append(("experiments/driving", {**data, **driving, "FOLDER": str(out)}))
    focal = {"ZOOMS": [0.5], "EVERY": 3, "TABLE": f"{out}/focal.csv"}
    runs.append(("experiments/focal_length", {**data, **focal, "FIGURE": f"{out}/focal.png"}))
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
    for name in (*figures, "driving", "focal"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    scores = pd.read_csv(out / "scores.csv")
    assert scores["model"].unique().tolist() == ["road", "mean_map", "level road", "tiny"]
    assert scores["alignment"].tolist() == 4 * ["none", "median"]
    assert len(pd.read_csv(out / "focal.csv")) == 2 * (4 + 1)


def test_relative_depth_is_scored_and_compared_only_when_it_is_aligned(
    tiny_nyu, project, tmp_path, monkeypatch
):
    """A relative network and one in metres, on true depth in metres and up to a scale."""
    monkeypatch.chdir(project)
    root, out = tiny_nyu(scenes=4, frames=1, height=64, width=96, tests=3), tmp_path / "out"
    relative = str(write_own_onnx(root / "relative.onnx", "relative", 1.0))
    (root / "photos.csv").write_text("nyu2_test/00000_colors.png")
    data = {"DATA": f"{root}/nyu2_test.csv", "COUNT": 2}
    both = {"MODEL_1": "light", "MODEL_2": relative, "NAME_1": "metric", "NAME_2": "relative"}
    both |= {"TRAIN_DATA": f"{root}/nyu2_train.csv", "PHOTOS": f"{root}/photos.csv", **data}
    both |= {"FOLDER": f"{out}/both"}
    with pytest.raises(RuntimeError, match="must be aligned.*none, relative with .*Use median"):
        run_all([("compare_two_models", both)], out)
    (root / "relative_test").mkdir()
    rows = []
    for number, path in enumerate(sorted(root.glob("nyu2_train/*/1.jpg"))):
        for suffix in (".jpg", ".png"):  # 8 bits, of whatever is the farthest
            shutil.copy(path.with_suffix(suffix), root / f"relative_test/{number}{suffix}")
        rows.append(f"relative_test/{number}.jpg,relative_test/{number}.png\n")
    (root / "relative.csv").write_text("".join(rows))
    one = {"MODEL": relative, "FIGURE": f"{out}/one.png", "TABLE": f"{out}/one.csv"}
    one |= {"DATA": f"{root}/relative.csv", "SPEC": "nyu_relative", "ALIGNMENT": "median"}
    runs = [("compare_two_models", both | {"ALIGNMENT": "median"}), ("predict_unet", one)]
    run_all(runs, out)
    for name in ("both/comparison", "both/real_photos", "one"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    table = pd.read_csv(out / "both/metrics.csv").set_index("model")
    assert table.index.tolist() == ["metric", "relative", "mean_map", "constant"]
    assert table.loc["relative", ["delta1", "silog"]].gt(0).all()
    values = table.select_dtypes("float").to_numpy().ravel()
    assert values.tolist() == [float(f"{value:.6g}") for value in values]
    scores = pd.read_csv(out / "one.csv")
    assert len(scores) == 4 and {"delta1", "silog"} < set(scores) and "rmse" not in scores
    shown = str(nbformat.read(out / "predict_unet.ipynb", 4).cells)
    assert "SILog" in shown and "RMSE (m)" not in shown.split("Scores")[-1]


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


def test_the_notebooks_that_train_without_depth_run_on_the_embedded_drive(
    project, tmp_path, monkeypatch
):
    monkeypatch.chdir(project)
    out = tmp_path / "out"
    tiny = {"network": "unet_narrow", "height": 32, "width": 96, "epochs": 1, "batch_size": 8}
    common = {"CHANGES": tiny | {"precision": "float32"}}
    stereo = {"FOLDER": f"{out}/pairs", "RUN": f"{out}/stereo"}
    video = {"FOLDER": f"{out}/frames", "RUN": f"{out}/video"}
    run_all([("train_from_stereo", common | stereo), ("train_from_video", common | video)], out)
    for folder in ("stereo", "video"):
        assert (out / folder / "depth.png").read_bytes().startswith(b"\x89PNG"), folder
    pairs = read_csv(out / "pairs" / "views.csv"), read_csv(out / "frames" / "views.csv")
    assert [each.views for each in pairs] == [("right",), ("previous", "next")]
    assert len(pairs[0]) == 16 and pairs[0].spec.baseline == 0.54
    executed = str(nbformat.read(out / "train_from_video.ipynb", 4).cells)
    assert "of 16 frames taken" in executed and "depth times" in executed and "AbsRel" in executed


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


def read_tables(out, names):
    for name in names:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    return {name: pd.read_csv(out / f"{name}.csv").set_index("variant") for name in names}


@pytest.mark.slow  # four studies, each of which trains networks
def test_studies_of_encoders_faults_size_and_light_leave_table_and_figure(study, project, tmp_path):
    root, out = tmp_path / "tiny_nyu", tmp_path / "out"
    test = {"TEST_DATA": f"{root}/nyu2_test.csv"}
    changes = {
        "encoders": {"ENCODERS": ["mobilenet_v2"], "WEIGHTS": {}},
        "original_against_ours": {"ONLY": ["the original as written", "colours and crops"]} | test,
    }
    runs = [study(name, own) for name, own in changes.items()]
    common = runs[0][1]
    sizes = {"SMALL": 32, "LARGE": (48, 64), "ONLY": ["small", "small, middle only", "ours, large"]}
    folders = {name: f"{out}/image_size" for name in ("FOLDER", "FIGURES")}
    kept = {name: common[name] for name in ("DATA", "CACHE", "SEEDS", "EPOCHS")}
    runs.append(("experiments/image_size", kept | test | sizes | folders))
    roads = project / "datasets/sample_roads"
    lights = {name: common[name] for name in ("SEEDS", "HEIGHT", "WIDTH", "EPOCHS")}
    lights |= {"ONLY": ("clean", "mix and consistency"), "WEIGHTS": None}
    lights |= {"DATA": f"{roads}/road_train.csv", "TEST_DATA": f"{roads}/road_test.csv"}
    lights |= {name: f"{out}/lights.{end}" for name, end in (("TABLE", "csv"), ("FIGURE", "png"))}
    runs.append(("experiments/light_and_weather", lights | {"FOLDER": f"{out}/lights"}))
    run_all(runs, out)
    tables = read_tables(out, changes)
    lights = pd.read_csv(out / "lights.csv")
    assert set(lights["model"]) == {"clean", "mix and consistency"}
    assert {"clear", "reflection", "fog_50", "night"} <= set(lights["condition"])
    assert tables["encoders"].at["mobilenet_v2", "milliseconds"] > 0
    against = tables["original_against_ours"].set_index("metric", append=True)["median"]
    assert against.drop(("the original as written", "test δ1, metres")).between(0, 1).all()
    assert against.isna().sum() == 1  # the original knows no metres
    for name in ("losses", "gains", "depths"):
        assert (out / f"image_size/{name}.png").read_bytes().startswith(b"\x89PNG"), name
    sizes = pd.read_csv(out / "image_size/summary.csv").set_index("variant")
    assert sizes.index.tolist() == ["small", "small, middle only", "ours, large"]
    for kind in ("", "fresh_"):
        assert sizes[f"{kind}affine_delta1"].between(0, 1).all(), kind
        assert sizes[f"{kind}spread"].ge(0).all(), kind
