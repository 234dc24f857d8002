"""Pairs of NYU's size made of the embedded sample; the original project's loader and loss."""

from pathlib import Path

import cv2
import keras
import numpy as np

from depthlib.data import images, specs
from depthlib.data.pairs import Pairs, find_pairs, read_csv

ROOT = Path(__file__).parents[1]
SPEC = specs.NYU_TRAIN
HEIGHT, WIDTH = 480, 640
NOISE = 4.0  # grey levels: JPEGs of about 40 kB, as NYU's are


def make_pairs(folder: Path) -> Pairs:
    """The sample's 240 pairs enlarged to 480x640 with a camera's noise; made once."""
    sample = read_csv(ROOT / "datasets/sample/nyu2_train.csv", SPEC)
    rng = np.random.default_rng(0)
    for row in range(len(sample)):
        rgb_path, depth_path = (
            folder / path.relative_to(sample.root)
            for path in (sample.rgb_path(row), sample.depth_path(row))
        )
        if depth_path.exists():
            continue
        rgb, depth_m = enlarge_pair(sample, row)
        noisy = rgb + rng.normal(0, NOISE, rgb.shape)
        images.write_rgb(rgb_path, noisy.clip(0, 255).astype(np.uint8))
        images.write_depth(depth_path, depth_m, SPEC)
    return find_pairs(folder, SPEC)[0]


def enlarge_pair(pairs: Pairs, row: int) -> tuple[np.ndarray, np.ndarray]:
    """A pair at 480x640: RGB uint8 and depth in metres."""
    pair = images.read_pair(pairs.rgb_path(row), pairs.depth_path(row), pairs.spec)
    return tuple(cv2.resize(image, (WIDTH, HEIGHT)) for image in pair)


class PlainLoader(keras.utils.PyDataset):
    """Batches as the original project's generator makes them: all anew each time, in float64.

    cv2.imread at full size (depth as colour too), resize, min-max by image, flip, stack.
    """

    def __init__(self, pairs: Pairs, height: int, width: int, batch_size: int):
        super().__init__(workers=1)
        self.files = [(pairs.rgb_path(row), pairs.depth_path(row)) for row in range(len(pairs))]
        self.size = (width, height)
        self.batch_size = batch_size
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.files) // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        files = self.files[index * self.batch_size : (index + 1) * self.batch_size]
        batch = [self._load(*pair) for pair in files]
        return tuple(np.stack(arrays) for arrays in zip(*batch, strict=True))

    def _load(self, rgb_path: Path, depth_path: Path) -> tuple[np.ndarray, np.ndarray]:
        rgb = cv2.resize(cv2.imread(str(rgb_path)), self.size).astype(np.float64)
        depth = cv2.resize(cv2.imread(str(depth_path)), self.size).astype(np.float64)[..., :1]
        rgb, depth = ((image - image.min()) / np.ptp(image) for image in (rgb, depth))
        return (rgb[:, ::-1], depth[:, ::-1]) if self.rng.random() < 0.5 else (rgb, depth)


def original_loss(y_true, y_pred):
    """The original project's loss, weights 1, 3 and .1, by TensorFlow's own functions."""
    import tensorflow as tf

    y_true = tf.cast(y_true, tf.float32)
    true_steps, steps = tf.image.image_gradients(y_true), tf.image.image_gradients(y_pred)
    edges = sum(
        tf.reduce_mean(tf.abs(one - other)) for one, other in zip(true_steps, steps, strict=True)
    )
    similarity = tf.reduce_mean((1 - tf.image.ssim(y_true, y_pred, 1.0)) / 2)
    return similarity + 3 * edges + 0.1 * tf.reduce_mean(tf.abs(y_true - y_pred))
