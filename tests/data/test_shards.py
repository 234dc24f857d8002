import subprocess
import sys

import numpy as np
import pytest

from depthlib.data.inputs import list_inputs
from depthlib.data.shards import Shard, count_alike, hash_text, hash_texts


def shards(count):
    return [Shard(number, count) for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 100])
def test_each_name_is_in_one_shard_and_shards_are_alike_in_size(count):
    names = [f"drive/{number:010d}.png" for number in range(20_000)]
    hashes = hash_texts(names)
    held = np.array([shard.choose(hashes) for shard in shards(count)])
    assert (held.sum(axis=0) == 1).all()
    # Of a fair draw, the count of a shard lies within five standard deviations.
    mean = len(names) / count
    assert (np.abs(held.sum(axis=1) - mean) <= 5 * np.sqrt(mean)).all()
    for shard, chosen in zip(shards(count), held, strict=True):
        assert [shard.holds(name) for name in names[:50]] == chosen[:50].tolist()


def test_a_name_is_in_the_same_shard_on_every_machine():
    golden = bytes.fromhex("41a6e5c7c9d066b9")  # printf 1.jpg | b2sum -l 64
    assert hash_text("1.jpg") == int.from_bytes(golden, "little")
    code = "from depthlib.data.shards import hash_text; print(hash_text('caf\\xe9/1.jpg'))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert int(said.stdout) == hash_text("café/1.jpg")


def test_a_name_that_is_no_text_has_its_shard():
    assert any(shard.holds("\udcff.jpg") for shard in shards(3))


def test_alike_texts_are_counted():
    assert count_alike(hash_texts(["a", "b", "a", "", "a"])).tolist() == [3, 1, 3, 1, 3]
    assert count_alike(hash_texts([])).tolist() == []


@pytest.mark.parametrize(
    "words", ["0/4", "5/4", "1/0", "0/0", "-1/4", "1", "1/4/2", "a/b", "", "²/4"]
)
def test_what_is_no_shard_is_refused(words):
    with pytest.raises(ValueError, match="A shard must be I/N with I from 1 to N. Received: "):
        Shard.parse(words)


def test_a_shard_is_written_as_it_is_read():
    assert Shard.parse(" 12 / 345 ") == Shard(12, 345)
    assert str(Shard(2, 4)) == "2/4"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The same two drives in two places, a third file in one of them, and lists of both."""
    for place in ("here", "there/deep"):
        for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/clip.mp4"):
            path = tmp_path / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / place / "list.txt").write_text("b/1.jpg\na/../a/1.jpg\na/2.jpg\n")
    (tmp_path / "there/deep/a/3.jpg").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("word", ["a", "a/", "*/*.jpg", "**/*.jpg", "a/1.jpg", "list.txt", "b/*.*"])
def test_a_shard_depends_neither_on_the_place_nor_on_other_files(places, word):
    def hashes(start):
        listing = list_inputs([f"{start}/{word}"])
        return {
            path.removeprefix(f"{start}/").replace("a/../", ""): value
            for path, value in zip(listing.paths, listing.hashes.tolist(), strict=True)
        }

    here = hashes("here")
    assert here
    for start in ("there/deep", f"{places}/here", "./here", "there/../there/deep"):
        others = {
            path.removeprefix("here/").removeprefix("there/deep/"): value
            for path, value in hashes(start).items()
        }
        assert here.items() <= others.items()


def test_a_file_that_two_words_mean_is_in_one_shard_alone(places):
    listing = list_inputs(["here/a", "here/*/1.jpg", "here/list.txt"])
    assert listing.paths == ["here/a/1.jpg", "here/a/2.jpg", "here/b/1.jpg"]
    parts = [shard for number in (1, 2) for shard in listing.split(Shard(number, 2))[0]]
    assert sorted(map(str, parts)) == listing.paths


def test_a_listing_is_the_same_in_any_order_and_another_where_a_file_is_more(places):
    listing = list_inputs(["here/a/1.jpg", "here/a/2.jpg"])
    assert listing.digest() == list_inputs(["there/deep/a/2.jpg", "there/deep/a/1.jpg"]).digest()
    assert listing.digest() != list_inputs(["there/deep/a"]).digest()
