from pathlib import Path

import numpy as np
import pytest

from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor

PHOTO = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
SHAPES = [(32, 48), (48, 64), (36, 64), (32, 32), (64, 48), (64, 36), (16, 64), (320, 480)]


class Fake(DepthPredictor):
    """Depth from red, the more to the left the farther; notes the sizes of its batches."""

    def __init__(self, view=None, **settings):
        super().__init__(view or View(32, 48, 10.0, 0.8, 1.5), "metre", "rooms", **settings)
        self.sizes = []

    def predict_batch(self, batch):
        self.sizes.append(len(batch))
        assert batch.shape[1:] == (self.height, self.width, 3) and batch.dtype == np.uint8
        return 1 + batch[..., 0].astype(np.float32) / 100 * np.linspace(
            2, 1, self.width, dtype="f4"
        )


def test_each_photo_gets_depth_at_its_own_size_whatever_is_beside_it():
    photos = [np.random.default_rng(1).integers(0, 255, (*shape, 3), np.uint8) for shape in SHAPES]
    together = Fake(batch_size=3)(photos)
    for photo, depth in zip(photos, together, strict=True):
        assert depth.shape == photo.shape[:2] and depth.dtype == np.float32
        np.testing.assert_array_equal(Fake()([photo])[0], depth)


def test_a_note_calls_a_network_by_its_file_or_its_weights_and_by_what_it_was_given(tmp_path):
    file = tmp_path / "runs" / "best.onnx"
    file.parent.mkdir()
    file.touch()
    assert Fake().describe("light") == "light" and Fake().describe("") == ""
    assert Fake().describe(f"{file},output=relative") == "best.onnx,output=relative"
    own = Fake(focal=0.5, preprocess=np.flipud)
    own.digest = lambda: "0f3a"
    assert own.describe("mine") == "mine 0f3a focal=0.5 preprocess=flipud"
    own.path = file
    assert own.describe("mine") == "mine focal=0.5 preprocess=flipud"


def test_no_batch_is_larger_than_asked_for():
    predict = Fake(batch_size=3)
    predict([PHOTO] * 7)
    assert predict.sizes == [3, 3, 1]


def test_the_flip_average_is_the_same_for_a_photo_and_its_mirror_image():
    (depth,), (mirrored,) = (Fake()([p], flip_average=True) for p in (PHOTO, PHOTO[:, ::-1]))
    np.testing.assert_allclose(depth, mirrored[:, ::-1], rtol=1e-5)
    assert np.abs(depth - Fake()([PHOTO])[0]).max() > 1e-4


def test_a_photo_is_preprocessed_at_the_networks_size():
    large = np.repeat(np.repeat(PHOTO, 2, axis=0), 2, axis=1)
    changed = Fake(preprocess=lambda rgb: 255 - rgb)([large, PHOTO])
    for depth, other in zip(changed, Fake()([255 - large, 255 - PHOTO]), strict=True):
        np.testing.assert_allclose(depth, other, rtol=1e-5)
    with pytest.raises(ValueError, match="uint8 RGB.*float64"):
        Fake(preprocess=lambda rgb: rgb / 2)([PHOTO])


@pytest.mark.parametrize("photo", ["photo.jpg", Path("photo.jpg"), None, PHOTO.tolist()])
def test_what_is_no_array_is_refused_with_what_makes_one(photo):
    with pytest.raises(ValueError, match=rf"an array.*{type(photo).__name__}. Use `images.read_r"):
        Fake()([photo])


@pytest.mark.parametrize("shape", [(32, 48), (32, 48, 4), (1, 32, 48, 3), (0, 48, 3), (32, 0, 3)])
def test_what_is_no_photo_is_refused(shape):
    with pytest.raises(ValueError, match="uint8 RGB"):
        Fake()([np.zeros(shape, np.uint8)])
    with pytest.raises(ValueError, match="float32"):
        Fake()([np.zeros((32, 48, 3), np.float32)])


@pytest.mark.parametrize("focals", [[], [0.8], [0.8, None, 0.8]])
def test_another_number_of_lenses_than_of_photos_is_refused(focals):
    with pytest.raises(ValueError, match=f"one a photo. Received: {len(focals)} for 2 photos"):
        Fake()([PHOTO] * 2, focals=focals)


@pytest.mark.parametrize("focals", [0.8, "26mm", np.array(0.8)])
def test_a_lens_for_photos_is_a_list_of_them(focals):
    with pytest.raises(ValueError, match="`focals` must be a list, with one a photo. Received"):
        Fake()([PHOTO], focals=focals)


@pytest.mark.parametrize("size", [0, -1, 2.5, True, None, "8"])
def test_a_batch_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match="`batch_size` must be a whole number, 1 or more"):
        Fake(batch_size=size)


def test_no_photo_has_no_depth_and_lenses_may_be_an_array():
    assert Fake()([]) == []
    listed, array = (Fake()([PHOTO] * 2, focals=kind([0.8, 1.2])) for kind in (list, np.array))
    np.testing.assert_array_equal(listed, array)


def test_each_photo_may_have_its_own_lens():
    depths = Fake()([PHOTO] * 3, focals=[0.8, None, 1.6])
    np.testing.assert_array_equal(depths[0], depths[1])  # training's, and unknown
    assert depths[2].mean() > depths[0].mean()
    np.testing.assert_array_equal(Fake(focal=1.6)([PHOTO])[0], depths[2])
    with pytest.raises(ValueError, match="Received: focal=26"):
        Fake(focal=26)


def test_the_range_grows_with_the_lens_and_only_roads_have_a_sky():
    rooms, roads = Fake(focal=1.6), Fake(View(32, 96, 80.0, 0.6, 3.0, 0.45), focal=1.2)
    assert rooms.far is None and 10 < rooms.max_depth < 20
    assert (roads.far, roads.max_depth) == pytest.approx((128, 160))
