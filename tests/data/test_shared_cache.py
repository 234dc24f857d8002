"""One cache, many readers, as of the processes and machines that train together."""

import subprocess
import sys

import numpy as np

from depthlib.data.cache import FilePairs, open_cache
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN

# Reads rows in a random order, again and again, until its input ends; says what it has read.
READER = """
import sys, threading
import numpy as np
from depthlib.data.cache import open_cache
from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN
root, folder, seed = sys.argv[1:]
cache = open_cache(read_csv(root + "/nyu2_train.csv", NYU_TRAIN), 16, 24, folder, progress=False)
rng, over = np.random.default_rng(int(seed)), threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
seen = set()
while not over.is_set():
    rows = rng.permutation(len(cache))
    rgb, counts = cache.gather(rows)
    order = np.argsort(rows)
    sums = rgb[order].sum(axis=(1, 2, 3)).tolist(), counts[order].sum(axis=(1, 2)).tolist()
    if not seen:
        print("reading", flush=True)
    seen.add(str(sums))
print(*seen, sep="\\n")
"""


def test_four_processes_read_one_cache_while_one_of_them_is_killed(tiny_nyu, project, tmp_path):
    pairs = read_csv(tiny_nyu(scenes=4, frames=5) / "nyu2_train.csv", NYU_TRAIN)
    folder = tmp_path / "cache"
    open_cache(pairs, 16, 24, folder, progress=False)
    before = {path: path.stat() for path in folder.rglob("*.npy")}
    command = [sys.executable, "-c", READER, str(pairs.root), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    readers = [subprocess.Popen([*command, str(seed)], cwd=project, **pipes) for seed in range(4)]
    try:
        assert [reader.stdout.readline() for reader in readers] == ["reading\n"] * 4
        readers[0].kill()
        rgb, counts = FilePairs(pairs, 16, 24).gather(range(len(pairs)))
        sums = rgb.sum(axis=(1, 2, 3)).tolist(), counts.sum(axis=(1, 2)).tolist()
        for reader in readers[1:]:
            assert reader.communicate(timeout=60)[0] == f"{sums}\n"
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate()
    after = {path: path.stat() for path in folder.rglob("*.npy")}
    assert {p: (s.st_ino, s.st_mtime_ns) for p, s in after.items()} == {
        p: (s.st_ino, s.st_mtime_ns) for p, s in before.items()
    }
    assert np.any(rgb) and np.any(counts)
