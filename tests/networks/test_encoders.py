import keras
import pytest

from depthlib.networks.encoders import ENCODERS

CHANNELS = {
    "resnet18": (64, 64, 128, 256, 512),
    "resnet34": (64, 64, 128, 256, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "resnet50_c4": (64, 256, 512, 1024),
    "mobilenet_v2": (16, 24, 32, 96, 320),
}
# Counted without the classifier; ResNet18 and 34: classification_models, the others: Keras.
PARAMETERS = {"resnet18": 11_186_889, "resnet34": 21_302_473, "resnet50": 23_587_712}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_features_halve_in_size_from_half_to_a_thirty_second(encoder):
    photos = keras.Input((64, 96, 3), dtype="uint8")
    features = ENCODERS[encoder].encode(photos)
    sizes = [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    assert [(f.shape[1], f.shape[2]) for f in features] == sizes[: len(CHANNELS[encoder])]
    assert tuple(f.shape[3] for f in features) == CHANNELS[encoder]
    if encoder in PARAMETERS:
        assert keras.Model(photos, features[-1]).count_params() == PARAMETERS[encoder]
