"""`python -m ci.bench.tagging --data DIR --weights DIR --seeds 3`: the four taggers on Flickr8k.

Tags are the nouns that at least 188 captions of the 6,000 training pictures mention (the report's 1,000 per
32,000 pictures). Features are those of a frozen MobileNetV2 at 224 pixels. Training sees the training split,
early stopping and thresholds the validation split, and the numbers are of the test split. Prints mean and range
over the seeds, the predictors that never look at a picture, and what one person's caption is worth; writes
results/tagging.json and results/tagging.png.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ci.bench.report import RESULTS, write_report
from zoo.catalog import get_spec
from zoo.data.batches import Splits
from zoo.data.captions import open_captions, read_captions
from zoo.data.nouns import count_nouns, scaled_min_count
from zoo.data.tag_list import TagList, write_tag_list
from zoo.data.tag_targets import tag_targets
from zoo.data.word_vectors import read_word_vectors
from zoo.files import write_atomically
from zoo.metrics.bootstrap import paired_interval
from zoo.metrics.jaccard import jaccard
from zoo.models.tagging.evaluation import answers, measure
from zoo.models.tagging.trivial import Answers, trivial_predictors
from zoo.preprocessing.reading import progress_bar
from zoo.recipe import DataOptions
from zoo.training.fit import remove_checkpoint
from zoo.training.options import TrainingOptions
from zoo.training.run import Run

COMMAND = "python -m ci.bench.tagging --data DIR --weights DIR --seeds {seeds}"
BACKBONE = {"backbone": "mobilenet_v2"}
WEIGHTS = "mobilenet_v2_100_224.weights.h5"
VECTORS = "glove-twitter-25d.txt.gz"
# As in the report: its losses, batches of 32, nothing read off the data beforehand. With 1024 hidden units like all
# others here: its 4096 overfit 6,000 pictures within few epochs and take four times as long.
REPORT = {"batch_size": 32, "adapt": False}
SHOWN = ("mae", "mse", "mae_per_image", "mse_per_image", "jaccard", "jaccard_0.5", "map_images", "map_tags")

# label -> (model, settings): the report's own forms, our defaults, and the steps between them
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline, the report's losses": ("tagging_baseline", REPORT),
    "two_head, the report's losses": ("tagging_two_head", REPORT | {"importance_loss": "all"}),
    "word_vectors, the report's losses": (
        "tagging_word_vectors",
        REPORT | {"importance_loss": "all", "training_tags": "true"},
    ),
    "baseline": ("tagging_baseline", {}),
    "two_head": ("tagging_two_head", {}),
    "word_vectors": ("tagging_word_vectors", {}),
    "binomial, plain": ("tagging_binomial", {"presence": False, "dispersion": "none"}),
    "binomial, over-dispersed": ("tagging_binomial", {"presence": False}),
    "binomial": ("tagging_binomial", {}),
}


def main() -> None:
    """Trains, measures, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder that holds flickr8k/ and wordvectors/"
    )
    parser.add_argument("--weights", type=Path, required=True, help=f"folder that holds {WEIGHTS}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as work:
        tags = frozen_tags(arguments.data / "flickr8k")
        write_tag_list(tags, Path(work) / "tags.csv")
        common = BACKBONE | {
            "weights": str(arguments.weights / WEIGHTS),
            "vocabulary": str(Path(work) / "tags.csv"),
        }
        options = DataOptions(progress=True)
        splits = (
            get_spec("tagging_baseline")
            .load()
            .configured(None, common)
            .splits(arguments.data / "flickr8k", options)
        )
        vectors = read_word_vectors(arguments.data / "wordvectors" / VECTORS, tags.tags)
        print(
            f"{len(tags)} tags, {len(splits.train)}/{len(splits.validation)}/{len(splits.test)} pictures; "
            f"no word vector for {', '.join(vectors.missing) or 'none'}"
        )
        said: dict[str, list[Answers]] = {}
        for label in arguments.only:
            name, settings = VARIANTS[label]
            facts = {"vectors": vectors.matrix} if name == "tagging_word_vectors" else {}
            own = replace(splits, facts=splits.facts | facts)
            said[label] = [
                trained(name, common | settings, own, seed, Path(work)) for seed in range(arguments.seeds)
            ]
            print(
                f"{label}: "
                + ", ".join(f"mse {measure(splits.test.targets, a)['mse']:.4f}" for a in said[label])
            )
    report(said, splits, tags, arguments.data / "flickr8k", arguments.seeds)


def frozen_tags(data: Path) -> TagList:
    """Nouns of the training captions, at the report's threshold scaled to their number."""
    captions = read_captions(data)
    with progress_bar("tagging captions", sum(map(len, captions.values())), True) as advance:
        nouns = count_nouns(captions, progress=lambda *_: advance(1))
    return nouns.at_least(scaled_min_count(len(captions)))


def trained(name: str, settings: dict[str, Any], splits: Splits, seed: int, work: Path) -> Answers:
    """Trains one model with one seed; returns what it says of the test pictures."""
    recipe = get_spec(name).load().configured(None, settings)
    options = TrainingOptions(seed=seed, progress=True)
    run = Run.create(work / "runs", recipe, splits, options, {"data": "flickr8k"}, None)
    with options.apply():
        model = recipe.build(splits)
        recipe.fit(model, splits, run, options)
    remove_checkpoint(run)
    return answers(model, splits.test)


def report(said: dict[str, list[Answers]], splits: Splits, tags: TagList, data: Path, seeds: int) -> None:
    """Prints and writes the table."""
    targets = splits.test.targets
    trivial = trivial_predictors(splits.train.targets, splits.validation.targets, len(splits.test))
    rows: list[dict[str, Any]] = []
    for label, runs in said.items():
        measured = [measure(targets, run) for run in runs]
        row: dict[str, Any] = {"predictor": label}
        for metric in measured[0]:
            values = [m[metric] for m in measured]
            row[metric] = statistics.mean(values)
            row[f"{metric}_range"] = [min(values), max(values)]
        for metric in ("mse", "mae"):
            row[f"{metric}_less_table_95"] = list(
                gain_interval(metric, targets, runs, trivial["per-tag table"])
            )
        rows.append(row)
    rows += [{"predictor": name, **measure(targets, answer)} for name, answer in trivial.items()]
    rows.append({"predictor": "one caption against the others", **human(data, tags)})
    print_table(rows)
    for row in rows[: len(said)]:
        mse, mae = row["mse_less_table_95"], row["mae_less_table_95"]
        print(
            f"{row['predictor']:28s} less per-tag table, 95 %: mse {mse[0]:+.4f} .. {mse[1]:+.4f}, "
            f"mae {mae[0]:+.4f} .. {mae[1]:+.4f}"
        )
    if set(said) != set(VARIANTS):
        print("not written: only a part of the predictors was trained")
        return
    draw(rows, RESULTS / "tagging.png")
    path = write_report(
        "tagging",
        command=COMMAND.format(seeds=seeds),
        data=f"Flickr8k, {len(splits.train)}/{len(splits.validation)}/{len(splits.test)} pictures, {len(tags)} tags",
        seeds=list(range(seeds)),
        rows=rows,
        extra={
            "tags": list(tags.tags),
            "settings": {label: settings for label, (_, settings) in VARIANTS.items()},
        },
    )
    print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}")


