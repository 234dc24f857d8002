import csv
import os
from pathlib import Path

import pytest

from depthlib.commands.summary import (
    COLUMNS,
    FILE,
    UNKNOWN,
    Summary,
    are_outputs,
    check_photos,
    find_frames,
)
from depthlib.data.inputs import name_photo
from depthlib.files import BOARD, FIGURE, VIDEO, note_files, write_ours


def rows(folder):
    with (folder / FILE).open(newline="", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def add(summary, path, median=1.0):
    name = summary.name_outputs([path])[path]
    summary.add(path, {"name": name, "median": median})
    return name


def test_rows_of_earlier_runs_stay_and_each_photo_has_one(tmp_path):
    for median in (1, 2):
        summary = Summary(tmp_path)
        for name in ("a.jpg", "b, c.jpg", 'say "d".jpg', "e\nf.jpg", "g\rh.jpg"):
            add(summary, tmp_path / name, median)
        summary.close()
    table = rows(tmp_path)
    assert [row["photo"] for row in table] == [
        "a.jpg",
        "b, c.jpg",
        "e\nf.jpg",
        "g\rh.jpg",
        'say "d".jpg',
    ]
    assert {row["median"] for row in table} == {"2"} and list(table[0]) == list(COLUMNS)


def test_rows_are_in_natural_order_whichever_came_first(tmp_path):
    for names in (["10.jpg", "2.jpg"], ["1.jpg", "002.jpg"]):
        summary = Summary(tmp_path)
        for name in names:
            add(summary, tmp_path / name)
        summary.close()
    assert [row["photo"] for row in rows(tmp_path)] == ["1.jpg", "002.jpg", "2.jpg", "10.jpg"]
    before = (tmp_path / FILE).stat().st_mtime_ns
    Summary(tmp_path).close()
    assert (tmp_path / FILE).stat().st_mtime_ns == before


def test_a_photo_is_the_same_from_any_working_folder(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    add(Summary(out), tmp_path / "photos" / "a.jpg")
    monkeypatch.chdir(tmp_path / "photos")
    assert Path("a.jpg") in Summary(Path("../out"))
    assert rows(out)[0]["photo"] == "../photos/a.jpg"


def test_a_name_of_bytes_that_are_no_text_has_its_row(tmp_path):
    photo = tmp_path / os.fsdecode(b"\xff.jpg")
    add(Summary(tmp_path), photo)
    assert photo in Summary(tmp_path)


@pytest.mark.parametrize("end", ["b.j", "b.jpg,b", 'b.jpg,"b', "b.jpg,b,,,,,,2,,"])
def test_a_row_that_a_killed_process_did_not_finish_does_not_count(tmp_path, end):
    add(Summary(tmp_path), tmp_path / "a.jpg")
    with (tmp_path / FILE).open("a") as file:
        file.write(end)
    summary = Summary(tmp_path)
    assert tmp_path / "a.jpg" in summary and tmp_path / "b.jpg" not in summary
    add(summary, tmp_path / "b.jpg", 3)
    assert [row["median"] for row in rows(tmp_path)] == ["1.0", "3"]


def test_rows_of_another_process_stay(tmp_path):
    first = Summary(tmp_path)
    add(first, tmp_path / "a.jpg")
    second = Summary(tmp_path)
    add(second, tmp_path / "b.jpg")
    add(first, tmp_path / "a.jpg", 5)
    first.close()
    assert {row["photo"]: row["median"] for row in rows(tmp_path)} == {"a.jpg": "5", "b.jpg": "1.0"}


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "photo,height\na.jpg,3\n", "\x00\n", ",".join(COLUMNS) + "\na,b\n"]
)
def test_another_table_of_this_name_is_not_touched(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ValueError, match="must be the table .* Choose another folder"):
        Summary(tmp_path)
    photo = tmp_path / "a_depth_mm.png"
    assert not are_outputs([photo]).any()


@pytest.mark.parametrize("lacks", [1, 2])
def test_a_table_of_an_earlier_version_goes_on(tmp_path, lacks):
    line = dict.fromkeys(COLUMNS[:-lacks], "1") | {"photo": "a.jpg", "name": "a"}
    (tmp_path / FILE).write_text(f"{','.join(line)}\n{','.join(line.values())}\n")
    summary = Summary(tmp_path)
    summary.add(tmp_path / "b.jpg", {"name": "b", "saved": "npy"})
    summary.close()
    again = Summary(tmp_path)
    assert again.find_saved(tmp_path / "a.jpg") == (UNKNOWN if lacks > 1 else "1")
    assert not again.is_changed(tmp_path / "a.jpg", "")
    assert again.find_saved(tmp_path / "b.jpg") == "npy"


