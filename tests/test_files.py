import errno
import hashlib
import os
import re
import stat
import threading
import time
import zipfile

import pandas as pd
import pytest

from depthlib import files
from depthlib.commands.summary import Summary
from depthlib.data.arrays import read_array
from depthlib.data.images import read_stored
from depthlib.data.inputs import list_inputs
from depthlib.data.intrinsics import read_camera
from depthlib.data.kitti import read_camera as kitti_camera
from depthlib.data.kitti import read_scan
from depthlib.data.lenses import find_lens, parse_focal
from depthlib.data.stereo.rig import read_rig
from depthlib.files import (
    are_alike,
    are_noted,
    check_ours,
    check_zip,
    hold_folder,
    hold_lock,
    natural_key,
    note_files,
    remove_left,
    remove_left_of,
    remove_temporaries,
    replace_file,
    replace_ours,
    write_bytes,
    write_ours,
    write_table,
)


def test_a_written_file_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "new folder" / "log.csv"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["log.csv"]


def test_a_write_that_fails_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "log.csv"
    write_bytes(path, b"old")
    with pytest.raises(KeyboardInterrupt), replace_file(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["log.csv"]


def test_a_full_disk_names_the_file_that_could_not_be_written(tmp_path):
    path = tmp_path / "log.csv"
    write_bytes(path, b"old")
    with pytest.raises(OSError, match="No space left on device: .*log.csv"):
        with replace_file(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_bytes() == b"old"


def test_an_error_of_another_kind_keeps_its_words(tmp_path):
    with pytest.raises(OSError, match="^1.png must be a regular file$"):
        with replace_file(tmp_path / "00000.npy"):
            raise OSError("1.png must be a regular file")


def test_a_file_may_be_read_by_those_whom_the_mask_allows_and_no_thread_sees_another(
    tmp_path, monkeypatch
):
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", None)  # it cannot be read without being set for all
            write_bytes(tmp_path / "log.csv", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "log.csv").stat().st_mode) == 0o640


def test_a_table_has_six_digits_unless_a_run_goes_on_from_it(tmp_path):
    table = pd.DataFrame({"file": ["a"], "images": [1234567], "x": [2 / 3], "y": [123456.789]})
    write_table(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_text() == "file,images,x,y\na,1234567,0.666667,123457\n"
    write_table(tmp_path / "a.csv", table, digits=None)
    assert pd.read_csv(tmp_path / "a.csv").equals(table)


def test_bytes_then_name_are_on_the_disk_before_the_write_is_over(tmp_path, monkeypatch):
    synced = []

    def sync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if is_folder else "file", (tmp_path / "log.csv").exists()))

    monkeypatch.setattr(os, "fsync", sync)
    write_bytes(tmp_path / "log.csv", b"new")
    assert synced == [("file", False), ("folder", True)]


