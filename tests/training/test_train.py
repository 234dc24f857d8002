import json
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import pytest

from depthlib.data.augment import Augmentation
from depthlib.data.images import read_rgb
from depthlib.data.packed import pack_pairs
from depthlib.data.pairs import Pairs, read_csv
from depthlib.data.specs import NYU_RELATIVE, NYU_TRAIN
from depthlib.networks.layers import DepthHead
from depthlib.networks.losses import ConsistentLoss, NormalisedDepthLoss, ScaleInvariantLoss
from depthlib.networks.saving import load_model
from depthlib.prediction.predictor import Predictor
from depthlib.training import train as training
from depthlib.training.__main__ import UNFINISHED, main
from depthlib.training.build import build_network
from depthlib.training.recipes import UNET
from depthlib.training.run_folder import RunRecord
from depthlib.training.train import _make_loss, _split, _with_aspect, open_batches, train

RECIPE = UNET.change(
    height=32,
    width=48,
    batch_size=4,
    epochs=3,
    validation=0.34,
    learning_rate=0.01,
    precision="float32",  # what is compared are losses to the third digit
)
# Trains like the test, but dies in the middle of the second epoch, as when the power fails.
KILLED = """
import os, signal, sys
from depthlib.data import pairs, specs
from depthlib.training import build, run_folder
from depthlib.training.train import train
from tests.training.test_train import RECIPE, build_tiny
build._build = build_tiny
def die(self, batch, logs=None):
    if len(self.log) == 1 and batch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
run_folder.RunRecord.on_train_batch_begin = die
root, run = sys.argv[1:]
pairs = pairs.read_csv(root + "/nyu2_train.csv", specs.NYU_TRAIN)
train(RECIPE, pairs, run, verbose=0)
"""
# Holds a run's folder as another start does, without TensorFlow, until it is killed.
HOLDING = """
import sys
from pathlib import Path
from depthlib.files import hold_lock
run = Path(sys.argv[1])
run.mkdir()
with hold_lock(run / "run.lock"):
    print("held", flush=True)
    sys.stdin.read()
"""


def build_tiny(recipe, spec):
    """Two convolutions with batch norm: TensorFlow traces them in a second, a U-Net in many."""
    photos = keras.Input((recipe.height, recipe.width, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(photos)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same", name="conv")(x))
    logits = keras.layers.Conv2D(1, 3, padding="same", name="final_conv")(x)
    depth = DepthHead(spec.min_depth, spec.max_depth, dataset=spec.name)(logits)
    return keras.Model(photos, depth, name="tiny")


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch):
    monkeypatch.setattr("depthlib.training.build._build", build_tiny)


@pytest.fixture
def pairs(tiny_nyu):
    return read_csv(tiny_nyu(scenes=6, frames=3) / "nyu2_train.csv", NYU_TRAIN)


def test_a_run_leaves_its_recipe_its_log_and_a_network_that_predicts(pairs, tmp_path):
    log = train(RECIPE, pairs, tmp_path / "run", verbose=0)
    assert log["epoch"].tolist() == [1, 2, 3]
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "run" / "log.csv"), log)
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["recipe"] == RECIPE.to_dict()
    assert run["counts"] == {"training": 9, "validation": 9}
    assert run["versions"]["keras"] == keras.__version__
    predict = Predictor(load_model(tmp_path / "run" / "best.keras"))
    (depth,) = predict([read_rgb(pairs.rgb_path(0))])
    assert depth.shape == (32, 48) and np.isfinite(depth).all()
    # Finished: asked again it gives its log at once, and asked for another recipe it refuses.
    pd.testing.assert_frame_equal(train(RECIPE, pairs, tmp_path / "run", verbose=0), log)
    best = tmp_path / "run" / "best.keras"
    with pytest.raises(ValueError, match=f"epochs: 3 there, 4 now.*weights={best} epochs=1 "):
        train(RECIPE.change(epochs=4), pairs, tmp_path / "run", verbose=0)
    # What it then says to do: a new run that begins with the network of the first.
    further = RECIPE.change(epochs=1, weights=str(best), learning_rate=1e-9)
    more = train(further, pairs, tmp_path / "more", verbose=0)
    assert more["val_loss"].iloc[0] == pytest.approx(log["val_loss"].min(), rel=0.05)
    # With a depth map of the same name that is another it does not go on, also an older one.
    pairs.depth_path(0).write_bytes(pairs.depth_path(4).read_bytes())
    os.utime(pairs.depth_path(0), (1, 1))
    with pytest.raises(ValueError, match="files of the column depth have changed"):
        train(RECIPE, pairs, tmp_path / "run", verbose=0)


