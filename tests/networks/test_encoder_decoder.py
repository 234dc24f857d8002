import keras
import numpy as np
import pytest

from depthlib.networks.encoder_decoder import build_encoder_decoder, build_resnet34
from depthlib.networks.encoders import ENCODERS
from depthlib.networks.layers import BatchNormalization
from depthlib.networks.multiply_adds import count_macs
from tests.parity.segmentation_models_parity import fill_weights
from tests.tiny_networks import HEAD, assert_trains_and_reloads, logits_of


def test_it_has_the_parameters_and_the_arithmetic_of_the_seed(resnet34):
    assert resnet34.count_params() == 24_456_154
    share = 64 * 96 / 128**2
    assert count_macs(resnet34) / share == pytest.approx(1.95e9, rel=0.01)


def test_it_answers_as_segmentation_models_does(resnet34, golden):
    fill_weights(resnet34)
    np.testing.assert_allclose(
        logits_of(resnet34, golden["images"]), golden["logits"], rtol=0, atol=1e-5
    )


def test_a_size_that_the_strides_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="`height` must be a multiple of 32. Received: height=130"):
        build_resnet34(130, 128, **HEAD)


@pytest.mark.slow  # TensorFlow traces 150 layers, forwards and backwards
def test_it_trains_a_step_and_comes_back_from_its_file(resnet34, tmp_path):
    fill_weights(resnet34)
    assert_trains_and_reloads(resnet34, tmp_path)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_any_encoder_gives_a_network_with_our_batch_norm_and_depth_at_the_photos_size(encoder):
    model = build_encoder_decoder(64, 96, encoder, **HEAD)
    assert (model.name, model.output_shape) == (encoder, (None, 64, 96, 1))
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {type(norm) for norm in norms} == {BatchNormalization}
    with pytest.raises(ValueError, match="`encoder` must be one of resnet18, .*'vgg'"):
        build_encoder_decoder(64, 96, "vgg", **HEAD)


def test_a_separable_decoder_that_ends_at_half_size_trains_and_comes_back(tmp_path):
    settings = {"filters": (24, 16, 16, 8), "separable": True}
    model = build_encoder_decoder(32, 64, "mobilenet_v2", **settings, **HEAD)
    assert model.get_layer("final_conv").output.shape == (None, 16, 32, 1)
    slim = count_macs(model)
    settings["separable"] = False
    assert slim < count_macs(build_encoder_decoder(32, 64, "mobilenet_v2", **settings, **HEAD))
    assert_trains_and_reloads(model, tmp_path)