def test_a_disk_that_cannot_take_the_bytes_keeps_the_old_file_and_is_named(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    write_bytes(path, b"old")

    def fail(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error: .*log.csv"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    left = []
    for name in ("last.keras", "log.csv", "001.keras"):
        writing = replace_file(tmp_path / name)  # kept, or its end would clear up
        left.append((writing, writing.__enter__()))
    others = (
        "last.keras",
        ".last-note.keras",
        ".last-0123456789.keras",
        ".best-depthlib-01234567.keras",
    )
    for name in others:
        (tmp_path / name).write_bytes(b"kept")
    assert all(path.exists() for _, path in left)
    remove_temporaries(tmp_path, ("last.keras", "log.csv"))
    assert [path.exists() for _, path in left] == [False, False, True]
    remove_temporaries(tmp_path, ("0*.keras",))
    remove_temporaries(tmp_path / "epochs", ("*.keras",))  # which is not there
    assert {path.name for path in tmp_path.iterdir()} == {*others}


def test_a_damaged_zip_file_is_named_whatever_is_damaged(tmp_path):
    path = tmp_path / "last.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", b"a network " * 50)
        archive.writestr("model.weights.h5", b"its weights " * 50, zipfile.ZIP_DEFLATED)
    check_zip(path)
    whole = path.read_bytes()
    parts = (whole.index(b"a network"), whole.index(b"model.weights.h5") + 20, len(whole) - 10)
    for damaged in (
        b"",
        b"no zip file",
        whole[: len(whole) // 2],
        *(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :] for at in parts),
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="must be whole. Received: .*last.keras"):
            check_zip(path)
    with pytest.raises(FileNotFoundError, match="best.keras"):
        check_zip(tmp_path / "best.keras")


def test_a_second_process_waits_and_says_so_or_is_turned_away(tmp_path, capsys):
    entered = threading.Event()

    def enter():
        with hold_lock(tmp_path / "name.lock", "Another one is in; waiting."):
            entered.set()

    thread = threading.Thread(target=enter)
    with hold_lock(tmp_path / "name.lock"):
        thread.start()
        assert not entered.wait(0.3)
        with pytest.raises(BlockingIOError, match="Another process holds .*name.lock. Wait until"):
            with hold_lock(tmp_path / "name.lock"):
                pass
    thread.join(timeout=10)
    assert entered.is_set()
    assert "Another one is in; waiting." in capsys.readouterr().out


def test_a_folder_is_held_by_one_and_nothing_of_that_is_left(tmp_path):
    folder = tmp_path / "new" / "deep"
    with hold_folder(folder, ".lock"):
        with pytest.raises(BlockingIOError, match=f"Another process holds {folder}/.lock. Wait"):
            with hold_folder(folder, ".lock"):
                pass
        with pytest.raises(BlockingIOError, match=f"Another process holds {folder}/.lock. Wait"):
            with hold_folder(folder, ".lock", "1of2"):
                pass
        assert [path.name for path in folder.iterdir()] == [".lock"]
    assert not any(tmp_path.iterdir())
    (tmp_path / ".lock").touch()  # of a process that was killed
    with pytest.raises(KeyError), hold_folder(tmp_path, ".lock"):
        raise KeyError
    assert tmp_path.exists() and not any(tmp_path.iterdir())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="There must be a folder. Received: .*file/in, "):
        with hold_folder(tmp_path / "file" / "in", ".lock"):
            pass


@pytest.mark.parametrize("part", [None, "1of2"])
@pytest.mark.parametrize("name", ["run.lock", "run.gate", "run.lock-1of2"])
def test_a_file_of_ones_own_that_is_called_as_a_lock_stays(tmp_path, name, part):
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match=f"taken for a lock. Received: .*{name}, which"):
        with hold_folder(tmp_path, "run.lock", part):
            pass
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_lock_that_stays_is_no_file_of_ones_own_and_empty(tmp_path):
    (tmp_path / "a.lock").write_text("mine")
    with pytest.raises(FileExistsError), hold_lock(tmp_path / "a.lock", "waits"):
        pass
    assert (tmp_path / "a.lock").read_text() == "mine"
    for _ in range(2):
        with hold_lock(tmp_path / "b.lock"):
            assert (tmp_path / "b.lock").stat().st_size == 0


def test_parts_of_a_folder_are_held_at_once_but_not_with_the_whole(tmp_path):
    folder = tmp_path / "new"
    with hold_folder(folder, ".lock", "1of2"), hold_folder(folder, ".lock", "2of2"):
        for part in (None, "1of2", "2of2"):
            held = "1of2|2of2" if part is None else part
            with pytest.raises(BlockingIOError, match=f"holds {folder}/.lock-({held}). Wait"):
                with hold_folder(folder, ".lock", part):
                    pass
        assert sorted(path.name for path in folder.iterdir()) == [".lock-1of2", ".lock-2of2"]
    assert not folder.exists()
    folder.mkdir()
    (folder / ".lock-1of2").touch()  # of a process that was killed
    with hold_folder(folder, ".lock"):
        assert [path.name for path in folder.iterdir()] == [".lock"]
    assert not any(folder.iterdir())


