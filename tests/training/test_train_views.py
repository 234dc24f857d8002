"""Runs that learn from other views of a photo: of two cameras, or of one that moves."""

import json

import cv2
import keras
import numpy as np
import pandas as pd
import pytest

from depthlib.data.images import read_rgb, write_rgb
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN
from depthlib.networks.saving import load_model
from depthlib.prediction.predictor import Predictor
from depthlib.training.train import train
from tests.training.test_train import RECIPE, build_tiny

HEIGHT, WIDTH = 32, 48
VIEWS = RECIPE.change(validation=0, batch_size=2, epochs=2)


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch):
    monkeypatch.setattr("depthlib.training.build._build", build_tiny)


@pytest.fixture
def walls(tmp_path):
    """Four walls, 7.2 m before two cameras: what the left one sees is 2 pixels to the left.

    It moves along by a pixel a frame, half the distance of the two.
    """
    rng = np.random.default_rng(0)
    folder = tmp_path / "walls"
    folder.mkdir()
    rows = ["rgb,right,previous,next,previous_motion,next_motion,scene"]
    for number in range(4):
        coarse = rng.integers(0, 256, (HEIGHT // 4, WIDTH // 4 + 2, 3), np.uint8)
        wall = cv2.resize(coarse, (WIDTH + 8, HEIGHT), interpolation=cv2.INTER_CUBIC)
        for name, start in (("left", 2), ("right", 4), ("previous", 1), ("next", 3)):
            write_rgb(folder / f"{name}{number}.png", wall[:, start : start + WIDTH])
        names = ",".join(f"{name}{number}.png" for name in ("left", "right", "previous", "next"))
        rows.append(f"{names},0 0 0 0.25 0 0,0 0 0 -0.25 0 0,{number}")
    (folder / "views.csv").write_text("\n".join(rows) + "\n")
    describe(folder, baseline=0.5)
    return folder


def describe(folder, **more):
    says = {"name": "walls", "encoding": "none", "focal": 0.6, "min_depth": 1, "max_depth": 80}
    (folder / "dataset.json").write_text(json.dumps(says | more))


def keep(folder, *names):
    """The CSV with these columns alone."""
    table = pd.read_csv(folder / "views.csv")
    motions = [f"{name}_motion" for name in names if name != "right"]
    table[["rgb", *names, *motions, "scene"]].to_csv(folder / "views.csv", index=False)
    return read_csv(folder / "views.csv")


@pytest.mark.parametrize("views", [["right"], ["previous", "next"]])
def test_views_in_metres_teach_metres_also_in_parts_that_are_enlarged(walls, tmp_path, views):
    recipe = VIEWS.change(epochs=40, crop=1.0, learning_rate=0.03)
    pairs = keep(walls, *views)
    log = train(recipe, pairs, tmp_path / "run", verbose=0)
    assert log["loss"].iloc[-1] < 0.5 * log["loss"].iloc[0]
    predict = Predictor(load_model(tmp_path / "run" / "best.keras"))
    depths = predict([read_rgb(pairs.rgb_path(index)) for index in range(4)])
    # 28.8 pixels of focal length times 0.5 m, over 2 pixels.
    assert np.median(depths) == pytest.approx(7.2, rel=0.15)


def test_a_stopped_run_on_measured_photos_and_views_goes_on_exactly(walls, tiny_nyu, tmp_path):
    measured = read_csv(tiny_nyu(scenes=2, frames=2) / "nyu2_train.csv", NYU_TRAIN)
    recipe = VIEWS.change(epochs=3, photometric=2.0, extra_weight=0.5)
    near = walls / "dataset.json"
    near.write_text(near.read_text().replace("80", "10"))
    extra = [read_csv(walls / "views.csv")]
    whole = train(recipe, measured, tmp_path / "whole", extra=extra, verbose=0)
    stopped = tmp_path / "stopped"
    assert len(train(recipe, measured, stopped, extra=extra, minutes=0, verbose=0)) < 3
    for _ in range(2):
        log = train(recipe, measured, stopped, extra=extra, minutes=0, verbose=0)
    columns = ["loss", "delta1"]
    pd.testing.assert_frame_equal(log[columns], whole[columns], check_exact=False, rtol=1e-5)
    alone = train(recipe.change(photometric=0), measured, tmp_path / "none", extra=extra, verbose=0)
    assert (alone["loss"] < whole["loss"]).all()  # the views' part is missing
    assert (alone["delta1"] > 0).all()


def test_one_camera_that_moves_teaches_relative_depth(walls, tmp_path):
    describe(walls, min_depth=0.01, max_depth=1)
    keep(walls, "previous", "next")
    text = (walls / "views.csv").read_text()
    (walls / "views.csv").write_text(text.replace("0.25", "0.003"))  # of a unit of its own
    pairs = read_csv(walls / "views.csv")
    assert pairs.spec.unit == "relative"
    log = train(VIEWS, pairs, tmp_path / "run", figure=True, verbose=0)
    assert np.isfinite(log["loss"]).all()
    network = load_model(tmp_path / "run" / "best.keras")
    whole = keras.saving.load_model(tmp_path / "run" / "last.keras", compile=False)
    # The factor of the shifts stays in last.keras.
    assert whole.count_params() == network.count_params() + 1
    assert float(keras.ops.convert_to_numpy(whole.layers[-1].log_factor)) != 0


@pytest.mark.parametrize(
    ("recipe", "says", "message"),
    [
        ({"validation": 0.5}, {"baseline": 0.5}, "cannot validate.*validation=0"),
        ({"photometric": 0.0}, {"baseline": 0.5}, "Received: photometric=0 for 'walls'"),
        ({"rotation": 5.0}, {"baseline": 0.5}, "rotation=0"),
        ({"consistency": 1.0, "weather": 1.0}, {"baseline": 0.5}, "consistency=0"),
        ({"teacher": "light"}, {"baseline": 0.5}, "teacher=None"),
        ({}, {}, "no `baseline` for 'walls'"),
    ],
)
def test_what_views_cannot_go_with_is_refused_before_the_folder_is_written(
    walls, tmp_path, recipe, says, message
):
    describe(walls, **says)
    with pytest.raises(ValueError, match=message):
        train(VIEWS.change(**recipe), keep(walls, "right"), tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()
