import os
import platform
import subprocess
import sys

import keras
import pytest

from depthlib import device


def test_the_report_names_backend_devices_and_precision():
    report = device.describe_device()
    assert report["backend"].startswith(keras.backend.backend())
    assert report["precision"] == "float32"
    assert report["cpu"].endswith("cores")
    assert all(report.values())


def test_the_matrix_product_is_timed_on_each_device():
    rates = device.time_matmul(size=64, repeats=2)
    assert list(rates)[0] == "cpu:0"
    assert len(rates) == 1 + len(device.list_gpus())
    assert all(rate > 0 for rate in rates.values())


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("Linux", "nvidia-smi"),
        ("Windows", "WSL2"),
        ("Windows", "KERAS_BACKEND=torch"),
        ("Darwin", "KERAS_BACKEND=torch"),
    ],
)
def test_without_a_gpu_the_advice_fits_the_system(monkeypatch, system, words):
    monkeypatch.setattr(device, "list_gpus", list)
    monkeypatch.setattr(device, "_ask_driver", lambda field: [])
    monkeypatch.setattr(platform, "system", lambda: system)
    assert words in device.gpu_advice()


def test_a_gpu_that_only_the_driver_sees_lacks_a_package(monkeypatch):
    monkeypatch.setattr(device, "list_gpus", list)
    monkeypatch.setattr(device, "_ask_driver", lambda field: ["NVIDIA A100"])
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    advice = device.gpu_advice()
    assert "NVIDIA A100" in advice
    assert device.CUDA_PACKAGES[device.BACKEND] in advice


def test_a_gpu_in_use_needs_nothing(monkeypatch):
    monkeypatch.setattr(device, "list_gpus", lambda: ["NVIDIA A100"])
    assert "computes on NVIDIA A100" in device.gpu_advice()


@pytest.mark.parametrize(
    "gpus, capabilities, flags, expected",
    [
        ([], [], "fpu avx2 avx512f", "float32"),
        ([], [], "fpu avx512_bf16", "mixed_bfloat16"),
        (["A100", "T4"], ["8.0", "7.5"], "fpu avx512_bf16", "float32"),
        (["H100"], ["9.0"], "fpu", "mixed_bfloat16"),
        (["Apple GPU"], [], "", "float32"),
    ],
)
def test_bfloat16_is_chosen_where_the_hardware_has_it(
    monkeypatch, gpus, capabilities, flags, expected
):
    monkeypatch.setattr(device, "BACKEND", "tensorflow")
    monkeypatch.setattr(device, "list_gpus", lambda: gpus)
    monkeypatch.setattr(device, "_ask_driver", lambda field: capabilities)
    monkeypatch.setattr(device, "_read_cpuinfo", lambda: f"model name : any\nflags : {flags}\n")
    assert device.choose_precision() == expected


def test_the_driver_is_asked_by_its_own_program(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "$1" >&2\necho "143771 MiB"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert device.describe_device()["gpu memory"] == "143771 MiB"
    program.write_text("#!/bin/sh\nexit 9\n")
    assert device.describe_device()["gpu memory"] == "unknown"


@pytest.mark.parametrize(("by_hand", "expected"), [(None, "1"), ("0", "0")])
def test_tensorflow_is_asked_for_onednn_unless_the_user_says_otherwise(by_hand, expected):
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    if by_hand is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = by_hand
    code = "import os, platform; platform.machine = lambda: 'x86_64'; import depthlib; "
    code += "print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert answer.stdout.decode().strip() == expected
