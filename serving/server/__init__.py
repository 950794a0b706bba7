"""The embedded default server: TF Serving's API for SavedModels, on one machine.

`run` is the command: worker processes on one port, until a signal. `Server` is one process as a context manager.
TensorFlow is imported when models load, and what else only a server needs when one of the two is asked for: the base
install reads stores with modules of this package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from serving.server.errors import StartError

if TYPE_CHECKING:
    from serving.server.app import Server
    from serving.server.command import run

__all__ = ["Server", "StartError", "run"]

_PLACES = {"Server": "serving.server.app", "run": "serving.server.command"}


def __getattr__(name: str) -> Any:
    """Imports what was asked for.

    Raises:
        StartError: A package that the server needs is not installed.
    """
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_PLACES[name]), name)
    except ModuleNotFoundError as error:
        text = f"the server needs {error.name}, which is not installed.\nFix: pip install 'mizoo[zoo]'"
        raise StartError(text) from error
