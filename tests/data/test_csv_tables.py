import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from depthlib.data.csv_tables import (
    find_column,
    format_rows,
    read_index,
    read_pair_table,
    why_unlistable,
)

ROWS = [["rgb/1.jpg", "depth/1.png"], ["rgb/2.jpg", "depth/2.png"]]


@pytest.mark.parametrize(
    "text",
    [
        "rgb/1.jpg,depth/1.png\nrgb/2.jpg,depth/2.png\n",
        "rgb,depth\nrgb/1.jpg,depth/1.png\nrgb/2.jpg,depth/2.png",
        "depth,rgb\ndepth/1.png,rgb/1.jpg\ndepth/2.png,rgb/2.jpg\n",
        "Image Path;Depth Path\nrgb/1.jpg;depth/1.png\nrgb/2.jpg;depth/2.png\n",
        "rgb/1.jpg\tdepth/1.png\nrgb/2.jpg\tdepth/2.png\n",
        "rgb/1.jpg  depth/1.png\nrgb/2.jpg depth/2.png\n",
        "rgb/1.jpg, depth/1.png\nrgb/2.jpg , depth/2.png \n",
        "# a photo, its map\n\nrgb/1.jpg,depth/1.png\n#rgb/3.jpg,x\nrgb/2.jpg,depth/2.png\n",
        ",rgb,depth\n0,rgb/1.jpg,depth/1.png\n1,rgb/2.jpg,depth/2.png\n",
        "0,rgb/1.jpg,depth/1.png\n1,rgb/2.jpg,depth/2.png\n",
        "id,filename,depth_file\r1,rgb/1.jpg,depth/1.png\r2,rgb/2.jpg,depth/2.png\r",
        "rgb\\1.jpg,depth\\1.png\r\nrgb\\2.jpg,depth\\2.png\r\n",
        "\ufeffrgb/1.jpg,depth/1.png\nrgb/2.jpg,depth/2.png\n",
        "1.0 rgb/1.jpg 1.1 depth/1.png\n2.0 rgb/2.jpg 2.1 depth/2.png\n",
        '"rgb/1.jpg","depth/1.png"\n"rgb/2.jpg","depth/2.png"\n',
    ],
)
def test_a_csv_of_any_dialect_gives_the_same_rows(tmp_path, text):
    (tmp_path / "pairs.csv").write_text(text, newline="")
    table = read_pair_table(tmp_path / "pairs.csv")
    assert table[["rgb", "depth"]].to_numpy().tolist() == ROWS


@pytest.mark.parametrize(
    ("asked", "found"),
    [("fx", "9"), ("focal", "4"), ("FX", "9"), ("room", "b"), ("Scene", "a"), ("video", "a")],
)
def test_of_columns_that_may_mean_one_thing_the_one_that_is_named_counts(tmp_path, asked, found):
    (tmp_path / "pairs.csv").write_text("rgb,depth,fx,focal,scene,room\n1.jpg,1.png,9,4,a,b\n")
    table = read_pair_table(tmp_path / "pairs.csv")
    assert table[find_column(table, asked)].tolist() == [found]


def test_a_column_that_is_not_there_is_none(tmp_path):
    (tmp_path / "pairs.csv").write_text("rgb,depth\n1.jpg,1.png\n")
    assert find_column(read_pair_table(tmp_path / "pairs.csv"), "fx") is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_csv_of_the_usual_encodings_is_read(tmp_path, encoding):
    (tmp_path / "pairs.csv").write_bytes("Küche/1.jpg,Küche/1.png\n".encode(encoding))
    assert read_pair_table(tmp_path / "pairs.csv")["rgb"][0] == "Küche/1.jpg"


