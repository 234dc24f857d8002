import csv
import os
from pathlib import Path

import pytest

from depthlib.commands.summary import Summary
from depthlib.data.inputs import name_photo
from depthlib.prediction.outputs import COLUMNS, FILE, UNKNOWN, are_outputs


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
