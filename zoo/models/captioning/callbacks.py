"""What is watched while the trio trains: decoded words on validation, never the sum of the players' losses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import keras
import numpy as np

from zoo.errors import MissingExtraError
from zoo.metrics.cider import cider_d
from zoo.models.captioning.captions_evaluation import pictures_of
from zoo.models.captioning.code_statistics import label_entropy, recovery_r2
from zoo.models.captioning.sentences import words_of
from zoo.models.captioning.writer import CaptionWriter, features_of, single_words

if TYPE_CHECKING:
    from zoo.data.batches import Split
    from zoo.models.captioning.trio import CaptionTrio
    from zoo.training.checkpoint import Logs
    from zoo.training.run import Run

log = logging.getLogger(__name__)
_SEED = 0
_PICTURES, _CODES = 8, 5


class SaidWords(keras.callbacks.Callback):
    """Adds to the logs what the trio says of the validation pictures, each under a code of its own.

    The codes are the same after every epoch. Comes before the callbacks that read the logs.

    Args:
        trio: What is trained.
        validation: Pictures or features, with `labels`.
    """

    WRONG = "val_wrong"
    """Share of pictures whose caption is none of the right words."""
    SHOWN = (WRONG, "val_label_entropy", "val_recovery_words")
    """Beside it: the entropy of the words in nats, ln 10 at most; how much of the variance of c Q reads back from
    decoded words. `val_recovery_vector`: the same from the vector, which means little."""

    def __init__(self, trio: CaptionTrio, validation: Split) -> None:
        super().__init__()
        self.writer, self.validation = CaptionWriter(trio), validation
        rng = np.random.default_rng(_SEED)
        self.codes = rng.standard_normal((len(validation), trio.code_size), dtype=np.float32)
        self.features = features_of(trio, validation)
        self.labels = np.asarray(validation.targets["labels"])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Writes a caption of every picture."""
        written = self.writer.write(self.features, self.codes)
        said = single_words(written["tokens"])
        right = self.labels[np.arange(len(said)), np.maximum(said, 0)] * (said >= 0)
        if logs is not None:
            logs[self.WRONG] = float(1.0 - right.mean())
            logs["val_label_entropy"] = float(label_entropy(said, self.labels.shape[1]))
            logs["val_recovery_words"] = recovery_r2(self.codes, written["from_words"])
            logs["val_recovery_vector"] = recovery_r2(self.codes, written["from_vector"])


class WrittenCaptions(keras.callbacks.Callback):
    """Adds to the logs how the captions of the validation pictures are, each under a code of its own.

    The codes are the same after every epoch. Comes before the callbacks that read the logs.

    Args:
        trio: What is trained.
        validation: Features, with `tokens` and `picture`.
    """

    MISSED = "val_missed_cider"
    """10, the most that CIDEr-D gives, less that of the captions."""
    SHOWN = (MISSED, "val_distinct_captions", "val_recovery_words")
    """Beside it: different captions as a share of the pictures; how much of c is read back from them."""

    def __init__(self, trio: CaptionTrio, validation: Split) -> None:
        super().__init__()
        self.writer, self.pictures = CaptionWriter(trio), pictures_of(trio, validation)
        size = (len(self.pictures.ids), trio.code_size)
        self.codes = np.random.default_rng(_SEED).standard_normal(size, dtype=np.float32)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Writes a caption of every picture."""
        written = self.writer.write(self.pictures.features, self.codes)
        captions = words_of(written["tokens"], self.writer.trio.autoencoder.vocabulary)
        if logs is not None:
            logs[self.MISSED] = 10.0 - float(cider_d(captions, self.pictures.references).mean())
            logs["val_distinct_captions"] = len(set(map(tuple, captions))) / len(captions)
            logs["val_recovery_words"] = recovery_r2(self.codes, written["from_words"])
            logs["val_recovery_vector"] = recovery_r2(self.codes, written["from_vector"])


class SampleSheets(keras.callbacks.Callback):
    """Draws captions of a few validation pictures under a few codes, every so many epochs.

    Args:
        writer: Of the trio that is trained.
        validation: Its first pictures are shown.
        run: The sheets go to its figures.
        every: Epochs between two sheets; 0 draws none.
    """

    def __init__(self, writer: CaptionWriter, validation: Split, run: Run, every: int) -> None:
        super().__init__()
        self.writer, self.validation, self.run, self.every = writer, validation, run, every
        rng = np.random.default_rng(_SEED)
        self.codes = rng.standard_normal((_CODES, writer.trio.code_size), dtype=np.float32)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Draws one, if it is time."""
        if not self.every or (epoch + 1) % self.every:
            return
        from zoo.models.captioning.sheets import draw_samples

        file = self.run.folder / "figures" / f"samples_epoch_{epoch + 1:04d}.png"
        try:
            draw_samples(self.writer, self.validation, self.codes, file, pictures=_PICTURES)
        except MissingExtraError as error:
            log.warning("no sample sheets: %s", error)
            self.every = 0
