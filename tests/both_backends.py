"""What a test file computes in this process, and under jax in one in which tensorflow cannot be imported.

The file ends with

    if __name__ == "__main__":
        write_values(values)
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
Values = dict[str, np.ndarray]


def values_of_both(file: str, values: Callable[[], Values], folder: Path) -> tuple[Values, Values]:
    """Runs `values` here, and meanwhile the file, which calls it too, under jax; returns what either found."""
    out = folder / "values.npz"
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, file, str(out)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        here = values()
        _, err = process.communicate()
    assert process.returncode == 0, err[-3000:]
    with np.load(out) as arrays:
        return here, {name: arrays[name] for name in arrays.files}


def write_values(values: Callable[[], Values]) -> None:
    """The other process: writes what `values` finds to the file that is named on its command line."""
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # any import of it raises ImportError
    np.savez(sys.argv[1], **values())
