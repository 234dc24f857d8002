import hashlib

import pytest

from depthlib.data.images import read_rgb
from depthlib.data.photos import find_photos

PHOTO = b"a photo"


@pytest.fixture(autouse=True)
def without_photos_by_hand(monkeypatch):
    monkeypatch.delenv("DEPTHLIB_PHOTOS", raising=False)


@pytest.fixture
def listed(tmp_path):
    """A CSV of one photo, whose source is a file beside it: served/1.jpg."""
    served = tmp_path / "served" / "1.jpg"
    served.parent.mkdir()
    served.write_bytes(PHOTO)
    path = tmp_path / "list" / "photos.csv"
    path.parent.mkdir()
    path.write_text("photos/1.jpg,\n")  # with a comma, as the seed project writes it
    digest = hashlib.sha256(PHOTO).hexdigest()
    path.with_name("sources.csv").write_text(
        f"file,url,licence,sha256\nphotos/1.jpg,{served.as_uri()},GPL-3.0,{digest}\n"
    )
    return path


def test_a_photo_is_downloaded_once_into_the_folder_given(listed, tmp_path):
    photos, note = find_photos(listed, tmp_path / "cache")
    assert photos == [tmp_path / "cache" / "photos" / "1.jpg"]
    assert photos[0].read_bytes() == PHOTO
    assert str(photos[0].parent) in note
    (tmp_path / "served" / "1.jpg").unlink()
    assert find_photos(listed, tmp_path / "cache")[0] == photos


def test_a_photo_of_another_hash_is_refused_and_not_kept(listed, tmp_path):
    (tmp_path / "served" / "1.jpg").write_bytes(b"a sign-in page")
    with pytest.raises(ValueError, match="photos/1.jpg must have the SHA-256 .* Received: "):
        find_photos(listed, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_photos_by_hand_are_found_and_checked(listed, tmp_path, monkeypatch):
    monkeypatch.setenv("DEPTHLIB_PHOTOS", str(tmp_path / "mine"))
    with pytest.raises(FileNotFoundError, match="mine"):
        find_photos(listed, tmp_path / "cache")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "1.jpg").write_bytes(PHOTO)
    assert find_photos(listed, tmp_path / "cache")[0] == [tmp_path / "mine" / "1.jpg"]
    (tmp_path / "mine" / "1.jpg").write_bytes(PHOTO[:-1])
    with pytest.raises(ValueError, match="SHA-256"):
        find_photos(listed, tmp_path / "cache")


def test_without_network_the_photos_of_scikit_learn_stand_in_and_it_is_said(listed, tmp_path):
    (tmp_path / "served" / "1.jpg").unlink()
    photos, note = find_photos(listed, tmp_path / "cache")
    assert [photo.name for photo in photos] == ["china.jpg", "flower.jpg"]
    assert "scikit-learn" in note
    assert all(read_rgb(photo).shape == (427, 640, 3) for photo in photos)


def test_a_users_own_photos_lie_beside_their_csv(tmp_path):
    (tmp_path / "own.csv").write_text("\ufeffb.jpg\n\na b.png\n", encoding="utf-8")
    (tmp_path / "b.jpg").write_bytes(PHOTO)
    with pytest.raises(FileNotFoundError, match="a b.png"):
        find_photos(tmp_path / "own.csv", tmp_path / "cache")
    (tmp_path / "a b.png").write_bytes(PHOTO)
    photos, _ = find_photos(tmp_path / "own.csv", tmp_path / "cache")
    assert photos == [tmp_path / "b.jpg", tmp_path / "a b.png"]


@pytest.mark.parametrize("name", ["../1.jpg", "/1.jpg", "C:/1.jpg", "a/../../1.jpg"])
def test_a_path_that_leaves_its_folder_is_refused(tmp_path, name):
    (tmp_path / "own.csv").write_text(name)
    with pytest.raises(ValueError, match="must stay in its folder"):
        find_photos(tmp_path / "own.csv", tmp_path)


def test_an_empty_and_a_missing_csv_are_named(tmp_path):
    (tmp_path / "own.csv").write_text("\n")
    with pytest.raises(ValueError, match="own.csv"):
        find_photos(tmp_path / "own.csv", tmp_path)
    with pytest.raises(FileNotFoundError, match="other.csv"):
        find_photos(tmp_path / "other.csv", tmp_path)


def test_the_five_road_photos_have_the_hashes_of_their_list(shared, project, tmp_path, monkeypatch):
    monkeypatch.setenv("DEPTHLIB_PHOTOS", str(shared / "data" / "real_photos"))
    photos, _ = find_photos(project / "real_photos" / "photos_1.csv", tmp_path)
    assert [photo.name for photo in photos] == [f"{n}.jpg" for n in range(1, 6)]
