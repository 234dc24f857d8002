"""How the backends of Keras start: set before they are imported, quiet in notebook and command."""

import ctypes
import importlib.machinery
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType

SETTINGS = {
    # Two notebooks share a GPU: memory is taken as it is needed, not all of it at once.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
# By itself TensorFlow takes oneDNN where the CPU has VNNI or newer; with AVX2 alone it convolves in
# Eigen, at two thirds of the speed: docs/performance.md.
ON_X86 = {"TF_ENABLE_ONEDNN_OPTS": "1"}

# What TensorFlow writes while it starts, whatever its log level: notes (oneDNN is on, no CUDA), how
# it logs them, and libraries of CUDA that register twice.
NOISE = re.compile(
    r"^(WARNING: All log messages before absl::InitializeLog|I0000 |To enable the following "
    r"instructions:|[EW]0000 .*(computation_placer|Unable to register cu\w+ factory)).*\n?",
    re.MULTILINE,
)
NO_DRIVER = re.compile(r"^E0000 .*failed call to cuInit.*\n?", re.MULTILINE)


def prepare_backends(quiet: bool = False) -> None:
    """Sets what a user has not set; lets TensorFlow start without its block of notes where `quiet`,
    as in a command, and in a notebook, where it is red.
    """
    on_x86 = platform.machine() in ("x86_64", "AMD64")
    for name, value in (SETTINGS | (ON_X86 if on_x86 else {})).items():
        os.environ.setdefault(name, value)
    # Notes, or on a CPU also what it calls errors: that it goes another way, and finds no GPU.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1" if _has_driver() else "3")
    quiet = quiet or "ipykernel" in sys.modules
    if quiet and not any(isinstance(one, _Quietly) for one in sys.meta_path):
        sys.meta_path.insert(0, _Quietly())


class _Quietly(MetaPathFinder):
    """Finds TensorFlow as Python does, and has it start under `drop_noise`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        start = spec.loader.exec_module

        def start_quietly(module: ModuleType) -> None:
            with drop_noise():
                start(module)
                if not _has_driver():  # it looks for one now, and not in the middle of a cell
                    module.config.list_physical_devices()

        spec.loader.exec_module = start_quietly  # type: ignore[method-assign]
        return spec


@contextmanager
def drop_noise() -> Iterator[None]:
    """Holds back what libraries write to the process' stderr in the block, then writes it without
    NOISE, and without TensorFlow's error for want of a driver where the machine has none.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # a process without one writes no noise
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            held.seek(0)
            text = NOISE.sub("", held.read().decode(errors="replace"))
            text = text if _has_driver() else NO_DRIVER.sub("", text)
            os.write(stderr, text.encode())
            os.close(stderr)


def _has_driver() -> bool:
    """True where NVIDIA's driver is installed: then a GPU that does not work is an error."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
