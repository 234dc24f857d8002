"""Batch norm that takes one kernel a layer instead of a dozen, and its averages taken anew."""

from collections.abc import Iterable

import keras
import numpy as np

# A tenth of each batch, not Keras' hundredth: the averages follow within tens of steps, and so
# a short run's predictions do not fall behind what it has learned.
BATCH_NORM_MOMENTUM = 0.9


@keras.saving.register_keras_serializable("depthlib")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch norm, trained on TensorFlow by its fused kernel.

    Keras writes it out as sums, differences and products that each read and write the whole map,
    in float32 even where the network computes in bfloat16; docs/performance.md has what that
    costs. Weights, arguments and outputs are those of `keras.layers.BatchNormalization`; the moving
    variance is the unbiased one, n / (n - 1) of Keras', as in Keras 2.
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable) or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        channels = (inputs.shape[-1],)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            keras.ops.convert_to_tensor(self.gamma) if self.scale else tf.ones(channels),
            keras.ops.convert_to_tensor(self.beta) if self.center else tf.zeros(channels),
            epsilon=self.epsilon,
        )
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + value * (1.0 - self.momentum))
        return outputs


def fuse_batch_norm(model: keras.Model) -> keras.Model:
    """The same network with this file's batch norm for Keras', its averages following faster.

    Networks of keras.applications come with Keras' and a momentum for long runs.
    """

    def clone(layer):
        if type(layer) is not keras.layers.BatchNormalization:
            return layer.__class__.from_config(layer.get_config())
        config = {**layer.get_config(), "momentum": BATCH_NORM_MOMENTUM}
        return BatchNormalization.from_config(config)

    return keras.models.clone_model(model, clone_function=clone)


def refresh_averages(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Sets the averages of `model`'s batch norms to their means over `batches` of its input.

    What the network predicts is then what it has learned, however short the run and whatever the
    momentum: "precise batch norm" of Wu & Johnson (2021), with the weights as they are. Layers of
    networks inside the network stay as they are.
    """
    norms = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for seen, batch in enumerate(batches):
        for norm in norms:
            norm.momentum = seen / (seen + 1)
        model(batch, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