def test_two_photos_of_one_name_are_refused_and_the_last_row_of_one_counts(tmp_path):
    rows = {"a.jpg": "a", "b.jpg": "b"}
    for changed, is_whole in (({}, True), ({"b.jpg": "a"}, False)):
        lines = [dict.fromkeys(COLUMNS, "1") | {"photo": photo, "name": name}
                 for photo, name in (*rows.items(), *(rows | changed).items())]  # fmt: skip
        text = "".join(f"{','.join(row.values())}\n" for row in lines)
        (tmp_path / FILE).write_text(f"{','.join(COLUMNS)}\n{text}")
        if is_whole:
            assert len(Summary(tmp_path).rows) == 2
            continue
        with pytest.raises(ValueError, match="depth.csv must be the table that an earlier run"):
            Summary(tmp_path)


@pytest.mark.parametrize("column", ["width", "focal"])
@pytest.mark.parametrize("value", ["0x10", "focal", "nan", "1e400"])
def test_a_row_whose_numbers_are_none_is_refused(tmp_path, column, value):
    row = dict.fromkeys(COLUMNS, "1") | {column: value}
    text = f"{','.join(COLUMNS)}\n{','.join(row.values())}\n"
    (tmp_path / "depth.csv").write_text(text)
    with pytest.raises(ValueError, match="depth.csv must be the table that an earlier run wrote"):
        Summary(tmp_path)
    assert (tmp_path / "depth.csv").read_text() == text


@pytest.mark.parametrize("name", ["../a", "/a", "b/../../a", "..", "", "a\0"])
def test_a_row_whose_files_would_lie_elsewhere_is_refused(tmp_path, name):
    add(Summary(tmp_path), tmp_path / "a.jpg")
    heading, row = (tmp_path / FILE).read_text().splitlines()
    (tmp_path / FILE).write_text(f"{heading}\n{row.replace('a.jpg,a,', f'a.jpg,{name},')}\n")
    with pytest.raises(ValueError, match="must be the table .* Choose another folder"):
        Summary(tmp_path)


@pytest.mark.parametrize(
    ("photos", "names"),
    [
        (["x/1.jpg", "x/2.jpg"], ["1", "2"]),
        (["x/1.jpg", "x/1.png"], ["1_jpg", "1_png"]),
        (["x/1.jpg", "y/1.jpg"], ["x_1_jpg", "y_1_jpg"]),
        (["x/z/1.jpg", "y/z/1.jpg", "2.jpg"], ["x_z_1_jpg", "y_z_1_jpg", "2"]),
        (["a_b/c.jpg", "a/b/c.jpg", "a/b_c.jpg"], ["a_b_c_jpg", "b_c_jpg", "b_c"]),
    ],
)
def test_photos_of_one_name_get_longer_ones(tmp_path, photos, names):
    paths = [tmp_path / photo for photo in photos]
    given = Summary(tmp_path).name_outputs(paths)
    assert [given[path] for path in paths] == names


def test_a_name_stays_its_photos_in_later_runs(tmp_path):
    x, y, z = (tmp_path / folder / "1.jpg" for folder in "xyz")
    assert add(Summary(tmp_path), x) == "1"
    assert add(Summary(tmp_path), y) == "1_jpg"
    assert add(Summary(tmp_path), z) == "z_1_jpg"
    assert Summary(tmp_path).name_outputs([z, y, x]) == {z: "z_1_jpg", y: "1_jpg", x: "1"}


def test_a_photo_for_which_no_name_is_free_is_named(tmp_path):
    summary, photo = Summary(tmp_path), tmp_path / "c.jpg"
    for number, name in enumerate(name_photo(photo.resolve())):
        summary.add(tmp_path / f"{number}.jpg", {"name": name})
    with pytest.raises(ValueError, match="names of their own. Received: .*c.jpg. Predict them"):
        summary.name_outputs([photo])


OUTPUTS = {
    "a_depth_mm.png": "png16", "a_depth_m256.png": "png16", "a_depth_relative.png": "png16",
    "a_depth_colour.jpg": "colour", "a_confidence.png": "confidence", "a_depth.mp4": "colour",
    "a_depth.part2.avi": "colour", "a/000001_depth_mm.png": "png16",
}  # fmt: skip


