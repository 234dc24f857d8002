"""Several devices and machines train one network: Keras' data parallelism on JAX.

Each process is told how many there are (`use_devices`), before any network is built. Of each batch
it serves its part, padded so that the devices divide it; `cut_padding` takes that off again within
the step, so that losses, metrics and batch norm are those of one device. Process 0 alone has the
run folder; what it holds and decides, it tells the others. One that fails ends all.
"""

import atexit
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from depthlib.device import BACKEND
from depthlib.files import check_regular, write_bytes

# A process that says nothing for so long is taken as dead; so is one that others wait for at the
# end.
SILENCE = 30  # seconds
NOTICE = 3  # seconds until each has surely read why another one fails
FAILURE = "depthlib/failure"  # where a process that fails writes why


@dataclass(frozen=True)
class Place:
    """Which of the processes that train together this one is, and how many devices they share."""

    process: int = 0
    processes: int = 1
    devices: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.process == 0

    @property
    def shard(self) -> tuple[int, int]:
        """The part of each batch that this process serves, as `DepthGenerator` takes it."""
        return self.process, self.processes


def find_place() -> Place:
    """This process' place, as `use_devices` or `keras.distribution` has set it."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return Place()
    import jax

    return Place(jax.process_index(), jax.process_count(), distribution.num_model_replicas)


def use_devices(
    devices: int | str = "all",
    process: int | None = None,
    processes: int | None = None,
    coordinator: str | None = None,
    cluster: bool = False,
) -> None:
    """Lets what is built from now on train on `devices` of each process: "all", or how many.

    Call it before anything computes. On several machines, on each: `process` of `processes`, from
    0, and `coordinator`, the host and port of process 0, which listens there; or `cluster`, which
    lets JAX find these three in what Slurm, Open MPI or Kubernetes set.
    Errors: ValueError on a backend other than JAX, for values that are none, or where the others
    cannot be found.
    """
    if BACKEND != "jax":
        raise ValueError(
            "Several devices need the backend JAX: Keras has no other that works. Received: "
            f"{BACKEND}. Set the environment variable KERAS_BACKEND=jax before Python starts; "
            "pip install -e .[jax] installs it."
        )
    _check_values(devices, process, processes, coordinator, cluster)
    import jax

    if cluster or coordinator is not None:
        _join(process, processes, coordinator)
    chosen = _choose(devices, jax.devices(), jax.process_count())
    names = [f"{device.platform}:{device.id}" for device in chosen]
    several = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
    keras.distribution.set_distribution(several if len(chosen) > 1 else None)


def _check_values(
    devices: int | str,
    process: int | None,
    processes: int | None,
    coordinator: str | None,
    cluster: bool,
) -> None:
    if devices != "all" and not (isinstance(devices, int) and devices >= 1):
        raise ValueError(f"`devices` must be all, or at least 1. Received: devices={devices}.")
    given = [value is not None for value in (process, processes, coordinator)]
    if any(given) and (cluster or not all(given)):
        raise ValueError(
            "Give `process`, `processes` and `coordinator`, or `cluster` alone. Received: "
            f"process={process}, processes={processes}, coordinator={coordinator}, "
            f"cluster={cluster}."
        )
    if process is None or processes is None or coordinator is None:
        return
    if not 0 <= process < processes:
        raise ValueError(
            f"`process` must be 0 to `processes` - 1. Received: process={process}, "
            f"processes={processes}."
        )
    host, colon, port = coordinator.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(
            "`coordinator` must be HOST:PORT of process 0. Received: "
            f"coordinator={coordinator}. Use 10.0.0.1:12345, say."
        )


def _join(process: int | None, processes: int | None, coordinator: str | None) -> None:
    """Meets the other processes, and from then on ends with the first that fails."""
    import jax

    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            heartbeat_timeout_seconds=SILENCE,
            shutdown_timeout_seconds=SILENCE,
        )
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            "Every process must find process 0, and before anything computes. Received: "
            f"coordinator={coordinator or 'none: JAX knows no such cluster here'}: {error}"
        ) from error
    over = threading.Event()
    arguments = (jax.process_index(), over)
    watch = threading.Thread(target=_end_with_others, args=arguments, daemon=True)
    watch.start()
    # Before JAX's own exit, as what is registered last is called first.
    atexit.register(watch.join)
    atexit.register(over.set)


def _choose(devices: int | str, found: Sequence[Any], processes: int) -> list[Any]:
    """As many of each process' devices as there are to be, process by process."""
    of_each = [[each for each in found if each.process_index == n] for n in range(processes)]
    least = min(map(len, of_each))
    count = least if devices == "all" else int(devices)
    if count > least or (devices == "all" and least < max(map(len, of_each))):
        raise ValueError(
            f"`devices` must be what each process has. Received: devices={devices} of "
            f"{', '.join(str(len(own)) for own in of_each)}. Use {least}."
        )
    return [each for own in of_each for each in own[:count]]


