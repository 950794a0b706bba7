"""Ends the training of a network that has died, in place of hours in which nothing changes."""

from __future__ import annotations

import logging
from typing import Any

import keras
import numpy as np

log = logging.getLogger(__name__)
PICTURES = 64
EPOCHS = 3


class EndLifeless(keras.callbacks.Callback):
    """Ends the training, and says so, when a network says the very same of every picture three epochs in a row.

    The units of a hidden layer are then zero for all pictures: no gradient passes them, and all that is still learned
    is how frequent each class is.

    Args:
        network: From pictures to logits.
        pictures: Some of them, `[n, height, width, 3]`, different from one another; of one alone nothing is said.
    """

    def __init__(self, network: keras.Model, pictures: Any) -> None:
        super().__init__()
        self._network, self._pictures = network, pictures
        self._epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at what the network says."""
        del logs
        if len(self._pictures) < 2:
            return
        logits = keras.ops.convert_to_numpy(self._network(self._pictures, training=False))
        self._epochs = self._epochs + 1 if np.ptp(logits, axis=0).max() == 0 else 0
        if self._epochs == EPOCHS:
            log.warning(
                "training ends after epoch %d: the network says the same of every picture, a layer of it is dead.\n"
                "Fix: train anew with warmup_epochs=1, a lower learning_rate, or less dropout",
                epoch + 1,
            )
            self.model.stop_training = True
