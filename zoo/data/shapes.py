"""`shapes`: a generated data set of drawn scenes whose importance of tags is known exactly.

Each scene has a ground (grass, water, sand or snow) and one to three objects of different kinds. Five simulated
annotators write one sentence each. An annotator mentions a thing, independently of everything else, with

    p = sigmoid(-2.5 + 4 size + 2.5 vividness)

where size goes from 0 (smallest radius) to 1 (largest), vividness is a fixed number of the colour (red 1, grey
0), and a ground has size 0.25. So the number of captions that mention a thing is binomial(5, p), and the
expectation of the measured importance is p: a large red star is in almost every caption (.98), a small grey one
in one of thirteen (.08). `expected_importance.csv` holds p for every image and tag, 0 where the thing is absent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.shapes_drawing import COLOURS, GROUNDS, LARGEST, OBJECTS, SIDE, SMALLEST, Thing, draw_scene
from zoo.data.tag_list import TagList, write_tag_list
from zoo.data.tag_targets import tag_targets
from zoo.errors import DataError
from zoo.files import csv_text, new_folder

TAGS = (*OBJECTS, *GROUNDS)
ANNOTATORS = 5
MOST = 3
"""Objects of a scene."""

_INTERCEPT, _SIZE_WEIGHT, _VIVIDNESS_WEIGHT = -2.5, 4.0, 2.5
_GROUND_SIZE = 0.25
_TOKEN_FILE = "Flickr8k.token.txt"
_LISTS = {"train": "trainImages", "validation": "devImages", "test": "testImages"}


@dataclass(frozen=True)
class Scene:
    """What is in a picture.

    Attributes:
        ground: "grass", "water", "sand" or "snow".
        things: The objects, each of another kind; they do not overlap.
    """

    ground: str
    things: tuple[Thing, ...]


def mention_probability(size: float, vividness: float) -> float:
    """Returns the probability that an annotator mentions a thing: sigmoid(-2.5 + 4 size + 2.5 vividness).

    Args:
        size: 0 (smallest) to 1 (largest).
        vividness: 0 (grey) to 1 (red).
    """
    return 1 / (1 + math.exp(-(_INTERCEPT + _SIZE_WEIGHT * size + _VIVIDNESS_WEIGHT * vividness)))


def expected_importance(scene: Scene) -> dict[str, float]:
    """Returns the probability of mention of everything in a scene: tag -> p, absent things left out."""
    expected = {
        thing.kind: mention_probability(thing.size, COLOURS[thing.colour].vividness) for thing in scene.things
    }
    expected[scene.ground] = mention_probability(_GROUND_SIZE, GROUNDS[scene.ground].vividness)
    return expected


def write_shapes(
    folder: str | Path,
    *,
    images: int = 1500,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Writes the data set in the layout of Flickr8k, whole or not at all.

    `Images/` (96 x 96, three JPEG files to one PNG), `Flickr8k.token.txt`, the three split lists (of each ten
    images eight train, one dev, one test), `tags.csv` (the tag list) and `expected_importance.csv`. The files
    are a function of (images, seed), and a smaller set is the beginning of a larger one.

    Args:
        folder: Where to write; it must not exist, or be empty.
        images: How many.
        seed: Of scenes and annotators.
        progress: Called with (images written, all images).

    Returns:
        The folder.

    Raises:
        DataError: The folder holds files, or there are fewer than ten images.
    """
    folder = Path(folder)
    if images < 10:
        raise DataError(
            f"images is {images}.", expected="10 or more: eight train, one dev, one test", fix="ask for more"
        )
    with new_folder(folder) as temporary:
        _write_all(temporary, images, seed, progress)
    return folder


