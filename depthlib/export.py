"""Networks that ship: half the size on disk, the same computation in memory."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np

from depthlib.files import replace_file

WEIGHTS = "model.weights.h5"  # what Keras calls them inside a .keras file
# Values of a tensor below which it stays float32: norms and depthwise kernels. They take a tenth of
# a light network's file, and their rounding alone moves its delta1 in the third decimal.
SMALL = 10_000


def export_half(source: Path | str, target: Path | str) -> Path:
    """Writes the .keras file `source` with its weights stored as float16; gives `target`.

    Only the file changes: `load_model` casts to the layers' own float32, so what is computed with
    differs by the rounding of each weight, 2**-11 of it; tensors of fewer than SMALL values are not
    rounded. `source` is a network without optimizer,
    as a run's best.keras. Errors: ValueError for a weight that float16 cannot hold, or for a file
    that is no Keras model.
    """
    source = Path(source)
    if not zipfile.is_zipfile(source):
        raise ValueError(f"`source` must be a .keras file. Received: {source}.")
    with replace_file(target) as temporary, zipfile.ZipFile(source) as old:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                data = old.read(name)
                new.writestr(name, _halve(data, source) if name == WEIGHTS else data)
    return Path(target)


def _halve(data: bytes, source: Path) -> bytes:
    halved = io.BytesIO()
    with h5py.File(io.BytesIO(data)) as old, h5py.File(halved, "w") as new:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                made = new.require_group(name)
            else:
                made = new.create_dataset(name, data=_round(item[()], f"{name} in {source}"))
            made.attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    return halved.getvalue()


def _round(weight: np.ndarray, place: str) -> np.ndarray:
    if weight.dtype != np.float32 or weight.size < SMALL:
        return weight
    with np.errstate(over="ignore"):
        half = weight.astype(np.float16)
    if not np.isfinite(half).all():
        raise ValueError(
            f"A weight must be at most {np.finfo(np.float16).max:.0f}. Received: "
            f"{np.abs(weight).max():.3g} for {place}. Ship the float32 file."
        )
    return half
