"""Callbacks of every training: early stopping, checkpoints, progress."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from zoo.errors import RunError
from zoo.files import write_text
from zoo.training.checkpoint import Logs, load_weights, save_state, save_weights


class BestEpoch(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the least validation loss, and stops after `patience` worse ones.

    Its state is a function of the logs, so that a resume restores it by reading them again.

    Args:
        file: Where the best weights are kept.
        history: Logs of the epochs before a resume.
        patience: Epochs without improvement before training stops.
        monitor: The logged number whose least value is best.
    """

    def __init__(self, file: Path, history: list[Logs], patience: int, monitor: str = "val_loss") -> None:
        super().__init__()
        self.file, self.patience, self.monitor = file, patience, monitor
        self.best, self.wait = math.inf, 0
        for logs in history:
            self._is_better(logs)

    @property
    def exhausted(self) -> bool:
        """Whether `patience` epochs have passed without improvement."""
        return self.wait >= self.patience

    def _is_better(self, logs: Logs) -> bool:
        better = logs[self.monitor] < self.best
        self.best = min(self.best, logs[self.monitor])
        self.wait = 0 if better else self.wait + 1
        return better

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compares the epoch with the best one so far."""
        if self._is_better(logs or {}):
            save_weights(self.file, self.model)
        if self.exhausted:
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Gives the model the weights of its best epoch."""
        load_weights(self.file, self.model)


class FiniteLoss(keras.callbacks.Callback):
    """Ends a training whose loss is no number any more. Comes first in the list: nothing is kept of that epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Raises RunError on a loss that is not finite."""
        for name, value in (logs or {}).items():
            if not math.isfinite(value):
                raise RunError(
                    f"{name} is {value} after epoch {epoch + 1}: the training has diverged.",
                    fix="train anew with a lower --set learning_rate; the epochs before are in the run's checkpoint",
                )


class EpochCheckpoint(keras.callbacks.Callback):
    """Writes the whole state and the logs after every epoch. Comes after `BestEpoch` in the list.

    Args:
        state: The file of the checkpoint.
        log_file: The CSV file of the logs.
        history: Logs of the epochs before a resume.
    """

    def __init__(self, state: Path, log_file: Path, history: list[Logs]) -> None:
        super().__init__()
        self.state, self.log_file, self.history = state, log_file, history

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Records the epoch."""
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        save_state(self.state, self.model, self.history)
        write_text(self.log_file, history_csv(self.history))


def history_csv(history: list[Logs]) -> str:
    """Formats logs as CSV, one line per epoch, counted from 1."""
    columns = list(history[0])
    lines = [",".join(["epoch", *columns])]
    for epoch, logs in enumerate(history, start=1):
        lines.append(",".join([str(epoch), *(f"{logs[name]:.6g}" for name in columns)]))
    return "\n".join(lines) + "\n"


class ProgressBar(keras.callbacks.Callback):
    """A rich progress bar over epochs and steps, with the losses of the last epoch beside it.

    Enter `bar` around `fit`: then the terminal is given back however the training ends.
    """

    def __init__(
        self,
        epochs: int,
        first_epoch: int,
        steps: int,
        stage: str | None = None,
        shown: Sequence[str] = ("loss", "val_loss"),
    ) -> None:
        super().__init__()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        self.bar = Progress(*columns)
        self.epochs, self.steps, self.shown = epochs, steps, shown
        self.stage = f"{stage}, " if stage else ""
        self.task = self.bar.add_task(
            "training", total=epochs * steps, completed=first_epoch * steps, losses=""
        )

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Names the epoch."""
        self.bar.update(self.task, description=f"{self.stage}epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Moves the bar."""
        self.bar.advance(self.task)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Shows the losses."""
        shown: dict[str, Any] = {name: (logs or {})[name] for name in self.shown if name in (logs or {})}
        losses = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        self.bar.update(self.task, completed=(epoch + 1) * self.steps, losses=losses)