def _write_all(folder: Path, images: int, seed: int, progress: Callable[[int, int], None] | None) -> None:
    (folder / "Images").mkdir()
    lists: dict[str, list[str]] = {split: [] for split in _LISTS}
    captions: dict[str, list[str]] = {}
    expected: dict[str, dict[str, float]] = {}
    for index in range(images):
        # One generator per image: an image does not depend on how many there are.
        rng = np.random.default_rng([seed, index])
        scene = random_scene(rng)
        name = f"shape_{index:05d}.{'png' if index % 4 == 3 else 'jpg'}"
        picture = draw_scene(scene.ground, scene.things, rng)
        picture.save(folder / "Images" / name, quality=92)
        expected[name] = expected_importance(scene)
        captions[name] = [write_caption(scene, rng) for _ in range(ANNOTATORS)]
        lists[{8: "validation", 9: "test"}.get(index % 10, "train")].append(name)
        if progress is not None:
            progress(index + 1, images)
    tokens = [f"{name}#{k}\t{text}\n" for name, texts in captions.items() for k, text in enumerate(texts)]
    (folder / _TOKEN_FILE).write_text("".join(tokens), encoding="utf-8", newline="\n")
    for split, names in lists.items():
        (folder / f"Flickr_8k.{_LISTS[split]}.txt").write_text("\n".join(names) + "\n", newline="\n")
    (folder / "expected_importance.csv").write_text(_expected_table(expected), newline="\n")
    train = [captions[name] for name in lists["train"]]
    write_tag_list(
        _tag_list(train, f"Generated data set shapes: {images} images, seed {seed}."), folder / "tags.csv"
    )


def random_scene(rng: np.random.Generator) -> Scene:
    """Draws a scene: a ground, and one to three objects of different kinds that do not overlap."""
    ground = str(rng.choice(list(GROUNDS)))
    things: list[Thing] = []
    for kind in rng.permutation(list(OBJECTS))[: rng.integers(1, MOST + 1)]:
        colours = [name for name in OBJECTS[kind].colours if name not in GROUNDS[ground].hides]
        radius = float(rng.uniform(SMALLEST, LARGEST))
        # A crowded scene may have no room for a large thing: it then has one object fewer.
        for _ in range(30):
            x, y = (float(place) for place in rng.uniform(radius + 1, SIDE - radius - 1, size=2))
            if all(math.hypot(x - other.x, y - other.y) > radius + other.radius for other in things):
                things.append(Thing(str(kind), str(rng.choice(colours)), x, y, radius))
                break
    return Scene(ground, tuple(things))


def write_caption(scene: Scene, rng: np.random.Generator) -> str:
    """Writes the sentence of one annotator, who decides for each thing in turn whether to mention it."""
    expected = expected_importance(scene)
    said = [thing for thing in scene.things if rng.random() < expected[thing.kind]]
    ground = rng.random() < expected[scene.ground]
    # People begin with what strikes them most.
    said.sort(key=lambda thing: -expected[thing.kind])
    phrases = [_noun_phrase(thing, rng) for thing in said]
    if not phrases and not ground:
        return "A simple drawing ."
    if not phrases:
        return str(rng.choice(["Nothing much but {} .", "There is {} here .", "A drawing of {} ."])).format(
            scene.ground
        )
    joint = str(rng.choice([" next to ", " and ", " near "]))
    sentence = joint.join([phrases[0], " and ".join(phrases[1:])]) if len(phrases) > 1 else phrases[0]
    if ground:
        sentence += f" {GROUNDS[scene.ground].preposition} {scene.ground}"
    return f"{sentence[0].upper()}{sentence[1:]} ."


def _noun_phrase(thing: Thing, rng: np.random.Generator) -> str:
    words = [thing.kind]
    if rng.random() < 0.7:
        words.insert(0, thing.colour)
    if rng.random() < 0.4 and not 0.3 <= thing.size <= 0.7:
        words.insert(0, "big" if thing.size > 0.7 else "small")
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}"


def _tag_list(captions: list[list[str]], source: str) -> TagList:
    forms = tuple((tag,) for tag in TAGS)
    counted = tag_targets(captions, TagList(TAGS, (0,) * len(TAGS), forms)).mentions.sum(axis=0, dtype=int)
    counts = Counter(dict(zip(TAGS, counted.tolist(), strict=True)))
    order = [tag for tag, _ in counts.most_common()]
    return TagList(
        tags=tuple(order),
        counts=tuple(counts[tag] for tag in order),
        forms=tuple((tag,) for tag in order),
        source=f"{source}\nEverything that the scenes can hold; captions: training captions that mention it.",
    )


def _expected_table(expected: dict[str, dict[str, float]]) -> str:
    rows = ([name, *(f"{row.get(tag, 0.0):.6f}" for tag in TAGS)] for name, row in expected.items())
    return csv_text([["image", *TAGS], *rows])
