import os
import subprocess
import sys

import pytest

from depthlib import startup

# As TensorFlow 2.21 and its builds with CUDA write them.
NOTES = """WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1796003357.849354   17638 port.cc:153] oneDNN custom operations are on. You may see
E0000 00:00:1746.68 1203 computation_placer.cc:177] computation placer already registered. Please
E0000 00:00:1746.62 1203 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register
I0000 00:00:1796003357.917521   17638 cpu_feature_guard.cc:227] This TensorFlow binary is optimized
To enable the following instructions: AVX2 AVX512F, in other operations, rebuild TensorFlow with
"""
NO_DEVICE = (
    "E0000 00:00:17.4 20804 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error\n"
)
REAL = """W0000 00:00:17.4 20804 gpu_device.cc:2341] Cannot dlopen some GPU libraries.
E0000 00:00:17.5 20804 cuda_executor.cc:1228] INTERNAL: failed to allocate 8.00GiB: out of memory
2026-01-01 F tensorflow/core] The TensorFlow library was compiled to use AVX instructions
I am a library of yours
"""


@pytest.mark.parametrize("driver", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_only_the_noise_of_a_start_is_dropped(monkeypatch, capfd, driver, fails):
    """With a driver, a GPU that does not work is an error, and stays."""
    monkeypatch.setattr(startup, "_has_driver", lambda: driver)
    try:
        with startup.drop_noise():
            os.write(2, (NOTES + NO_DEVICE + REAL).encode())
            if fails:
                raise ImportError("no such library")
    except ImportError:
        assert fails
    assert capfd.readouterr().err == NO_DEVICE * driver + REAL
    os.write(2, b"later")
    assert capfd.readouterr().err == "later"


def test_a_process_without_stderr_starts_too(monkeypatch):
    def refuse(number):
        raise OSError("Bad file descriptor")

    monkeypatch.setattr(os, "dup", refuse)
    with startup.drop_noise():
        started = True
    assert started


NAMES = ("TF_CPP_MIN_LOG_LEVEL", *startup.SETTINGS)
LEVEL = "1" if startup._has_driver() else "3"  # errors too are notes without a GPU


@pytest.mark.parametrize(
    ("kernel", "user", "expected"),
    [
        (True, {}, (LEVEL, "true", "false", 1)),
        (False, {}, (LEVEL, "true", "false", 0)),
        (True, {"TF_CPP_MIN_LOG_LEVEL": "0"}, ("0", "true", "false", 1)),
        (
            False,
            {"TF_FORCE_GPU_ALLOW_GROWTH": "false", "XLA_PYTHON_CLIENT_PREALLOCATE": "true"},
            (LEVEL, "false", "true", 0),
        ),
    ],
)
def test_what_a_user_has_set_stays_and_only_kernels_start_quietly(kernel, user, expected):
    code = (
        "import importlib, os, sys\n"
        f"if {kernel}: sys.modules['ipykernel'] = object()\n"
        "import depthlib\nimportlib.reload(depthlib)\n"
        "finders = [one for one in sys.meta_path if type(one).__name__ == '_Quietly']\n"
        f"print(*map(os.environ.get, {NAMES}), len(finders))"
    )
    unset = {name: value for name, value in os.environ.items() if name not in NAMES}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=unset | user, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == [str(word) for word in expected]


def test_tensorflow_is_found_and_starts_under_the_filter(monkeypatch, tmp_path, capfd):
    """A package of that name which writes as TensorFlow does; another package is left alone."""
    for name in ("tensorflow", "another"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(
            f"import os\nos.write(2, {NOTES.encode() + b'real' + os.linesep.encode()})\n"
            "class config:\n    asked = []\n"
            "    list_physical_devices = lambda: config.asked.append(1)\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    kept = {name: one for name, one in sys.modules.items() if name.split(".")[0] == "tensorflow"}
    for name in kept:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [startup._Quietly(), *sys.meta_path])
    for driver in (False, True):
        monkeypatch.setattr(startup, "_has_driver", lambda driver=driver: driver)
        module = __import__("tensorflow")
        assert capfd.readouterr().err == "real\n"
        assert module.config.asked == [1] * (not driver)
        assert module.__spec__.origin == str(tmp_path / "tensorflow" / "__init__.py")
        del sys.modules["tensorflow"]
    __import__("another")
    assert capfd.readouterr().err == NOTES + "real\n"
    del sys.modules["another"]
