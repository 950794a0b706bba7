"""The plain LSTM captioner of `ci.bench.captioning_photographs`: the same features, no code."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from zoo.data.batches import Splits
from zoo.data.pictures import first_rows
from zoo.models.captioning.captioner import LstmCaptioner

_EPOCHS, _BATCH, _RATE, _PATIENCE = 20, 64, 1e-3, 2


def trained_captioner(
    splits: Splits, seed: int, runs: Path, *, units: int, word_size: int
) -> tuple[LstmCaptioner, np.ndarray]:
    """Trains a captioner into `runs`, or reads the weights that are there.

    Args:
        splits: As `read_captioned` returns them.
        seed: Of the training.
        runs: Folder of the weights.
        units: Of its LSTM; as many as the writer of the GAN's autoencoder has.
        word_size: Length of a word's vector, likewise.

    Returns:
        The captioner at its best epoch on validation, and the features of the test pictures, each once.
    """
    keras.utils.set_random_seed(seed)
    captioner = LstmCaptioner(
        vocabulary=splits.facts["vocabulary"],
        feature_size=splits.facts["feature_size"],
        max_words=splits.facts["max_words"],
        units=units,
        word_size=word_size,
    )
    file = runs / "lstm_captioner.weights.h5"
    if not file.is_file():
        captioner.compile(optimizer=keras.optimizers.Adam(_RATE))
        stop = keras.callbacks.EarlyStopping("val_loss", patience=_PATIENCE, restore_best_weights=True)
        # A bench that was killed goes on after its last whole epoch.
        backup = keras.callbacks.BackupAndRestore(runs / "lstm_captioner")
        rows = {
            name: ({"features": split.inputs["pooled"]}, {"tokens": split.targets["tokens"]})
            for name, split in (("train", splits.train), ("validation", splits.validation))
        }
        captioner.fit(
            *rows["train"],
            validation_data=rows["validation"],
            epochs=_EPOCHS,
            batch_size=_BATCH,
            callbacks=[backup, stop],
            verbose=2,
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        captioner.save_weights(file)
    captioner.load_weights(file)
    return captioner, splits.test.inputs["pooled"][first_rows(splits.test)]
