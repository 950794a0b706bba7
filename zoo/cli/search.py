"""`mizoo index build`, `mizoo index show` and `mizoo search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

index_app = typer.Typer(
    name="index",
    help="Indexes of picture folders: make one, bring it up to date, show what is in it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
Token = Annotated[
    str,
    typer.Option(
        envvar="MILVUS_TOKEN", help="user:password or API key of a Milvus server.", show_default=False
    ),
]


@index_app.command("build")
def build(
    model: Annotated[Path, typer.Option(help="Run folder of a vse_bow or vse_lstm.", show_default=False)],
    images: Annotated[
        Path, typer.Option(help="Folder of pictures, with its subfolders.", show_default=False)
    ],
    to: Annotated[Path, typer.Option(help="The index folder.", show_default=False)],
    store: Annotated[
        str | None,
        typer.Option(help="exact (default), faiss or milvus; an index that is there keeps its own."),
    ] = None,
    milvus_uri: Annotated[
        str | None,
        typer.Option(
            help="http://host:19530, or a file *.db. Default: a file in the index.", show_default=False
        ),
    ] = None,
    milvus_token: Token = "",
    skip_bad_images: Annotated[
        bool, typer.Option(help="Leave out unusable pictures (counted and listed) instead of stopping.")
    ] = False,
) -> None:
    """Makes an index of a picture folder, or brings it up to date with the folder: run it again after changes.

    Only pictures of new content are looked at. An interrupted build goes on where it was when it is run again.

    Example: `mizoo index build --model runs/vse_bow/20261120-101112-000000 --images photos --to photos.index`

    Example: `mizoo index build --model RUN --images photos --to photos.index --store milvus
    --milvus-uri http://localhost:19530`
    """
    from rich.console import Console

    from zoo.checks import existing
    from zoo.cli.progress import stage_bars
    from zoo.cli.quiet import import_tensorflow
    from zoo.search.build import build_index

    existing(model, "The model")
    import_tensorflow()
    with stage_bars() as progress:
        built = build_index(
            model,
            images,
            to,
            store=store,
            milvus_uri=milvus_uri,
            milvus_token=milvus_token,
            skip_bad_images=skip_bad_images,
            progress=progress,
        )
    console = Console(highlight=False)
    counts = f"{len(built.added)} added, {len(built.changed)} changed, {len(built.removed)} removed"
    left_out = f"; {len(built.bad)} left out" if built.bad else ""
    console.print(
        f"{to}: {built.pictures} pictures ({counts}; {built.embedded} embedded{left_out}).",
        markup=False,
        soft_wrap=True,
    )
    console.print(f'Next: mizoo search {to} --text "a dog"', markup=False, soft_wrap=True)


@index_app.command("show")
def show(index: Annotated[Path, typer.Argument(help="The index folder.", show_default=False)]) -> None:
    """Shows what an index is made of: model, pictures, store.

    Example: `mizoo index show photos.index`
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from zoo.search.folder import Record

    record = Record.read(index)
    table = Table(box=None, show_header=False)
    facts = {
        "model": f"{record.run}, {record.path}",
        "sha256": record.sha256,
        "pictures": f"{record.pictures} of {record.images}",
        "vectors": f"{record.dimensions} numbers each, store {', '.join(record.store.values())}",
    }
    for name, value in facts.items():
        table.add_row(name, Text(value, overflow="fold"))
    Console(highlight=False).print(table)


def search(
    index: Annotated[Path, typer.Argument(help="The index folder.", show_default=False)],
    text: Annotated[str | None, typer.Option(help="Pictures that this sentence describes.")] = None,
    image: Annotated[Path | None, typer.Option(help="Pictures like this one.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Without this word; with --image, may be repeated.")
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option(help="With this word; with --image, may be repeated.")
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option(
            help="direction, kiros, anchored, or several with commas. Default: direction,kiros.",
            show_default=False,
        ),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(help="Of kiros (default 1) or anchored (default 0.3).", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Most pictures to print.")] = 10,
    picture: Annotated[
        Path | None, typer.Option(help="Draw a contact sheet into this PNG.", show_default=False)
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, one line per measure.")] = False,
    model: Annotated[
        Path | None,
        typer.Option(help="Run folder. Default: the one the index was made with.", show_default=False),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="host:port of a server that has the model; needs no tensorflow.", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="What the server calls the model. Default: vse_bow or vse_lstm.", show_default=False
        ),
    ] = None,
    milvus_token: Token = "",
) -> None:
    """Searches an index by a sentence, by a picture, or by a picture with words removed and added.

    Example: `mizoo search photos.index --text "a dog on the beach"`

    Example: `mizoo search photos.index --image cat.jpg`

    Example: `mizoo search photos.index --image dog.jpg --remove dog --add cat --measure direction,kiros
    --picture sheet.png`

    Example: `mizoo search photos.index --server localhost:8500 --text "a red car"`
    """
    from zoo.cli.hits import draw_hits, print_hits, print_json
    from zoo.cli.quiet import import_tensorflow
    from zoo.errors import ConfigError
    from zoo.search.searcher import DEFAULT_MEASURES, PictureSearch

    edited = bool(remove or add)
    if (text is None) == (image is None):
        raise ConfigError(
            "Neither --text nor --image was given."
            if text is None
            else "Both --text and --image were given.",
            fix='give one of them: --text "a dog", or --image dog.jpg',
        )
    if edited and image is None:
        raise ConfigError("--remove and --add change a picture, and none was given.", fix="add --image FILE")
    if not edited and (measure is not None or weight is not None):
        raise ConfigError(
            "--measure and --weight are for words removed or added, and none were given.",
            fix="leave them out, or add --remove WORD or --add WORD",
        )
    if server is None:
        import_tensorflow()
    with PictureSearch.open(
        index, model=model, server=server, name=name, milvus_token=milvus_token
    ) as opened:
        query: Path | str
        if text is not None:
            query, rankings = text, {f'"{text}"': opened.by_text(text, top)}
        elif image is not None and not edited:
            query, rankings = image, {f"like {image.name}": opened.by_image(image, top)}
        else:
            assert image is not None
            query = image
            rankings = opened.by_edit(
                image,
                remove=remove or (),
                add=add or (),
                measures=[part.strip() for part in measure.split(",")] if measure else DEFAULT_MEASURES,
                weight=weight,
                top=top,
            )
        if json_:
            print_json(rankings, opened.index)
        else:
            print_hits(rankings, edited=edited)
        if picture is not None:
            draw_hits(rankings, opened.index, query, remove or (), add or (), picture)
