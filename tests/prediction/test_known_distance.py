import numpy as np
import pytest

from depthlib.data.intrinsics import Intrinsics
from depthlib.prediction.known_distance import KnownDistance


def test_the_scale_makes_the_distance_between_two_pixels_right():
    """Two pixels 40 columns apart at 2 m, through a focal length of 80 pixels: 1 m apart."""
    camera = Intrinsics(80.0, 80.0, 49.5, 29.5, width=100, height=60)
    depth_m = np.full((60, 100), 2.0, np.float32)
    known = KnownDistance.parse("10,30,50,30=3")
    assert known.find_scale(depth_m, camera) == pytest.approx(3.0)


@pytest.mark.parametrize(
    "text",
    [
        "", "1,2,3=4", "1,2,3,4", "1,2,3,4=0", "1,2,3,4=-1", "1,2,3,4=inf", "1,2,3,4=nan",
        "a,2,3,4=1", "1,2,3,4,5=6",
    ],
)  # fmt: skip
def test_what_is_no_known_distance_is_refused(text):
    with pytest.raises(ValueError, match=r"must be X1,Y1,X2,Y2=METRES.* Received"):
        KnownDistance.parse(text)
