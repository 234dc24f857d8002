"""Any depth network in an ONNX file, called as our own are: photos in, depth maps out."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from depthlib.prediction.onnx import (
    INSTALL,
    USUAL_ALIGNMENTS,
    OnnxPredictor,
    PeerSpec,
    is_installed,
)

# Wofk et al. 2019 (arXiv 1903.03273): RGB in 0..1 of the photo's centre, depth in metres.
FASTDEPTH = PeerSpec(view="nyu_fastdepth")
KNOWN = {"FastDepth": FASTDEPTH}


def choose_alignments(unit: str, truth_unit: str) -> list[str]:
    """How a network's output of this unit may be aligned with such a truth; the usual way first."""
    return [how for how in USUAL_ALIGNMENTS[unit] if how != "none" or truth_unit == "metre"]


def open_peers(
    files: Mapping[str, Path | str], specs: Mapping[str, Mapping] | None = None
) -> tuple[dict[str, OnnxPredictor], str]:
    """The networks in those of `files` (by name) that are there, and a note on what is missing.

    `specs`: by name, the arguments of a `PeerSpec`; without them KNOWN's, else the defaults.
    """
    if not is_installed():
        return {}, f"No ONNX Runtime, so no peers and no latency. Install it: {INSTALL}"
    specs = KNOWN | {name: PeerSpec(**arguments) for name, arguments in (specs or {}).items()}
    there = {name: path for name, path in files.items() if Path(path).is_file()}
    missing = [f"{name}: there is no {files[name]}" for name in files if name not in there]
    networks = {name: OnnxPredictor(path, specs.get(name)) for name, path in there.items()}
    return networks, "\n".join([f"peers: {', '.join(there) or 'none'}", *missing])


def time_networks(networks: Mapping[str, OnnxPredictor], rounds: int = 30) -> pd.DataFrame:
    """Milliseconds that each network takes for one photo of its input's size: a row a network.

    Columns model, height, width, milliseconds (the median over rounds), milliseconds_low and
    _high (the quartiles). In each round each network runs twice in turn, and the second run counts:
    a slow minute hits all alike, and none finds the cores busy with the one before it.
    """
    rng = np.random.default_rng(0)
    photos = {
        name: rng.integers(0, 256, (network.height, network.width, 3), np.uint8)
        for name, network in networks.items()
    }
    times = {name: [] for name in networks}
    for _ in range(rounds):
        for name, network in networks.items():
            network.run(photos[name])
            start = time.perf_counter()
            network.run(photos[name])
            times[name].append(1e3 * (time.perf_counter() - start))
    quartiles = {name: np.percentile(values, [50, 25, 75]) for name, values in times.items()}
    columns = ["milliseconds", "milliseconds_low", "milliseconds_high"]
    table = pd.DataFrame.from_dict(quartiles, orient="index", columns=columns)
    sizes = [(network.height, network.width) for network in networks.values()]
    table.insert(0, "height", [height for height, _ in sizes])
    table.insert(1, "width", [width for _, width in sizes])
    return table.rename_axis("model").reset_index()