def test_of_many_who_want_a_folder_or_parts_none_shares_it_with_the_whole(tmp_path):
    inside, wrong, held = [], [], []

    def work(part):
        for _ in range(60):
            try:
                with hold_folder(tmp_path, ".lock", part):
                    inside.append(part)
                    if None in inside and len(inside) > 1 or inside.count(part) > 1:
                        wrong.append(list(inside))
                    held.append(part)
                    inside.remove(part)
            except BlockingIOError:
                pass

    threads = [threading.Thread(target=work, args=(part,)) for part in (None, None, "a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held and not wrong
    assert not any(tmp_path.iterdir())


def test_numbers_in_names_sort_by_their_value():
    words = ["", "1", "2", "10", "007", "a", "b", "a ", "é", "٣", "99999999999999999999"]
    names = [one + other + last for one in words for other in words for last in words]

    def split(name):
        return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]

    assert sorted(names, key=natural_key) == sorted(names, key=split)
    assert natural_key("a007") == natural_key("a7") != natural_key("a70")
    assert natural_key("9" * 5000) < natural_key("1" + "0" * 5000)  # more than int() takes
    assert natural_key("٠٣") == natural_key("3")


def test_what_a_killed_process_left_is_removed_once_the_file_is_written(tmp_path):
    kept = [
        "a.png",
        "b/c.tar.gz",
        "b/d",
        ".a-depthlib-0123456.png",
        ".e-depthlib-01234567.png",
        "a-depthlib-01234567.png",
    ]
    left = [".a-depthlib-01234567.png", "b/.c.tar-depthlib-89abcdef.gz", "b/.d-depthlib-89abcdef"]
    for name in kept + left:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_left(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    assert sorted([*found, "b/d"]) == sorted(kept)


def test_hidden_files_of_a_user_are_nothing_that_was_left(tmp_path):
    mine = ["1.jpg", ".1-20261130.jpg", ".1-deadbeef.jpg", ".1-depthlib-notes.jpg", ".1"]
    for name in mine:
        (tmp_path / name).touch()
    remove_left(tmp_path)
    remove_left_of(tmp_path, lambda name: True)
    remove_temporaries(tmp_path, ("1.jpg",))
    assert {path.name for path in tmp_path.iterdir()} == {*mine}


@pytest.mark.parametrize(
    "name",
    ["a" * 251 + ".npy", "é" * 125 + ".npy", "深" * 85, "a\nb.npy"],
    ids=["letters", "accents", "signs", "lines"],
)
def test_a_name_as_long_as_a_disk_takes_is_written_and_what_was_left_of_it_removed(tmp_path, name):
    write_bytes(tmp_path / name, b"whole")
    writing = replace_file(tmp_path / name)  # kept, or its end would clear up
    left = writing.__enter__()
    assert left.exists() and left.suffix == (tmp_path / name).suffix
    remove_left_of(tmp_path, lambda file: file == name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_was_left_of_files_of_ones_own_and_of_their_notes_is_removed_alone(tmp_path):
    for name in ("a.csv", "b.csv"):
        write_ours(tmp_path / name, b"rows")
    kept = {path.name for path in tmp_path.iterdir()} | {".b-depthlib-01234567.csv"}
    for name in (
        ".a-depthlib-01234567.csv",
        "..a.csv-depthlib-01234567.sha256",
        ".b-depthlib-01234567.csv",
    ):
        (tmp_path / name).touch()
    remove_left_of(tmp_path, lambda name: name == "a.csv")
    assert {path.name for path in tmp_path.iterdir()} == kept


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("camera.yml", lambda path: read_camera(path)),
        ("rig.yml", lambda path: read_rig(path)),
        ("list.txt", lambda path: list_inputs([path]).split()),
        ("depth.csv", lambda path: Summary(path.parent)),
        ("scan.bin", lambda path: read_scan(path)),
        ("calib_cam_to_cam.txt", lambda path: kitti_camera(path.parent)),
        ("photo.jpg", lambda path: find_lens(path, parse_focal("exif"))),
        ("map.png", lambda path: read_stored(path)),
        ("map.npy", lambda path: read_array(path, None, 100)),
    ],
)
def test_a_pipe_in_a_files_place_is_refused_and_never_waited_for(tmp_path, name, read):
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match=f"regular .*Received: .*{name}"):
        read(tmp_path / name)


def test_what_somebody_made_or_changed_is_not_written_over(tmp_path):
    table = tmp_path / "pairs.csv"
    for text in (b"a,b\n", b"a,b\nc,d\n", b"a,b\n"):
        write_ours(table, text)
        assert table.read_bytes() == text
    table.write_bytes(b"mine\n")
    for data in (None, b"a,b\n"):
        with pytest.raises(FileExistsError, match="pairs.csv, which is not as depthlib last wrote"):
            check_ours(table, data)
    with pytest.raises(FileExistsError):
        write_ours(table, b"a,b\n")
    write_ours(table, b"mine\n")  # the same
    table.unlink()
    write_ours(table, b"a,b\n")
    (tmp_path / ".pairs.csv.sha256").write_bytes(b"\xff damaged")
    with pytest.raises(FileExistsError):
        write_ours(table, b"e,f\n")


