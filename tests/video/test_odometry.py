import cv2
import numpy as np
import pytest

from depthlib.data.intrinsics import Intrinsics
from depthlib.video.odometry import Odometer, compose, invert, triangulate

HEIGHT, WIDTH, FOCAL, BASELINE = 120, 200, 150.0, 0.4
CAMERA = Intrinsics(FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, WIDTH, HEIGHT)
# Planes of a corridor: the axis that they cross, and where.
PLANES = ((1, 1.5), (1, -1.5), (0, -2.0), (0, 2.0), (2, 25.0))


def see(place, turn=(0.0, 0.0, 0.0)):
    """A corridor as a camera at `place` sees it that is turned, uint8 (HEIGHT, WIDTH, 3)."""
    texture = np.random.default_rng(0).uniform(0, 255, (128, 128)).astype(np.float32)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rays = np.stack([(x - CAMERA.cx) / FOCAL, (y - CAMERA.cy) / FOCAL, np.ones((HEIGHT, WIDTH))], 2)
    rays = rays @ cv2.Rodrigues(np.float64(turn))[0].T  # from the camera to the corridor
    far = np.stack([(at - place[axis]) / rays[..., axis] for axis, at in PLANES])
    far = np.where(far > 0, far, np.inf)
    hit = np.asarray(place) + far.min(axis=0)[..., None] * rays
    axis = np.array([axis for axis, _ in PLANES])[far.argmin(axis=0)]
    along = [
        np.where(axis == 0, hit[..., 1], hit[..., 0]),
        np.where(axis == 2, hit[..., 1], hit[..., 2]),
    ]
    u, v = (np.float32(4 * coordinate % 127) for coordinate in along)
    grey = cv2.remap(texture, u, v, cv2.INTER_LINEAR).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def expect(place, turn, later, turned):
    """The motion (6,) from one camera's place and turn to another's."""
    one, other = (cv2.Rodrigues(np.float64(each))[0] for each in (turn, turned))
    back = other.T @ one
    return np.concatenate([cv2.Rodrigues(back)[0][:, 0], other.T @ (np.subtract(place, later))])


PATH = [((0, 0, 0), (0, 0, 0)), ((0, 0, 0.3), (0, 0.01, 0)), ((0.05, 0, 0.7), (0, 0.03, 0))]
PATH += [((0.1, 0.02, 0.9), (0.01, 0.05, 0))]


def find(odometer, photos):
    odometer.begin(photos[0])
    return [odometer.move(each) for each in photos[1:]]


def compare(found, unit):
    for (before, after), motion in zip(zip(PATH, PATH[1:], strict=False), found, strict=True):
        expected = expect(*before, *after)
        np.testing.assert_allclose(motion[:3], expected[:3], atol=0.004)  # .2 degrees
        np.testing.assert_allclose(motion[3:] / unit, expected[3:], atol=0.03)
        assert np.linalg.norm(motion[3:]) / unit == pytest.approx(
            np.linalg.norm(expected[3:]), rel=0.08
        )


def test_one_camera_tells_turns_and_the_way_up_to_one_factor():
    found = find(Odometer(CAMERA, 9.0), [(see(*each),) for each in PATH])
    unit = np.linalg.norm(found[0][3:]) / 0.3
    compare(found, unit)
    # The corridor's points are some 2 to 25 m away; their median counts as 9.
    assert 1 < unit < 5


def test_a_second_camera_tells_the_way_in_metres():
    photos = []
    for place, turn in PATH:
        right = cv2.Rodrigues(np.float64(turn))[0] @ (BASELINE, 0, 0)
        photos.append((see(place, turn), see(place + right, turn)))
    compare(find(Odometer(CAMERA, 9.0, BASELINE), photos), 1.0)


def test_a_turn_on_the_spot_tells_no_way_and_a_shot_begins_there():
    photos = [(see((0, 0, 0), (0, 0.03 * n, 0)),) for n in range(3)]
    photos += [(see((0, 0, 0.3 * n), (0, 0.06, 0)),) for n in (1, 2)]
    found = find(Odometer(CAMERA, 9.0), photos)
    assert found[0] is None and found[1] is None
    assert found[2] is not None and found[3] is not None
    assert np.linalg.norm(found[3][3:]) == pytest.approx(np.linalg.norm(found[2][3:]), rel=0.1)


