import errno
import os

import pytest

from depthlib.files import replace_file, write_bytes


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
