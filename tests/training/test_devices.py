"""Training on several devices and processes, held to the very numbers of one device.

`make test-all` runs it with KERAS_BACKEND=jax: Keras shares a network among devices on no other.
"""

import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

from depthlib.data.pairs import read_csv
from depthlib.data.specs import NYU_TRAIN
from depthlib.networks.layers import DepthHead
from depthlib.training import devices, run_folder
from depthlib.training.__main__ import main
from depthlib.training.devices import find_place, use_devices
from depthlib.training.recipes import UNET
from depthlib.training.run_folder import check_alike, describe_run
from depthlib.training.train import train

ON_JAX = keras.backend.backend() == "jax"
needs_jax = pytest.mark.skipif(not ON_JAX, reason="needs KERAS_BACKEND=jax")
if ON_JAX:  # before JAX looks for its devices: the processor's cores as four
    os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")

# 9 pairs train and 9 validate: in batches of 4 the last one has 1, which no device divides.
RECIPE = UNET.change(
    height=32,
    width=48,
    batch_size=4,
    epochs=3,
    validation=0.34,
    learning_rate=0.01,
    precision="float32",
)
# Each photo twice, without and with fog; averaged weights; batches that no number divides.
RICH = RECIPE.change(
    weather=1.0, effects=("fog",), consistency=2.0, average=0.9, batch_size=5, epochs=2
)
# `depthlib train` of the tiny network, which may kill itself in the middle of the second epoch.
WORKER = """
import os, signal, sys
class WithoutTensorFlow:  # which Keras would import, for seconds, to seed it too
    def find_spec(self, name, path, target=None):
        if name == "tensorflow":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, WithoutTensorFlow())
from depthlib.training import build, run_folder
from depthlib.training.__main__ import main
from tests.training.test_devices import build_tiny
build._build = build_tiny
def die(self, batch, logs=None):
    if len(self.log) == 1 and batch == 1 and not self.writes:
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "die":
    run_folder.RunRecord.on_train_batch_begin = die
sys.exit(main(sys.argv[2:]))
"""


