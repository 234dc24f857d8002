import cv2
import numpy as np
import pytest
from PIL import Image

from depthlib.data.stereo.boards import Board, parse_board


@pytest.mark.parametrize("charuco", [False, True])
def test_a_drawn_board_is_found_where_it_was_drawn(charuco):
    board = Board(7, 4, 0.03, charuco)
    photo = np.repeat(board.draw(30, margin=20)[..., None], 3, axis=2)
    which, corners = board.find(photo)
    # The first inner corner lies between the pixels 49 and 50.
    truth = 49.5 + board.points[which][:, :2] / 0.03 * 30
    # A chessboard may be found from its other end.
    off = min(np.abs(corners - truth).max(), np.abs(corners[::-1] - truth).max())
    assert len(which) == 28 and off < 0.1


def test_a_part_of_a_charuco_board_is_enough_and_a_photo_without_has_none():
    board = Board(7, 4, 0.03, charuco=True)
    photo = np.repeat(board.draw(40, margin=20)[..., None], 3, axis=2)
    which, _ = board.find(np.ascontiguousarray(photo[:, : photo.shape[1] // 2]))
    assert 8 <= len(which) < 28
    assert board.find(np.full_like(photo, 128)) is None


def test_a_board_of_another_size_is_told():
    photo = np.repeat(Board(7, 4, 0.03).draw(30, margin=20)[..., None], 3, axis=2)
    assert "chessboard of 7x4: use --board 7x4" in Board(6, 4, 0.03).tell_other(photo)
    assert Board(4, 7, 0.03).tell_other(photo) == ""


@pytest.mark.parametrize("charuco", [False, True])
def test_a_photo_without_any_board_tells_of_no_other_one(charuco):
    photo = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    assert Board(7, 4, 0.03, charuco).tell_other(photo) == ""


def test_markers_where_none_are_expected_or_others_are_told():
    photo = np.repeat(Board(7, 4, 0.03, True).draw(40, margin=20)[..., None], 3, axis=2)
    assert "use --charuco" in Board(7, 4, 0.03).tell_other(photo)
    assert Board(7, 4, 0.03, True).tell_other(photo) == ""
    told = Board(5, 3, 0.03, True).tell_other(photo)
    assert "numbers up to 19, where this board has 0 to 11" in told
    plain = np.repeat(Board(7, 4, 0.03).draw(30, margin=20)[..., None], 3, axis=2)
    assert "7x4 without markers: leave out --charuco" in Board(7, 4, 0.03, True).tell_other(plain)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_a_printed_square_has_its_size_and_the_page_is_a4(tmp_path, suffix):
    path = tmp_path / f"board{suffix}"
    assert Board(9, 6, 0.0243).write(path) == "297 x 210 mm"
    if suffix == ".pdf":
        box = path.read_bytes().split(b"/MediaBox [")[1].split(b"]")[0].split()
        assert np.allclose([float(n) for n in box[2:]], [841.89, 595.28], atol=0.1)
        return
    page = Image.open(path)
    across = np.flatnonzero(np.diff(np.array(page.convert("L"))[page.height // 2].astype(int)))
    assert np.allclose(np.diff(across) / page.info["dpi"][0] * 25.4, 24.3, atol=0.02)


@pytest.mark.parametrize("words", ["9", "9x", "9x9", "2x6", "axb", "-9x6", "99x6"])
def test_words_that_are_no_board_are_refused(words):
    with pytest.raises(ValueError, match="board must"):
        parse_board(words, 0.02)


def test_a_square_in_millimetres_is_refused_with_its_metres():
    with pytest.raises(ValueError, match="24 mm are 0.024"):
        parse_board("9x6", 24)
    for square in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="square"):
            parse_board("9x6", square)


def test_a_large_photo_is_refined_at_its_own_size():
    board = Board(7, 4, 0.03)
    small = board.draw(30, margin=40)
    large = cv2.resize(small, None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST)
    _, corners = board.find(np.repeat(large[..., None], 3, axis=2))
    truth = 6 * 70 - 0.5 + board.points[:, :2] / 0.03 * 180
    assert min(np.abs(corners - truth).max(), np.abs(corners[::-1] - truth).max()) < 0.2


@pytest.mark.parametrize(
    ("size", "square", "page"),
    [((9, 6), 0.25, "2516 x 1766"), ((6, 9), 0.12, "856 x 1216"), ((50, 45), 0.02, "1036 x 936")],
)
def test_a_board_that_fits_no_page_is_refused_before_it_is_drawn(
    tmp_path, monkeypatch, size, square, page
):
    monkeypatch.setattr(Board, "draw", None)
    board = Board(*size, square)
    message = f"must fit a page of A0.*square={square:g}, in metres.*{page} mm"
    with pytest.raises(ValueError, match=message):
        board.write(tmp_path / "board.pdf")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("size", [(9, 6), (6, 9)])
def test_a_board_of_a0_is_drawn_at_half_the_dots(tmp_path, monkeypatch, size):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert Board(*size, 0.11).write(tmp_path / "board.png").endswith(" mm")
    with Image.open(tmp_path / "board.png") as sheet:
        dots = round(0.11 * 300 / 0.0254)
        assert sheet.info["dpi"][0] == pytest.approx(300, abs=0.5)
        assert max(sheet.size) == pytest.approx(10 * dots + 0.016 * dots / 0.11, abs=1)