def list_outputs(tmp_path, output, saved):
    """Of a photo or video, its output, and another's, which are outputs."""
    of_video = output.endswith((".mp4", ".avi")) or "/" in output
    photo = tmp_path / ("a.mp4" if of_video else "a.jpg")
    paths = [photo, tmp_path / output, tmp_path / "b_depth_colour.jpg"]
    assert not are_outputs(paths).any()
    Summary(tmp_path).add(photo, {"name": "a", "saved": saved})
    return are_outputs(paths).tolist()


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("saved", ["this", UNKNOWN])  # the latter by earlier versions
def test_what_was_written_is_left_out_and_photos_are_not(tmp_path, output, saved):
    saved = f"npy {OUTPUTS[output]}" if saved == "this" else saved
    assert list_outputs(tmp_path, output, saved) == [False, True, False]


@pytest.mark.parametrize("kind", [FIGURE, BOARD])
def test_figures_and_boards_are_no_photos_until_they_are_edited(tmp_path, monkeypatch, kind):
    drawn, photo = tmp_path / "depthlib_pairs.png", tmp_path / "a.png"
    photo.write_bytes(b"a photo")
    write_ours(drawn, b"a picture", kind)
    write_ours(tmp_path / "film.mp4", b"a film", VIDEO)  # which may be labelled
    assert are_outputs([drawn, photo, tmp_path / "film.mp4"]).tolist() == [True, False, False]
    monkeypatch.chdir(tmp_path)
    assert are_outputs([drawn.name, photo.name, "gone/b.png"]).tolist() == [True, False, False]
    drawn.write_bytes(b"a photo of one's own")
    assert not are_outputs([drawn, photo]).any()


def test_what_was_written_of_a_photo_whose_name_has_lines_is_left_out(tmp_path):
    photo, output = tmp_path / "a\nb.jpg", tmp_path / "a\nb_depth_mm.png"
    Summary(tmp_path).add(photo, {"name": "a\nb", "saved": "png16"})
    assert are_outputs([photo, output]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("own", "saved"),
    [
        ("a_depth.png", UNKNOWN),  # as no output is called
        ("a_depth_colour.png", UNKNOWN),
        ("a_confidence.jpg", "confidence"),
        ("a_depth_mm.png", "npy colour"),
        ("a_depth_colour.jpg", "label"),
        ("a/000001_depth_mm.png", "npy colour"),
        ("a/b_depth_mm.png", "png16"),  # no frame
    ],
)
def test_a_photo_of_ones_own_that_is_called_like_an_output_is_none(tmp_path, own, saved):
    assert list_outputs(tmp_path, own, saved) == [False, False, False]


def test_frames_of_a_run_that_was_stopped_are_outputs(tmp_path):
    saved = "npy colour begun-npy begun-colour"
    assert list_outputs(tmp_path, "a/000001_depth.npy", saved) == [False, True, False]


def test_frames_are_found_by_their_names_alone(tmp_path):
    assert find_frames(tmp_path / "nowhere") == {}
    names = {"000000_depth.npy": "npy", "000001_depth_m256.png": "png16", "1234567.ply": "ply"}
    own = ["000000_fixed_depth.npy", "01_depth.npy", "000000.png", "x000000_depth.npy", "000002"]
    for name in [*names, *own]:
        (tmp_path / name).touch()
    assert find_frames(tmp_path) == {tmp_path / name: kind for name, kind in names.items()}


def test_what_is_listed_as_a_photo_is_no_output(tmp_path):
    own = tmp_path / "a_depth_mm.png"
    assert list_outputs(tmp_path, own.name, "png16") == [False, True, False]
    Summary(tmp_path).add(own, {"name": "a_depth_mm", "saved": "png16"})
    assert are_outputs([own, tmp_path / "a_depth_mm_depth_mm.png"]).tolist() == [False, True]


def test_of_a_photo_there_is_no_video(tmp_path):
    Summary(tmp_path).add(tmp_path / "a.jpg", {"name": "a", "saved": UNKNOWN})
    own = ["a_depth.mp4", "a/000001_depth_mm.png"]
    assert not are_outputs([tmp_path / name for name in own]).any()


