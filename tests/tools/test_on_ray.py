import csv
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from depthlib.__main__ import main as run_command
from depthlib.data.images import write_rgb
from tests.onnx_files import write_own_onnx
from tools.on_ray import find_out, main

RULE = "needs Ray: pip install -e .[ray]"


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["predict", "a", "b", "--out", "c"], "c"),
        (["label", "--teacher=light", "--out=c", "a"], "c"),
        (["data", "a", "--check", "all"], "a"),
    ],
)
def test_the_folder_of_a_command_is_found(words, out):
    assert find_out(words) == out


class FakeRay(ModuleType):
    """As much of Ray as the recipe asks for; its workers run in this process."""

    def __init__(self, **resources):
        super().__init__("ray")
        self.resources, self.asked, self.workers = resources, [], 0
        self.util = ModuleType("ray.util")
        self.util.ActorPool = lambda workers: SimpleNamespace(
            map_unordered=lambda call, values: [
                call(workers[place % len(workers)], value) for place, value in enumerate(values)
            ]
        )

    def init(self, address, **named):
        self.address = address

    def cluster_resources(self):
        return self.resources

    def remote(self, kind):
        def start(*values):
            self.workers += 1
            return SimpleNamespace(run=SimpleNamespace(remote=kind(*values).run))

        def choose(**options):
            self.asked.append(options)
            return SimpleNamespace(remote=start)

        return SimpleNamespace(options=choose)


@pytest.mark.parametrize(
    ("resources", "workers", "gpus", "cpus"),
    [
        ({"CPU": 16.0}, 8, 0, 2),
        ({"CPU": 1.0}, 1, 0, 1),
        ({"CPU": 16.0, "GPU": 4.0}, 4, 1, 2),
        ({"CPU": 2.0, "GPU": 4.0}, 4, 1, 0.5),
        ({"CPU": 96.0}, 9, 0, 2),
    ],
)
def test_workers_hold_a_gpu_each_or_cores_and_all_shards_run(
    tmp_path, monkeypatch, capsys, resources, workers, gpus, cpus
):
    fake = FakeRay(**resources)
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.util", fake.util)
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        write_rgb(tmp_path / "in" / f"{number}.png", np.full((32, 48, 3), 20 * number, np.uint8))
    write_own_onnx(tmp_path / "tiny.onnx")
    words = ["--shards=9", "predict", "in", "--focal=0.8", "--save=npy", "--out=many"]
    assert main([*words, "--model=tiny.onnx"]) == 0
    assert "9 shards, 6 rows" in capsys.readouterr().out
    assert fake.workers == workers and fake.address is None
    assert (fake.asked[0]["num_gpus"], fake.asked[0]["num_cpus"]) == (gpus, cpus)
    assert main([*words, "--model=none.onnx"]) == 1
    assert "none.onnx" in capsys.readouterr().err


# Slow: a cluster of its own starts for each, and every worker imports ONNX Runtime.
@pytest.mark.slow
@pytest.mark.parametrize("gpus", [0, 1])
def test_shards_on_a_cluster_equal_one_run(tmp_path, monkeypatch, gpus, capsys, project):
    monkeypatch.setenv("PYTHONPATH", str(project))  # of the workers: they import this recipe
    # Else a token is written into the home folder. Importing Ray reads it.
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray = pytest.importorskip("ray", reason=RULE)
    for number in range(12):
        rgb = np.full((32, 48, 3), 20 * number, np.uint8)
        write_rgb(tmp_path / "in" / f"{number}.png", rgb)
    network = write_own_onnx(tmp_path / "tiny.onnx")
    monkeypatch.chdir(tmp_path)  # where relative paths begin on each worker too
    words = ["predict", "in", f"--model={network.name}", "--save=npy", "--focal=0.8", "--out"]
    assert run_command([*words, "one"]) == 0
    ray.init(num_cpus=2, num_gpus=gpus, include_dashboard=False, log_to_driver=False)
    try:
        assert main(["--shards=5", "--cpus=1", *words, "many"]) == 0
        bad = ["--shards=2", "predict", "in", "--model=none.onnx", "--out", "bad"]
        assert main(bad) == 1
    finally:
        ray.shutdown()
    said = capsys.readouterr()
    assert "5 shards, 12 rows" in said.out and "none.onnx" in said.err
    rows = {}
    for out in ("one", "many"):
        with (tmp_path / out / "depth.csv").open(newline="") as file:
            rows[out] = sorted(map(str, csv.DictReader(file)))
    assert rows["one"] == rows["many"] and len(rows["one"]) == 12
    for path in (tmp_path / "one").glob("*.npy"):
        np.testing.assert_array_equal(np.load(path), np.load(tmp_path / "many" / path.name))
