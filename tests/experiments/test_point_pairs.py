import numpy as np
import pandas as pd
import pytest

from depthlib.data.images import write_rgb
from experiments.point_pairs import read_ordinal_pairs, score_ordinal, summarise_ordinal

COLUMNS = ["photo", "effect", "near_x", "near_y", "far_x", "far_y"]


def predict_a_road(photos, flip_average=False):
    """Nearer further down, whatever the photo."""
    depths = []
    for height, width, _ in (photo.shape for photo in photos):
        depths.append(np.repeat(1 - np.arange(height)[:, None] / height, width, axis=1))
    return depths


def predict_a_ceiling(photos, flip_average=False):
    return [depth[::-1] for depth in predict_a_road(photos)]


@pytest.fixture
def pairs(tmp_path):
    """Three pairs on two photos that are there, one of them in a second folder, and one missing."""
    for name in ("one/a.png", "two/b.png"):
        write_rgb(tmp_path / name, np.zeros((32, 48, 3), np.uint8))
    rows = [
        ("a.png", "shadow", 0.5, 0.9, 0.5, 0.6),
        ("a.png", "shadow", 0.2, 0.4, 0.2, 0.8),
        ("b.png", "reflection", 0.0, 0.99, 0.99, 0.0),
        ("gone.png", "shadow", 0.5, 0.9, 0.5, 0.6),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_pairs_are_right_where_the_near_point_is_predicted_nearer(pairs, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    table, missing = score_ordinal(predict_a_road, folders, pairs)
    assert missing == ["gone.png"]
    assert table["right"].tolist() == [True, False, True]
    assert table.loc[0, ["near_depth", "far_depth"]].tolist() == [1 - 28 / 32, 1 - 19 / 32]
    summary = summarise_ordinal(table).set_index("effect")
    assert summary.index.tolist() == ["shadow", "reflection", "all"]
    assert summary["right"].tolist() == pytest.approx([0.5, 1, 2 / 3])
    assert summary["pairs"].tolist() == [2, 1, 3] and summary["photos"].tolist() == [1, 1, 2]
    assert summary["low"].isna().tolist() == [True, True, False], "one photo tells no spread"


def test_equal_depths_are_not_right(pairs, tmp_path):
    def predict_a_wall(photos, flip_average):
        return [np.ones(photo.shape[:2], np.float32) for photo in photos]

    table, _ = score_ordinal(predict_a_wall, [tmp_path / "one"], pairs)
    assert not table["right"].any()


def test_one_odd_pixel_does_not_decide(tmp_path):
    write_rgb(tmp_path / "a.png", np.zeros((240, 320, 3), np.uint8))
    pairs = pd.DataFrame([("a.png", "shadow", 0.5, 0.75, 0.5, 0.5)], columns=COLUMNS)

    def predict(photos, flip_average):
        depths = predict_a_road(photos)
        depths[0][180, 160] = 99
        return depths

    assert score_ordinal(predict, [tmp_path], pairs)[0]["right"].all()


def test_without_any_photo_there_is_no_score(pairs, tmp_path):
    with pytest.raises(FileNotFoundError, match="none of the photos a.png, b.png, gone.png in"):
        score_ordinal(predict_a_road, [tmp_path], pairs)


def test_the_committed_pairs_are_in_the_order_of_a_flat_road(project):
    pairs = read_ordinal_pairs(project / "real_photos" / "ordinal_pairs.csv")
    assert set(pairs["effect"]) == {"shadow", "reflection"}
    assert (pairs["near_y"] > pairs["far_y"]).all()


def test_the_committed_pairs_are_scored_on_the_real_photos(project, shared):
    pairs = read_ordinal_pairs(project / "real_photos" / "ordinal_pairs.csv")
    data = shared / "data"
    folders = [data / "real_photos", data / "driving" / "driving_sparse_m256" / "rgb"]
    for predict, share in ((predict_a_road, 1), (predict_a_ceiling, 0)):
        table, missing = score_ordinal(predict, folders, pairs)
        assert not missing and len(table) == len(pairs)
        assert summarise_ordinal(table)["right"].tolist() == [share] * 3


def test_a_list_that_cannot_be_meant_is_refused(tmp_path):
    path = tmp_path / "pairs.csv"
    with pytest.raises(FileNotFoundError, match=r"There is no .*pairs\.csv"):
        read_ordinal_pairs(path)
    path.write_text("photo,x,y\na.png,1,2\n")
    with pytest.raises(ValueError, match="rows of photo, effect, near_x.* Received: photo, x, y"):
        read_ordinal_pairs(path)
    header = ",".join(COLUMNS)
    path.write_text(f"{header}\na.png,shadow,.5,.9,.5,.6\na.png,shadow,.5,192,.5,.6\n")
    with pytest.raises(ValueError, match=r"shares .* Received: .*192.* in line 3 of"):
        read_ordinal_pairs(path)
    path.write_text(f"{header}\n../a.png,shadow,.5,.9,.5,.6\n")
    with pytest.raises(ValueError, match="must stay in its folder"):
        read_ordinal_pairs(path)
