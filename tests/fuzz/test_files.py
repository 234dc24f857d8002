"""A few hundred tries in CI; `make fuzz` makes 20,000."""

import os
import random
import subprocess
import sys

import pytest

from tests.fuzz import campaign
from tests.fuzz.boundaries import FILES, SLOW
from tests.fuzz.mutations import mutate


@pytest.mark.parametrize(("names", "tries"), [([*FILES.keys() - SLOW], 320), ([*SLOW], 12)])
def test_damaged_files_are_read_right_or_refused_by_name_and_change_nothing(names, tries, project):
    """In a process of its own, which a hang, a crash or an empty memory ends alone."""
    words = [sys.executable, "-m", "tests.fuzz.campaign", *sorted(names)]
    answer = subprocess.run(
        [*words, "--tries", str(tries), "--seed", "0"],
        cwd=project,
        env={**os.environ, "OPENCV_LOG_LEVEL": "OFF", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
        check=False,
    )
    assert answer.returncode == 0, f"{answer.stdout[-6000:]}\n{answer.stderr[-3000:]}"


def test_the_same_seed_makes_the_same_damage_and_another_one_another():
    data = bytes(range(256)) * 4
    made = [mutate(data, random.Random(seed), True) for seed in range(300)]
    assert made == [mutate(data, random.Random(seed), True) for seed in range(300)]
    assert len(set(made)) > 250 and data not in made[:20]


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda folder, path: 1 // 0, "a foreign ZeroDivisionError"),
        (lambda folder, path: int("x"), "names no file"),
        (lambda folder, path: (folder / "new.txt").write_text("x"), "new.txt"),
        (lambda folder, path: path.write_text("changed"), "it changed or left"),
        (lambda folder, path: path.read_bytes(), "another value than that of the whole file"),
    ],
)
def test_the_campaign_finds_what_a_boundary_does_not_keep(use, said, monkeypatch):
    def write(folder):
        (folder / "a.txt").write_text("whole, and longer than a word")

    boundary = campaign.FileBoundary(write, use, ("*.txt",), exact=("*.txt",))
    monkeypatch.setitem(campaign.FILES, "bad", boundary)
    monkeypatch.setattr(campaign, "limit_memory", lambda: None)
    if "whole file" not in said:
        monkeypatch.setitem(campaign.FILES, "bad", campaign.FileBoundary(write, use, ("*.txt",)))
    faults = campaign.attack("bad", 3)
    assert len(faults) == 3 and all(said in fault for fault in faults)
