import hashlib
import os
import subprocess
import sys
from functools import partial

import pytest

from depthlib.data.images import read_rgb
from depthlib.data.photos import DATASETS, find_photos
from depthlib.downloads import fetch
from tests.web_server import WHOLE, serve

PHOTO = b"a photo"
NOWHERE = "https://127.0.0.1:9/1.jpg"  # where nothing answers


@pytest.fixture(autouse=True)
def without_photos_by_hand(monkeypatch):
    monkeypatch.delenv("DEPTHLIB_PHOTOS", raising=False)


@pytest.fixture
def listed(tmp_path):
    """A CSV of one photo, whose source cannot be reached."""
    path = tmp_path / "list" / "photos.csv"
    path.parent.mkdir()
    path.write_text("photos/1.jpg,\n")  # with a comma, as the original project writes it
    write_source(path, NOWHERE)
    return path


def write_source(path, url, data=PHOTO):
    digest = hashlib.sha256(data).hexdigest()
    path.with_name("sources.csv").write_text(
        f"file,url,licence,sha256\nphotos/1.jpg,{url},GPL-3.0,{digest}\n"
    )


@pytest.fixture
def server(monkeypatch):
    """A server of the machine's own, with which photos may be fetched over http."""
    allowed = partial(fetch, schemes=("http", "https"))
    monkeypatch.setattr("depthlib.data.photos.fetch", allowed)
    with serve() as url:
        yield url


