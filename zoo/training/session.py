"""One training from beginning to end: fit, save, measure, draw, write the card."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from zoo.errors import MissingExtraError
from zoo.files import write_json, write_text
from zoo.training.fit import remove_checkpoint

if TYPE_CHECKING:
    import keras

    from zoo.data.batches import Splits
    from zoo.recipe import Recipe
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run

log = logging.getLogger(__name__)


def train(recipe: Recipe, splits: Splits, run: Run, options: TrainingOptions) -> keras.Model:
    """Trains a recipe into a run folder; continues where the folder's checkpoint ends.

    Returns:
        The trained model, as it was trained: on pictures, or on the features of a frozen backbone.
    """
    with options.apply():
        try:
            model = recipe.build(splits)
        except BaseException:
            run.discard_unstarted()
            raise
        recipe.fit(model, splits, run, options)
    run.save_model(model)
    measure(recipe, model, splits, run)
    _draw(recipe, model, splits, run)
    _write_card(run)
    remove_checkpoint(run)
    return model


def measure(
    recipe: Recipe, model: keras.Model, splits: Splits, run: Run, split: str = "test"
) -> dict[str, dict[str, float]]:
    """Evaluates on a split and records the result in metrics.json beside those of other splits.

    Numbers of other data than the run's own are recorded under "<split> of <data set>".
    """
    file = run.folder / "metrics.json"
    known = json.loads(file.read_text()) if file.is_file() else {"schema": 1}
    rows = recipe.evaluate(model, splits, splits[split])
    own = splits.name == run.record["data"]["name"]
    write_json(file, known | {split if own else f"{split} of {splits.name}": rows})
    return rows


def _draw(recipe: Recipe, model: keras.Model, splits: Splits, run: Run) -> None:
    folder = run.folder / "figures"
    try:
        from zoo.training.curves import draw_curves

        draw_curves(run.folder / "history.csv", folder / "curves.png")
        recipe.figures(model, splits, splits.test, folder)
    except (
        MissingExtraError
    ) as error:  # a bare GPU host: the numbers are there, the pictures can be drawn later
        log.warning("no figures: %s", error)


def _write_card(run: Run) -> None:
    """Writes the page, and last the Markdown, by which the run counts as finished."""
    from export.cards.html import to_html
    from export.cards.markdown import to_markdown
    from export.cards.target import HTML, MARKDOWN, run_card

    card = run_card(run)
    try:
        write_text(run.folder / HTML, to_html(card))
    except MissingExtraError as error:
        log.warning("no %s, `mizoo card %s` writes it later: %s", HTML, run.folder, error)
    write_text(run.folder / MARKDOWN, to_markdown(card))