def test_a_list_of_bts_gives_its_focal_lengths_and_a_heading_names_other_columns(tmp_path):
    path = tmp_path / "train_files.txt"
    path.write_text("/room_1/rgb_00000.jpg /room_1/sync_depth_00000.png 518.8579\n")
    table = read_pair_table(path)
    assert table.iloc[0].tolist() == [
        "/room_1/rgb_00000.jpg", "/room_1/sync_depth_00000.png", "518.8579",
    ]  # fmt: skip
    path.write_text("Room,Photo,FX,Depth File,Note\nden,1.jpg,500,1.npy,dark\n")
    assert read_pair_table(path).to_dict("records") == [
        {"scene": "den", "rgb": "1.jpg", "focal": "500", "depth": "1.npy", "note": "dark"}
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x1f\x8b\x08\x00", "must hold `rgb,depth` rows.*packed by gzip. Unpack it"),
        (b"rgb,depth\n", "Received: none in"),
        (b"photo,image,depth\n1.jpg,2.jpg,1.png\n", "its rgb. Received: photo and image in"),
        (b"rgb,depth,fx,focal_length\n1.jpg,1.png,9,4\n", "focal. Received: fx and focal_length"),
        (b"rgb,depth,room,video\n1.jpg,1.png,a,b\n", "its scene. Received: room and video"),
        (b"rgb,depth,scene,Scene\n1.jpg,1.png,a,b\n", "its scene. Received: scene and Scene"),
        (b"rgb,depth,conf,conf_path\n1.jpg,1.png,1.png,2.png\n", "its confidence. Received: conf "),
        (b"rgb,right_path,right_file\n1.jpg,2.jpg,3.jpg\n", "its right. Received: right_path and"),
        (b"rgb,depth,condition,condition\n1.jpg,1.png,a,b\n", "its condition. Received: "),
        (b"1.jpg,1.png,mask/1.png\n", "3 columns, 3 of them files.*Name two columns"),
        (b"1.jpg,1.png\n2.jpg,2.png,3.png\n", "must hold `rgb,depth` rows.*line 2, saw 3"),
        (b"1.jpg,1.png\n2.jpg\n", "empty field"),
        (b"1.jpg 1.png 721.5\n2.jpg None 721.5\n", "empty field or None"),
        (b"rgb,depth,confidence\n1.jpg,1.png,c/1.png\n2.jpg,2.png,\n", "empty field"),
        (b"1\r.jpg,1.png\n2.jpg,2.png\n", "must"),
        (b"\x81.jpg,1.png\n", "Save it as UTF-8"),
    ],
)
def test_what_is_no_list_of_pairs_is_refused_by_name(tmp_path, data, message):
    (tmp_path / "pairs.csv").write_bytes(data)
    with pytest.raises(ValueError, match=f"(?s){message}.*") as caught:
        read_pair_table(tmp_path / "pairs.csv")
    assert "pairs.csv" in str(caught.value)


def test_a_list_of_pairs_that_is_called_index_is_no_index_of_scenes(tmp_path):
    for text in ("rgb,depth\n1.jpg,1.png\n", "1.jpg,1.png\n"):
        (tmp_path / "index.csv").write_text(text)
        assert read_index(tmp_path / "index.csv") is None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=2))
@example(["12:30:05", "²", "#1", 'a"b', "a,b; c", "NA", "rgb", "a.jpg;b", "\u2028", "1 2"])
def test_what_is_written_is_read_back_and_what_cannot_be_is_refused(tmp_path_factory, stems):
    kept = [stem for stem in stems if not why_unlistable(f"{stem}.jpg")]
    rows = [(f"{stem}.jpg", f"depth/{stem}.png") for stem in kept]
    table = pd.DataFrame(rows, columns=["rgb", "depth"])
    path = tmp_path_factory.getbasetemp() / "pairs.csv"
    for columns in (table, table.assign(scene=[f"#{n}" for n in range(len(table))])):
        if len(columns):
            path.write_bytes(format_rows(columns, heading="scene" in columns))
            assert read_pair_table(path).equals(columns)


def test_a_name_that_a_csv_cannot_hold_has_a_reason():
    latin = b"k\xfcche.jpg".decode("utf-8", "surrogateescape")
    for name, reason in {
        latin: "no UTF-8", "a\\b.jpg": "backslash", "a\rb.jpg": "control", "C:a.jpg": "drive",
        " a.jpg": "space", "a\nb.jpg": "control",
    }.items():  # fmt: skip
        assert reason in why_unlistable(name)
    for name in ("12:30:05.jpg", "²/1.jpg", "a b.jpg", "#1.jpg", "Küche/日.png", "a,b.jpg"):
        assert why_unlistable(name) == ""
