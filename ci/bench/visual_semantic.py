"""`python -m ci.bench.visual_semantic --data DIR --weights DIR --seeds 3`: both embeddings on Flickr8k.

Official split; features of a frozen MobileNetV2 at 224 pixels; the preset `cpu` (d = 256), whose settings were chosen
on the validation split. Training sees the training split, the best epoch is the one with the best recall on validation,
and the numbers are of the test split. Every training has its own folder below --runs: a bench that was stopped goes on
where it was, and one that is asked again only measures. Prints recall, the edited queries by every measure with
intervals of their differences, and what the length of an edit does; writes results/visual_semantic.json and two
figures of these numbers. --sheets DIR writes contact sheets of test pictures, which must not be published with the
project: the photographs are for research only.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ci.bench.report import RESULTS, write_report
from ci.bench.visual_semantic_cells import PRESET, VARIANTS, WIDE, Cell, cell, recipe_of
from ci.bench.visual_semantic_edits import (
    HITS,
    best_kiros,
    compared,
    kind_rows,
    precision_rows,
    relevant_pictures,
    scale_rows,
)
from ci.bench.visual_semantic_figure import draw_results, draw_scale
from zoo.data.batches import Split, Splits
from zoo.data.captions import open_captions
from zoo.models.visual_semantic.data import pictures_of
from zoo.models.visual_semantic.edit_evaluation import queries_of
from zoo.models.visual_semantic.edits import EditQueries
from zoo.models.visual_semantic.evaluation import Embedded, edits, retrieval, word_vectors
from zoo.models.visual_semantic.figures import draw_edits
from zoo.models.visual_semantic.trivial import trivial_spaces
from zoo.recipe import DataOptions

COMMAND = "python -m ci.bench.visual_semantic --data DIR --weights DIR --seeds {seeds}"
WEIGHTS = "mobilenet_v2_100_224.weights.h5"
RIDGE = "ridge to words"
SHOWN = tuple(f"{way} {name}" for way in ("i2t", "t2i") for name in ("R@1", "R@5", "R@10", "median_rank"))
PUBLISHED = {
    "predictor": "Kiros et al. 2014, LSTM",
    **dict(zip(SHOWN, (18.0, 40.9, 55.0, 8, 12.5, 37.0, 51.5, 10), strict=True)),
    "backbone": "OxfordNet (VGG-19) fc7 of one crop, d of about 1000; here MobileNetV2 pooled, pictures of 160 pixels",
    "status": "second-hand: as the README of linxd5/VSE_Pytorch quotes the paper; the paper itself was not opened",
}


def main() -> None:
    """Trains or reads, measures, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds flickr8k/")
    parser.add_argument("--weights", type=Path, required=True, help=f"folder that holds {WEIGHTS}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument(
        "--wide",
        nargs="*",
        choices=list(WIDE),
        default=list(WIDE),
        help="of seed 0 alone; the LSTM takes 40 minutes of a processor, without a name after it neither is trained",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/bench-visual-semantic"))
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets of test pictures")
    given = parser.parse_args()

    data = given.data / "flickr8k"
    common = {"backbone": "mobilenet_v2", "weights": str(given.weights / WEIGHTS)}
    splits = recipe_of(next(iter(VARIANTS)), common).splits(data, DataOptions(progress=True))
    cells: dict[str, list[Cell]] = {}
    for label, seeds in {**dict.fromkeys(given.only, given.seeds), **dict.fromkeys(given.wide, 1)}.items():
        for seed in range(seeds):
            cells.setdefault(label, []).append(cell(label, seed, common, splits, given.runs))
            print_cell(cells[label][-1])
    rows = [row(label, own) for label, own in cells.items()]
    rows += [{"predictor": name, **retrieval(space)} for name, space in trivial(splits, splits.test).items()]
    print_recall([*rows, PUBLISHED])

    edited = edit_report({label: cells[label] for label in given.only}, splits)
    if given.sheets:
        draw_sheets(cells[given.only[0]][0], splits, data, given.sheets)
    if not all(found["equal"] for found in edited["scale"] if found["measure"] != "kiros"):
        raise SystemExit(
            "a factor on the edit changed the ranking of a measure that only looks at its direction"
        )
    if given.only != list(VARIANTS):
        print("not written: only a part of the embeddings was trained")
        return
    draw_results(rows, edited["edits"], RESULTS / "visual_semantic.png")
    draw_scale(edited["scale"], RESULTS / "visual_semantic_scale.png")
    path = write_report(
        "visual_semantic",
        command=COMMAND.format(seeds=given.seeds),
        data=f"Flickr8k, {'/'.join(str(len(pictures_of(s))) for s in (splits.train, splits.validation, splits.test))} "
        f"pictures of five captions, {len(splits.facts['vocabulary'])} words",
        seeds=list(range(given.seeds)),
        rows=[*rows, PUBLISHED],
        extra=edited
        | {
            "preset": PRESET,
            "settings": {label: settings_of(label, common) for label in cells},
        },
    )
    print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}")


def settings_of(label: str, common: dict[str, Any]) -> dict[str, Any]:
    """All settings of a row, without the folder of whoever runs it."""
    return asdict(recipe_of(label, common).config) | {"weights": WEIGHTS}


def row(label: str, cells: Sequence[Cell]) -> dict[str, Any]:
    """Mean and range over the seeds of what a row of the table says."""
    measured = [retrieval(own.test) for own in cells]
    found: dict[str, Any] = {"predictor": label, "seeds": len(cells)}
    for metric in measured[0]:
        values = [one[metric] for one in measured]
        found |= {metric: statistics.mean(values), f"{metric}_range": [min(values), max(values)]}
    for name in ("epochs", "seconds", "cpu_seconds"):
        timed = [value for own in cells if (value := getattr(own, name)) is not None]
        found[name] = statistics.mean(timed) if timed else None
    return found


