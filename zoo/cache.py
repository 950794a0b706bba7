"""Where mizoo keeps what it can get or compute again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Returns `$MIZOO_CACHE`, or `~/.cache/mizoo`."""
    return Path(os.environ.get("MIZOO_CACHE") or Path.home() / ".cache" / "mizoo")
