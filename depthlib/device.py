"""Which device Keras computes on, how fast it is, and what to do when no GPU shows."""

import os
import platform
import shutil
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
from keras import ops

BACKEND = keras.backend.backend()

# The packages that bring CUDA; sources: tensorflow.org/install/pip, docs.jax.dev/installation.
CUDA_PACKAGES = {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda13]", "torch": "torch"}

PYTORCH = "set the environment variable KERAS_BACKEND=torch before Python starts"
WINDOWS = f"""TensorFlow (after 2.10) and JAX have no GPU support on native Windows. Two ways:
1. WSL2: `wsl --install` in a terminal of Windows, then all in its Ubuntu as on Linux, with
   pip install "tensorflow[and-cuda]". The NVIDIA driver stays the one of Windows.
2. PyTorch as the backend: install its CUDA build by the command that
   https://pytorch.org/get-started/locally shows, and {PYTORCH}."""
MACOS = f"On a Mac the backend with a GPU is PyTorch: pip install torch, and {PYTORCH}."


def describe_device() -> dict[str, str]:
    """Backend, devices, memory and the precision that layers compute in, as text by heading."""
    return {
        "backend": f"{BACKEND} {version(BACKEND)}",
        "keras": keras.version(),
        "python": platform.python_version(),
        "cpu": f"{_find_cpu_name()}, {os.cpu_count()} cores",
        "gpu": ", ".join(list_gpus()) or "none",
        "gpu memory": ", ".join(_ask_driver("memory.total")) or "unknown",
        "precision": keras.config.dtype_policy().name,
    }


def list_gpus() -> list[str]:
    """The names of the GPUs that the backend can use."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return [detail.get("device_name", "GPU") for detail in details]
    if BACKEND == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    import torch

    if torch.backends.mps.is_available():
        return ["Apple GPU"]
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def time_matmul(size: int = 2048, repeats: int = 10, dtype: str = "float32") -> dict[str, float]:
    """GFLOP/s of the product of two (size, size) matrices, on the CPU and on each GPU."""
    gpus = list_gpus()
    names = ["mps"] if gpus == ["Apple GPU"] else [f"gpu:{index}" for index in range(len(gpus))]
    return {name: _time_matmul(name, size, repeats, dtype) for name in ["cpu:0", *names]}


def choose_precision() -> str:
    """The dtype policy to train with: "mixed_bfloat16" where the hardware has it, else "float32".

    That is a GPU of compute capability 8 (A100, RTX 30) on; on TensorFlow also a CPU with
    AVX512-BF16 or AMX, where bfloat16 was measured at 1.4 times the speed (docs/performance.md).
    """
    if list_gpus():
        capabilities = [float(text) for text in _ask_driver("compute_cap")]
        return "mixed_bfloat16" if capabilities and min(capabilities) >= 8 else "float32"
    fast = BACKEND == "tensorflow" and {"avx512_bf16", "amx_bf16"} & set(_read_cpuinfo().split())
    return "mixed_bfloat16" if fast else "float32"


def gpu_advice() -> str:
    """What to do so that a GPU is used, in words, for this system and backend."""
    gpus = list_gpus()
    if gpus:
        return f"{BACKEND} computes on {', '.join(gpus)}: nothing to do."
    system = platform.system()
    if system != "Linux":
        return f"{BACKEND} finds no GPU. {WINDOWS if system == 'Windows' else MACOS}"
    install = f'pip install "{CUDA_PACKAGES[BACKEND]}", then restart the kernel'
    seen = _ask_driver("name")
    if seen:
        return f"The driver shows {', '.join(seen)}, but {BACKEND} cannot use it: {install}."
    return (
        f"No NVIDIA driver answers here, so {BACKEND} computes on the CPU. With an NVIDIA GPU: "
        f"install its driver until `nvidia-smi` shows it; {install}. In Colab: Runtime > Change "
        "runtime type > GPU."
    )


def _time_matmul(name: str, size: int, repeats: int, dtype: str) -> float:
    with keras.device(name):
        matrix = keras.random.normal((size, size), seed=0) / size**0.5  # products stay finite
        matrix = ops.cast(matrix, dtype)
        _finish(ops.matmul(matrix, matrix))  # the first one is slower
        start = time.perf_counter()
        product = matrix
        for _ in range(repeats):
            product = ops.matmul(product, matrix)
        _finish(product)
        return 2 * size**3 * repeats / (time.perf_counter() - start) / 1e9


def _finish(product: Any) -> None:
    """Waits until the device has computed `product`."""
    ops.convert_to_numpy(ops.cast(product[:1, :1], "float32"))


def _ask_driver(field: str) -> list[str]:
    """What nvidia-smi says of each GPU; nothing without it."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.splitlines() if answer.returncode == 0 else []


def _read_cpuinfo() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # only Linux has it
    return cpuinfo.read_text() if cpuinfo.exists() else ""


def _find_cpu_name() -> str:
    lines = _read_cpuinfo().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