@pytest.fixture
def predicted(tmp_path):
    """A folder a/1.png, b/1.png with another content, and the depth of the first in a/out."""
    for folder in "ab":
        (tmp_path / folder / "out").mkdir(parents=True)
        (tmp_path / folder / "1.png").write_text(folder)
        os.utime(tmp_path / folder / "1.png", (1, 1))  # of one size and time
    note_row(tmp_path, f"{note_files(tmp_path / 'a' / '1.png')} {note_files()}")
    return tmp_path


def note_row(folder, source, photo="a/1.png", saved="npy"):
    (folder / "a" / "out" / FILE).unlink(missing_ok=True)
    row = {"name": "1", "saved": saved, "source": source}
    Summary(folder / "a" / "out").add(folder / photo, row)


def check(folder, photo, file="a/out/1_depth.npy"):
    check_photos([(folder / file, folder / photo)])


def test_depth_of_a_photo_that_was_replaced_is_refused(predicted):
    photo = predicted / "a" / "1.png"
    photo.write_text("b")
    os.utime(photo, (2, 2))
    with pytest.raises(ValueError, match="must be of the photo .*for .*a/1.png"):
        check(predicted, "a/1.png")
    photo.write_text("a")  # the same again, written anew
    check(predicted, "a/1.png")


def test_depth_of_another_photo_of_the_same_name_is_refused(predicted):
    check(predicted, "a/1.png")
    said = r"must be of the photo .*1_depth.npy for .*b/1.png; .*depth.csv says .* of \.\./1.png"
    with pytest.raises(ValueError, match=said):
        check(predicted, "b/1.png")
    (predicted / "a" / "1.png").unlink()
    with pytest.raises(ValueError, match=said):
        check(predicted, "b/1.png")


def test_depth_of_a_photo_that_moved_was_copied_or_linked_is_taken(predicted):
    (predicted / "c.png").write_text("a")  # a copy of another time
    (predicted / "link.png").symlink_to(predicted / "a" / "1.png")
    for photo in ("c.png", "link.png", "a/../a/1.png"):
        check(predicted, photo)
    (predicted / "a").rename(predicted / "moved")
    for photo in ("moved/1.png", "c.png"):
        check(predicted, photo, "moved/out/1_depth.npy")
    (predicted / "moved" / "1.png").rename(predicted / "d.png")
    check(predicted, "d.png", "moved/out/1_depth.npy")


def test_a_table_without_notes_tells_by_the_photo_that_is_there(predicted):
    note_row(predicted, UNKNOWN)
    (predicted / "c.png").write_text("a")
    check(predicted, "c.png")
    with pytest.raises(ValueError, match="must be of the photo"):
        check(predicted, "b/1.png")
    (predicted / "a" / "1.png").unlink()
    check(predicted, "b/1.png")  # nothing says otherwise


@pytest.mark.parametrize(
    ("file", "photo", "saved"),
    [
        ("a/out/1_depth_mm.png", "a/1.png", "npy"),  # which predict has not written
        ("a/out/1.npy", "a/1.png", "npy"),
        ("a/out/2_depth.npy", "a/1.png", "npy"),
        ("b/out/1_depth.npy", "a/1.png", "npy"),  # no table there
        ("a/out/1_depth.npy", "a/1.mp4", "npy colour"),
        ("a/out/1_depth.npy", "a/1.png", "label"),
    ],
)
def test_depth_of_which_no_table_tells_is_taken(predicted, file, photo, saved):
    note_row(predicted, f"{note_files(predicted / 'a' / '1.png')} {note_files()}", photo, saved)
    check(predicted, "b/1.png", file)


def test_depth_of_the_undistorted_photo_is_none_of_the_photo(predicted):
    row = {"name": "1", "saved": "npy", "made": "light --camera gone.yaml"}
    row["source"] = f"{note_files(predicted / 'a' / '1.png')} {note_files()}"
    (predicted / "a" / "out" / FILE).unlink()
    summary = Summary(predicted / "a" / "out")
    for focal_from in ("calibration", "given", "undistorted"):
        summary.add(predicted / "a" / "1.png", row | {"focal_from": focal_from})
        if focal_from != "undistorted":
            check(predicted, "a/1.png")
    with pytest.raises(ValueError, match="of the photo as it is.*1_depth.npy for .*gone.yaml"):
        check(predicted, "a/1.png")


def test_a_table_of_ones_own_and_a_missing_photo_are_no_obstacle(predicted):
    check(predicted, "nowhere.png")  # whoever reads it says so
    (predicted / "a" / "out" / FILE).write_text("depth,photo\n1,2\n")
    check(predicted, "b/1.png")