def test_a_table_is_still_ours_after_a_kill_between_its_note_and_itself(tmp_path, monkeypatch):
    table = tmp_path / "pairs.csv"
    write_ours(table, b"a,b\n")

    def die_after(path, data):
        write_bytes(path, data)
        raise KeyboardInterrupt

    def die_once_it_is_there(path, data):
        if table.read_bytes() == b"g,h\n":
            raise KeyboardInterrupt
        write_bytes(path, data)

    def write_and_die(text, die):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("depthlib.files.write_bytes", die)
            write_ours(table, text)
        return table.read_bytes()

    for text in (b"c,d\n", b"e,f\n"):
        assert write_and_die(text, die_after) == b"a,b\n"
    assert write_and_die(b"g,h\n", die_once_it_is_there) == b"g,h\n"
    write_ours(table, b"i,j\n")
    write_ours(table, b"k,l\n")


def test_a_file_of_one_kind_never_takes_the_place_of_one_of_another(tmp_path):
    path = tmp_path / "scores.csv"
    write_ours(path, b"rgb,depth\n")
    with pytest.raises(FileExistsError, match="scores.csv, which is a list of pairs, no table"):
        write_table(path, pd.DataFrame({"delta1": [0.5]}))
    assert path.read_bytes() == b"rgb,depth\n"
    digest = hashlib.sha256(b"rgb,depth\n").hexdigest()
    (tmp_path / ".scores.csv.sha256").write_text(f"{digest}\n")  # as earlier versions noted it
    for delta1 in (0.5, 0.75):
        write_table(path, pd.DataFrame({"delta1": [delta1]}))
    with pytest.raises(FileExistsError, match="which is a table, no list of pairs"):
        write_ours(path, b"rgb,depth\n")


def test_what_somebody_puts_there_while_a_file_is_made_stays(tmp_path):
    path = tmp_path / "network.onnx"
    with pytest.raises(FileExistsError), replace_ours(path, "network") as temporary:
        temporary.write_bytes(b"ours")
        path.write_bytes(b"mine")
    assert path.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [path]


def test_files_are_known_again_by_size_and_time_or_else_by_content(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b", tmp_path / "nowhere"]
    for path in paths[:2]:
        path.write_text(path.name)
    note = note_files(*paths)
    assert len(note) == 25 and are_noted(note, *paths)
    for when in (1, 4_000_000_000):
        os.utime(paths[0], (when, when))
        assert are_noted(note, *paths) and are_alike(note, note_files(*paths))
    assert not are_noted(note, *paths[::-1]) and not are_noted(note, paths[0])
    paths[0].write_text("c")
    os.utime(paths[0], (1, 1))
    assert not are_noted(note, *paths) and not are_noted("", *paths)
    paths[0].unlink()
    assert not are_noted(note, *paths)


@pytest.mark.skipif(os.name == "nt", reason="Windows tells when a file was made, not changed")
@pytest.mark.parametrize("change", ["renumbered", "corrected"])
def test_a_file_that_was_changed_at_the_same_size_and_time_is_another(tmp_path, change):
    one, two = tmp_path / "1.bmp", tmp_path / "2.bmp"
    for path in (one, two):
        path.write_text(path.name)
        os.utime(path, (1, 1))
    note, both = note_files(one), note_files(one, two)
    time.sleep(0.05)  # which is longer than the steps of the system's clock for files
    if change == "renumbered":
        one.rename(tmp_path / "3.bmp")
        two.rename(one)
        (tmp_path / "3.bmp").rename(two)
    else:  # as `exiftool -P` does
        one.write_text("3.bmp")
        os.utime(one, (1, 1))
    assert not are_noted(note, one) and not are_noted(both, one, two)
    assert not are_alike(note, note_files(one))


def test_files_are_read_only_where_something_has_touched_them(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("a")
    note = note_files(path)
    monkeypatch.setattr(files, "note_files", lambda *paths: pytest.fail("it was read"))
    assert are_noted(note, path)
    monkeypatch.undo()
    path.rename(tmp_path / "b")
    assert are_noted(note, tmp_path / "b")  # by its content, which stayed


def test_a_note_of_before_is_compared_by_content(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    old = "0" * 12 + note_files(tmp_path / "a")[12:]
    assert are_noted(old, tmp_path / "a") and not are_noted(old, tmp_path / "b")