def test_a_stopped_run_of_a_frozen_encoder_goes_on_exactly_and_no_byte_of_it_changes(
    pairs, tmp_path
):
    start, stopped, whole = tmp_path / "start.keras", tmp_path / "stopped", tmp_path / "whole"
    keras.utils.set_random_seed(1)
    build_tiny(RECIPE, NYU_TRAIN).save(start)
    recipe = RECIPE.change(weights=str(start), encoder_rate=0.0, average=0.9, epochs=2)
    train(recipe, pairs, stopped, minutes=0, verbose=0)
    resumed = train(recipe, pairs, stopped, verbose=0)
    log = train(recipe, pairs, whole, verbose=0)
    columns = ["epoch", "loss", "val_loss", "val_delta1", "learning_rate"]
    pd.testing.assert_frame_equal(resumed[columns], log[columns], rtol=1e-3)
    first = keras.models.load_model(start).get_weights()
    for path in (stopped / "best.keras", stopped / "last.keras", whole / "best.keras"):
        network = keras.models.load_model(path)
        for weight, before in zip(network.weights, first, strict=True):
            same = weight.numpy().tobytes() == before.tobytes()
            assert same == (not weight.path.startswith("final_conv")), f"{weight.path} in {path}"


def test_logs_for_tensorboard_are_written_where_its_package_is(pairs, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    recipe = RECIPE.change(epochs=1)
    train(recipe, pairs, tmp_path / "run", tensorboard=True, verbose=0)
    for side in ("train", "validation"):
        assert list((tmp_path / "run" / "tensorboard" / side).glob("events.out.tfevents.*"))
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e .\[train,tensorboard\]"):
        train(recipe, pairs, tmp_path / "other", tensorboard=True, verbose=0)
    assert not (tmp_path / "other").exists()


@pytest.mark.slow  # a process of its own, and two more runs
def test_a_run_that_was_killed_goes_on_to_the_same_losses(pairs, project, tmp_path):
    command = [sys.executable, "-c", KILLED, str(pairs.root), str(tmp_path / "killed")]
    killed = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert len(pd.read_csv(tmp_path / "killed" / "log.csv")) == 1
    left = [
        tmp_path / "killed" / f".{name}"
        for name in ("last-depthlib-0a1b2c3d.keras", "log-depthlib-4e5f6a7b.csv")
    ]
    for path in left:
        path.write_bytes(b"half")
    resumed = train(RECIPE, pairs, tmp_path / "killed", verbose=0)
    whole = train(RECIPE, pairs, tmp_path / "whole", verbose=0)
    columns = ["epoch", "loss", "val_loss", "val_delta1", "learning_rate"]
    pd.testing.assert_frame_equal(resumed[columns], whole[columns], rtol=1e-3)
    assert not any(path.exists() for path in left)


def test_a_bad_file_stops_training_with_its_name_before_the_first_epoch(pairs, tmp_path):
    pairs.depth_path(17).write_bytes(b"")
    with pytest.raises(ValueError, match="0 bytes in .*room_0006_out/3.png"):
        train(RECIPE, pairs, tmp_path / "run", cache_folder=tmp_path / "cache", verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_run_that_cannot_begin_leaves_no_folder_that_the_right_command_would_find_taken(
    pairs, tmp_path
):
    damaged, other = tmp_path / "damaged.keras", tmp_path / "other.keras"
    damaged.write_bytes(b"no network")
    keras.Sequential([keras.Input((2,)), DepthHead(1e-3, 10.0)]).save(other)
    missing = str(tmp_path / "missing.keras")
    relative = Pairs(pairs.root, pairs.table, NYU_RELATIVE)
    for changes, data, error, message in (
        ({"teacher": missing}, pairs, FileNotFoundError, "no network .*missing.keras"),
        ({"teacher": str(damaged)}, pairs, ValueError, "Received: .*damaged.keras"),
        ({"weights": missing}, pairs, FileNotFoundError, "no network .*missing.keras"),
        ({"weights": str(damaged)}, pairs, ValueError, "`weights` must .*damaged.keras"),
        ({"weights": str(other)}, pairs, ValueError, "`weights` must .*other.keras"),
        ({"counts": (100, 2)}, pairs, ValueError, "`counts` must be at most"),
        ({"scenes": 50}, pairs, ValueError, "`scenes` must be 1 to 3"),
        ({"loss": "depth"}, relative, ValueError, "blind to scale"),
    ):
        with pytest.raises(error, match=message):
            train(RECIPE.change(**changes), data, tmp_path / "run", verbose=0)
        assert not (tmp_path / "run").exists(), changes
    with pytest.raises(ValueError, match="`minutes` must be a number, at least 0. Received: min"):
        train(RECIPE, pairs, tmp_path / "run", minutes=float("nan"), verbose=0)
    command = ["light", "--data", str(pairs.root / "nyu2_train.csv"), "--run", f"{tmp_path}/run"]
    for change in ("jitter=1.5", "height=abc", "crop_border=maybe", "counts=5"):
        with pytest.raises(SystemExit, match=f"^`{change.partition('=')[0]}` must be "):
            main([*command, change])
    assert not (tmp_path / "run").exists()


def test_a_second_start_in_a_run_folder_is_turned_away_until_the_first_is_gone(
    pairs, project, tmp_path
):
    run, recipe = tmp_path / "run", RECIPE.change(epochs=1)
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(run)],
        cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match=f"Another process holds {run}/run.lock. Wait"):
            train(recipe, pairs, run, verbose=0)
        changes = [f"{name}={value}" for name, value in recipe.to_dict().items()]
        with pytest.raises(SystemExit, match="Another process holds"):
            main(["unet", *changes, "--data", f"{pairs.root}/nyu2_train.csv", "--run", str(run)])
        assert [path.name for path in run.iterdir()] == ["run.lock"]
    finally:
        first.kill()
        first.communicate()
    assert len(train(recipe, pairs, run, verbose=0)) == 1