def cut_padding(
    model: keras.Model, training: Mapping[int, int], validation: Mapping[int, int] | None = None
) -> None:
    """Has `model`'s steps see only the real photos of a batch.

    How many these are, `training` and `validation` say by how many there are: `sizes` of a
    `DepthGenerator`. What is left of a batch stays spread over the devices, unevenly, which XLA
    computes exactly.
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return
    import jax

    def behind_cut(step: Callable, sizes: Mapping[int, int]) -> Callable:
        def cut(array: Any) -> Any:
            array = array[: sizes[len(array)]]
            layout = distribution.get_data_layout(array.shape).backend_layout
            return jax.lax.with_sharding_constraint(array, layout)

        return lambda state, data: step(state, jax.tree.map(cut, data))

    model.train_step = behind_cut(model.train_step, training)
    model.test_step = behind_cut(model.test_step, validation or {})


@contextmanager
def alone() -> Iterator[None]:
    """What is built and computed in the block is this process' own, on its first device.

    `find_place` says so, too: of no other process.
    """
    held = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(held)


def tell(data: bytes) -> bytes:
    """What process 0 calls it with; all must call it."""
    if find_place().processes == 1:
        return data
    from jax.experimental import multihost_utils

    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(data))))
    own = np.frombuffer(data, np.uint8) if find_place().is_first else np.zeros(length, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(own), np.uint8).tobytes()


@contextmanager
def lend_files(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """`folder` itself for process 0, for others a folder of copies that is gone after the block.

    `names` are the files that are copied, where they are there.
    """
    place = find_place()
    if place.is_first:
        for name in names if place.processes > 1 else ():
            path = folder / name
            if path.exists():
                check_regular(path)  # a pipe would never answer
            tell(b"+" + path.read_bytes() if path.exists() else b"-")
        yield folder
        return
    with TemporaryDirectory() as copies:
        for name in names:
            data = tell(b"")
            if data[:1] == b"+":
                write_bytes(Path(copies) / name, data[1:])
        yield Path(copies)


@contextmanager
def end_together() -> Iterator[None]:
    """Where the block fails, tells the other processes why, so that they end too.

    Errors: ConnectionError where a step failed here that all must take; most often another process
    was killed. What the block raises otherwise.
    """
    place = find_place()
    try:
        yield
    except BaseException as error:
        if place.processes == 1:
            raise
        # JAX's own exit would wait for those who wait for this process.
        atexit.register(_leave)
        if not _is_of_jax(error):
            _tell_failure(place, error)
            raise
        time.sleep(NOTICE)  # another one that told why ends this one meanwhile
        explained = ConnectionError(
            "All processes must take each step together. Received: "
            f"{str(error).strip().splitlines()[0]}. Most often one was killed, or its machine is "
            "gone: see what each has printed. The same commands, on all, go on."
        )
        _tell_failure(place, explained)
        raise explained from error


def _is_of_jax(error: BaseException) -> bool:
    """Whether XLA raised it, whichever class it took: it begins with the name of a status."""
    return re.match("[A-Z_]{5,}: ", str(error)) is not None


def _tell_failure(place: Place, error: BaseException) -> None:
    reason = str(error).strip() or type(error).__name__
    with suppress(Exception):  # another was first, or process 0 is gone; then nobody listens
        _store().key_value_set(FAILURE, f"process {place.process} of {place.processes}: {reason}")


def _end_with_others(process: int, over: threading.Event) -> None:
    """Ends this `process`, with the reason, when another tells that it fails, until `over`."""
    while not over.wait(NOTICE / 3):
        try:
            reason = _store().key_value_try_get(FAILURE)
        except Exception:  # none has failed; or JAX is about to end this process itself
            continue
        if reason.startswith(f"process {process} "):
            return
        print(
            f"This process ends as another has failed, {reason}\nThe same commands, on all, go on.",
            file=sys.stderr,
        )
        _leave()


def _leave() -> None:
    """Ends at once, after the others have had time to read what this process told them."""
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(NOTICE)
    os._exit(1)


def _store() -> Any:
    """The texts that all processes see, which JAX keeps in process 0. It has no public name."""
    from jax._src import distributed

    return distributed.global_state.client
