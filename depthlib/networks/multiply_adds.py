"""How much arithmetic a network takes, counted from the shapes of its layers."""

import math

import keras
from keras import layers


def count_macs(model: keras.Model) -> int:
    """Multiply-adds of one forward pass for one image, of convolutions and dense layers.

    Every weight of a kernel is used once at each position of the output (of a transposed
    convolution: of the input). Norms, activations and resizing are left out, as is custom in
    published figures. Training takes about three times as much.
    """
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer: layers.Layer) -> int:
    """Multiply-adds of one layer for one image; those of a network in the network too."""
    if hasattr(layer, "layers"):
        return count_macs(layer)
    if isinstance(layer, layers.Conv2DTranspose):
        positions = math.prod(layer.input.shape[1:-1])
    elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense):
        positions = math.prod(layer.output.shape[1:-1])
    elif isinstance(layer, layers.SeparableConv2D):
        kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        return math.prod(layer.output.shape[1:-1]) * sum(math.prod(k.shape) for k in kernels)
    else:
        return 0
    return positions * math.prod(layer.kernel.shape)
