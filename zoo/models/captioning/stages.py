"""Sentence autoencoder, image encoder, GAN: the stages of one training, each resumable."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import keras
import numpy as np

from zoo.data.batches import Split, Splits
from zoo.errors import RunError
from zoo.models.captioning.networks import LabelSetClassifier
from zoo.models.captioning.optimizer import trio_optimizer
from zoo.models.captioning.sentences import flat, sentences_of
from zoo.models.captioning.trio import CaptionTrio
from zoo.models.captioning.writer import features_of
from zoo.training.fit import fit

if TYPE_CHECKING:
    from zoo.models.captioning.config import CaptioningConfig
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run

log = logging.getLogger(__name__)

# Ten words would make an epoch of one small step; a checkpoint is written after every epoch.
_LEAST_STEPS = 8


@dataclass(frozen=True)
class Training:
    """One training of one trio.

    Attributes:
        model: Its autoencoder and image encoder come from the first stages.
        splits: Targets `tokens`, int32 `[rows, captions, T]` or `[rows, T]`.
    """

    model: CaptionTrio
    splits: Splits
    run: Run
    config: CaptioningConfig
    options: TrainingOptions

    def train_autoencoder(self) -> None:
        """Trains the encoder-decoder module on the training captions, and freezes it.

        Raises:
            RunError: It does not give back enough of the validation captions; the GAN is not started.
        """
        autoencoder, config = self.model.autoencoder, self.config
        sentences = replace(
            self.splits,
            train=_repeated(sentences_of(self.splits.train), _LEAST_STEPS * config.batch_size),
            validation=sentences_of(self.splits.validation),
        )
        with _trained_alone(autoencoder):
            autoencoder.compile(optimizer=keras.optimizers.Adam(config.learning_rate))
            fit(
                autoencoder,
                sentences,
                self.run,
                replace(config, epochs=config.autoencoder_epochs, patience=None),
                self.options,
                stage="autoencoder",
                shown=("loss", "reconstruction", "val_reconstruction"),
            )
        rate = autoencoder.reconstruction_rate(sentences.validation.arrays()["tokens"])
        self.run.note("autoencoder", {"reconstruction": rate})
        log.info("the autoencoder gives back %.2f %% of the validation captions", 100 * rate)
        if rate < config.least_reconstruction:
            raise RunError(
                f"The sentence autoencoder gives back {100 * rate:.1f} % of the validation captions word for word: "
                "the GAN is not started, for what it can say ends there.",
                expected=f"least_reconstruction={config.least_reconstruction:g}, as a share",
                fix="train anew with more --set autoencoder_epochs, a larger sentence_size or sentence_units, less "
                "sentence_noise; or with a smaller least_reconstruction",
            )
        autoencoder.standardise(autoencoder.codes(flat(self.splits.train.targets["tokens"])))

    def train_encoder(self, train: Split, validation: Split) -> None:
        """Trains the image encoder on which labels, or words, a picture has, and freezes it.

        Args:
            train: What goes into it; target `labels`.
            validation: Likewise.
        """
        encoder, config = self.model.image_encoder, self.config
        with _trained_alone(encoder):
            classifier = LabelSetClassifier(encoder)
            steps = config.encoder_epochs * train.steps(config.batch_size)
            falling = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
            classifier.compile(optimizer=keras.optimizers.Adam(falling))
            fit(
                classifier,
                replace(self.splits, train=train, validation=validation),
                self.run,
                replace(config, epochs=config.encoder_epochs, patience=None),
                self.options,
                stage="encoder",
                shown=("loss", "exact_sets", "val_loss", "val_exact_sets"),
            )
        found = classifier.evaluate(validation.once(config.batch_size), verbose=0, return_dict=True)
        self.run.note("encoder", found)

    def train_trio(
        self, callbacks: Sequence[keras.callbacks.Callback], monitor: str, shown: Sequence[str]
    ) -> None:
        """Trains generator, discriminator and recovery network on features and sentence codes, made once.

        Args:
            callbacks: Watch decoded captions; the losses of players against each other mean nothing.
            monitor: What they log; its least value is the best epoch, where the config has patience.
            shown: What they log, for the progress bar.
        """
        steps = self.config.epochs * self.splits.train.steps(self.config.batch_size)
        self.model.compile(optimizer=trio_optimizer(self.config, steps))
        fit(
            self.model,
            replace(self.splits, train=self._codes(self.splits.train)),
            self.run,
            self.config,
            self.options,
            callbacks=callbacks,
            monitor=monitor,
            validation_loss=False,
            shown=shown,
        )

    def _codes(self, split: Split) -> Split:
        """X and s of every row: neither changes any more."""
        tokens = split.targets["tokens"]
        codes = self.model.autoencoder.codes(flat(tokens)).reshape(*tokens.shape[:-1], -1)
        return Split({"features": features_of(self.model, split)}, {"sentences": codes}, split.ids)


def train_on_digits(training: Training) -> None:
    """Trains all three stages on digits in a grid, with decoded words on validation after every epoch."""
    from zoo.models.captioning.callbacks import SaidWords, SampleSheets

    train_digit_encoders(training)
    splits = training.splits
    said = SaidWords(training.model, splits.validation)
    sheets = SampleSheets(said.writer, splits.validation, training.run, training.config.sheet_every)
    training.train_trio([said, sheets], SaidWords.WRONG, SaidWords.SHOWN)


def train_digit_encoders(training: Training) -> None:
    """Trains what comes before the GAN: autoencoder and image encoder."""
    splits = training.splits
    training.train_autoencoder()
    training.train_encoder(*(_with_labels_alone(split) for split in (splits.train, splits.validation)))


def train_on_captions(training: Training) -> None:
    """Trains all three stages on captions of photographs, with generated ones on validation after every epoch."""
    from zoo.models.captioning.callbacks import WrittenCaptions
    from zoo.models.captioning.captions_data import word_shares

    training.train_autoencoder()
    words, splits = int(training.model.generator.input_shape[0][-1]), training.splits
    training.train_encoder(*(word_shares(split, words) for split in (splits.train, splits.validation)))
    watching = WrittenCaptions(training.model, splits.validation)
    training.train_trio([watching], WrittenCaptions.MISSED, WrittenCaptions.SHOWN)


def _with_labels_alone(split: Split) -> Split:
    return Split(split.inputs, {"labels": split.targets["labels"]}, split.ids)


def _repeated(split: Split, least: int) -> Split:
    """The rows over and over, until there are at least so many."""
    tokens = split.arrays()["tokens"]
    times = -(-least // len(tokens))
    return Split({"tokens": np.tile(tokens, (times, 1))}, {}, split.ids * times)


@contextmanager
def _trained_alone(network: keras.Model) -> Iterator[None]:
    """Thaws what the trio has frozen."""
    network.trainable = True
    try:
        yield
    finally:
        network.trainable = False