@pytest.mark.slow  # five runs
def test_how_far_a_run_is_its_network_alone_says_and_a_log_that_disagrees_is_refused(
    pairs, tmp_path, monkeypatch
):
    run = tmp_path / "run"

    def interrupt(self, batch, logs=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(RunRecord, "on_train_batch_end", interrupt)
        train(RECIPE, pairs, run, verbose=0)
    # It has a network before its first step, so that no log is ever without one.
    assert {path.name for path in run.iterdir()} == {"run.json", "last.keras"}
    train(RECIPE, pairs, run, minutes=0, verbose=0)
    log, last = run / "log.csv", run / "last.keras"
    header, row = log.read_text().splitlines()
    network = last.read_bytes()
    files = {path: path.read_bytes() for path in run.iterdir()}

    def refuse(match):
        held = {path: path.read_bytes() for path in files if path.exists()}
        with pytest.raises(ValueError, match=match):
            train(RECIPE, pairs, run, verbose=0)
        assert {path: path.read_bytes() for path in files if path.exists()} == held

    log.write_text(f"{header}\n")
    refuse("each of the 1 epochs .* Received: .*log.csv: epochs none. Put the rows back")
    log.unlink()
    refuse("Received: .*log.csv: .*No such file.*weights=.*best.keras")
    log.write_text("")
    refuse("Received: .*log.csv: No columns")
    last.unlink()
    refuse("holds run.json, best.keras, log.csv but no last.keras")
    last.write_bytes(network[:2000] + bytes(100) + network[2100:])
    refuse("Received: .*last.keras.*Put it back")
    last.write_bytes((run / "best.keras").read_bytes())
    refuse("Received: .*last.keras: It has no optimizer. Put it back")
    # Rows of a process that was killed before it wrote its network: they are trained again.
    last.write_bytes(network)
    log.write_text(f"{header}\n{row}\n{row.replace('1', '2', 1)}\n")
    resumed = train(RECIPE, pairs, run, verbose=0)
    assert resumed["epoch"].tolist() == [1, 2, 3]
    pd.testing.assert_frame_equal(pd.read_csv(log), resumed)
    whole = train(RECIPE, pairs, tmp_path / "whole", verbose=0)
    assert resumed["loss"].tolist() == pytest.approx(whole["loss"].tolist(), rel=1e-3)


def test_a_run_in_mixed_precision_leaves_a_network_that_predicts_in_float32(pairs, tmp_path):
    recipe = RECIPE.change(precision="mixed_bfloat16", epochs=1)
    train(recipe, pairs, tmp_path, verbose=0)
    best, last = (keras.models.load_model(tmp_path / f"{name}.keras") for name in ("best", "last"))
    assert [layer.compute_dtype for layer in last.layers].count("bfloat16") > 2
    assert {layer.compute_dtype for layer in best.layers} == {"float32"}
    assert {layer.compute_dtype for layer in load_model(tmp_path / "last.keras").layers} == {
        "float32"
    }
    assert keras.config.dtype_policy().name == "float32"


def test_metres_are_no_extra_of_what_is_known_up_to_a_scale(pairs, tmp_path):
    relative = Pairs(pairs.root, pairs.table, NYU_RELATIVE)
    with pytest.raises(ValueError, match="metres where `extra` is. Received: nyu_relative"):
        train(RECIPE, relative, tmp_path / "run", extra=[pairs], verbose=0)
    assert not (tmp_path / "run").exists()


def test_relative_depth_is_not_trained_with_a_loss_that_judges_scale(pairs, tmp_path):
    relative = Pairs(pairs.root, pairs.table, NYU_RELATIVE)
    with pytest.raises(ValueError, match="blind to scale. Received: loss='depth'"):
        train(RECIPE.change(loss="depth"), pairs, tmp_path, extra=[relative], verbose=0)


def test_extra_pairs_train_too_but_for_the_scenes_that_validate(pairs, tmp_path):
    """Three scenes validate; of the relative maps of all six, three more scenes train."""
    spec = replace(NYU_TRAIN, metres_per_count=None, max_depth=1.0, median_range=(0.01, 1.0))
    extra = Pairs(pairs.root, pairs.table, spec)
    log = train(RECIPE.change(epochs=1), pairs, tmp_path, extra=[extra], verbose=0)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["counts"] == {"training": 18, "validation": 9}
    assert np.isfinite(log["loss"]).all()


@pytest.fixture
def copies(pairs, tmp_path):
    """The same photos and maps under other names, of scenes that nobody tells."""
    table = pairs.table.assign(scene="")
    for column in ("rgb", "depth"):
        for row, name in enumerate(pairs.table[column]):
            copy = f"{column}/{row:03d}{Path(name).suffix}"
            (tmp_path / "copies" / column).mkdir(parents=True, exist_ok=True)
            shutil.copy(pairs.root / name, tmp_path / "copies" / copy)
            table.loc[row, [column, "scene"]] = copy
    return Pairs(tmp_path / "copies", table, NYU_TRAIN, "unknown")


@pytest.mark.parametrize(("split", "count"), [("scene", 9), ("frame", 7)])
def test_extra_photos_that_validate_are_told_where_scenes_do_not(pairs, copies, split, count):
    recipe = RECIPE.change(split=split)
    with pytest.warns(UserWarning, match=f"{count} of {count} .* that trains, in {copies.root}"):
        sources, validation = _split(recipe, pairs, [copies])
    assert (len(sources[1]), len(validation)) == (18, count)
    with pytest.warns(UserWarning, match=rf"(\d+) of \1 .* that trains, in {pairs.root}"):
        _split(recipe, copies, [pairs])


@pytest.mark.parametrize("side", [0, 1])
def test_packed_photos_that_cannot_be_compared_with_those_that_validate_are_told(
    pairs, copies, tmp_path, side
):
    sources = [pairs, copies]
    pack_pairs(sources[side], 32, 48, tmp_path / "packed", progress=False)
    sources[side] = read_csv(tmp_path / "packed/pairs.csv")
    with pytest.warns(UserWarning, match=f"{tmp_path / 'packed'} is packed, without its photos"):
        _split(RECIPE, sources[0], sources[1:])


def test_extra_photos_of_scenes_of_other_names_are_compared_too(pairs, copies, monkeypatch):
    others = [f"copy of {scene}" for scene in pairs.table["scene"]]
    told = Pairs(copies.root, copies.table.assign(scene=others), NYU_TRAIN)
    with pytest.warns(UserWarning, match="9 of 9 validation photos have a near-copy that trains"):
        assert len(_split(RECIPE, pairs, [told])[0][1]) == 18
    monkeypatch.setattr("depthlib.data.splits.hash_photos", None)
    everything = RECIPE.change(validation=0.0)  # nor where nothing validates
    assert len(_split(everything, pairs, [copies])[0][1]) == 18


def test_whole_photos_of_roads_train_twice_and_without_such_photos_it_is_refused(pairs):
    road = replace(pairs, spec=replace(NYU_TRAIN, name="road", horizon=0.46, aspect=3.0))
    tall = replace(pairs, spec=replace(NYU_TRAIN, name="tall", horizon=0.45))
    recipe = RECIPE.change(whole=True, validation=0.0)
    assert [len(source) for source in _split(recipe, road, [tall])[0]] == [18, 18, 18]
    seen = replace(tall, table=tall.table.assign(right=tall.table["rgb"]))
    without = replace(tall, spec=replace(tall.spec, aspect=None))
    for first, extra in (
        (pairs, []), (pairs, [tall]), (road, []), (road, [road]), (tall, [road]), (road, [pairs]),
        (road, [seen]), (road, [without]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="`whole` needs extra .* Received: whole=True for"):
            _split(recipe, first, extra)


def test_rooms_among_roads_make_a_network_from_the_nearest_to_the_farthest(pairs, tmp_path):
    far = {"min_depth": 1.0, "max_depth": 80.0, "metres_per_count": 80 / 255}
    spec = replace(NYU_TRAIN, name="road", focal=0.58, median_range=(2.0, 80.0), **far)
    road = Pairs(pairs.root, pairs.table, spec)
    train(RECIPE.change(epochs=1), road, tmp_path / "run", extra=[pairs], verbose=0)
    head = load_model(tmp_path / "run" / "best.keras").layers[-1]
    assert (head.min_depth, head.max_depth, head.dataset) == (NYU_TRAIN.min_depth, 80.0, "road")
    with pytest.raises(ValueError, match="10 m of nyu_train and 80 m of road. Make road the main"):
        train(RECIPE, pairs, tmp_path / "other", extra=[road], verbose=0)
    assert not (tmp_path / "other").exists()


def test_packed_pairs_keep_the_range_that_they_were_packed_in(pairs, tmp_path):
    pack_pairs(pairs, 32, 48, tmp_path / "packed", progress=False)
    packed = read_csv(tmp_path / "packed/pairs.csv")
    with pytest.raises(ValueError, match="of 10 m. Say .* of the photos that it was packed from"):
        train(RECIPE.change(max_depth=8), packed, tmp_path / "run", verbose=0)
    path = tmp_path / "packed/dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_depth": 20.0}))
    packed = read_csv(tmp_path / "packed/pairs.csv")
    with pytest.raises(ValueError, match=r"max_depth=20.0 and 10.0, .*Put that back"):
        train(RECIPE, packed, tmp_path / "run", cache_folder=tmp_path / "cache", verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_run_stops_before_its_time_is_over_and_the_same_command_ends_it(pairs, tmp_path, capsys):
    changes = [f"{name}={value}" for name, value in RECIPE.to_dict().items()]
    command = ["light", *changes, "--data", str(pairs.root / "nyu2_train.csv"), "--verbose", "0"]
    command += ["--run", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
    assert main([*command, "--minutes", "0"]) == UNFINISHED
    assert "1 of 3 epochs" in capsys.readouterr().out
    assert main([*command, "--export", str(tmp_path / "half.keras")]) == 0
    whole = train(RECIPE, pairs, tmp_path / "whole", verbose=0)
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    pd.testing.assert_frame_equal(log[["epoch", "loss"]], whole[["epoch", "loss"]], rtol=1e-3)
    half, best = (load_model(tmp_path / name) for name in ("half.keras", "run/best.keras"))
    for ours, theirs in zip(half.get_weights(), best.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)
    assert main([*command, "--export", str(tmp_path / "half.keras")]) == 0
    with pytest.raises(SystemExit, match="hold one run"):
        main([*command, "epochs=4"])
    with pytest.raises(SystemExit, match="field=value. Received: 'epoch=4'"):
        main([*command, "epoch=4"])


def test_the_average_of_the_weights_is_what_is_validated_and_kept(pairs, tmp_path):
    """With a momentum of 1 it stays where the first step, at a 25th of the rate, has led."""
    recipe = RECIPE.change(average=0.999999, epochs=2)
    log = train(recipe, pairs, tmp_path / "run", verbose=0)
    assert log["loss"].iloc[1] < log["loss"].iloc[0]
    keras.utils.set_random_seed(recipe.seed)
    first = build_network(recipe, pairs.spec).get_layer("conv").get_weights()[0]
    best, last = (load_model(tmp_path / f"run/{name}.keras") for name in ("best", "last"))
    best, last = (np.abs(m.get_layer("conv").get_weights()[0] - first).max() for m in (best, last))
    assert best < 1e-3 < last


def test_each_epochs_network_is_kept_where_asked_for(pairs, tmp_path):
    train(RECIPE, pairs, tmp_path, keep_epochs=True, verbose=0)
    kept = sorted((tmp_path / "epochs").iterdir())
    assert [path.name for path in kept] == ["001.keras", "002.keras", "003.keras"]
    first, *_, last = (load_model(path).get_layer("conv").kernel.numpy() for path in kept)
    final = load_model(tmp_path / "last.keras").get_layer("conv").kernel.numpy()
    np.testing.assert_array_equal(last, final)  # too small a tensor to be rounded
    assert np.abs(first - final).max() > 1e-3


def test_a_run_that_is_to_be_consistent_in_any_weather_goes_on_with_the_same_loss(pairs, tmp_path):
    recipe = RECIPE.change(weather=1.0, effects=("fog",), consistency=2.0, batch_size=2)
    train(recipe, pairs, tmp_path, minutes=1e-6, verbose=0)
    held = keras.models.load_model(tmp_path / "last.keras").loss
    assert (type(held), held.weight, type(held.loss)) == (ConsistentLoss, 2.0, ScaleInvariantLoss)
    log = train(recipe, pairs, tmp_path, verbose=0)
    assert log["epoch"].tolist() == [1, 2, 3] and log["loss"].iloc[-1] < log["loss"].iloc[0]


def test_without_validation_all_pairs_train_and_the_last_epoch_is_kept(pairs, tmp_path):
    log = train(RECIPE.change(validation=0.0), pairs, tmp_path, verbose=0)
    assert "val_loss" not in log
    counts = json.loads((tmp_path / "run.json").read_text())["counts"]
    assert counts == {"training": 18, "validation": 0}
    best, last = (keras.models.load_model(tmp_path / f"{n}.keras") for n in ("best", "last"))
    for kept, ended in zip(best.get_weights(), last.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, ended)
    (tmp_path / "best.keras").unlink()  # as where the process is killed before it writes that
    pd.testing.assert_frame_equal(train(RECIPE.change(validation=0.0), pairs, tmp_path), log)
    again = keras.models.load_model(tmp_path / "best.keras")
    for kept, ended in zip(again.get_weights(), last.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, ended)


def test_the_recipes_augmentation_reaches_the_batches(tiny_nyu):
    pairs = read_csv(tiny_nyu() / "nyu2_train.csv", NYU_TRAIN)
    for recipe, augmentation in (
        (RECIPE.change(crop=0.3, weather=0.4), Augmentation(crop=0.3, weather=0.4)),
        (RECIPE.change(effects=("fog",)), Augmentation(effects=("fog",))),
        (RECIPE.change(augment=False, weather=1.0), None),
    ):
        batches, validation = open_batches(recipe, [pairs], pairs, None)
        assert batches.augmentation == augmentation and validation.augmentation is None
    road = replace(pairs, spec=replace(pairs.spec, focal=0.5, aspect=3.0, horizon=0.4))
    batches, _ = open_batches(RECIPE.change(boxes=0.5), [road], road, None)
    assert batches.augmentation == Augmentation(boxes=0.5, horizon=0.4, focal=(0.5, 1.5))
    framed = replace(road, spec=replace(road.spec, border=(0.0, 0.8, 0.0, 1.0)))
    batches, _ = open_batches(RECIPE.change(boxes=0.5, crop_border=True), [framed], road, None)
    assert batches.augmentation == Augmentation(boxes=0.5, horizon=0.5, focal=(0.5, 1.875))
    with pytest.raises(ValueError, match="`boxes` stand on a road of known horizon.*boxes=0"):
        open_batches(RECIPE.change(boxes=0.5), [pairs], pairs, None)


def test_a_recipe_with_the_originals_faults_trains_on_its_own_loss_and_split(pairs, tmp_path):
    recipe = RECIPE.change(
        network="unet_seed", split="frame", normalise=True, loss="depth", jitter=0.0, epochs=1
    )
    assert type(_make_loss(recipe, NYU_TRAIN)) is NormalisedDepthLoss
    log = train(recipe, pairs, tmp_path / "run", verbose=0)
    assert np.isfinite(log["loss"]).all()
    assert "val_silog" in log and "val_delta1" not in log  # it knows no metres
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["counts"] == {"training": 11, "validation": 7}  # by scene: 9 and 9
    batches, validation = open_batches(recipe, [pairs], pairs, None)
    assert batches.augmentation.jitter == 0 and validation.augmentation is None


def test_a_networks_file_says_what_it_has_seen_of_an_own_dataset_too(pairs, tmp_path):
    own = replace(pairs.spec, name="own", focal=0.7, aspect=None)
    assert _with_aspect(own, pairs).view() == {"focal": 0.7, "aspect": 48 / 32, "horizon": None}


def test_photos_of_several_shapes_are_told_before_they_are_squeezed(tiny_nyu, tmp_path):
    pairs = read_csv(tiny_nyu(scenes=6, frames=3) / "nyu2_train.csv", NYU_TRAIN)
    recipe = RECIPE.change(epochs=1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train(recipe, pairs, tmp_path / "run", verbose=0)
    assert not [one for one in told if "several shapes" in str(one.message)]
    for row in range(1, len(pairs), 3):  # one of each scene
        for path in (pairs.rgb_path(row), pairs.depth_path(row)):
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            cv2.imwrite(str(path), image[:, : image.shape[1] // 2])
    height, width = read_rgb(pairs.rgb_path(0)).shape[:2]
    said = rf"several shapes, such as .* \({height}x{width // 2}\) and .* \({height}x{width}\)"
    with pytest.warns(UserWarning, match=said):
        train(recipe, pairs, tmp_path / "other", verbose=0)


def name_alike(pairs, scenes, tmp_path, lens=None):
    """Other photos than those of `pairs`, of half their width, whose scenes have the same names."""
    root = tmp_path / "other"
    shutil.copytree(pairs.root, root)
    for path in [*root.rglob("*.jpg"), *root.rglob("*.png")]:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.ascontiguousarray(image[::-1, : image.shape[1] // 2]))
    spec = replace(pairs.spec, name="other", focal=lens)
    return replace(pairs, root=root, scenes=scenes, spec=spec)


@pytest.mark.parametrize(("scenes", "count"), [("known", 9), ("grouped", 18), ("unknown", 18)])
def test_extra_photos_stay_where_nobody_told_the_names_of_their_scenes(
    pairs, tmp_path, scenes, count
):
    more = name_alike(pairs, scenes, tmp_path)
    training, validation = _split(RECIPE, pairs, [more])
    assert len(validation) == 9 and [len(side) for side in training] == [9, count]


def test_extra_photos_that_all_validate_are_refused(pairs):
    validation = _split(RECIPE, pairs, [])[1]
    with pytest.raises(ValueError, match="Extra photos must show scenes that do not validate"):
        _split(RECIPE, pairs, [validation])


def test_extra_photos_of_another_shape_or_an_unknown_lens_are_told(pairs, tmp_path):
    more = name_alike(pairs, "unknown", tmp_path)
    with pytest.warns(UserWarning) as told:
        train(RECIPE.change(epochs=1), pairs, tmp_path / "run", extra=[more], verbose=0)
    said = " ".join(str(one.message) for one in told)
    assert "Photos have several shapes" in said
    assert f"The focal length of {more.root} is not known" in said


def test_packed_extra_photos_of_scenes_of_other_names_are_told(pairs, copies, tmp_path):
    others = [f"copy of {scene}" for scene in pairs.table["scene"]]
    told = Pairs(copies.root, copies.table.assign(scene=others), NYU_TRAIN, "known")
    pack_pairs(told, 32, 48, tmp_path / "packed", progress=False)
    packed = read_csv(tmp_path / "packed" / "pairs.csv")
    with pytest.warns(UserWarning, match="is packed, without its photos"):
        _split(RECIPE, pairs, [packed])
    named = replace(packed, table=packed.table.assign(scene=pairs.table["scene"].to_numpy()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _split(RECIPE, pairs, [named])
