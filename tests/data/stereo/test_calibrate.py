import numpy as np
import pytest

from depthlib.data.images import read_rgb, write_rgb
from depthlib.data.inputs import list_inputs
from depthlib.data.stereo.boards import Board
from depthlib.data.stereo.calibrate import _join, calibrate_photos
from tests.stereo_scenes import MATRIX, SHIFT, TURN, draw_boards

BOARD = Board(7, 4, 0.03)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Eight pairs of a board, drawn exactly."""
    return draw_boards(BOARD, tmp_path_factory.mktemp("boards"))


@pytest.mark.parametrize("charuco", [False, True])
def test_the_rig_that_drew_the_boards_is_found(tmp_path, photos, charuco):
    board = Board(7, 4, 0.045, charuco=True) if charuco else BOARD
    left, right = draw_boards(board, tmp_path, 12) if charuco else photos
    found = calibrate_photos(left, right, board)
    assert found.pairs["used"].all() and found.rms < 0.15
    assert found.rig.baseline == pytest.approx(np.linalg.norm(SHIFT), rel=0.005)
    for camera in (found.rig.left, found.rig.right):
        assert camera.matrix[0, 0] == pytest.approx(MATRIX[0, 0], rel=0.005)
    np.testing.assert_allclose(found.rig.rotation, TURN, atol=0.01)
    assert found.epipolar < 0.15
    assert f"baseline: {found.rig.baseline:.5f} m" in found.describe()


def test_photos_of_another_moment_are_left_out_by_name(photos):
    left, right = photos
    mixed = [*right[:2], right[3], right[2], *right[4:]]
    found = calibrate_photos(left, mixed, BOARD)
    assert found.pairs.index[~found.pairs["used"]].tolist() == [2, 3]
    assert f"left out: {left[2]}: the cameras stand otherwise" in found.describe()
    assert found.rig.baseline == pytest.approx(0.12, rel=0.01)


def test_too_few_pairs_that_agree_are_no_calibration(photos):
    left, right = photos
    with pytest.raises(ValueError, match="needs 5 pairs.*Received: 4 of 6; of .*stand otherwise"):
        calibrate_photos(left[:6], [*right[:4], right[5], right[4]], BOARD)


def test_corners_that_no_camera_sees_are_refused_in_our_words(photos, monkeypatch):
    def find_on_a_line(board, rgb):
        line = np.zeros((len(board.points), 2), np.float32)
        line[:, 0] = np.arange(len(line))
        return np.arange(len(line)), line

    monkeypatch.setattr(Board, "find", find_on_a_line)
    with pytest.raises(ValueError, match=f"as a camera sees them.*such as {photos[0][0]}"):
        calibrate_photos(*photos, BOARD)


def test_cameras_that_are_out_of_step_are_told_by_how_much(photos):
    left, right = photos
    with pytest.raises(ValueError, match="right photos are 1 behind: remove the first 1 of them"):
        calibrate_photos(left[1:], right[:-1], BOARD)
    with pytest.raises(ValueError, match="left photos are 1 behind"):
        calibrate_photos(left[:-1], right[1:], BOARD)


def test_swapped_cameras_are_told(photos):
    with pytest.raises(ValueError, match="cameras are swapped: swap --left and --right"):
        calibrate_photos(*photos[::-1], BOARD)


def test_one_camera_twice_is_no_rig(photos):
    with pytest.raises(ValueError, match="baseline of a rig must be"):
        calibrate_photos(photos[0], photos[0], BOARD)


def test_another_board_is_told_by_its_size(photos):
    with pytest.raises(ValueError, match="shows? a chessboard of 7x4: use --board 7x4"):
        calibrate_photos(*photos, Board(6, 4, 0.03))


def test_a_board_that_one_camera_finds_from_its_other_end_is_turned_back(photos, monkeypatch):
    find = Board.find
    places = {read_rgb(path).tobytes() for path in photos[1][::2]}

    def find_turned(board, rgb):
        which, corners = find(board, rgb)
        return which, corners[::-1].copy() if rgb.tobytes() in places else corners

    monkeypatch.setattr(Board, "find", find_turned)
    found = calibrate_photos(*photos, BOARD)
    assert found.rig.baseline == pytest.approx(0.12, rel=0.005)
    assert "note: " in found.describe() and "turned by 180" in found.describe()


def test_too_few_unequal_and_odd_photos_are_refused(tmp_path, photos):
    left, right = photos
    with pytest.raises(ValueError, match=f"a right one of its number. Received: {right[0]}, wit"):
        calibrate_photos(left[1:], right, BOARD)
    with pytest.raises(ValueError, match=r"needs 5 pairs.*Received: 2 of 2\. Show the whole board"):
        calibrate_photos(left[:2], right[:2], BOARD)
    other = tmp_path / left[-1].name
    write_rgb(other, read_rgb(left[0])[:-2])
    with pytest.raises(ValueError, match=f"one size. Received: 238x320 in {other}"):
        calibrate_photos([*left[:-1], other], right, BOARD)


def test_parts_of_a_charuco_board_are_enough_for_the_exact_rig(tmp_path):
    board = Board(8, 5, 0.04, charuco=True)
    found = calibrate_photos(*draw_boards(board, tmp_path, 15, seed=2, least=0.5), board)
    seen = [len(left) for left, _ in found.corners.values()]
    assert min(seen) < 15 and sum(seen) < 0.7 * 40 * len(seen)  # of 40 corners
    assert len(seen) >= 12 and min(found.coverage) > 0.55
    assert found.rms < 0.12
    assert found.rig.baseline == pytest.approx(np.linalg.norm(SHIFT), rel=0.005)
    for camera in (found.rig.left, found.rig.right):
        assert camera.matrix[0, 0] == pytest.approx(MATRIX[0, 0], rel=0.005)


def test_cameras_of_two_focal_lengths_become_a_rig(tmp_path):
    longer = np.array([(450.0, 0, 150.0), (0, 450.0, 125.0), (0, 0, 1)])
    left, right = draw_boards(BOARD, tmp_path, matrix=longer)
    found = calibrate_photos(left, right, BOARD)
    assert found.rig.left.matrix[0, 0] == pytest.approx(300, rel=0.01)
    assert found.rig.right.matrix[0, 0] == pytest.approx(450, rel=0.01)
    assert found.epipolar < 0.15


@pytest.mark.parametrize("charuco", [False, True])
def test_a_camera_that_is_upside_down_is_told(tmp_path, photos, charuco):
    board = Board(5, 3, 0.06, charuco=True) if charuco else BOARD
    left, right = draw_boards(board, tmp_path, 8) if charuco else photos
    turned = []
    for number, path in enumerate(right):
        turned.append(tmp_path / "turned" / f"{number}.png")
        write_rgb(turned[-1], np.ascontiguousarray(read_rgb(path)[::-1, ::-1]))
    with pytest.raises(ValueError, match="turned by 1(79|80) degrees|upside down to the left"):
        calibrate_photos(left, turned, board)


def test_boards_that_are_all_held_alike_are_refused_for_they_tell_no_focal_length(tmp_path, photos):
    left, right = photos
    with pytest.raises(ValueError, match="must be tilted .* within 0 degrees of each other"):
        calibrate_photos(left[:1] * 6, right[:1] * 6, BOARD)
    board = Board(5, 3, 0.06, charuco=True)
    with pytest.raises(ValueError, match="must be tilted in several ways"):
        calibrate_photos(*draw_boards(board, tmp_path, 8, tilt=2), board)


def test_corners_on_one_line_are_no_board(tmp_path):
    board = Board(9, 3, 0.03, charuco=True)
    line = np.arange(9), np.float32(board.points[:9, :2] * 1000)
    assert _join(board, line, line) is None
    more = np.arange(12), np.float32(board.points[:12, :2] * 1000)
    assert len(_join(board, more, more).points) == 12


@pytest.mark.parametrize(
    ("name", "square", "pairs", "rms", "least"),
    [("chessboard_opencv", 0.025, 13, 0.23, 11), ("chessboard_rig", 0.02423, 29, 0.26, 26)],
)
def test_real_boards_reach_opencvs_own_error(shared, name, square, pairs, rms, least):
    folder = shared / "data" / "stereo" / name
    left, right = (list_inputs([f"{folder}/{side}*.jpg"]).split()[0] for side in ("left", "right"))
    found = calibrate_photos(left, right, Board(9, 6, square))
    assert len(found.pairs) == pairs and found.pairs["used"].sum() >= least
    assert found.rms <= rms
    if name == "chessboard_rig":
        assert found.rig.baseline == pytest.approx(0.094, abs=0.001)  # as its owner measured it
