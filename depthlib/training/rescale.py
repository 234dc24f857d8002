"""Metres that drifted, brought back: one factor for a network, found on measured photos.

Labels by other networks have a scale of their own, and the loss holds the scale of a photo loosely
(`ScaleInvariantLoss`). What trained on them may see every room some percent too large or too small.
One factor, taken on photos with measured depth, corrects that and changes nothing else.

Also a command: python -m depthlib.training.rescale runs/more/best.keras --data CSV --export FILE
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from depthlib.data.pairs import Pairs, read_csv
from depthlib.files import refuse_empty, refuse_source
from depthlib.networks.fine_tuning import scale_depth
from depthlib.networks.saving import export_half, load_model, save_model
from depthlib.training.generator import DepthGenerator


def find_scale(network: keras.Model, pairs: Pairs, batch_size: int = 8) -> float:
    """By what a network's depth must be multiplied: the median photo's median of truth over it.

    Each photo is seen whole, as in prediction.
    Errors: ValueError for relative depth; those of `DepthGenerator`.
    """
    if pairs.spec.is_relative or network.layers[-1].unit != "metre":
        raise ValueError(
            "A scale must be taken in metres, of a network and of photos that know them. Received: "
            f"{network.layers[-1].unit} of {network.name} and {pairs.spec.unit} of "
            f"{pairs.spec.name}. Use measured photos."
        )
    height, width = network.input_shape[1:3]
    batches = DepthGenerator(pairs, height, width, batch_size)
    ratios = []
    for index in range(len(batches)):
        photos, truth = batches[index][:2]
        for depth, known in zip(network.predict_on_batch(photos), truth[..., :1], strict=True):
            valid = known > 0
            if valid.any():
                ratios.append(np.median(known[valid] / depth[valid]))
    return float(np.median(ratios))


def main(words: Sequence[str] | None = None) -> None:
    """The command line: writes the network as float16, with depth at the scale of the photos."""
    parser = argparse.ArgumentParser(
        prog="python -m depthlib.training.rescale", description="Brings drifted metres back."
    )
    parser.add_argument("file", type=Path, help=".keras file of a trained network")
    parser.add_argument("--data", required=True, help="CSV of photos with measured depth")
    parser.add_argument("--spec", help="how their depth is stored, as in `depthlib train`")
    parser.add_argument("--root", type=Path, help="where the photos are, if not beside DATA")
    parser.add_argument("--export", required=True, type=Path, help="the file to write")
    arguments = parser.parse_args(words)
    try:
        refuse_empty(sys.argv[1:] if words is None else words)
        refuse_source(arguments.export, arguments.file)
        network = load_model(arguments.file)
        factor = find_scale(network, read_csv(arguments.data, arguments.spec, arguments.root))
        scale_depth(network, factor)
        save_model(network, arguments.export)
        export_half(arguments.export, arguments.export)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"{arguments.export}: depth times {factor:.4f}")


if __name__ == "__main__":
    main()
