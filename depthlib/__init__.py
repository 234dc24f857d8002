"""Metric depth from a single photo: networks, the data that they learn from, and honest tables.

What most scripts need is here by name, and is loaded when it is first asked for:

    from depthlib import Predictor, load_model, read_rgb

Importing the package alone imports no Keras, which takes ten seconds with TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from depthlib.startup import prepare_backends

if TYPE_CHECKING:
    from depthlib.data.images import read_rgb as read_rgb
    from depthlib.data.pairs import read_csv as read_csv
    from depthlib.evaluation import evaluate as evaluate
    from depthlib.networks.saving import load_model as load_model
    from depthlib.prediction.predictor import Predictor as Predictor
    from depthlib.prediction.zoo import open_network as open_network
    from depthlib.training.recipes import get_recipe as get_recipe
    from depthlib.training.train import train as train

__version__ = "0.1.0"

# Keras must not be imported before this package: the backends read this when they are imported.
prepare_backends()

_HOMES = {
    "Predictor": "depthlib.prediction.predictor",
    "evaluate": "depthlib.evaluation",
    "get_recipe": "depthlib.training.recipes",
    "load_model": "depthlib.networks.saving",
    "open_network": "depthlib.prediction.zoo",
    "read_csv": "depthlib.data.pairs",
    "read_rgb": "depthlib.data.images",
    "train": "depthlib.training.train",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