def trivial(splits: Splits, split: Split) -> dict[str, Embedded]:
    """What has to be beaten, as spaces of the split."""
    picture = split.targets["picture"][:, 0]
    return {
        name: Embedded(space.pictures, space.sentences, picture, space.embed_text)
        for name, space in trivial_spaces(splits.train, split, len(splits.facts["vocabulary"])).items()
    }


def edit_report(cells: Mapping[str, Sequence[Cell]], splits: Splits) -> dict[str, Any]:
    """Measures, prints and returns the edited queries in every space."""
    vocabulary = splits.facts["vocabulary"]
    words = splits.test.inputs["token_ids"].shape[1]
    queries, dev = queries_of(splits.test, vocabulary), queries_of(splits.validation, vocabulary)
    spaces = {label: [(own.test, own.validation) for own in seeds] for label, seeds in cells.items()}
    spaces[RIDGE] = [(trivial(splits, splits.test)[RIDGE], trivial(splits, splits.validation)[RIDGE])]
    report: dict[str, Any] = {key: [] for key in ("edits", "compared", "kinds", "scale")}
    report["kiros_weight_chosen_on_validation"] = {}
    report["queries"] = described(queries)
    print(f"\nedited queries: {report['queries']}")
    for space, seeds in spaces.items():
        test = [edits(own, queries, vocabulary, words) for own, _ in seeds]
        best = best_kiros([edits(own, dev, vocabulary, words) for _, own in seeds])
        report["kiros_weight_chosen_on_validation"][space] = best
        report["edits"] += precision_rows(space, test, queries)
        report["compared"] += compared(space, test, queries, best)
        report["kinds"] += kind_rows(space, test, queries)
        first = seeds[0][0]
        vectors = word_vectors(first, queries, vocabulary, words)
        report["scale"] += scale_rows(space, first.pictures, vectors, queries)
    print_edits(report)
    return report


def described(queries: EditQueries) -> dict[str, Any]:
    """How many queries there are, and of what."""
    relevant = relevant_pictures(queries)["both"].sum(axis=1)
    return {
        "queries": len(queries),
        "pictures": len(np.unique(queries.picture)),
        "pairs": len({*zip(queries.remove, queries.add, strict=True)}),
        "words": {
            kind: sorted({word for word, own in zip(queries.add, queries.kind, strict=True) if own == kind})
            for kind in dict.fromkeys(queries.kind)
        },
        "median_pictures_that_fulfil": float(np.median(relevant)),
        "queries_nothing_fulfils": int((relevant == 0).sum()),
    }


def draw_sheets(own: Cell, splits: Splits, data: Path, folder: Path) -> None:
    """Sheets of the queries where the report's measure gains most on that of Kiros et al., and where it loses most."""
    captioned = open_captions(data).subset("test")
    paths = dict(zip(captioned.ids, captioned.paths, strict=True))
    queries = queries_of(splits.test, own.vocabulary)
    found = edits(own.test, queries, own.vocabulary, own.max_words)
    order = np.argsort(found["kiros 1"]["both"] - found["direction"]["both"], kind="stable")
    files = [paths[name] for name in pictures_of(splits.test).ids]
    vectors = word_vectors(own.test, queries, own.vocabulary, own.max_words)
    for name, chosen in (("better", order[:4]), ("worse", order[::-1][:4])):
        draw_edits(queries, chosen, own.test.pictures, vectors, files, folder / f"{name}.png")


def print_cell(own: Cell) -> None:
    """Says what one training has reached."""
    found = retrieval(own.test)
    time = "" if own.seconds is None else f", {own.seconds:.0f} s ({own.cpu_seconds:.0f} s of processor)"
    print(
        f"{own.label}, seed {own.seed}: R@1 i2t {found['i2t R@1']:.1f}, t2i {found['t2i R@1']:.1f}; "
        f"{own.epochs} epochs{time}",
        flush=True,
    )


def print_recall(rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints a line per predictor: mean over seeds, and ± half the range."""
    print(
        f"\n{'':28s}"
        + "".join(f"{metric.replace('median_rank', 'Med r'):>13s}" for metric in SHOWN)
        + f"{'s':>8s}"
    )
    for own in rows:
        texts = [shown(own, metric) for metric in SHOWN]
        seconds = "" if own.get("seconds") is None else f"{own['seconds']:.0f}"
        print(f"{own['predictor']:28s}" + "".join(f"{text:>13s}" for text in texts) + f"{seconds:>8s}")


def shown(own: Mapping[str, Any], metric: str) -> str:
    """One number of a row as text."""
    if f"{metric}_range" not in own:
        return f"{own[metric]:.1f}"
    low, high = own[f"{metric}_range"]
    return f"{own[metric]:.1f} ±{(high - low) / 2:.1f}"


def print_edits(report: Mapping[str, Any]) -> None:
    """Prints precision by measure, then the differences over all queries."""
    for space, best in report["kiros_weight_chosen_on_validation"].items():
        print(f"\n{space}: p@10 in percent; of kiros, '{best}' is best on validation")
        print(f"{'':18s}" + "".join(f"{hit:>14s}" for hit in HITS))
        for own in report["edits"]:
            if own["space"] == space:
                print(f"{own['ranker']:18s}" + "".join(f"{shown(own, hit):>14s}" for hit in HITS))
        for own in report["compared"]:
            if own["space"] == space and own["kind"] == "all":
                low, high = own["interval"]
                print(
                    f"  {own['compared']:26s}{own['hit']:>10s} {own['difference']:+.2f}, 95 % {low:+.2f} .. {high:+.2f}"
                )


if __name__ == "__main__":
    main()
