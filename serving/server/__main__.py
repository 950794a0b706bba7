"""`mizoo-model-server`, also `python -m serving.server`: tensorflow_model_server's command line.

With a folder as first argument every model in it is served: `mizoo-model-server models --port=8500`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from serving.server import flags as command_line
from serving.server.errors import StartError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line, serves, and returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    given = list(sys.argv[1:] if arguments is None else arguments)
    folder = Path(given.pop(0)) if given and not given[0].startswith("-") else None
    try:
        flags = command_line.parse(given, os.environ)
        if flags.help or flags.version:
            sys.stdout.write((command_line.usage() if flags.help else command_line.version_text()) + "\n")
            return 0
        from serving.server import run

        run(flags, folder)
    except StartError as error:
        sys.stderr.write(f"Failed to start server. Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
