import json
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

from depthlib import training
from depthlib.datasets import NYU_RELATIVE, NYU_TRAIN
from depthlib.images import read_rgb
from depthlib.layers import DepthHead
from depthlib.pairs import Pairs, read_csv
from depthlib.prediction import Predictor, load_model
from depthlib.recipes import UNET
from depthlib.training import build_network, compile_network, save_model, train

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
from depthlib import datasets, pairs, training
from tests.test_training import RECIPE, build_tiny
training._build = build_tiny
def die(self, batch, logs=None):
    if len(self.log) == 1 and batch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
training.RunRecord.on_train_batch_begin = die
root, run = sys.argv[1:]
pairs = pairs.read_csv(root + "/nyu2_train.csv", datasets.NYU_TRAIN)
training.train(RECIPE, pairs, run, verbose=0)
"""


def build_tiny(recipe, spec):
    """Two convolutions with batch norm: TensorFlow traces them in a second, a U-Net in many."""
    photos = keras.Input((recipe.height, recipe.width, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(photos)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(x))
    logits = keras.layers.Conv2D(1, 3, padding="same")(x)
    depth = DepthHead(spec.min_depth, spec.max_depth, dataset=spec.name)(logits)
    return keras.Model(photos, depth, name="tiny")


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch):
    monkeypatch.setattr(training, "_build", build_tiny)


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
    with pytest.raises(ValueError, match="hold one run.*differs in recipe"):
        train(RECIPE.change(epochs=4), pairs, tmp_path / "run", verbose=0)


def test_a_run_that_was_killed_goes_on_to_the_same_losses(pairs, project, tmp_path):
    command = [sys.executable, "-c", KILLED, str(pairs.root), str(tmp_path / "killed")]
    killed = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert len(pd.read_csv(tmp_path / "killed" / "log.csv")) == 1
    resumed = train(RECIPE, pairs, tmp_path / "killed", verbose=0)
    whole = train(RECIPE, pairs, tmp_path / "whole", verbose=0)
    columns = ["epoch", "loss", "val_loss", "val_delta1", "learning_rate"]
    pd.testing.assert_frame_equal(resumed[columns], whole[columns], rtol=1e-3)


def test_a_bad_file_stops_training_with_its_name_before_the_first_epoch(pairs, tmp_path):
    pairs.depth_path(17).write_bytes(b"")
    with pytest.raises(ValueError, match="0 bytes in .*room_0006_out/3.png"):
        train(RECIPE, pairs, tmp_path / "run", cache_folder=tmp_path / "cache", verbose=0)
    assert not (tmp_path / "run" / "log.csv").exists()


def test_what_a_run_goes_on_from_takes_a_tenth_of_the_time_at_most(tmp_path, monkeypatch):
    now, epochs, saves = [0.0], [], []
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])

    def save(model, path):
        now[0] += 2.0
        saves.append(epochs[-1])

    monkeypatch.setattr(training, "save_model", save)
    record = training.RunRecord(tmp_path, 0, "delta1")
    record.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    record.model.compile("sgd", "mse")
    record.set_params({"epochs": 30})
    for epoch in range(30):
        epochs.append(epoch)
        record.on_epoch_begin(epoch)
        now[0] += 5.0
        # The first is the best, so that no best.keras comes between.
        record.on_epoch_end(epoch, {"loss": 1.0, "val_delta1": float(epoch == 0)})
    assert saves == [0, 0, 4, 8, 12, 16, 20, 24, 28, 29]  # 20 s apart, 2 s each


def test_a_loss_that_is_no_number_stops_the_run_and_writes_nothing(tmp_path):
    record = training.RunRecord(tmp_path, 0, "delta1")
    with pytest.raises(FloatingPointError, match="nan in epoch 3. Lower `learning_rate`"):
        record.on_epoch_end(2, {"loss": float("nan"), "val_delta1": 0.5})
    assert not list(tmp_path.iterdir())


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


def test_a_recipe_names_the_network_that_is_built_with_the_datasets_range(monkeypatch):
    monkeypatch.undo()
    model = build_network(RECIPE.change(network="unet_seed"), NYU_TRAIN)
    assert model.count_params() == 8_638_433
    head = model.layers[-1]
    assert (head.max_depth, head.unit, head.dataset) == (10.0, "metre", "nyu_train")


def test_relative_depth_is_not_trained_with_a_loss_that_judges_scale(pairs):
    relative = Pairs(pairs.root, pairs.table, NYU_RELATIVE)
    with pytest.raises(ValueError, match="blind to scale. Received: loss='depth'"):
        compile_network(None, RECIPE.change(loss="depth"), relative.spec, steps=1)


def test_a_model_that_cannot_be_written_whole_leaves_the_old_one(tmp_path):
    class Model:
        def save(self, path):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    path = tmp_path / "last.keras"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="last.keras.*No space left.*untouched"):
        save_model(Model(), path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["last.keras"]
