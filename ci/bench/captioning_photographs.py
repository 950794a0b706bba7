"""Captions of photographs under a latent code, beside a plain LSTM captioner: report, future work.

Trains `caption_gan`, an LSTM captioner on the same features, and the judge of retrieval (`ci.bench.caption_judge`),
each into --runs: a bench that was killed goes on.

    python -m ci.bench.captioning_photographs --data DIR/flickr8k --weights DIR/FILE.weights.h5 --seeds 1

prints likeness to people's captions (CIDEr-D, BLEU-4), retrieval of the own picture, variety among 20 captions of a
picture, what each dimension of c does, and writes ci/bench/results/captioning_photographs.json with the captions of ten
pictures along one dimension.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from ci.bench.caption_judge import Judge, trained_judge
from ci.bench.plain_captioner import trained_captioner
from ci.bench.report import write_report
from zoo.catalog import get_spec
from zoo.config import parse_overrides
from zoo.data.batches import Splits
from zoo.files import write_json
from zoo.models.captioning.caption_traits import count_traits, frequent_words
from zoo.models.captioning.captions_evaluation import (
    CODES,
    Grid,
    Pictures,
    measure,
    nearest_captions,
    pictures_of,
    write_grid,
)
from zoo.models.captioning.code_effects import CodeEffect, code_effects
from zoo.models.captioning.codes import NEAR, codes_between
from zoo.models.captioning.decoding import Beam, Decoding, Greedy, Sampled
from zoo.models.captioning.sentences import words_of
from zoo.recipe import DataOptions, Recipe
from zoo.training.options import TrainingOptions
from zoo.training.run import Run
from zoo.training.session import train

MODEL, PRESET = "caption_gan", "cpu"
SECONDS = "seconds.json"
COLUMNS = {
    "cider_mean": "CIDEr-D",
    "cider_best": "best",
    "bleu4_mean": "BLEU-4",
    "R@1": "R@1",
    "R@5": "R@5",
    "R@10": "R@10",
    "median_rank": "rank",
    "distinct_captions": "different",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "self_bleu": "self-BLEU",
    "length": "words",
}
_WORDS = 40
"""Of the most frequent ones, whose use along each dimension is tested."""


def main() -> None:
    """Trains what is missing, prints the tables, writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of Flickr8k, or of any captioned data set")
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--weights", required=True, help="of the backbone, or 'imagenet'")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/bench-captioning-photographs"))
    parser.add_argument(
        "--without-lstm", action="store_true", help="leave out the captioner, which takes longest"
    )
    parser.add_argument("--set", action="append", default=[], help="key=value of the caption GAN's training")
    given = parser.parse_args()

    backbone = {"backbone": given.backbone, "weights": given.weights}
    recipe = get_spec(MODEL).load().configured(PRESET, backbone | dict(parse_overrides(given.set)))
    options = DataOptions(progress=True)
    splits = recipe.splits(given.data, options)
    rows: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        runs = given.runs / splits.name / f"seed{seed}"
        judge = trained_judge(given.data, backbone, seed, runs, options)
        run = gan(recipe, splits, seed, runs)
        rows += seed_rows(run, splits, seed, judge, runs, with_lstm=not given.without_lstm)
    print_rows(rows, splits.name)
    effects = [asdict(effect) for effect in effects_of(run, splits)]
    print_effects(effects)
    traversal = list(csv.reader((run.folder / "figures" / "traversal.csv").open(newline="")))
    path = write_report(
        "captioning_photographs",
        command="python -m ci.bench.captioning_photographs --data DIR/flickr8k --weights DIR/FILE "
        f"--seeds {given.seeds}{' --without-lstm' if given.without_lstm else ''}"
        + "".join(f" --set {one}" for one in given.set),
        data=f"{splits.name}, {len(splits.train)} training captions that fit, 5 captions a picture in the test split",
        seeds=list(range(given.seeds)),
        rows=rows,
        extra={
            "effects": effects,
            "traversal": traversal,
            "stages": run.stages,
            "seconds": json.loads((run.folder / SECONDS).read_text())["seconds"],
            "settings": {key: str(value) for key, value in asdict(recipe.config).items() if key != "weights"},
        },
    )
    print(f"wrote {path.name}")


def gan(recipe: Recipe, splits: Splits, seed: int, runs: Path) -> Run:
    """Trains, goes on with, or reads the caption GAN of a seed."""
    wanted = json.loads(json.dumps(asdict(recipe.config)))
    known = (Run(folder) for folder in sorted(runs.glob(f"{MODEL}/*")) if (folder / "config.json").is_file())
    options = TrainingOptions(seed=seed)
    run = next((run for run in known if run.record["config"] == wanted), None)
    run = run or Run.create(runs, recipe, splits, options, {"data": splits.name}, PRESET)
    if not run.finished:
        started = time.monotonic()
        train(recipe, splits, run, options)
        write_json(run.folder / SECONDS, {"seconds": time.monotonic() - started})
    return run


