import cv2
import numpy as np
import pytest

from experiments.outlines import read_outlines, score_outlines

HEADER = "photo,kind,part,corners\n"


@pytest.fixture
def photo(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((90, 120, 3), np.uint8))
    return tmp_path


def test_pixels_are_right_within_a_quarter_of_what_stands_below_them(photo):
    path = photo / "outlines.csv"
    # Columns 30 to 60, rows 0 to 89: the truck's upper half is twice as far, or a fifth farther.
    path.write_text(HEADER + 'a.png,truck,rear,"0.25,0 0.5,0 0.5,1 0.25,1"\n')
    for factor, share in ((2, 0.5), (1.2, 1), (1 / 2, 0.5)):
        depth = np.full((90, 120), 10, np.float32)
        depth[:45] *= factor
        score = score_outlines(lambda photos, flip, d=depth: [d], photo, read_outlines(path))
        assert score["right"].item() == pytest.approx(share, abs=0.02)


def test_a_gantry_is_measured_at_its_post_and_a_truck_at_its_own_foot(photo):
    path = photo / "outlines.csv"
    beam, post = '"0,0 1,0 1,0.1 0,0.1"', '"0,0 0.1,0 0.1,1 0,1"'
    path.write_text(HEADER + f"a.png,gantry,beam,{beam}\na.png,gantry,post,{post}\n")
    depth = np.full((90, 120), 80, np.float32)
    depth[:, :13] = 20  # the post alone; the beam is taken for sky
    score = score_outlines(lambda photos, flip: [depth], photo, read_outlines(path))
    assert len(score) == 1
    beam_pixels, post_pixels = 120 * 10, 13 * 90
    both = beam_pixels + post_pixels - 13 * 10
    assert score["right"].item() == pytest.approx(post_pixels / both, abs=0.02)


def test_the_committed_outlines_are_of_the_original_projects_photos(project):
    outlines = read_outlines(project / "real_photos" / "outlines.csv")
    assert set(outlines["photo"]) == {"1.jpg", "2.jpg", "3.jpg", "5.jpg"}  # 4 shows no truck
    assert outlines["kind"].value_counts().to_dict() == {"truck": 10, "gantry": 4}


def test_outlines_that_cannot_be_meant_are_refused(tmp_path):
    path = tmp_path / "outlines.csv"
    with pytest.raises(FileNotFoundError, match=r"There is no .*outlines\.csv"):
        read_outlines(path)
    path.write_text("photo,corners\na.png,0\n")
    with pytest.raises(ValueError, match="Received: photo, corners, 1 rows"):
        read_outlines(path)
    for corners in ("0,0 1,1", "0,0 1,1 2,0", "0 1 1", "x,y 0,0 1,1"):
        path.write_text(HEADER + f'a.png,truck,rear,"{corners}"\n')
        with pytest.raises(ValueError, match=f"three or more of x,y.*{corners}"):
            read_outlines(path)
