import os
from pathlib import Path

import pytest

from depthlib.data.inputs import list_inputs, locate, name_photo


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with photos that nobody opens."""
    for name in ("drive/2.jpg", "drive/10.JPG", "drive/1.png", "one.jpg", "a, b.jpg", "clip.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(words):
    photos, videos = list_inputs(words).split()
    return [path.as_posix() for path in [*photos, *videos]]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["one.jpg"], ["one.jpg"]),
        (["drive"], ["drive/1.png", "drive/2.jpg", "drive/10.JPG"]),
        (["drive/"], ["drive/1.png", "drive/2.jpg", "drive/10.JPG"]),
        (["drive/*.jpg"], ["drive/2.jpg"]),
        (["**/*.png"], ["drive/1.png"]),
        (["clip.mp4", "one.jpg"], ["one.jpg", "clip.mp4"]),
        (["one.jpg", "./one.jpg", "drive/../one.jpg", "o*.jpg"], ["one.jpg"]),
        (["a, b.jpg"], ["a, b.jpg"]),
    ],
)
def test_a_word_is_a_photo_a_video_a_folder_or_a_pattern(folder, words, found):
    assert names(words) == found


def test_an_absolute_pattern_is_one_too(folder):
    assert names([f"{folder}/drive/*.jpg"]) == [f"{folder}/drive/2.jpg"]


@pytest.mark.parametrize("name", ["photo[1].jpg", "a*b.jpg", "what?.png", "1²3.jpg", " .jpg"])
def test_a_file_of_any_name_is_found_as_it_is_called(folder, name):
    (folder / "odd").mkdir()
    (folder / "odd" / name).touch()
    assert names([f"odd/{name}"]) == [f"odd/{name}"] == names(["odd"])


@pytest.mark.parametrize("kind", ["txt", "csv", "CSV"])
@pytest.mark.parametrize(
    "line",
    [
        "one.jpg", "a, b.jpg", '"a, b.jpg"', "drive/2.jpg", "./one.jpg", "  one.jpg  ",
        "drive\\2.jpg", "/one.jpg",
    ],
)  # fmt: skip
def test_a_list_has_a_path_a_line(folder, kind, line):
    line = f"{folder}{line}" if line.startswith("/") else line
    listing = folder / f"list.{kind}"
    listing.write_text(f"\ufeff# of today\n\n{line}\r\n", encoding="utf-8")
    expected = line.strip().strip('"').replace("\\", "/")
    found = list_inputs([listing]).split()[0]
    assert [locate(path) for path in found] == [locate(folder / expected)]


@pytest.mark.parametrize(
    "row",
    [
        "a, b.jpg,depth.png", '"a, b.jpg",depth.png', "a, b.jpg;12", "a, b.jpg\t3,5", "a, b.jpg,",
        "a, b.jpg," + "9" * 300,
    ],
)  # fmt: skip
def test_a_row_of_a_csv_names_its_photo_first(folder, row):
    (folder / "list.csv").write_text(row)
    assert names(["list.csv"]) == ["a, b.jpg"]


@pytest.mark.parametrize("heading", ["photo,depth", "rgb", "file;metres", '"photo","name"'])
def test_a_csv_may_have_a_heading(folder, heading):
    (folder / "list.csv").write_text(f"{heading}\none.jpg,1\ndrive/2.jpg,2\n")
    assert names(["list.csv"]) == ["one.jpg", "drive/2.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        "depth,rgb\ndrive/1.png,one.jpg\none.jpg,drive/2.jpg\n",
        "# made today\nid;photo\n7;one.jpg\n8;drive\\2.jpg\n",
        'depth,Image Path,scene\ndrive/1.png,"one.jpg",a\ndrive/1.png,drive/2.jpg,b\n',
        "depth rgb\ndrive/1.png one.jpg\ndrive/1.png drive/2.jpg\n",
    ],
)
def test_a_heading_says_which_column_has_the_photos(folder, text):
    (folder / "list.csv").write_text(text)
    assert names(["list.csv"]) == ["one.jpg", "drive/2.jpg"]


def test_a_photo_that_a_column_names_and_that_is_gone_counts_and_an_empty_field_is_refused(folder):
    (folder / "list.csv").write_text("depth,rgb\ndrive/1.png,gone.jpg\n")
    assert names(["list.csv"]) == ["gone.jpg"]
    (folder / "list.csv").write_text("depth,rgb\ndrive/1.png,\n")
    with pytest.raises(ValueError, match="a photo in each row. Received: an empty field in list"):
        names(["list.csv"])
    (folder / "list.csv").write_text("depth,rgb,rgb\ndrive/1.png,one.jpg,one.jpg\n")
    with pytest.raises(ValueError, match="be its rgb. Received: rgb and rgb in list.csv"):
        names(["list.csv"])


def test_a_list_is_relative_to_itself_before_its_parent_and_the_working_folder(folder):
    listing = folder / "drive" / "list.txt"
    listing.write_text("2.jpg\none.jpg\ndrive/10.JPG\n")
    (folder / "2.jpg").touch()
    expected = [folder / name for name in ("drive/2.jpg", "one.jpg", "drive/10.JPG")]
    assert [path.resolve() for path in list_inputs([listing]).split()[0]] == expected


@pytest.mark.parametrize(
    ("row", "path"),
    [("gone.jpg", "gone.jpg"), ("gone.jpg,gone.png", "gone.jpg"), ("notes.pdf", "notes.pdf")],
)
def test_a_line_without_its_file_counts_and_reading_it_says_what_is_wrong(folder, row, path):
    (folder / "list.csv").write_text(f"one.jpg\n{row}\n")
    assert names(["list.csv"]) == ["one.jpg", path]


@pytest.mark.parametrize(
    "name", ["a\u2028b.jpg", "a\x85b.jpg", "a\x0cb.jpg", " one.jpg", "\tone.jpg"]
)
def test_a_line_ends_where_a_text_editor_ends_it_and_spaces_may_be_of_the_name(folder, name):
    (folder / name).touch()
    (folder / "list.txt").write_text(f"{name}\n # a remark\n", encoding="utf-8")
    assert names(["list.txt"]) == [name]


def test_links_that_go_round_in_a_circle_lead_to_no_file(folder):
    (folder / "loop").symlink_to("loop")
    (folder / "list.txt").write_text("loop/one.jpg\n")
    assert names(["list.txt"]) == ["loop/one.jpg"]


def test_what_is_called_as_a_photo_counts_as_one(folder):
    (folder / "a.jpg").mkdir()
    (folder / "link.jpg").symlink_to("nothing")
    assert names(["a.jpg", "link.jpg"]) == ["a.jpg", "link.jpg"]


def test_hidden_files_are_none_and_a_folder_without_photos_gives_its_videos(folder):
    (folder / "clips").mkdir()
    for name in (".hidden.jpg", "b.mov", "a.mp4"):
        (folder / "clips" / name).touch()
    assert names(["clips"]) == ["clips/a.mp4", "clips/b.mov"]


def test_videos_beside_photos_in_a_folder_are_told_unless_they_are_named_too(folder):
    for name in ("b10.MOV", "b2.mp4", ".hidden.mp4"):
        (folder / "drive" / name).touch()
    listing = list_inputs(["drive"])
    assert names(["drive"]) == ["drive/1.png", "drive/2.jpg", "drive/10.JPG"]
    assert listing.left == ["drive/b2.mp4", "drive/b10.MOV"]
    assert list_inputs(["drive", "drive/*.mp4"]).left == ["drive/b10.MOV"]


@pytest.mark.parametrize(
    ("word", "error", "said"),
    [
        ("gone.jpg", FileNotFoundError, "There is no 'gone.jpg'"),
        ("gone/*.jpg", FileNotFoundError, r"There is no 'gone/\*.jpg'"),
        ("", FileNotFoundError, "There is no ''"),
        ("x" * 300, FileNotFoundError, "There is no 'xxx"),
        ("empty", FileNotFoundError, "must hold photos or videos. Received: empty"),
        ("notes.pdf", ValueError, "must end in .* Received: notes.pdf"),
        ("empty.txt", ValueError, "a path a line. Received: none in empty.txt"),
        ("comments.csv", ValueError, "a path a line. Received: none in comments.csv"),
        ("binary.txt", ValueError, "must be UTF-8 text .* Received: binary.txt"),
        ("wide.csv", ValueError, "must be UTF-8 text .* Received: wide.csv"),
        ("wide.txt", ValueError, "must be UTF-8 text .* Received: wide.txt"),
    ],
)
def test_what_is_no_input_is_refused(folder, word, error, said):
    (folder / "empty").mkdir()
    for name in ("notes.pdf", "empty.txt"):
        (folder / name).touch()
    (folder / "comments.csv").write_text("photo\n# one.jpg\n")
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00\x81")
    (folder / "wide.csv").write_text("one.jpg\n", encoding="utf-16")
    (folder / "wide.txt").write_text("one.jpg\n", encoding="utf-16-le")  # without its mark
    with pytest.raises(error, match=said):
        list_inputs(["one.jpg", word]).split()


def test_a_link_is_a_photo_of_its_own_and_a_folder_has_one_place(folder):
    (folder / "again.jpg").symlink_to(folder / "one.jpg")
    (folder / "other").symlink_to(folder / "drive")
    assert names(["one.jpg", "again.jpg"]) == ["one.jpg", "again.jpg"]
    assert names(["drive/2.jpg", "other/2.jpg"]) == ["drive/2.jpg"]
    assert locate(Path("drive/../one.jpg")) == folder.resolve() / "one.jpg"


def test_longer_names_of_a_photo_say_more_of_its_path():
    expected = ["1", "1_jpg", "scene_1_jpg", "b_scene_1_jpg"]
    assert list(name_photo(Path("b/scene/1.jpg"))) == expected
    assert list(name_photo(Path("/b/scene/1.jpg"))) == expected
    assert list(name_photo(Path("a.b.png"))) == ["a.b", "a_b_png"]


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_a_name_of_bytes_that_are_no_text_is_found(folder):
    name = os.fsdecode(b"\xff.jpg")
    (folder / "drive" / name).touch()
    assert f"drive/{name}" in names(["drive"])
