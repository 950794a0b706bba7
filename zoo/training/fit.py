"""`model.fit` with early stopping, checkpoints and exact resume."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import keras

from zoo.training.callbacks import BestEpoch, EpochCheckpoint, FiniteLoss, ProgressBar
from zoo.training.checkpoint import load_state, load_weights

if TYPE_CHECKING:
    from zoo.data.augmentation import PadCropFlip
    from zoo.data.batches import Splits
    from zoo.recipe import FitConfig
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run

log = logging.getLogger(__name__)


def fit(
    model: keras.Model,
    splits: Splits,
    run: Run,
    config: FitConfig,
    options: TrainingOptions,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    monitor: str = "val_loss",
    augmentation: PadCropFlip | None = None,
    stage: str | None = None,
    validation_loss: bool = True,
    shown: Sequence[str] = ("loss", "val_loss"),
) -> None:
    """Trains `model` on `splits.train`, watching `splits.validation`.

    With `patience` the model ends with the weights of its best epoch, without it with those of the last.

    A run folder with a checkpoint is continued: the interrupted epoch starts again, and on one backend and
    machine the result equals that of an unbroken run, with dropout and shuffling on.

    Args:
        model: Compiled; its own `compute_loss` says what is learned.
        splits: Arrays, or image files that tf.data decodes.
        run: Where history and checkpoints are written.
        config: epochs, batch_size, patience.
        options: The seed orders the data.
        callbacks: Of the recipe; they come first, so that the others see what they log. Their state must be a
            function of the epoch.
        monitor: The logged number whose least value makes the best epoch.
        augmentation: Of the training pictures; a function of (seed, epoch), as their order is.
        stage: Of a training that has several, each with its own model: its checkpoint and its history
            (`history_<stage>.csv`) are kept apart, and a stage that has ended is restored, not trained again.
        validation_loss: Whether the loss on validation is taken after every epoch; for players against each other
            it means nothing, and a callback watches something else.
        shown: Logged numbers beside the progress bar.
    """
    checkpoint = run.checkpoint / stage if stage else run.checkpoint
    state, best = checkpoint / "state.npz", checkpoint / "best.npz"
    log_file = run.folder / (f"history_{stage}.csv" if stage else "history.csv")
    history = load_state(state, model) if state.is_file() else []
    if history:
        log.info("resuming %s after epoch %d", run.folder, len(history))
    stopping = BestEpoch(best, history, config.patience, monitor) if config.patience else None
    if len(history) >= config.epochs or (stopping and stopping.exhausted):
        if stopping:
            load_weights(best, model)
        return
    steps = splits.train.steps(config.batch_size)
    progress = ProgressBar(config.epochs, len(history), steps, stage, shown) if options.progress else None
    every = [*callbacks, FiniteLoss(), stopping, EpochCheckpoint(state, log_file, history), progress]
    with progress.bar if progress else nullcontext():
        model.fit(
            splits.train.epochs(
                config.batch_size, seed=options.seed, first_epoch=len(history), augmentation=augmentation
            ),
            validation_data=splits.validation.once(config.batch_size) if validation_loss else None,
            initial_epoch=len(history),
            epochs=config.epochs,
            steps_per_epoch=steps,
            callbacks=[callback for callback in every if callback],
            shuffle=False,  # the batches come in the order of (seed, epoch) already
            verbose=0,
        )


def remove_checkpoint(run: Run) -> None:
    """Removes what only a resume needs, once the model is written."""
    shutil.rmtree(run.checkpoint, ignore_errors=True)
