import importlib.util
import sys

import cv2
import numpy as np
import pytest

from depthlib.prediction.hub import HubPredictor
from depthlib.prediction.teachers import label_photo, open_teacher

SIZE = (84, 84)  # six patches of 14 a side


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("keras_hub", reason="needs keras-hub: pip install -e .[keras-hub]")


@pytest.fixture(scope="module")
def estimators(hub):
    """Depth Anything V2's own classes, tiny and random: in disparity, and in metres to 20."""
    encoder = hub.models.DINOV2Backbone(
        patch_size=14,
        num_layers=4,
        hidden_dim=8,
        num_heads=2,
        intermediate_dim=16,
        image_shape=(*SIZE, 3),
        position_embedding_shape=SIZE,
    )
    backbone = hub.models.DepthAnythingBackbone(
        image_encoder=encoder,
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_dims=[4, 4, 8, 8],
        fusion_hidden_dim=8,
        head_hidden_dim=4,
        head_in_index=-1,
        feature_keys=["stage1", "stage2", "stage3", "stage4"],
    )
    converter = hub.layers.DepthAnythingImageConverter(
        image_size=SIZE, scale=[1 / 58, 1 / 57, 1 / 57], offset=[-2.1, -2.0, -1.8]
    )
    prepare = hub.models.DepthAnythingDepthEstimatorPreprocessor(image_converter=converter)
    kinds = ("relative", None), ("metric", 20.0)
    return [
        hub.models.DepthAnythingDepthEstimator(
            backbone, preprocessor=prepare, depth_estimation_type=kind, max_depth=farthest
        )
        for kind, farthest in kinds
    ]


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


def test_metres_are_the_estimators_own_at_the_photos_size(estimators, photo):
    teacher = HubPredictor(estimators[1])
    (depth,) = teacher([photo])
    assert teacher.unit == "metre" and teacher.max_depth == 20
    shown = cv2.resize(photo, SIZE[::-1], interpolation=cv2.INTER_AREA)
    own = np.asarray(estimators[1].predict(shown[None], verbose=0)["depths"]).reshape(SIZE)
    assert np.ptp(own) > 0 and 0 < own.min() and own.max() < 20
    expected = cv2.resize(own, (120, 90), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(depth, expected, rtol=1e-3)


def test_relative_depth_is_disparity_which_a_teacher_in_metres_gives_its_scale(estimators, photo):
    relative, metric = map(HubPredictor, estimators)
    assert relative.unit == "disparity"
    label = label_photo([relative, metric], photo)
    assert label.unit == "metre" and label.depth.shape == (90, 120)
    assert np.isfinite(label.depth).all() and label.depth.min() > 0
    with pytest.raises(ValueError, match="Received: disparity. Add light"):
        label_photo([relative], photo)


def test_a_preset_in_a_folder_is_opened_by_its_word_and_others_are_refused(
    estimators, photo, tmp_path, monkeypatch
):
    estimators[1].save_to_preset(tmp_path / "preset")
    teacher = open_teacher(f"keras_hub:{tmp_path / 'preset'}")
    np.testing.assert_allclose(teacher([photo])[0], HubPredictor(estimators[1])([photo])[0], 1e-4)
    with pytest.raises(ValueError, match=f"preset of a DepthEstimator. Received: {tmp_path}/none"):
        open_teacher(f"keras_hub:{tmp_path}/none")
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("depthlib.prediction.hub.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e \.\[keras-hub\]"):
        open_teacher("keras_hub:depth_anything_v2_small")