@pytest.fixture
def own(tmp_path):
    """A folder of a user's photos, a video and a text."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("b10.jpg", "b9.JPG", "a, b.png", "notes.txt", "drive.mp4"):
        (folder / name).write_bytes(PHOTO)
    return folder


def names_of(photos):
    return [photo.name for photo in photos]


def test_a_photo_is_downloaded_once_into_the_folder_given(listed, tmp_path, server):
    write_source(listed, f"{server}/whole", WHOLE)
    photos, note = find_photos(listed, tmp_path / "cache")
    assert photos == [tmp_path / "cache" / "photos" / "1.jpg"]
    assert photos[0].read_bytes() == WHOLE
    assert str(photos[0].parent) in note
    write_source(listed, f"{server}/nothing", WHOLE)
    assert find_photos(str(listed), tmp_path / "cache")[0] == photos


def test_a_photo_of_another_hash_is_refused_and_not_kept(listed, tmp_path, server):
    write_source(listed, f"{server}/whole", b"a sign-in page")
    with pytest.raises(ValueError, match="digest sha256:.* Received: .*It is of .*sources.csv"):
        find_photos(listed, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("url", ["no URL", "ftp://127.0.0.1:9/1.jpg", "file:///etc/hostname"])
def test_a_source_that_is_not_over_https_is_refused(listed, tmp_path, url):
    write_source(listed, url)
    with pytest.raises(ValueError, match="begins with https://. Received: .*sources.csv"):
        find_photos(listed, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_photo_of_more_bytes_than_photos_have_is_refused(listed, tmp_path, server, monkeypatch):
    monkeypatch.setattr("depthlib.data.photos.MOST_BYTES", 100_000)
    write_source(listed, f"{server}/endless")
    with pytest.raises(ValueError, match="at most 100,000 bytes. Received: .*sources.csv"):
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


def test_without_network_a_rendered_room_and_road_stand_in_and_it_is_said(
    listed, tmp_path, project, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (room, road), note = find_photos(listed, tmp_path / "cache")
    assert room.is_relative_to(DATASETS / "sample") and "nyu2_test" in room.parts
    assert road.is_relative_to(DATASETS / "sample_roads") and road.name == "overcast.jpg"
    assert "cannot be downloaded" in note and "a room and a road" in note
    assert "DEPTHLIB_PHOTOS" in note
    monkeypatch.chdir(project)
    assert str(find_photos(listed, tmp_path / "cache")[0][0]).startswith("datasets/sample/")
    assert all(read_rgb(photo).shape == (240, 320, 3) for photo in (room, road))


def test_without_network_and_outside_of_a_clone_it_says_what_is_missing(
    listed, tmp_path, monkeypatch
):
    monkeypatch.setattr("depthlib.data.photos.STAND_INS", (tmp_path / "room.png",))
    with pytest.raises(FileNotFoundError, match="room.png. Give photos of your own"):
        find_photos(listed, tmp_path / "cache")


def test_looking_for_photos_imports_no_scikit_learn(listed, tmp_path):
    code = (
        "import sys; from depthlib.data.photos import find_photos; "
        f"find_photos({str(listed)!r}, {str(tmp_path / 'cache')!r}); "
        "print({'sklearn', 'keras', 'matplotlib'} & set(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=DATASETS.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "set()"


def test_a_photo_a_folder_a_pattern_and_several_of_them_are_taken(own, tmp_path):
    assert find_photos(own / "b10.jpg", tmp_path)[0] == [own / "b10.jpg"]
    assert find_photos(str(own / "a, b.png"), tmp_path)[0] == [own / "a, b.png"]
    assert names_of(find_photos(own, tmp_path)[0]) == ["a, b.png", "b9.JPG", "b10.jpg"]
    assert names_of(find_photos(f"{own}/b*", tmp_path)[0]) == ["b9.JPG", "b10.jpg"]
    words = [own / "b10.jpg", str(own)]
    photos, note = find_photos(words, tmp_path)
    assert names_of(photos) == ["b10.jpg", "a, b.png", "b9.JPG"]
    assert str(own) in note and "3" in note


def test_a_users_own_list_names_photos_beside_it_or_anywhere(own, tmp_path):
    listing = own / "own.csv"
    listing.write_text(
        f'\ufeffb10.jpg\n\na, b.png\n{own}/b9.JPG,bright\n"a, b.png",2\n', encoding="utf-8"
    )
    photos, note = find_photos(listing, tmp_path / "cache")
    assert photos == [own / "b10.jpg", own / "a, b.png", own / "b9.JPG"]
    assert str(listing) in note
    (own / "other.txt").write_text("../own/b10.jpg")
    assert find_photos(own / "other.txt", tmp_path)[0][0].samefile(own / "b10.jpg")
    listing.write_text("absent.jpg\nb10.jpg")  # a line without its photo does not stop the others
    assert [path.name for path in find_photos(listing, tmp_path)[0]] == ["absent.jpg", "b10.jpg"]


def test_a_list_beside_anothers_sources_is_a_users_own(listed, own, tmp_path):
    beside = listed.with_name("mine.csv")
    beside.write_text(f"{own}/b10.jpg")
    assert find_photos(beside, tmp_path)[0] == [own / "b10.jpg"]
    (own / "mine.txt").write_text("b10.jpg")
    for other in ("book,author\nb10.jpg,me\n", "file\nb10.jpg\n", "file,url,sha256\nb10.jpg\n", ""):
        (own / "sources.csv").write_text(other)
        assert find_photos(own / "mine.txt", tmp_path)[0] == [own / "b10.jpg"]
    (own / "sources.csv").write_bytes(b"\xff\xfe\x00")
    assert find_photos(own / "mine.txt", tmp_path)[0] == [own / "b10.jpg"]


@pytest.mark.parametrize("name", ["../1.jpg", "/1.jpg", "C:/1.jpg", "a/../../1.jpg"])
def test_a_source_that_leaves_its_folder_is_refused(listed, tmp_path, name):
    sources = listed.with_name("sources.csv")
    sources.write_text(sources.read_text().replace("photos/1.jpg", name))
    listed.write_text(name)
    with pytest.raises(ValueError, match="must stay in its folder"):
        find_photos(listed, tmp_path)


def test_what_holds_no_photo_is_named(own, listed, tmp_path):
    (own / "own.csv").write_text("\n")
    with pytest.raises(ValueError, match="own.csv"):
        find_photos(own / "own.csv", tmp_path)
    with pytest.raises(FileNotFoundError, match="other.csv"):
        find_photos(tmp_path / "other.csv", tmp_path)
    (own / "data.npy").write_bytes(PHOTO)
    with pytest.raises(ValueError, match="data.npy"):
        find_photos(own / "data.npy", tmp_path)
    with pytest.raises(ValueError, match="none, and 1 videos, in .*drive.mp4"):
        find_photos(own / "drive.mp4", tmp_path)
    binary = listed.with_name("binary.csv")
    binary.write_bytes(b'\xff\xd8\n"' + os.urandom(200_000))
    with pytest.raises(ValueError, match="binary.csv"):
        find_photos(binary, tmp_path)
    photos, note = find_photos([own / "drive.mp4", own / "b10.jpg"], tmp_path)
    assert photos == [own / "b10.jpg"] and "1 videos are left out" in note


def test_the_five_road_photos_have_the_hashes_of_their_list(shared, project, tmp_path, monkeypatch):
    monkeypatch.setenv("DEPTHLIB_PHOTOS", str(shared / "data" / "real_photos"))
    photos, _ = find_photos(project / "real_photos" / "photos_1.csv", tmp_path)
    assert names_of(photos) == [f"{n}.jpg" for n in range(1, 6)]