def seed_rows(
    run: Run, splits: Splits, seed: int, judge: Judge, runs: Path, *, with_lstm: bool
) -> list[dict[str, Any]]:
    """Returns what every captioner of a seed reaches on the test split, people's captions last."""
    trio = _trained(run)
    tested, train_pictures = pictures_of(trio, splits.test), pictures_of(trio, splits.train)
    if tested.ids != judge.ids:
        raise ValueError("the judge has other test pictures than the captioners")
    codes, config = codes_between(NEAR, CODES, trio.code_size), run.record["config"]
    written = write_grid(trio, tested.features, codes)
    grids: dict[str, Grid] = {"caption GAN, 20 codes": written.captions}
    if with_lstm:
        grids |= lstm_grids(splits, seed, runs, config)
    grids["nearest pictures' captions"] = nearest_captions(train_pictures, tested.features)
    rows = [
        {"captioner": name, "seed": seed} | measure(grid, tested.references) | judge.precision(grid)
        for name, grid in grids.items()
    ]
    rows[0] |= {key: run.metrics("test")["model"][key] for key in _OF_THE_GAN}
    rows.append(
        {"captioner": "one constant caption", "seed": seed} | run.metrics("test")["one constant caption"]
    )
    rows.append({"captioner": "people", "seed": seed} | people(tested, judge))
    return rows


def lstm_grids(splits: Splits, seed: int, runs: Path, config: dict[str, Any]) -> dict[str, Grid]:
    """Captions of the plain captioner: sampled, greedy, by beam search."""
    captioner, features = trained_captioner(
        splits, seed, runs, units=config["sentence_units"], word_size=config["word_size"]
    )

    def plain(how: Decoding) -> Grid:
        tokens = captioner.write(features, how)["tokens"]
        return [[caption] * CODES for caption in words_of(tokens, captioner.vocabulary)]

    return {
        "LSTM, 20 samples": sampled(captioner, features),
        "LSTM, greedy": plain(Greedy()),
        "LSTM, beam of 5": plain(Beam(5)),
    }


_OF_THE_GAN = ("recovery_vector", "recovery_words", "reconstruction")


def sampled(captioner: Any, features: np.ndarray) -> Grid:
    """Twenty captions of each picture, drawn by their probabilities."""
    of_pictures: list[list[list[str]]] = [[] for _ in features]
    for number in range(CODES):
        seeds = np.arange(len(features)) + number * len(features)
        tokens = captioner.write(features, Sampled(seeds))["tokens"]
        for own, caption in zip(of_pictures, words_of(tokens, captioner.vocabulary), strict=True):
            own.append(caption)
    return of_pictures


def people(tested: Pictures, judge: Judge) -> dict[str, float]:
    """What people's captions reach: each picture's first against its others; retrieval and variety of all."""
    least = min(len(own) for own in tested.references)
    first, others = [[own[0]] * least for own in tested.references], [own[1:] for own in tested.references]
    alike = measure(first, others)
    varied = measure([own[:least] for own in tested.references], tested.references)
    among = ("distinct_captions", "distinct_1", "distinct_2", "self_bleu", "length")
    return alike | {key: varied[key] for key in among} | judge.precision(tested.references)


def effects_of(run: Run, splits: Splits) -> list[CodeEffect]:
    """What each dimension of c does to length, nouns, colours, counts and frequent words in the test pictures."""
    trio = _trained(run)
    tested, codes = pictures_of(trio, splits.test), codes_between(NEAR, CODES, trio.code_size)
    captions = write_grid(trio, tested.features, codes).captions
    traits = count_traits(captions)
    for word in frequent_words(captions, _WORDS):
        traits[f'"{word}"'] = np.array([[word in caption for caption in row] for row in captions], float)
    return code_effects(traits, codes)


def _trained(run: Run) -> Any:
    get_spec(MODEL).load().register()
    return keras.saving.load_model(run.model_file)


def print_rows(rows: Sequence[dict[str, Any]], data: str) -> None:
    """Prints what was measured on the test split."""
    table = Table("", "seed", *COLUMNS.values(), title=f"{data}, test split", box=None, header_style="bold")
    for row in rows:
        values = (f"{row[column]:.3g}" if column in row else "" for column in COLUMNS)
        table.add_row(row["captioner"], str(row["seed"]), *values)
    Console(width=180).print(table)


def print_effects(effects: Sequence[dict[str, Any]]) -> None:
    """Prints correlation, slope and p of every trait along each dimension."""
    dimensions = sorted({effect["dimension"] for effect in effects})
    table = Table("", *(f"c{k + 1}" for k in dimensions), title="Spearman's rho (p)", box=None)
    for trait in dict.fromkeys(effect["trait"] for effect in effects):
        own = [effect for effect in effects if effect["trait"] == trait]
        table.add_row(trait, *(f"{effect['correlation']:+.2f} ({effect['p_value']:.3f})" for effect in own))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
