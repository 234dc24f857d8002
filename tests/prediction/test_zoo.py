import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from depthlib.networks import shipped
from depthlib.prediction import zoo
from depthlib.prediction.onnx import OnnxPredictor
from depthlib.prediction.zoo import SHIPPED, find_network, open_network
from tests.onnx_files import write_onnx


def test_light_and_road_come_with_the_package_and_the_rest_with_a_clone(project):
    for name in SHIPPED:
        assert find_network(name, "keras") == project / "models" / f"{name}.keras"
        has_onnx = name in ("light", "road")
        expected = project / "depthlib" / "models" / f"{name}.onnx" if has_onnx else None
        assert find_network(name) == (expected or find_network(name, "keras"))


@pytest.mark.parametrize("name", ["light", "road"])
def test_a_packaged_network_opens_and_knows_its_lens(name):
    network = open_network(name, batch_size=3)
    assert isinstance(network, OnnxPredictor) and network.batch_size == 3
    assert network.view.focal and network.unit == "metre"
    assert network.path == find_network(name)


@pytest.mark.parametrize("runtime", ["onnx", "keras"])
def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch, runtime):
    monkeypatch.setattr(shipped, "PACKAGED", tmp_path / "packaged")
    monkeypatch.setattr(shipped, "CLONED", tmp_path / "cloned")
    with pytest.raises(
        FileNotFoundError, match=rf"no {tmp_path}.*light.{runtime}\. light and road"
    ):
        find_network("light", runtime)


@pytest.mark.parametrize(
    ("model", "runtime", "error", "said"),
    [
        ("gone.onnx", None, FileNotFoundError, "no network gone.onnx. Ship with depthlib: light"),
        ("lite", None, FileNotFoundError, "There is no network lite"),
        ("", None, ValueError, "the name of one that ships, or .*Received: ''"),
        (None, None, ValueError, "the name of one that ships, or .*Received: None"),
        ("folder.onnx", None, FileNotFoundError, "There is no network folder.onnx"),
        ("net.h5", None, ValueError, "must be a .keras or .onnx file. Received: net.h5"),
        ("net.onnx", "keras", ValueError, "The runtime keras must have a .keras file"),
        ("net.keras", "onnx", ValueError, "The runtime onnx must .*`depthlib export` makes one"),
        ("light", "torch", ValueError, "`runtime` must be one of onnx, keras"),
        ("unet", "onnx", FileNotFoundError, "`depthlib export unet --to onnx` makes the one"),
    ],
)
def test_what_is_no_network_is_refused(tmp_path, monkeypatch, model, runtime, error, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.onnx").mkdir()
    for name in ("net.h5", "net.onnx", "net.keras"):
        (tmp_path / name).touch()
    with pytest.raises(error, match=said):
        open_network(model, runtime)


@pytest.mark.parametrize("content", [b"", b"text", b"\x08\x07" * 50, None])
def test_a_damaged_onnx_file_is_named(tmp_path, project, content):
    path = tmp_path / "net.onnx"
    light = (project / "depthlib" / "models" / "light.onnx").read_bytes()
    path.write_bytes(light[:100_000] if content is None else content)
    with pytest.raises(ValueError, match="must be an ONNX file .* Received: .*net.onnx"):
        open_network(path)


def test_a_network_that_does_not_say_what_it_sees_is_refused(tmp_path):
    path = write_onnx(tmp_path / "foreign.onnx")
    with pytest.raises(ValueError, match="must say what it sees.*foreign.onnx.*evaluate --depth"):
        open_network(path)


def test_fastdepth_is_such_a_network(shared):
    with pytest.raises(ValueError, match="must say what it sees"):
        open_network(shared / "peers" / "fastdepth_7.onnx")


def test_without_keras_what_to_install_is_said(tmp_path, monkeypatch):
    (tmp_path / "net.keras").touch()
    monkeypatch.setattr(zoo, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e .\[train\]"):
        open_network(tmp_path / "net.keras")


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs root, to be nobody")
def test_a_network_that_one_may_not_read_is_named(project):
    code = (
        "import os, sys, onnxruntime; from onnxruntime.capi import onnxruntime_pybind11_state\n"
        "from depthlib.prediction import onnx; from depthlib.prediction.zoo import open_network\n"
        "os.setuid(65534)\n"
        "try: open_network(sys.argv[1])\n"
        "except PermissionError as error: print(error)"
    )
    with TemporaryDirectory() as folder:  # one that nobody may enter; tmp_path is its owner's
        Path(folder).chmod(0o755)
        path = Path(folder) / "net.onnx"
        path.touch(mode=0)
        command = [sys.executable, "-c", code, str(path)]
        answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert "Permission denied" in answer.stdout and "net.onnx" in answer.stdout, answer.stderr
