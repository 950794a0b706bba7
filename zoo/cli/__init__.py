"""The `mizoo` command. Only typer is imported here; every command imports what it needs when it runs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from zoo.cli import (
    card,
    catalogue,
    convert,
    distill,
    quickstart,
    quiet,
    search,
    serving,
    store,
    training,
    vocabulary,
)

app = typer.Typer(
    name="mizoo",
    help="Image-and-text models: train them on your pictures, export them, serve them, call them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
# The server's flags are TF Serving's, which typer does not parse.
_SETTINGS: dict[Callable[..., None], dict[str, Any]] = {
    serving.serve: {"allow_extra_args": True, "ignore_unknown_options": True}
}
for command in (
    catalogue.list_,
    catalogue.show,
    training.prepare,
    training.train,
    training.evaluate,
    distill.distill,
    serving.export,
    serving.serve,
    serving.predict,
    search.search,
    card.card,
    store.publish,
    store.fetch,
    vocabulary.vocabulary,
    quickstart.quickstart,
):
    app.command(name=command.__name__.rstrip("_"), context_settings=_SETTINGS.get(command))(command)

app.add_typer(store.store_app)
app.add_typer(search.index_app)
app.add_typer(convert.convert_app)

# The commands that need tensorflow; the others work in the base install and must not wait for it.
_HEAVY = {"prepare", "train", "evaluate", "distill", "convert", "export", "quickstart"}


def main() -> None:
    """Runs the command line; wrong use ends with one clear text and status 2, not with a traceback."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("zoo").setLevel(logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        if _HEAVY.intersection(sys.argv[1:2]) and "--help" not in sys.argv:
            quiet.import_tensorflow()
        app()
    except ModuleNotFoundError as error:
        if error.name is None or _is_ours(error.name):
            raise
        _refuse(
            f"This command needs {error.name}, which is not installed.\n"
            "Fix: pip install 'mizoo[zoo]' (jax and torch, where KERAS_BACKEND asks for them, by themselves)"
        )
    except Exception as error:
        if not _is_wrong_use(error):
            raise
        _refuse(str(error))
    except KeyboardInterrupt:
        sys.stderr.write(
            "\nInterrupted. An unfinished training continues with --resume RUN, an unfinished index when it is "
            "built again.\n"
        )
        sys.exit(130)


def _refuse(text: str) -> NoReturn:
    from rich.console import Console

    Console(stderr=True, highlight=False).print(text, style="red", markup=False, soft_wrap=True)
    sys.exit(2)


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in {"zoo", "export", "serving"}


def _is_wrong_use(error: Exception) -> bool:
    from serving.client.errors import ServingError
    from zoo.errors import ZooError

    # The server's modules are there only with the extra; its error cannot be raised unless they were imported.
    server = sys.modules.get("serving.server.errors")
    return isinstance(error, ZooError | ServingError) or (
        server is not None and isinstance(error, server.StartError)
    )
