"""Makes tests/golden/segmentation_models.npz: what segmentation_models' ResNet34 U-Net answers.

Run once, in an environment of its own (Python 3.11):

    pip install "tensorflow-cpu==2.15.*" segmentation-models==1.0.1
    SM_FRAMEWORK=tf.keras python tests/parity/segmentation_models_parity.py

Weights follow from their names by `pseudo_weight`, so that the file holds just a few photos of
noise, the answers and the layout of the encoder's weights file. tests/test_resnet.py gives our
network the same weights and compares.
"""

import json
import math
import zlib
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent.parent / "golden" / "segmentation_models.npz"
HEIGHT, WIDTH = 64, 96

# Means and spreads that keep 34 layers of noise around 1, and the answers a few units apart.
RANGES = {
    "beta": (-0.2, 0.2),
    "bias": (-0.5, 0.5),
    "gamma": (0.7, 1.3),
    "moving_mean": (-0.2, 0.2),
    "moving_variance": (0.5, 1.5),
    "bn_data/moving_mean": (110.0, 130.0),
    "bn_data/moving_variance": (3000.0, 6000.0),
}


def pseudo_weight(layer, weight, shape):
    """Float32 noise that depends on the names of layer and weight alone, in any framework."""
    if weight == "kernel":
        high = math.sqrt(3.25 / math.prod(shape[:-1]))
        low = -high
    else:
        low, high = RANGES.get(f"{layer}/{weight}", RANGES[weight])
    noise = np.random.default_rng(zlib.crc32(f"{layer}/{weight}".encode())).random(shape)
    return (low + (high - low) * noise).astype(np.float32)


def fill_weights(model):
    """Gives a Keras 2 or Keras 3 model its pseudo weights."""
    for layer in model.layers:
        names = [weight.name.split("/")[-1].split(":")[0] for weight in layer.weights]
        shapes = [tuple(weight.shape) for weight in layer.weights]
        layer.set_weights(
            [pseudo_weight(layer.name, *pair) for pair in zip(names, shapes, strict=True)]
        )


def _encoder_layout(model):
    """{layer: [[name of a weight in the file, shape], ...]} in a Keras 2 weights file's order."""
    return {
        layer.name: [[weight.name, list(weight.shape)] for weight in layer.weights]
        for layer in model.layers
    }


def main():
    import segmentation_models
    from classification_models.tfkeras import Classifiers

    shape = (HEIGHT, WIDTH, 3)
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    images[1] //= 4  # a dark one
    model = segmentation_models.Unet(
        "resnet34", input_shape=shape, classes=1, activation="linear", encoder_weights=None
    )
    fill_weights(model)
    logits = model.predict(images.astype(np.float32))
    build_encoder, _ = Classifiers.get("resnet34")
    layout = _encoder_layout(build_encoder(input_shape=shape, weights=None, include_top=False))
    np.savez_compressed(GOLDEN, images=images, logits=logits, layout=json.dumps(layout))
    print(f"{GOLDEN}: {GOLDEN.stat().st_size} bytes, {model.count_params():,} parameters")
    print(f"logits {logits.min():.3f} to {logits.max():.3f}, deviation {logits.std():.3f}")


if __name__ == "__main__":
    main()