def build_tiny(recipe, spec):
    """As test_train's, but for the convolution's bias: batch norm takes it off, and what is left of
    its gradient is noise, which Adam makes as large as a gradient."""
    photos = keras.Input((recipe.height, recipe.width, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(photos)
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(x)
    x = keras.layers.BatchNormalization()(x)
    logits = keras.layers.Conv2D(1, 3, padding="same", name="final_conv")(x)
    depth = DepthHead(spec.min_depth, spec.max_depth, dataset=spec.name)(logits)
    return keras.Model(photos, depth, name="tiny")


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch):
    monkeypatch.setattr("depthlib.training.build._build", build_tiny)
    yield
    if ON_JAX:
        use_devices(1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The data of all runs here: 6 scenes of 3 pairs."""
    from tests.conftest import write_tiny_nyu

    return write_tiny_nyu(tmp_path_factory.mktemp("data"), scenes=6, frames=3)


@pytest.fixture(scope="module")
def golden(root, tmp_path_factory):
    """What one device makes of RECIPE: the folder of its run."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("depthlib.training.build._build", build_tiny)
        folder = tmp_path_factory.mktemp("golden") / "run"
        train_on(1, RECIPE, root, folder)
    return folder


def train_on(count, recipe, root, folder, **settings):
    """A run, or its next part, on so many devices."""
    use_devices(count)
    assert find_place().devices == count
    pairs = read_csv(root / "nyu2_train.csv", NYU_TRAIN)
    train(recipe, pairs, folder, verbose=0, **settings)
    use_devices(1)


def assert_same_run(ours, golden):
    """Fails unless losses, metrics and weights are equal to 1e-5."""
    logs = [pd.read_csv(folder / "log.csv").drop(columns="seconds") for folder in (ours, golden)]
    pd.testing.assert_frame_equal(*logs, rtol=1e-5, atol=1e-5)
    for name in ("best", "last"):
        models = [keras.models.load_model(folder / f"{name}.keras") for folder in (ours, golden)]
        for one, other in zip(*(model.get_weights() for model in models), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@needs_jax
@pytest.mark.parametrize("count", [2, 3])
def test_several_devices_give_the_run_of_one_whatever_does_not_divide(
    root, golden, tmp_path, count
):
    train_on(count, RECIPE, root, tmp_path / "run")
    assert_same_run(tmp_path / "run", golden)


@needs_jax
def test_a_run_begun_on_one_device_goes_on_on_four_and_on_two(root, golden, tmp_path):
    for count in (1, 4, 2):  # an epoch each
        train_on(count, RECIPE, root, tmp_path / "run", minutes=0)
    assert_same_run(tmp_path / "run", golden)


@needs_jax
def test_two_views_a_teachers_mixed_photos_and_averages_are_those_of_one_device(root, tmp_path):
    keras.utils.set_random_seed(1)
    build_tiny(RECIPE, NYU_TRAIN).save(tmp_path / "teacher.keras")
    recipe = RICH.change(teacher=str(tmp_path / "teacher.keras"), mix=0.5)
    for count in (1, 2):
        train_on(count, recipe, root, tmp_path / str(count))
    assert_same_run(tmp_path / "2", tmp_path / "1")


@needs_jax
def test_a_process_that_dies_ends_the_other_and_two_go_on_to_the_run_of_one(
    root, golden, project, tmp_path
):
    run = tmp_path / "run"
    first, second = start_two(project, root, run, "die", as_arguments)
    assert second.wait(timeout=300) == -9
    error = first.communicate(timeout=60)[1]  # within a minute
    assert first.returncode == 1, error
    assert "All processes must take each step together" in error
    assert len(pd.read_csv(run / "log.csv")) == 1
    # Again, as Slurm would start them: the same command on each.
    first, second = start_two(project, root, run, "live", as_slurm)
    for process in (first, second):
        said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    assert "Epoch 1/3" not in said[0]
    assert_same_run(run, golden)
    assert not (tmp_path / "other").exists(), "the second process writes no run folder"


@needs_jax
def test_what_one_process_cannot_read_the_other_says_too(root, project, tmp_path):
    missing = tmp_path / "missing"
    first, second = start_two(project, root, tmp_path / "run", "live", as_arguments, missing)
    errors = [process.communicate(timeout=300)[1] for process in (first, second)]
    for process, error in zip((first, second), errors, strict=True):
        assert process.returncode == 1 and f"{missing}/nyu2_train.csv" in error, error
    assert "another has failed, process 1 of 2" in errors[0]
    assert not (tmp_path / "run" / "run.json").exists()


def start_two(project, root, run, fate, place, root_of_second=None):
    """Two processes that train together; the second one has another name for its run folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    changes = [f"{name}={value}" for name, value in RECIPE.to_dict().items()]
    started = []
    for number, (data, folder) in enumerate(
        ((root, run), (root_of_second or root, run.with_name("other")))
    ):
        words, variables = place(number, port)
        command = [sys.executable, "-c", WORKER, fate, "unet", *changes, *words, "--verbose", "2"]
        command += ["--data", f"{data}/nyu2_train.csv", "--spec", "nyu_train", "--run", str(folder)]
        command += ["--cache", f"{run.parent}/cache"]
        environment = {**os.environ, "XLA_FLAGS": "", "OMP_NUM_THREADS": "1", **variables}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, cwd=project, env=environment, **pipes))
    return started


def as_arguments(number, port):
    words = ["--process", str(number), "--processes", "2", "--coordinator", f"127.0.0.1:{port}"]
    return words, {}


def as_slurm(number, port):
    variables = {"SLURM_JOB_ID": str(port), "SLURM_STEP_NODELIST": "127.0.0.1"}
    numbers = {"SLURM_PROCID": str(number), "SLURM_NTASKS": "2", "SLURM_LOCALID": str(number)}
    return ["--cluster"], {**variables, **numbers}


@pytest.mark.skipif(ON_JAX, reason="what the other backends say")
def test_another_backend_is_refused_with_the_one_that_can(root, tmp_path):
    message = "need the backend JAX.*Received: .*KERAS_BACKEND=jax"
    with pytest.raises(ValueError, match=message):
        use_devices("all")
    command = ["unet", "--data", f"{root}/nyu2_train.csv", "--run", f"{tmp_path}/run"]
    with pytest.raises(SystemExit, match=message):
        main([*command, "--devices", "all"])
    assert not (tmp_path / "run").exists()


@needs_jax
def test_what_is_no_device_no_process_and_no_coordinator_is_refused(monkeypatch):
    together = {"process": 0, "processes": 2, "coordinator": "127.0.0.1:12345"}
    for given, message in (
        ({"devices": 5}, "must be what each process has. Received: devices=5 of 4. Use 4"),
        ({"devices": 0}, "`devices` must be all, or at least 1. Received: devices=0"),
        ({"devices": "some"}, "Received: devices=some"),
        ({"process": 0}, "Give `process`, `processes` and `coordinator`, or `cluster` alone"),
        ({**together, "cluster": True}, "or `cluster` alone. Received: .*cluster=True"),
        ({**together, "process": 2}, "`process` must be 0 to `processes` - 1. Received: process=2"),
        ({**together, "coordinator": "127.0.0.1"}, "must be HOST:PORT of process 0"),
        ({**together, "coordinator": "127.0.0.1:port"}, "Use 10.0.0.1:12345, say"),
        (together, "before anything computes. Received: coordinator=127.0.0.1:12345: "),
        ({"cluster": True}, "none: JAX knows no such cluster here"),
    ):
        use_devices(1)  # JAX's devices are there
        with pytest.raises(ValueError, match=message):
            use_devices(**{"devices": "all", **given})
        assert keras.distribution.distribution() is None


def test_of_what_process_0_holds_the_others_have_a_copy_for_a_while(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(devices, "tell", lambda data: told.append(data) or data)
    (tmp_path / "log.csv").write_text("epoch,loss\n1,2.5\n")
    names = ("run.json", "log.csv")
    monkeypatch.setattr(devices, "find_place", lambda: devices.Place(0, 2, 2))
    with devices.lend_files(tmp_path, names) as folder:
        assert folder == tmp_path
    monkeypatch.setattr(devices, "find_place", lambda: devices.Place(1, 2, 2))
    monkeypatch.setattr(devices, "tell", lambda _: told.pop(0))
    with devices.lend_files(tmp_path, names) as folder:
        assert folder != tmp_path and [path.name for path in folder.iterdir()] == ["log.csv"]
        assert (folder / "log.csv").read_text() == "epoch,loss\n1,2.5\n"
    assert not folder.exists() and not told


def test_processes_that_would_train_other_runs_are_refused_with_what_differs(root, monkeypatch):
    pairs = read_csv(root / "nyu2_train.csv", NYU_TRAIN)
    run = describe_run(RECIPE, [pairs], pairs)
    check_alike(run)
    first = describe_run(RECIPE.change(epochs=4), [pairs.select(range(9))], pairs)
    monkeypatch.setattr(run_folder, "tell", lambda _: json.dumps(first).encode())
    with pytest.raises(ValueError, match="epochs: 4 there, 3 here; training pairs: .* same CSV"):
        check_alike(run)


@pytest.mark.parametrize("at_fault", ["--data missing.csv", "--minutes -1"])
def test_what_fails_is_told_the_others_once_before_training_and_in_it(root, monkeypatch, at_fault):
    told, exits = [], []
    monkeypatch.setattr(devices, "find_place", lambda: devices.Place(0, 2, 2))
    monkeypatch.setattr(devices, "_tell_failure", lambda _, error: told.append(str(error)))
    monkeypatch.setattr(devices.atexit, "register", exits.append)
    words = ["unet", "--data", f"{root}/nyu2_train.csv", "--run", f"{root}/run", *at_fault.split()]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert told == [end.value.code] and exits == [devices._leave]


def test_an_error_of_xla_is_told_by_the_status_that_it_begins_with():
    for text, is_of_jax in (
        ("UNKNOWN: Gloo AllGather failed: Connection reset by peer", True),
        ("RESOURCE_EXHAUSTED: Out of memory", True),
        ("A run folder must hold one run. Received: OTHER: it", False),
    ):
        assert devices._is_of_jax(ValueError(text)) == is_of_jax
