import keras
import numpy as np
import pytest

from depthlib.datasets import NYU_TRAIN
from depthlib.distillation import FeatureDistance, build_pair, main
from depthlib.encoders import ENCODERS
from depthlib.networks import build_network
from depthlib.pairs import find_pairs, write_csv
from depthlib.recipes import Recipe


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """Weights of a MobileNetV2 that nobody trained."""
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "notop.weights.h5"
    ENCODERS["mobilenet_v2"].application(weights=None, include_top=False).save_weights(path)
    return path


def test_the_distance_is_that_of_directions():
    ours = np.zeros((2, 3, 4, 2), np.float32)
    ours[..., 0] = 5
    theirs = np.zeros((2, 3, 4, 2), np.float32)
    theirs[0, ..., 0], theirs[1, ..., 1] = 0.5, 2
    np.testing.assert_allclose(FeatureDistance()([ours, theirs]), [[0], [1]], atol=1e-6)
    np.testing.assert_allclose(FeatureDistance()([ours, -ours]), [[2], [2]], atol=1e-6)


def test_the_teacher_stays_and_every_stage_of_the_student_learns(teacher):
    trained, learner = build_pair("resnet18", "mobilenet_v2", teacher, 32, 64)
    known = trained.get_layer("teacher")
    assert not known.trainable_weights
    inner = {weight.path for weight in learner.trainable_weights}
    projections = [w.path for w in trained.trainable_weights if w.path not in inner]
    assert len(projections) == 2 * 4  # a kernel and a bias for each of four stages
    assert trained.output_shape == (None, 1)


def test_a_students_file_is_the_start_of_a_depth_network(tiny_nyu, teacher, tmp_path, capsys):
    folder, path = tiny_nyu(scenes=2, frames=4), tmp_path / "start.keras"
    write_csv(find_pairs(folder, NYU_TRAIN)[0], folder / "nyu2_train.csv")
    words = ["resnet18", "mobilenet_v2", "--weights", str(teacher), "--export", str(path)]
    words += ["--photos", str(folder / "nyu2_train.csv"), "nyu_train", "--epochs", "30"]
    sizes = ["--height", "32", "--width", "64", "--batch-size", "4"]
    main([*words, *sizes, "--cache-folder", str(tmp_path / "cache"), "--verbose", "2"])
    printed = capsys.readouterr().out
    losses = [float(line.split("loss: ")[1]) for line in printed.splitlines() if "loss: " in line]
    assert losses[-1] < 0.7 * losses[0]
    start = keras.models.load_model(path)
    recipe = Recipe(network="resnet18", height=64, width=96, weights=str(path))
    network = build_network(recipe.change(precision="float32"), NYU_TRAIN)
    for layer in start.layers:
        ours = network.get_layer(layer.name).get_weights()
        for one, other in zip(ours, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="`weights` must be a file of the same network"):
        build_network(recipe.change(network="unet"), NYU_TRAIN)


def test_what_is_missing_is_said(tmp_path):
    words = ["resnet18", "mobilenet_v2", "--photos", "absent.csv", "nyu_train"]
    with pytest.raises(SystemExit, match="There is no absent.csv"):
        main([*words, "--export", str(tmp_path / "start.keras")])
