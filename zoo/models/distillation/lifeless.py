"""Ends the training of a network that has died, in place of hours in which nothing changes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.errors import TrainingError

PICTURES = 64


class EndLifeless(keras.callbacks.Callback):
    """Raises TrainingError when a network says the very same of every picture after two epochs in a row.

    The units of a hidden layer are then zero for all pictures: no gradient passes them, and all that is still learned
    is how frequent each class is.

    Args:
        network: From pictures to logits.
        pictures: Some of them, `[n, height, width, 3]`, different from one another.
    """

    def __init__(self, network: keras.Model, pictures: Any) -> None:
        super().__init__()
        self._network, self._pictures = network, pictures
        self._before = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at what the network says.

        Raises:
            TrainingError: The same of all pictures, as after the epoch before.
        """
        del logs
        logits = keras.ops.convert_to_numpy(self._network(self._pictures, training=False))
        same = bool(np.ptp(logits, axis=0).max() == 0)
        if same and self._before:
            raise TrainingError(
                f"After epoch {epoch + 1} the network says the same of every picture: a layer of it is dead.",
                expected="logits that depend on the picture",
                fix="train anew with warmup_epochs=3, a lower learning_rate, or less dropout",
            )
        self._before = same
