"""What is watched while the trio trains: decoded words on validation, never the sum of the players' losses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import keras
import numpy as np

from zoo.errors import MissingExtraError
from zoo.metrics.cider import CiderD
from zoo.models.captioning.captions_evaluation import pictures_of
from zoo.models.captioning.code_statistics import accuracies, label_entropy, recovery_r2
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


class _Writing(keras.callbacks.Callback):
    """Writes a caption of every validation picture after every epoch, each under a code of its own.

    The codes are the same after every epoch. Comes before the callbacks that read the logs.

    Args:
        trio: What is trained.
        features: X of the pictures, float32 `[pictures, F]`.
    """

    def __init__(self, trio: CaptionTrio, features: np.ndarray) -> None:
        super().__init__()
        self.writer, self.features = CaptionWriter(trio), features
        size = (len(features), trio.code_size)
        self.codes = np.random.default_rng(_SEED).standard_normal(size, dtype=np.float32)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Adds what `judged` says, and how much of c's variance is read back from words and from vectors."""
        written = self.writer.write(self.features, self.codes)
        if logs is not None:
            logs.update(self.judged(written["tokens"]))
            logs["val_recovery_words"] = recovery_r2(self.codes, written["from_words"])
            logs["val_recovery_vector"] = recovery_r2(self.codes, written["from_vector"])

    def judged(self, tokens: np.ndarray) -> Logs:
        """Returns what is logged of captions, int32 `[pictures, T]`."""
        raise NotImplementedError


class SaidWords(_Writing):
    """Adds to the logs what the trio says of the validation pictures, and what Q reads back.

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
        super().__init__(trio, features_of(trio, validation))
        self.labels = np.asarray(validation.targets["labels"])

    def judged(self, tokens: np.ndarray) -> Logs:
        """Returns the share of wrong words, and the entropy of all."""
        said = single_words(tokens)
        return {
            self.WRONG: float(1.0 - accuracies(said, self.labels)),
            "val_label_entropy": float(label_entropy(said, self.labels.shape[1])),
        }


class WrittenCaptions(_Writing):
    """Adds to the logs how the captions of the validation pictures are, and what Q reads back.

    Args:
        trio: What is trained.
        validation: Features, with `tokens` and `picture`.
    """

    MISSED = "val_missed_cider"
    """10, the most that CIDEr-D gives, less that of the captions."""
    SHOWN = (MISSED, "val_distinct_captions", "val_recovery_words")
    """Beside it: different captions as a share of the pictures; how much of c is read back from them."""

    def __init__(self, trio: CaptionTrio, validation: Split) -> None:
        pictures = pictures_of(trio, validation)
        super().__init__(trio, pictures.features)
        self.score, self.vocabulary = CiderD(pictures.references), trio.autoencoder.vocabulary

    def judged(self, tokens: np.ndarray) -> Logs:
        """Returns likeness to the references, and variety."""
        captions = words_of(tokens, self.vocabulary)
        return {
            self.MISSED: 10.0 - float(self.score(captions).mean()),
            "val_distinct_captions": len(set(map(tuple, captions))) / len(captions),
        }


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
