from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_RELATIVE, NYU_TRAIN
from depthlib.networks.ensemble import main as ensemble
from depthlib.networks.fine_tuning import scale_depth
from depthlib.networks.saving import load_model, save_model
from depthlib.training.__main__ import main as train
from depthlib.training.rescale import find_scale, main
from tests.tiny_networks import photos
from tests.training.test_train import RECIPE, build_tiny


@pytest.fixture
def pairs(tiny_nyu):
    return read_csv(tiny_nyu(scenes=3, frames=2) / "nyu2_train.csv", NYU_TRAIN)


@pytest.fixture
def network():
    """One that sees rooms of 1 to 4 m."""
    keras.utils.set_random_seed(0)
    network = build_tiny(RECIPE, NYU_TRAIN)
    last = network.get_layer("final_conv")
    kernel, bias = last.get_weights()
    last.set_weights([kernel / 3, np.full_like(bias, network.layers[-1].logit(2.0))])
    return network


def test_depth_is_multiplied_where_rooms_have_most_of_theirs(network):
    before, weights = network.predict_on_batch(photos(32, 48)), network.get_weights()
    assert 1 < before.min() and before.max() < 4
    for factor in (0.9, 1.1):
        network.set_weights(weights)
        scale_depth(network, factor)
        ratio = network.predict_on_batch(photos(32, 48)) / before
        np.testing.assert_allclose(ratio, factor, rtol=0.02)


def test_a_network_that_sees_rooms_too_small_is_brought_back_by_the_measured_photos(
    network, pairs, tmp_path, capsys
):
    for _ in range(2):  # what is far off is not right at once
        scale_depth(network, find_scale(network, pairs))
    assert find_scale(network, pairs) == pytest.approx(1, abs=0.02)
    scale_depth(network, 0.8)
    save_model(network, tmp_path / "small.keras")
    assert find_scale(network, pairs) == pytest.approx(1.25, rel=0.04)
    csv, out = pairs.root / "nyu2_train.csv", tmp_path / "back.keras"
    main([str(tmp_path / "small.keras"), "--data", str(csv), "--export", str(out)])
    assert "depth times 1.2" in capsys.readouterr().out
    assert find_scale(load_model(out), pairs) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    "command",
    [
        lambda *words: main([*words, "--data", "absent.csv"]),
        lambda path, *words: ensemble([path, "other.keras", *words]),
        lambda path, *words: train(["light", f"weights={path}", "--data=a.csv", "--run=r", *words]),
        lambda path, *words: train(["light", "--data=a", f"--run={Path(path).parent}", *words]),
    ],
)
@pytest.mark.parametrize("name", ["last.keras", "best.keras"])
def test_a_network_is_never_exported_over_what_it_is_made_of(tmp_path, command, name):
    mine = tmp_path / name
    mine.write_text("mine")
    with pytest.raises(SystemExit, match=f"over its source. Received: {mine}"):
        command(str(mine), "--export", str(mine))
    assert list(tmp_path.iterdir()) == [mine] and mine.read_text() == "mine"


def test_relative_depth_has_no_scale_to_take(network, pairs):
    with pytest.raises(ValueError, match="must be taken in metres.*relative of nyu_relative"):
        find_scale(network, replace(pairs, spec=NYU_RELATIVE))
