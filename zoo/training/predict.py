"""`model.predict` over a split, with a progress bar where it takes long."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import keras
from rich.progress import Progress

if TYPE_CHECKING:
    from zoo.data.batches import Split
    from zoo.training.checkpoint import Logs

_BATCH = 64
_PATIENCE_SECONDS = 2.0


def predict(model: keras.Model, split: Split, *, progress: bool = True) -> Any:
    """Returns the model's outputs over a split, rows in the order on disk.

    Args:
        model: Takes the inputs of the split.
        split: Its targets are not looked at.
        progress: Show a bar after two seconds; not within a training, which has its own.
    """
    with Progress(transient=True, disable=not (progress and sys.stdout.isatty())) as bar:
        return model.predict(split.once(_BATCH), verbose=0, callbacks=[_LateBar(bar, split.steps(_BATCH))])


class _LateBar(keras.callbacks.Callback):
    def __init__(self, bar: Progress, steps: int) -> None:
        super().__init__()
        self.bar, self.started = bar, time.monotonic()
        self.task = bar.add_task("predicting", total=steps, visible=False)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        late = time.monotonic() - self.started > _PATIENCE_SECONDS
        self.bar.update(self.task, completed=batch + 1, visible=late)