def gain_interval(metric: str, targets: Any, runs: list[Answers], table: Answers) -> tuple[float, float]:
    """Bootstrap over pictures of (model - per-tag table), the model's errors averaged over seeds."""
    true = targets["mentions"] > 0
    share = targets["mentions"] / targets["captions"]

    def errors(answer: Answers) -> np.ndarray:
        residual = share - (answer.mean if metric == "mse" else answer.median)
        return np.where(true, np.square(residual) if metric == "mse" else np.abs(residual), 0.0).sum(axis=1)

    gain = np.mean([errors(run) for run in runs], axis=0) - errors(table)
    return paired_interval(gain, true.sum(axis=1))


def human(data: Path, tags: TagList) -> dict[str, float]:
    """What the first caption of each test picture tells of the other four: its Jaccard index with their tags."""
    captions = open_captions(data).subset("test").captions
    first = tag_targets([texts[:1] for texts in captions], tags).present
    others = tag_targets([texts[1:] for texts in captions], tags).present
    return {"jaccard": jaccard(others, first)}


def print_table(rows: list[dict[str, Any]]) -> None:
    """Prints a line per predictor: mean over seeds, and ± half the range."""
    print(f"\n{'':30s}" + "".join(f"{metric:>16s}" for metric in SHOWN))
    for row in rows:
        print(f"{row['predictor']:30s}" + "".join(f"{cell:>16s}" for cell in cells(row)))


def cells(row: dict[str, Any]) -> Iterator[str]:
    """Formats the metrics of a row."""
    for metric in SHOWN:
        if metric not in row:
            yield ""
        elif f"{metric}_range" in row:
            low, high = row[f"{metric}_range"]
            yield f"{row[metric]:.4f} ±{(high - low) / 2:.4f}"
        else:
            yield f"{row[metric]:.4f}"


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws MSE, MAE and Jaccard of every predictor, with the best trivial one as a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 3, sharey=True), ("mse", "mae", "jaccard"), strict=True):
        shown = [row for row in rows if metric in row]
        values = [row[metric] for row in shown]
        trained_rows = [f"{metric}_range" in row for row in shown]
        axes.barh(
            [row["predictor"] for row in shown],
            values,
            color=["tab:blue" if learned else "0.7" for learned in trained_rows],
        )
        trivial = [
            v for v, r in zip(values, shown, strict=True) if r["predictor"] in ("constant", "per-tag table")
        ]
        axes.axvline(max(trivial) if metric == "jaccard" else min(trivial), color="tab:red", linewidth=1)
        axes.set(title=f"{metric} ({'higher' if metric == 'jaccard' else 'lower'} is better)")
        axes.invert_yaxis()
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))


if __name__ == "__main__":
    main()
