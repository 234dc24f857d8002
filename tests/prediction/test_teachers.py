import numpy as np
import pytest

from depthlib.prediction.geometry import View
from depthlib.prediction.interface import SPREAD, DepthPredictor
from depthlib.prediction.onnx import PeerSpec
from depthlib.prediction.teachers import find_unit, label_photo, open_teacher
from tests.onnx_files import write_onnx

HEIGHT, WIDTH = 12, 16


class Says(DepthPredictor):
    """Says `depth` (height, width) of every photo, or what it sees of it; `mirrored` of one turned.

    A photo is turned where its first column is brighter than its last.
    """

    def __init__(self, depth, unit="metre", view=None, mirrored=None):
        super().__init__(View(HEIGHT, WIDTH, 10.0), unit, "")
        self.depth, self.seen = np.asarray(depth, np.float32), view
        self.mirrored = self.depth if mirrored is None else np.asarray(mirrored, np.float32)

    def find_view(self, height, width):
        return self.seen or super().find_view(height, width)

    def predict_batch(self, batch):
        return np.stack(
            [
                self.mirrored[:, ::-1] if one[0, 0, 0] > one[0, -1, 0] else self.depth
                for one in batch
            ]
        )


@pytest.fixture
def photo():
    ramp = np.linspace(0, 250, WIDTH).astype(np.uint8)
    return np.broadcast_to(ramp[:, None], (HEIGHT, WIDTH, 3)).copy()


@pytest.fixture
def ramp():
    return np.add.outer(np.linspace(1, 2, HEIGHT), np.linspace(0, 4, WIDTH))


def test_metres_are_the_mean_of_the_teachers_in_log_depth(photo, ramp):
    label = label_photo([Says(ramp), Says(4 * ramp)], photo)
    np.testing.assert_allclose(label.depth, 2 * ramp, rtol=1e-5)
    assert label.unit == "metre" and label.depth.dtype == np.float32
    # Half of the looks are ln 2 above the mean, half below.
    np.testing.assert_allclose(label.confidence, np.exp(-np.log(2) / SPREAD), rtol=1e-4)


@pytest.mark.parametrize("focal", [None, 0.4, 0.58, 0.9])
def test_sky_and_what_is_too_far_to_tell_has_no_label_through_any_lens(photo, focal):
    depth = np.full((HEIGHT, WIDTH), 8.0)
    depth[:4], depth[4] = 80, 70
    road = Says(depth)
    road.view = View(HEIGHT, WIDTH, 80.0, 0.58, WIDTH / HEIGHT, 0.45)
    label = label_photo([road], photo, focal)
    result = road([photo], focals=[focal])[0]
    shown = np.where(result >= road.lay_out(HEIGHT, WIDTH, focal).far, 0, result)
    np.testing.assert_allclose(label.depth, shown, rtol=1e-5)
    assert (shown[:4] == 0).all() and (shown[5:] > 0).all()
    assert ((label.confidence > 0) == (shown > 0)).all()
    both = label_photo([road, Says(np.full((HEIGHT, WIDTH), 8.0))], photo, focal)
    assert ((both.depth > 0) == (shown > 0)).all()


def test_who_agrees_with_himself_and_the_others_is_trusted(photo, ramp):
    label = label_photo([Says(ramp), Says(ramp), Says(ramp)], photo, combine="median")
    np.testing.assert_allclose(label.depth, ramp, rtol=1e-5)
    np.testing.assert_allclose(label.confidence, 1, rtol=1e-5)
    odd = label_photo([Says(ramp), Says(ramp), Says(9 * ramp)], photo, combine="median")
    np.testing.assert_allclose(odd.depth, ramp, rtol=1e-5)
    assert odd.confidence.max() < 1e-3


def test_what_a_teacher_says_otherwise_of_the_mirrored_photo_weighs_little(photo, ramp):
    torn = Says(2 * ramp, mirrored=8 * ramp)  # 4 in the mean
    equal = label_photo([Says(ramp), torn], photo)
    np.testing.assert_allclose(equal.depth, 2 * ramp, rtol=1e-5)
    weighed = label_photo([Says(ramp), torn], photo, combine="confidence")
    np.testing.assert_allclose(weighed.depth, ramp, rtol=1e-4)


