import keras
from keras import layers

from depthlib.networks.multiply_adds import count_macs


def test_multiply_adds_are_counted_from_the_shapes():
    images = keras.Input((8, 12, 3))
    x = layers.Conv2D(5, 3, strides=2, padding="same")(images)  # 4x6 positions, 3x3x3x5 weights
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)  # 4x6, 3x3x5
    x = layers.Conv2DTranspose(2, 2, strides=2)(x)  # 4x6 of its input, 2x2x2x5
    x = layers.SeparableConv2D(6, 3, padding="same")(x)  # 8x12, 3x3x2 and 2x6
    x = layers.Dense(7)(layers.GlobalAveragePooling2D()(x))  # 6x7
    model = keras.Model(images, x)
    expected = 24 * 135 + 24 * 45 + 24 * 40 + 96 * (18 + 12) + 42
    assert count_macs(model) == expected
    assert count_macs(keras.Sequential([images, model])) == expected
