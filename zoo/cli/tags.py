"""Tags of pictures as a table with bars, as JSON, and as a cloud beside the photograph."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from zoo.drawing import new_figure, save_figure
from zoo.errors import MissingExtraError
from zoo.models.tagging.answers import Tag, tags_of

_BAR = 20


def assigned_tags(model: str, images: list[Path], address: str, most: int) -> list[list[Tag]]:
    """Asks a server for the likeliest tags of pictures, best first.

    `assigned` tells which reach the model's own threshold.
    """
    from serving.client import Client

    with Client(address) as client:
        return tags_of(client.predict(model, image=list(images)), most)


def print_table(images: list[Path], answers: list[list[Tag]]) -> None:
    """Prints a table per picture; the bar shows the importance, tags below the threshold are dim."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for path, tags in zip(images, answers, strict=True):
        console.print(f"\n{path}", style="bold", markup=False, soft_wrap=True)
        table = Table("tag", "probability", "importance", "", box=None, header_style="bold")
        for tag in tags:
            bar = "█" * round(tag.importance * _BAR)
            style = None if tag.assigned else "dim"
            table.add_row(tag.name, f"{tag.probability:.2f}", f"{tag.importance:.2f}", bar, style=style)
        console.print(table)


def print_json(images: list[Path], answers: list[list[Tag]]) -> None:
    """Prints a line of JSON per picture."""
    for path, tags in zip(images, answers, strict=True):
        sys.stdout.write(json.dumps({"image": str(path), "tags": [tag._asdict() for tag in tags]}) + "\n")


def draw_clouds(images: list[Path], answers: list[list[Tag]], target: Path) -> None:
    """Draws each picture beside the cloud of its assigned tags, the word's size being its importance.

    Where no tag reaches the threshold, the likeliest one is drawn.

    Raises:
        MissingExtraError: wordcloud, pillow or matplotlib is not installed.
    """
    try:
        from PIL import Image
        from wordcloud import WordCloud
    except ImportError as error:
        raise MissingExtraError(error.name or "wordcloud", "zoo", "Drawing tag clouds") from error

    figure = new_figure((9, 4 * len(images)), "Drawing tag clouds")
    axes = figure.subplots(len(images), 2, squeeze=False)
    for row, path, tags in zip(axes, images, answers, strict=True):
        shown = [tag for tag in tags if tag.assigned] or tags[:1]
        cloud = WordCloud(width=600, height=500, background_color="white", random_state=0, colormap="viridis")
        cloud.generate_from_frequencies({tag.name: tag.importance for tag in shown})
        with Image.open(path) as photograph:
            row[0].imshow(photograph.convert("RGB"))
        row[1].imshow(cloud.to_array(), interpolation="bilinear")
        row[0].set_title(path.name, fontsize="small")
        for cell in row:
            cell.axis("off")
    save_figure(figure, target)
