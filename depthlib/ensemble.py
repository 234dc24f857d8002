"""Several networks as one, which errs less than each: where they differ, their mean is nearer.

Also a command: python -m depthlib.ensemble FILE FILE ... --export models/best.keras
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import keras

from depthlib.export import export_half
from depthlib.layers import DepthHead
from depthlib.prediction import load_model
from depthlib.run_folder import save_model


def build_ensemble(networks: Sequence[keras.Model], name: str = "ensemble") -> keras.Model:
    """One network, whose logits are the mean of the networks', before a head like theirs.

    With a head in log depth that is near the geometric mean of their depths. Errors: ValueError for
    fewer than two networks, and where their inputs' sizes or their heads differ.
    """
    inputs = {network.input_shape for network in networks}
    heads = [network.layers[-1].get_config() | {"name": "depth"} for network in networks]
    if len(networks) < 2 or len(inputs) > 1 or any(head != heads[0] for head in heads):
        raise ValueError(
            "An ensemble must be of two networks or more that see photos of one size and have the "
            f"same head. Received: {', '.join(network.name for network in networks)}, inputs "
            f"{inputs}. Train them at one size, on one dataset, with one `depth_scale`."
        )
    photos = keras.Input(networks[0].input_shape[1:], dtype="uint8", name="data")
    bodies = (keras.Model(network.inputs, network.layers[-1].input) for network in networks)
    logits = []
    for number, body in enumerate(bodies, 1):
        body.name = f"member{number}"
        logits.append(body(photos))
    mean = keras.layers.Average(dtype="float32", name="mean_logits")(logits)
    return keras.Model(photos, DepthHead.from_config(heads[0])(mean), name=name)


def main(words: Sequence[str] | None = None) -> None:
    """The command line: writes the ensemble of the files as float16."""
    parser = argparse.ArgumentParser(
        prog="python -m depthlib.ensemble", description="Makes one network of several."
    )
    parser.add_argument("files", nargs="+", type=Path, help=".keras files of trained networks")
    parser.add_argument("--export", required=True, type=Path, help="the ensemble's file")
    arguments = parser.parse_args(words)
    try:
        ensemble = build_ensemble([load_model(path) for path in arguments.files])
        save_model(ensemble, arguments.export)
        export_half(arguments.export, arguments.export)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
