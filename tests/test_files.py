import errno
import os
import threading

import pytest

from depthlib.files import hold_lock, replace_file, write_bytes


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


def test_a_second_process_waits_and_says_so_or_is_turned_away(tmp_path, capsys):
    entered = threading.Event()

    def enter():
        with hold_lock(tmp_path / "name.lock", "Another one is in; waiting."):
            entered.set()

    thread = threading.Thread(target=enter)
    with hold_lock(tmp_path / "name.lock"):
        thread.start()
        assert not entered.wait(0.3)
        with pytest.raises(BlockingIOError, match="Another process holds .*name.lock"):
            with hold_lock(tmp_path / "name.lock"):
                pass
    thread.join(timeout=10)
    assert entered.is_set()
    assert "Another one is in; waiting." in capsys.readouterr().out