def pan(rgb, axis, degrees):
    """The photo as the same camera sees it that is turned about an axis."""
    turn = cv2.Rodrigues(np.radians(degrees) * np.eye(3)[axis])[0]
    flow = CAMERA.matrix @ turn.T @ np.linalg.inv(CAMERA.matrix)
    return cv2.warpPerspective(rgb, flow, (WIDTH, HEIGHT))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_pan_gives_no_motion_whatever_the_noise(axis):
    rng, photo = np.random.default_rng(4), see((0, 0, 0))
    frames = [pan(photo, axis, 1.5 * number) for number in range(8)]
    frames = [np.clip(f + rng.normal(0, 4, f.shape), 0, 255).astype(np.uint8) for f in frames]
    assert find(Odometer(CAMERA, 9.0), [(frame,) for frame in frames]) == 7 * [None]


def test_a_camera_that_slides_along_a_picture_gives_no_motion():
    coarse = np.random.default_rng(5).uniform(0, 255, (40, 120)).astype(np.float32)
    wall = cv2.resize(coarse, (720, 240), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    wall = np.repeat(wall.astype(np.uint8)[..., None], 3, axis=2)
    for step in (2, 4, 7):
        frames = [(np.ascontiguousarray(wall[60:180, n * step :][:, :WIDTH]),) for n in range(8)]
        assert find(Odometer(CAMERA, 9.0), frames) == 7 * [None]


def test_what_shows_other_things_or_nothing_tells_no_motion():
    dark = np.full((HEIGHT, WIDTH, 3), 9, np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, dark.shape, np.uint8)
    corridor = see((0, 0, 0))
    for one, other in ((corridor, dark), (dark, corridor), (corridor, noise), (dark, dark),
                       (corridor, corridor[:-8])):  # fmt: skip
        assert find(Odometer(CAMERA), [(one,), (other,)]) == [None]


def test_points_are_as_far_as_the_scene_has_them_where_they_move_enough():
    rng = np.random.default_rng(2)
    points = rng.uniform((-2, -1, 3), (2, 1, 20), (50, 3))
    motion = np.array([0.01, -0.05, 0.02, 0.1, 0.02, -0.5])
    later = points @ cv2.Rodrigues(motion[:3])[0].T + motion[3:]
    pixels = [
        each[:, :2] / each[:, 2:] * FOCAL + (CAMERA.cx, CAMERA.cy) for each in (points, later)
    ]
    far, told = triangulate(*pixels, motion, CAMERA)
    assert 15 < told.sum() < 50
    np.testing.assert_allclose(far, points[:, 2], rtol=1e-6)
    # Twice the length: everything is twice as far.
    twice = motion * np.array([1, 1, 1, 2, 2, 2])
    np.testing.assert_allclose(triangulate(*pixels, twice, CAMERA)[0], 2 * far, rtol=1e-6)
    turn_alone = np.array([0, 0.02, 0, 1, 0, 0])
    pixels[1] = points @ cv2.Rodrigues(turn_alone[:3])[0].T
    pixels[1] = pixels[1][:, :2] / pixels[1][:, 2:] * FOCAL + (CAMERA.cx, CAMERA.cy)
    assert not triangulate(*pixels, turn_alone, CAMERA)[1].any()


def test_a_motion_is_turned_round():
    motion = np.array([0.2, -0.4, 0.1, 1.0, -2.0, 3.0])
    points = np.random.default_rng(3).normal(0, 5, (4, 3))
    there = points @ cv2.Rodrigues(motion[:3])[0].T + motion[3:]
    back = invert(motion)
    np.testing.assert_allclose(there @ cv2.Rodrigues(back[:3])[0].T + back[3:], points, atol=1e-9)


def test_motions_one_after_the_other_are_one():
    first, second = np.array([0.2, -0.4, 0.1, 1.0, -2.0, 3.0]), np.array([0.1, 0.3, 0, 0, 1.0, -1])
    move = lambda points, motion: points @ cv2.Rodrigues(motion[:3])[0].T + motion[3:]  # noqa: E731
    points = np.random.default_rng(6).normal(0, 5, (4, 3))
    expected = move(move(points, first), second)
    np.testing.assert_allclose(move(points, compose(first, second)), expected, atol=1e-9)
