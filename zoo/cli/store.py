"""`mizoo publish`, `mizoo fetch` and `mizoo store list | verify | gc | mirror`."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.common import say

store_app = typer.Typer(
    name="store",
    help="Looks after stores of published models: list, verify, gc, mirror.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Where = Annotated[str, typer.Argument(help="Folder or URL of a store.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]
Keys = Annotated[
    list[Path] | None,
    typer.Option(
        "--key", help="PEM file of a public key that must have signed; may be repeated.", show_default=False
    ),
]


def publish(
    model: Annotated[
        Path, typer.Argument(help="Exported version, or its model's folder: the highest version.")
    ],
    to: Annotated[Path, typer.Option(help="Folder of the store; any static web host can serve it.")],
    sign: Annotated[
        Path | None, typer.Option(help="PEM file of the private key to sign with.", show_default=False)
    ] = None,
    research_only: Annotated[
        bool, typer.Option("--research-only", help="Publish what may be used for research only, marked so.")
    ] = False,
    weights_licence: Annotated[
        str | None, typer.Option(help="Terms of the weights.", show_default=False)
    ] = None,
    data_licence: Annotated[
        str | None, typer.Option(help="Terms of the training data.", show_default=False)
    ] = None,
    code_licence: Annotated[str | None, typer.Option(help="SPDX id of the code.", show_default=False)] = None,
    dry_run: DryRun = False,
) -> None:
    """Publishes an exported model to a store, where it never changes again.

    Its golden answers are checked first. What the store has under this version already stays as it is.

    Example: `mizoo publish models/tagging_binomial --to store --sign key.pem`
    """
    from export.store.publish import publish as publish_version

    with _status(f"publishing {model}"):
        done = publish_version(
            model,
            to,
            code=code_licence,
            weights=weights_licence,
            data=data_licence,
            research_only=research_only,
            sign_key=sign,
            dry_run=dry_run,
        )
    for line in done.difference:
        say(line)
    if dry_run:
        say("Nothing was written: --dry-run.")
    elif not done.written:
        say(f"{done.entry.handle} is published already, with this very content.")
    else:
        say(f"{done.entry.handle} is published: sha256:{done.entry.archive.sha256}")
        say(f"Next: mizoo fetch {done.entry.name} --from {to} --to models")


def fetch(
    handle: Annotated[str, typer.Argument(metavar="NAME[@VERSION|@sha256:DIGEST]", help="What to fetch.")],
    from_: Annotated[
        list[str] | None,
        typer.Option("--from", help="URL or folder of a store; repeat for mirrors. Default: $MIZOO_STORE."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Models folder. Default: the cache.", show_default=False)
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use only what is here, also with ZOO_OFFLINE=1.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file of a version that is here.")
    ] = False,
    require_signature: Annotated[
        Path | None,
        typer.Option(help="PEM file of the public key that must have signed it.", show_default=False),
    ] = None,
) -> None:
    """Fetches a published model, verified, straight into a folder that TensorFlow Serving or `mizoo serve` can use.

    An interrupted download continues. Prints the folder of the version. Needs no tensorflow.

    Example: `mizoo fetch tagging_binomial --from https://models.example.org --to models`

    Example: `mizoo fetch tagging_binomial@3 --from /mnt/store --offline`
    """
    from zoo.handles import saved_model, split_version

    name, version = split_version(handle)
    folder = saved_model(
        name,
        version,
        sources=from_ or None,
        to=to,
        offline=offline or None,
        verify=verify,
        require_signature=require_signature,
    )
    typer.echo(folder)


@store_app.command(name="list")
def list_(
    store: Where, json_: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False
) -> None:
    """Shows what a store has: versions, sizes, digests, licences, signatures.

    Example: `mizoo store list https://models.example.org`
    """
    import json

    from rich.console import Console
    from rich.table import Table

    from export.store.cache import Cache
    from export.store.lookup import read_index
    from export.store.source import open_source

    with closing(open_source(store)) as source:
        entries = list(read_index(source, Cache.of_user(), offline=False))
    if json_:
        for entry in entries:
            typer.echo(json.dumps({"name": entry.name, "version": entry.version, **entry.to_json()}))
        return
    table = Table(
        "model", "version", "MB", "sha256", "signed", "use", "published", box=None, header_style="bold"
    )
    for entry in entries:
        table.add_row(
            entry.name,
            str(entry.version),
            f"{entry.archive.size / 1e6:.1f}",
            entry.archive.sha256[:12],
            entry.key_id[:12] if entry.key_id else "no",
            "research only" if entry.licence.research_only else entry.licence.weights,
            entry.published[:10],
        )
    Console(highlight=False).print(table)


@store_app.command()
def verify(
    store: Annotated[str, typer.Argument(help="Folder or URL of a store, or a folder of fetched models.")],
    key: Keys = None,
) -> None:
    """Checks every file of a store, or of fetched models, by its hash and signature; status 1 when one is wrong.

    Example: `mizoo store verify models --key key.pub`
    """
    from export.store.index import INDEX_FILE
    from export.store.inspect import check_store
    from export.store.inspect_models import check_models
    from export.store.progress import bar

    models = Path(store)
    wrong = 0
    with bar("checking") as progress:
        if models.is_dir() and not (models / INDEX_FILE).exists():
            findings = check_models(models, public_keys=key or ())
        else:
            findings = check_store(store, public_keys=key or (), progress=progress)
        for finding in findings:
            wrong += finding.level == "error"
            typer.echo(f"{finding.level:5}  {finding.subject}: {finding.text}")
    if wrong:
        raise typer.Exit(1)


@store_app.command()
def gc(
    store: Annotated[
        Path | None, typer.Argument(help="Folder of a store. Default: the cache.", show_default=False)
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Removes what unfinished work left behind in a store or in the cache; never what an index names.

    Example: `mizoo store gc store --dry-run`
    """
    from export.store.cache import Cache
    from export.store.collect import collect
    from export.store.collect_cache import collect_cache

    removed = (
        collect_cache(Cache.of_user(), dry_run=dry_run) if store is None else collect(store, dry_run=dry_run)
    )
    for one in removed:
        typer.echo(f"{one.size:>12,} bytes  {one.path}")
    verb = "would be removed" if dry_run else "removed"
    typer.echo(f"{len(removed)} files and folders {verb}, {sum(one.size for one in removed):,} bytes.")


@store_app.command()
def mirror(
    source: Where,
    target: Annotated[Path, typer.Argument(help="Folder of the copy.")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Models to copy. Default: all.", show_default=False)
    ] = None,
) -> None:
    """Copies a store into a folder, verified; run again, it copies what is new.

    Example: `mizoo store mirror https://models.example.org /srv/store`
    """
    from export.store.mirror import mirror as copy_store
    from export.store.progress import bar

    with bar(f"mirroring {source}") as progress:
        done = copy_store(source, target, names=names or None, progress=progress)
    say(f"{target}: {len(done.copied)} files copied, {sum(1 for _ in done.index)} versions in all.")


def _status(text: str) -> AbstractContextManager[object]:
    from rich.console import Console

    return Console(stderr=True, highlight=False).status(text)
