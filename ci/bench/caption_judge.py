"""How often a caption finds its own picture: an embedding of pictures and sentences as the judge of captions.

The judge is a `vse_bow` trained on the same training pictures, with people's captions alone. It has seen none of the
captions that it judges, and its own mistakes count for every captioner alike: the row of people's captions is the most
that can be expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.catalog import get_spec
from zoo.metrics.caption_scores import Caption
from zoo.metrics.retrieval import recalls, sentence_to_picture_ranks
from zoo.models.visual_semantic.data import pictures_of
from zoo.models.visual_semantic.words import WordTable
from zoo.recipe import DataOptions
from zoo.training.options import TrainingOptions
from zoo.training.predict import predict
from zoo.training.run import Run
from zoo.training.session import train

MODEL, PRESET, SETTINGS = "vse_bow", "cpu", {"negatives": "hardest"}


@dataclass(frozen=True)
class Judge:
    """An embedding, and the test pictures in it.

    Attributes:
        text_encoder: `token_ids` int32 `[n, words]` -> vectors of length 1.
        table: Words -> `token_ids`.
        pictures: float32 `[pictures, dimensions]`, of length 1, in the order of the split.
        ids: What they are called.
    """

    text_encoder: Any
    table: WordTable
    pictures: np.ndarray
    ids: tuple[str, ...]

    def precision(self, captions: Sequence[Sequence[Caption]]) -> dict[str, float]:
        """Returns R@1, R@5, R@10 in percent and the median rank of the own picture among all of them.

        Args:
            captions: `captions[picture][k]`, in the order of `ids`; every one is a query.
        """
        texts = [" ".join(caption) for row in captions for caption in row]
        token_ids = self.table.ids(texts)[0].numpy()
        picture = np.repeat(np.arange(len(captions)), [len(row) for row in captions])
        # A caption that is written of many pictures is embedded once.
        different, place = np.unique(token_ids, axis=0, return_inverse=True)
        sentences = np.asarray(self.text_encoder.predict(different, batch_size=256, verbose=0))[place.ravel()]
        return recalls(sentence_to_picture_ranks(self.pictures @ sentences.T, picture))


def trained_judge(
    data: str, backbone: Mapping[str, Any], seed: int, runs: Path, options: DataOptions
) -> Judge:
    """Trains the judge into `runs`, or reads it where a run there is finished.

    Args:
        data: The captioned data set.
        backbone: Settings of the backbone.
        seed: Of the training.
        runs: Folder of its run.
        options: How files are read.
    """
    import keras

    recipe = get_spec(MODEL).load().configured(PRESET, SETTINGS | dict(backbone))
    splits = recipe.splits(data, options)
    run = next((run for run in map(Run, sorted(runs.glob(f"{MODEL}/*"))) if run.finished), None)
    if run is None:
        run = Run.create(runs, recipe, splits, TrainingOptions(seed=seed), {"data": splits.name}, PRESET)
        train(recipe, splits, run, TrainingOptions(seed=seed))
    recipe.register()
    model = keras.saving.load_model(run.model_file)
    tested = pictures_of(splits.test)
    return Judge(
        model.text_encoder,
        WordTable(model.vocabulary, model.max_words),
        np.asarray(predict(model.image_encoder, tested, progress=False)),
        tested.ids,
    )
