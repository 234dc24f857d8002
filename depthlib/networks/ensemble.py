"""Several networks as one, which errs less than each: where they differ, their mean is nearer.

Also a command: python -m depthlib.networks.ensemble FILE FILE ... --export models/best.keras
and back again: python -m depthlib.networks.ensemble models/best.keras --member 2 --export FILE
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from depthlib.files import NETWORK, check_ours, check_suffix, refuse_empty, refuse_source
from depthlib.networks.layers import DepthHead
from depthlib.networks.saving import export_model, load_model


def build_ensemble(networks: Sequence[keras.Model], name: str = "ensemble") -> keras.Model:
    """One network, whose logits are the mean of the networks', before a head like theirs.

    With a head in log depth that is near the geometric mean of their depths. Errors: ValueError for
    fewer than two networks, and where their inputs' sizes or their heads differ.
    """
    inputs = {network.input_shape for network in networks}
    heads = _heads(networks)
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


def average_weights(networks: Sequence[keras.Model]) -> keras.Model:
    """A network like the first, each weight the mean of theirs: as quick as one of them.

    For a network and what it became when trained on, or runs that went on from the same weights:
    the mean keeps most of what it learned and of what it knew (WiSE-FT, arXiv 2109.01903).
    From other first weights the mean is of no use. Errors: ValueError for fewer than two networks,
    and where the shapes of their weights or their heads differ.
    """
    shapes = [[weight.shape for weight in network.weights] for network in networks]
    built = list(zip(shapes, _heads(networks), strict=True))
    if len(networks) < 2 or any(pair != built[0] for pair in built):
        raise ValueError(
            "A mean of weights must be of two networks or more that are built alike. Received: "
            f"{', '.join(network.name for network in networks)}. Take runs of one recipe."
        )
    mean = keras.models.clone_model(networks[0])
    each = zip(*(network.get_weights() for network in networks), strict=True)
    mean.set_weights([np.mean(values, axis=0) for values in each])
    return mean


def count_members(model: keras.Model) -> int:
    """Of how many networks a network is the mean, as `build_ensemble` makes it; 0: of none."""
    names = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    return sum(name.startswith("member") for name in names)


def take_member(ensemble: keras.Model, number: int) -> keras.Model:
    """The network that `build_ensemble` was given `number`th, from 1, with a head of its own.

    To train it on, or as a teacher whose features are seen too; it shares the ensemble's weights.
    Errors: ValueError where there is no such network.
    """
    members = {layer.name: layer for layer in ensemble.layers if isinstance(layer, keras.Model)}
    body = members.get(f"member{number}")
    if body is None:
        raise ValueError(
            f"A member must be one of an ensemble's. Received: {number} of {ensemble.name}, which "
            f"has {', '.join(members) or 'none'}. Count from 1."
        )
    head = DepthHead.from_config(ensemble.layers[-1].get_config())
    return keras.Model(body.inputs[0], head(body.outputs[0]), name=body.name)


def _heads(networks: Sequence[keras.Model]) -> list[dict[str, Any]]:
    """What each network's head is, but for its name."""
    return [network.layers[-1].get_config() | {"name": "depth"} for network in networks]


def main(words: Sequence[str] | None = None) -> None:
    """The command line: writes the one network as float16."""
    parser = argparse.ArgumentParser(
        prog="python -m depthlib.networks.ensemble", description="Makes one network of several."
    )
    parser.add_argument("files", nargs="+", type=Path, help=".keras files of trained networks")
    parser.add_argument("--export", required=True, type=Path, help="the one network's file")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--weights", action="store_true", help="mean weights, not mean logits")
    what.add_argument("--member", type=int, metavar="N", help="the Nth network of one ensemble")
    arguments = parser.parse_args(words)
    if arguments.member is not None and len(arguments.files) > 1:
        parser.error("--member takes a network out of one file")
    try:
        refuse_empty(sys.argv[1:] if words is None else words)
        check_suffix(arguments.export, ".keras")
        refuse_source(arguments.export, *arguments.files)
        check_ours(arguments.export, kind=NETWORK)
        networks = [load_model(path) for path in arguments.files]
        if arguments.member is not None:
            network = take_member(networks[0], arguments.member)
        else:
            network = average_weights(networks) if arguments.weights else build_ensemble(networks)
        export_model(network, arguments.export)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
