"""From a run folder to a served version."""

from __future__ import annotations

from pathlib import Path

from export.archive import NewVersion, export_versions
from export.contract import run_contract
from zoo.backbones import backbone_digest
from zoo.training.loading import load_trained, recipe_of
from zoo.training.run import Run


def export_run(
    folder: Path,
    models_dir: Path,
    *,
    version: int | None = None,
    name: str | None = None,
    data_licence: str | None = None,
    research_only: bool = False,
    index: Path | None = None,
    top: int = 20,
) -> Path:
    """Exports the model of a finished run, verified; see `export.archive.export_versions`.

    Args:
        folder: The run.
        models_dir: Folder of all served models.
        version: None is the highest there plus one.
        name: What the server calls it; None is the model's name.
        data_licence: Terms of the training data; those of a known data set stay beside them.
        research_only: Marks the model; known research-only data and weights do so by themselves.
        index: Folder of an index of pictures that the SavedModel shall carry and search.
        top: Results of each search of that index.

    Raises:
        RunError: The folder is not a finished run.
        ConfigError: The model searches no index.
        DataError: The index was made with another model, or is none.
        WeightsError: The frozen backbone of the run cannot be built again as it was.
        ExportError: The version exists, or the exported model does not answer as Keras does.
    """
    run = Run.open(folder)
    recipe = recipe_of(run)
    model = recipe.servable(load_trained(run), run.record["facts"])
    contract = run_contract(run, data_licence=data_licence, research_only=research_only) | {
        "weights_sha256": backbone_digest(model),
        "input_contract": recipe.input_contract(model),
    }
    signatures = recipe.signatures(model)
    if index is not None:
        signatures += recipe.index_signatures(model, index, top)
    return export_versions([NewVersion(name or recipe.name, signatures, contract, version)], models_dir)[0]
