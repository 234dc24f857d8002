import json

import pytest

from depthlib.commands.shard_notes import Run, note_shard, read_notes, remove_notes
from depthlib.data.shards import Shard

RUN = Run("predict", "light --focal exif", "0123456789abcdef", 20)


def note(out, number, count, run=RUN, problems=()):
    with note_shard(out, Shard(number, count), run) as one:
        one.problems = dict(problems)


def test_what_shards_note_is_read_in_their_order(tmp_path):
    for number in (2, 11, 1, *range(3, 11)):
        note(tmp_path, number, 11, problems={f"caf\udce9{number}.jpg": "no photo"})
    notes = read_notes(tmp_path)
    assert [one.shard.number for one in notes] == list(range(1, 12))
    assert notes[1].problems == {"caf\udce92.jpg": "no photo"} and notes[1].run == RUN


def test_a_shard_that_fails_or_begins_anew_has_not_ended(tmp_path):
    note(tmp_path, 1, 2)
    note(tmp_path, 2, 2)
    with pytest.raises(KeyboardInterrupt), note_shard(tmp_path, Shard(2, 2), RUN):
        raise KeyboardInterrupt
    with pytest.raises(FileNotFoundError, match="1 of 2 are missing: 2/2. Run"):
        read_notes(tmp_path)


def test_what_is_missing_is_named_up_to_a_number(tmp_path):
    note(tmp_path, 2, 100)
    (tmp_path / ".shards/3of100.csv").touch()
    with pytest.raises(FileNotFoundError, match=r"99 of 100 are missing: 1/100, 3/100 \(begun\)"):
        read_notes(tmp_path)
    with pytest.raises(FileNotFoundError, match="21/100, 79 more. Run them"):
        read_notes(tmp_path)


def test_what_another_number_of_shards_left_does_not_stand_in_the_way(tmp_path):
    note(tmp_path, 3, 4)
    (tmp_path / ".shards/1of4.csv").touch()
    for number in (1, 2):
        note(tmp_path, number, 2)
    assert [str(one.shard) for one in read_notes(tmp_path)] == ["1/2", "2/2"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"shard": 1}', "\0", "[" * 100_000])
def test_a_file_that_is_no_note_is_named(tmp_path, text):
    note(tmp_path, 1, 1)
    (tmp_path / ".shards/1of1.json").write_text(text)
    with pytest.raises(ValueError, match="1of1.json must be what a shard noted"):
        read_notes(tmp_path)


def test_a_note_of_a_shard_that_cannot_be_is_named(tmp_path):
    note(tmp_path, 1, 2)
    path = tmp_path / ".shards/1of2.json"
    words = json.loads(path.read_text())
    words["shard"]["number"] = 5
    path.write_text(json.dumps(words))
    with pytest.raises(ValueError, match="1of2.json must be what a shard noted.*5/2"):
        read_notes(tmp_path)


@pytest.mark.parametrize("name", ["1of2 (1).json", "1of2.json.1of2.json", "01of2.json"])
def test_a_copy_of_a_note_does_not_stand_for_another_shard(tmp_path, name):
    note(tmp_path, 1, 2)
    path = tmp_path / ".shards/1of2.json"
    path.with_name(name).write_bytes(path.read_bytes())
    path.with_name("2of2 (1).csv").touch()
    with pytest.raises(FileNotFoundError, match="1 of 2 are missing: 2/2. Run"):
        read_notes(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"shard": {"number": 2, "count": 2}},
        {"shard": {"number": 1.0, "count": 2.0}},
        {"shard": {"number": True, "count": 2}},
        {"problems": ["a.jpg"]},
        {"problems": 3},
        {"results": []},
        {"results": {"pairs": 5}},
        {"results": {"pairs": [[["a.jpg"], "a.png"]]}},
        {"run": {"command": "data", "made": 5, "listing": "", "files": 1, "settings": {}}},
        {"run": {"command": "data", "made": "", "listing": [], "files": 1, "settings": {}}},
        {"run": {"command": "data", "made": "", "listing": "", "files": 1, "settings": []}},
    ],
)
def test_a_note_of_other_values_is_named(tmp_path, changed):
    note(tmp_path, 1, 2)
    path = tmp_path / ".shards/1of2.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(ValueError, match="1of2.json must be what a shard noted"):
        read_notes(tmp_path)


def test_a_billion_shards_are_not_counted_one_by_one(tmp_path):
    note(tmp_path, 7, 999_999_999)
    with pytest.raises(FileNotFoundError, match="999999998 of 999999999 are missing: 1/9.* more"):
        read_notes(tmp_path)


def test_notes_are_removed_also_after_a_kill_while_they_were(tmp_path):
    for _ in range(2):
        note(tmp_path, 1, 1)
        (tmp_path / ".shards-merged").mkdir()
        (tmp_path / ".shards-merged/1of1.csv").touch()
        remove_notes(tmp_path)
        assert not list(tmp_path.iterdir())


def test_without_a_shard_nothing_is_noted(tmp_path):
    with note_shard(tmp_path, None, RUN):
        pass
    assert not list(tmp_path.iterdir())
