import keras
import numpy as np
import pytest

from depthlib.networks.ensemble import average_weights, build_ensemble, main, take_member
from depthlib.networks.layers import DepthHead
from depthlib.networks.saving import load_model
from depthlib.prediction.predictor import Predictor

PHOTO = np.zeros((32, 48, 3), np.uint8)


def build_constant(logit, size=(32, 48), **head):
    """A network that gives `logit` to its head everywhere."""
    photos = keras.Input((*size, 3), dtype="uint8")
    convolution = keras.layers.Conv2D(
        1, 1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(logit)
    )
    logits = convolution(keras.layers.Rescaling(1 / 255)(photos))
    return keras.Model(photos, DepthHead(0.1, 10.0, **head)(logits), name=f"gives{logit}")


def test_an_ensemble_gives_the_depth_of_the_mean_logit(tmp_path):
    networks = [build_constant(logit, scale="log", dataset="rooms") for logit in (-1, 0, 4)]
    for path, network in zip("abc", networks, strict=True):
        network.save(tmp_path / f"{path}.keras")
    main([*(f"{tmp_path}/{name}.keras" for name in "abc"), "--export", f"{tmp_path}/best.keras"])
    predict = Predictor(load_model(tmp_path / "best.keras"))
    assert (predict.unit, predict.dataset) == ("metre", "rooms")
    share = 1 / (1 + np.exp(-1))  # of the mean logit, 1
    np.testing.assert_allclose(predict([PHOTO])[0], 0.1 * 100**share, rtol=1e-5)


def test_networks_that_cannot_be_one_are_refused(tmp_path):
    one = build_constant(0)
    for networks in (
        [one],
        [one, build_constant(0, size=(64, 48))],
        [one, build_constant(0, scale="linear")],
        [one, build_constant(0, dataset="roads")],
    ):
        with pytest.raises(ValueError, match="two networks or more.*same head. Received: gives0"):
            build_ensemble(networks)
    with pytest.raises(SystemExit, match="There is no network"):
        main(["absent.keras", "absent.keras", "--export", f"{tmp_path}/best.keras"])


def test_a_member_comes_out_as_it_went_in(tmp_path):
    networks = [build_constant(logit, scale="log", dataset="rooms") for logit in (-1, 3)]
    ensemble = build_ensemble(networks)
    ensemble.save(tmp_path / "best.keras")
    main([f"{tmp_path}/best.keras", "--member", "2", "--export", f"{tmp_path}/second.keras"])
    second = load_model(tmp_path / "second.keras")
    assert second.layers[-1].get_config()["dataset"] == "rooms"
    np.testing.assert_array_equal(Predictor(second)([PHOTO]), Predictor(networks[1])([PHOTO]))
    with pytest.raises(ValueError, match="Received: 3 of ensemble, which has member1, member2"):
        take_member(ensemble, 3)
    with pytest.raises(ValueError, match="which has none"):
        take_member(networks[0], 1)
    with pytest.raises(SystemExit):
        main(["a.keras", "b.keras", "--member", "1", "--export", "c.keras"])


def test_a_mean_of_weights_is_a_network_of_the_same_size(tmp_path):
    networks = [build_constant(logit, scale="log", dataset="rooms") for logit in (-1, 3)]
    for path, network in zip("ab", networks, strict=True):
        network.save(tmp_path / f"{path}.keras")
    files = [f"{tmp_path}/{name}.keras" for name in "ab"]
    main([*files, "--weights", "--export", f"{tmp_path}/mean.keras"])
    mean = load_model(tmp_path / "mean.keras")
    assert mean.count_params() == networks[0].count_params()
    share = 1 / (1 + np.exp(-1))  # of the mean bias, 1
    np.testing.assert_allclose(Predictor(mean)([PHOTO])[0], 0.1 * 100**share, rtol=1e-5)
    assert networks[0].get_weights()[1] == -1  # as it was


def test_weights_of_other_networks_have_no_mean():
    one = build_constant(0, scale="log")
    deeper = keras.Model(one.input, keras.layers.Conv2D(1, 1)(one.layers[-2].output))
    for networks in ([one], [one, build_constant(0, scale="linear")], [one, deeper]):
        with pytest.raises(ValueError, match="built alike. Received: gives0"):
            average_weights(networks)
