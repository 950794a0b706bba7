"""`mizoo convert svd-fc`: orthonormal class vectors out of any classifier with a linear head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.common import say
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.fitting.class_vectors import ClassVectors

convert_app = typer.Typer(
    name="convert",
    help="Makes other models out of trained ones, without data: svd-fc.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@convert_app.callback()
def _convert() -> None:
    """Makes other models out of trained ones, without data: svd-fc."""


@convert_app.command("svd-fc")
def svd_fc(
    model: Annotated[
        str,
        typer.Argument(help="A .keras file, a run folder, or the name of a backbone (then with --weights)."),
    ],
    to: Annotated[Path, typer.Option(help="The .keras file to write.")],
    weights: Annotated[
        str | None,
        typer.Option(help="Of a backbone with its classifier: a file, or imagenet.", show_default=False),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Name of the head. Default: the last layer.", show_default=False)
    ] = None,
    basis: Annotated[
        str, typer.Option(help="polar: one vector for each class. left: as many as the rank.")
    ] = "polar",
    drop_classes: Annotated[
        str, typer.Option(help="Classes to leave out, by number and commas: 0 for a background class.")
    ] = "",
    spectrum: Annotated[
        Path | None, typer.Option(help="PNG of the singular values to write.", show_default=False)
    ] = None,
    picture: Annotated[
        list[Path] | None,
        typer.Option(help="Picture whose maps are drawn; may be repeated.", show_default=False),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder of the drawn maps, a PNG a picture.", show_default=False)
    ] = None,
    class_: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="Whose maps are drawn: a name or number. Default: the likeliest.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="File with the name of each class of the head, one a line.", show_default=False),
    ] = None,
    scaling: Annotated[
        str | None,
        typer.Option(
            help="What a .keras file expects of its pixels: none (default), unit, tf, caffe, torch.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Turns a classifier into features of orthonormal class vectors (SVD-FC) and maps (CAM, SVD-CAM), without data.

    The head must be a Dense or 1x1 convolution on global average pooling. The file that is written takes what the
    classifier takes, and gives `fc`, `svd_fc` `[N, K]`, `cam` and `svd_cam` `[N, h, w, K]`.

    Example: `mizoo convert svd-fc classifier.keras --to svd.keras --spectrum spectrum.png`

    Example: `mizoo convert svd-fc mobilenet_v2 --weights mobilenet_v2.weights.h5 --to svd.keras --picture cat.jpg
    --figures maps`
    """
    from rich.console import Console

    from zoo.files import save_keras
    from zoo.fitting.class_vectors import cumulative_contribution, orthonormal_class_vectors
    from zoo.models.fusion.conversion import with_class_maps
    from zoo.models.fusion.head import find_head
    from zoo.models.fusion.picture_maps import class_column, class_names, picture_maps
    from zoo.models.fusion.source import open_classifier

    if to.suffix != ".keras":
        raise ConfigError(f"--to is {to}.", expected="a file ending in .keras", fix=f"--to {to.stem}.keras")
    if bool(picture) != bool(figures):
        raise ConfigError(
            f"{'--picture' if picture else '--figures'} was given alone.",
            expected="--picture FILE and --figures FOLDER together",
            fix="--picture cat.jpg --figures maps",
        )
    for option, value in {"--class": class_, "--labels": labels, "--scaling": scaling}.items():
        if value is not None and not picture:
            raise ConfigError(
                f"{option} was given without --picture.",
                expected="pictures whose maps are drawn: the conversion itself needs none",
                fix=f"--picture cat.jpg --figures maps, or leave {option} out",
            )
    with Console(stderr=True).status(f"converting {model}"):
        opened, known = open_classifier(model, weights, scaling)
        head = find_head(opened, layer)
        vectors = orthonormal_class_vectors(head.kernel, basis, _numbers(drop_classes))
        converted = with_class_maps(opened, head, vectors)
        names = class_names(labels, known, head.kernel.shape[1])
        column = None if class_ is None else class_column(class_, names, vectors)
        rows = picture_maps(converted, vectors, picture, names, column, scaling) if picture else {}
        save_keras(converted, to)
        if spectrum:
            from zoo.models.fusion.spectrum import draw_spectrum

            draw_spectrum({Path(model).stem: cumulative_contribution(vectors.singular_values)}, spectrum)
        if figures:
            from zoo.models.fusion.class_maps import draw_class_maps

            for name, row in rows.items():
                draw_class_maps([row], figures / f"{name}.png")
    _tell(head.layer, vectors)
    shapes = ", ".join(f"{name} {_shape(tensor)}" for name, tensor in converted.output.items())
    say(f"{to}: {shapes}")
    for path in [
        *([spectrum] if spectrum else []),
        *([figures / f"{name}.png" for name in rows] if figures else []),
    ]:
        say(str(path))


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(
            f"--drop-classes is '{text}'.", expected="numbers of classes, by commas", fix="--drop-classes 0"
        )
    return [int(part) for part in parts]


def _tell(layer: str, vectors: ClassVectors) -> None:
    from zoo.fitting.class_vectors import cumulative_contribution

    held = cumulative_contribution(vectors.singular_values)
    say(
        f"head '{layer}': C = {vectors.channels} channels, K = {len(vectors.classes)} classes, rank {vectors.rank}"
    )
    say(
        f"the first {held.half} of {len(held.sums)} singular values hold {held.half_of_sums:.1%} of their sum, "
        f"{held.half_of_squares:.1%} of the sum of their squares"
    )


def _shape(tensor: Any) -> str:
    sides = [
        "N" if not place else "?" if side is None else str(side) for place, side in enumerate(tensor.shape)
    ]
    return f"[{', '.join(sides)}]"
