"""`mizoo export`, `mizoo serve` and `mizoo predict`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Run folder of a finished training.")],
    to: Annotated[Path, typer.Option(help="Folder of all served models.")],
    version: Annotated[int | None, typer.Option(min=1, help="Default: the highest there plus one.")] = None,
    name: Annotated[
        str | None, typer.Option(help="What the server calls it. Default: the model's name.")
    ] = None,
    data_licence: Annotated[
        str | None, typer.Option(help="Terms of the training data, for the card and the store.")
    ] = None,
    research_only: Annotated[
        bool,
        typer.Option(
            "--research-only", help="Mark it; known research-only data and weights do by themselves."
        ),
    ] = False,
    index: Annotated[
        Path | None,
        typer.Option(
            help="Index of pictures that the SavedModel shall carry and search.", show_default=False
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="With --index: results of each search.")] = 20,
) -> None:
    """Exports a trained model as a SavedModel that takes raw JPEG bytes, verified, for TensorFlow Serving.

    Example: `mizoo export runs/tagging_two_head/20261120-101112-000000 --to models`

    Example: `mizoo export runs/vse_bow/20261120-101112-000000 --to models --index pets --top 10`
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from rich.console import Console

    from export.run import export_run

    console = Console(highlight=False)
    with console.status("exporting and verifying"):
        folder = export_run(
            run,
            to,
            version=version,
            name=name,
            data_licence=data_licence,
            research_only=research_only,
            index=index,
            top=top,
        )
    console.print(f"{folder}: Keras, SavedModel, server and client agree.", markup=False, soft_wrap=True)
    console.print(f"Next: mizoo serve {to}", markup=False, soft_wrap=True)


def serve(context: typer.Context) -> None:
    """Serves every model of a folder over TensorFlow Serving's API (gRPC and REST), until Ctrl-C or SIGTERM.

    `mizoo serve MODELS_DIR [FLAGS]`. The flags are those of tensorflow_model_server, which need no folder:
    --port, --rest_api_port, --model_config_file, --enable_batching ...; ours begin with --zoo_. All of them with
    their defaults: `mizoo-model-server --help`. Without flags gRPC is at localhost:8500, and the number of
    worker processes or batching are chosen by how long one call takes.

    Example: `mizoo serve models`

    Example: `mizoo serve models --port=8500 --rest_api_port=8501 --zoo_workers=2`

    Example: `mizoo serve --model_config_file=models.config --enable_batching`
    """
    from rich.console import Console

    from serving.server import flags as command_line
    from serving.server import run
    from serving.server.workers import Serving

    console = Console(highlight=False)
    arguments = list(context.args)
    folder = Path(arguments.pop(0)) if arguments and not arguments[0].startswith("-") else None
    flags = command_line.parse(arguments, os.environ)

    def ready(serving: Serving) -> None:
        at = f"{flags.zoo_host}:{serving.port}" if serving.port else f"unix:{flags.grpc_socket_path}"
        rest = f" and http://{flags.zoo_host}:{serving.rest_port}" if serving.rest_port else ""
        models = ", ".join(f"{name} {numbers}" for name, numbers in serving.available.items())
        text = f"Serving {models} at {at}{rest} with {serving.plan.workers} worker(s): {serving.plan.reason}."
        console.print(f"{text} Stop with Ctrl-C.", markup=False, soft_wrap=True)

    console.print("loading and warming up", style="dim")
    run(flags, folder, ready)


def predict(
    name: Annotated[str, typer.Argument(help="What the server calls the model.")],
    images: Annotated[list[Path], typer.Argument(help="Picture files: JPEG, PNG, GIF or BMP.")],
    address: Annotated[str, typer.Option(help="host:port of the server's gRPC port.")] = "localhost:8500",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, one line per picture.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw each picture beside its tag cloud into this PNG.", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Most tags to print per picture.")] = 10,
) -> None:
    """Asks a running server for the tags of pictures. Needs no tensorflow.

    Example: `mizoo predict tagging_two_head cat.jpg --picture cat-tags.png`
    """
    from zoo.cli.tags import assigned_tags, draw_clouds, print_json, print_table

    answers = assigned_tags(name, images, address, top)
    if json_:
        print_json(images, answers)
    else:
        print_table(images, answers)
    if picture is not None:
        draw_clouds(images, answers, picture)