@pytest.mark.parametrize("first", [0, 1])
def test_depth_up_to_a_scale_takes_the_metres_of_the_other_one(photo, ramp, first):
    teachers = [Says(ramp), Says(0.01 * ramp, unit="relative")]
    label = label_photo(teachers[::-1] if first else teachers, photo)
    np.testing.assert_allclose(label.depth, ramp, rtol=1e-5)
    assert label.unit == "metre"


def test_disparity_takes_scale_and_shift_of_the_other_one(photo, ramp):
    disparity = 3 / ramp + 0.5  # `OnnxPredictor` gives what is over it
    label = label_photo([Says(1 / disparity, unit="disparity"), Says(ramp)], photo)
    np.testing.assert_allclose(label.depth, ramp, rtol=1e-4)
    np.testing.assert_allclose(label.confidence, 1, atol=2e-2)


def test_relative_teachers_alone_give_relative_depth(photo, ramp):
    label = label_photo([Says(ramp, "relative"), Says(7 * ramp, "relative")], photo)
    np.testing.assert_allclose(label.depth, ramp, rtol=1e-5)
    assert label.unit == "relative"


def test_beside_its_view_a_teacher_follows_those_that_see_all(photo, ramp):
    view = slice(2, 10), slice(3, 13)
    beside = 4 * ramp
    beside[0] = 99  # which is no depth
    label = label_photo([Says(beside, view=view), Says(ramp)], photo)
    np.testing.assert_allclose(label.depth, 2 * ramp, rtol=1e-5)
    alone = label_photo([Says(beside, view=view)], photo)
    assert (alone.depth[view] > 0).all() and np.count_nonzero(alone.depth) == 8 * 10
    relative = label_photo([Says(beside, view=view), Says(ramp, "relative")], photo)
    np.testing.assert_allclose(relative.depth, beside[-1, -1] / ramp[-1, -1] * ramp, rtol=1e-5)


def test_teachers_that_give_no_depth_or_a_combination_that_is_none_are_refused(photo, ramp):
    for units, said in ((["disparity", "disparity"], "disparity, disparity"), ([], "none")):
        with pytest.raises(ValueError, match=f"must give depth.*Received: {said}. Add light"):
            find_unit([Says(ramp, unit) for unit in units])
    with pytest.raises(ValueError, match="must be one of mean, median, conf.*combine='best'"):
        label_photo([Says(ramp)], photo, combine="best")
    with pytest.raises(ValueError, match="must be uint8 RGB"):
        label_photo([Says(ramp)], photo.astype(np.float32))


def test_a_word_opens_a_network_of_ours_or_of_another_project(tmp_path):
    assert open_teacher("light").is_ours
    path = write_onnx(tmp_path / "other.onnx", shape=(1, 3, "h", "w"))
    other = open_teacher(f"{path},output=disparity,size=6x8,scaling=1,mean=1/2/3.5")
    spec = PeerSpec("disparity", (6, 8), 1.0, (1, 2, 3.5))
    assert other.spec == spec and (other.height, other.width) == (6, 8)
    with pytest.raises(ValueError, match="must say what it sees.*other.onnx"):
        open_teacher(str(write_onnx(tmp_path / "fixed_other.onnx")))
    with pytest.raises(ValueError, match="ours says itself.*Use 'light'"):
        open_teacher("light,output=metre")
    bad = (
        "size=6",
        "size=6x",
        "mean=1/2",
        "scaling=",
        "colour=red",
        "",
        "output metre",
        "mean=nan/0/0",
        "scaling=inf",
    )
    for words in bad:
        with pytest.raises(ValueError, match="must be said as output="):
            open_teacher(f"{path},{words}")
    with pytest.raises(ValueError, match="`output` must be one of metre, relative, disparity"):
        open_teacher(f"{path},output=feet")
