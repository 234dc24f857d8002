import numpy as np
import pytest

from depthlib.data.dataset_file import read_dataset_file
from depthlib.data.specs import KITTI, NYU_TRAIN
from depthlib.networks import layers
from depthlib.networks.saving import load_model
from depthlib.prediction.geometry import check_focal
from depthlib.prediction.predictor import view_of
from depthlib.training import recipes
from depthlib.training.build import ENCODER_DECODERS, UNETS, build_network
from depthlib.training.recipes import NETWORKS, UNET

TINY = UNET.change(network="unet_narrow", height=32, width=48, precision="float32")


def test_every_network_of_a_recipe_has_its_builder():
    assert {*ENCODER_DECODERS, *UNETS} == {*NETWORKS}
    assert recipes.DEPTH_SCALES == layers.DEPTH_SCALES


def test_a_recipe_names_the_network_that_is_built_with_the_datasets_range():
    model = build_network(TINY.change(network="unet_seed"), NYU_TRAIN)
    assert model.count_params() == 8_638_433
    head = model.layers[-1]
    assert (head.max_depth, head.unit, head.dataset) == (10.0, "metre", "nyu_train")
    assert head.view == NYU_TRAIN.view()
    head = build_network(TINY, KITTI).layers[-1]
    assert (head.min_depth, head.max_depth, head.dataset) == (1.0, 80.0, "kitti")


def test_a_network_of_ones_own_dataset_file_takes_a_focal_length_at_prediction(tmp_path):
    (tmp_path / "dataset.json").write_text(
        '{"name": "kitchen", "metres_per_count": 0.001, "focal_pixels": 585, "photo_width": 640}'
    )
    spec = read_dataset_file(tmp_path / "dataset.json")
    build_network(TINY, spec).save(tmp_path / "own.keras")
    loaded = load_model(tmp_path / "own.keras")
    assert loaded.layers[-1].dataset == "kitchen"
    view = view_of(loaded)
    assert view.focal == 585 / 640
    check_focal(0.7, view)


def test_a_network_begins_with_all_weights_of_a_saved_one(tmp_path):
    path = tmp_path / "start.keras"
    first = build_network(TINY, NYU_TRAIN)
    first.save(path)
    second = build_network(TINY.change(weights=str(path), height=64), NYU_TRAIN)
    assert second.input_shape == (None, 64, 48, 3)
    for ours, theirs in zip(second.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="`weights` must be a file of the same network. Received"):
        build_network(TINY.change(weights=str(path), network="unet"), NYU_TRAIN)


def test_a_network_that_ships_is_gone_on_from_by_its_name_and_what_differs_is_said(capsys):
    recipe = UNET.change(weights="unet", precision="float32")
    network = build_network(recipe, NYU_TRAIN, verbose=True)
    assert capsys.readouterr().out == ""  # of the same size, lens and range: nothing to say
    shipped = load_model("unet")
    for ours, theirs in zip(network.weights, shipped.weights, strict=True):
        assert ours.numpy().tobytes() == theirs.numpy().tobytes()
    network = build_network(recipe.change(height=96, width=320), KITTI, verbose=True)
    assert capsys.readouterr().out == (
        "Weights of unet: size 192x256 there, 96x320 here; focal length 0.81 of the width there, "
        "0.58 of the width here; depth 0.1 to 10 (metre, log) there, 1 to 80 (metre, log) here.\n"
    )
    for ours, theirs in zip(network.weights, shipped.weights, strict=True):
        same = ours.numpy().tobytes() == theirs.numpy().tobytes()
        assert same == (not ours.path.startswith("final_conv")), ours.path


def test_an_encoder_that_has_learned_nothing_is_not_frozen(tmp_path):
    with pytest.raises(ValueError, match="must have learned.*encoder_rate=0.0, weights=None"):
        build_network(TINY.change(encoder_rate=0.0), NYU_TRAIN)
    path = tmp_path / "start.keras"
    build_network(TINY, NYU_TRAIN).save(path)
    network = build_network(TINY.change(encoder_rate=0.0, weights=str(path)), NYU_TRAIN)
    assert {w.path.split("/")[0][:2] for w in network.trainable_weights} == {"up", "fi"}


def test_the_originals_faults_stand_before_the_network_and_make_its_depth_relative():
    fields = {"channels": "bgr", "normalise": True, "loss": "depth"}
    model = build_network(TINY.change(**fields), NYU_TRAIN)
    assert [layer.name for layer in model.layers[1:3]] == ["swap_channels", "stretch_range"]
    assert model.layers[-1].unit == "relative"
    resnet = TINY.change(network="resnet18", width=64, channels="bgr")
    assert build_network(resnet, NYU_TRAIN).layers[1].name == "swap_channels"
    assert "swap_channels" not in [layer.name for layer in build_network(TINY, NYU_TRAIN).layers]
