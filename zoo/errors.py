"""The errors that mizoo raises for wrong use: what happened, what was expected, how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(ValueError):
    """Wrong input or wrong use. The command line prints it without a traceback.

    Args:
        what: What happened, with the received value.
        expected: What would have been right; left out where `what` says it already.
        fix: The shortest way out, e.g. a command or an option.
    """

    def __init__(self, what: str, *, expected: str = "", fix: str) -> None:
        self.what, self.expected, self.fix = what, expected, fix
        lines = [what]
        if expected:
            lines.append(f"Expected: {expected}")
        lines.append(f"Fix: {fix}")
        super().__init__("\n".join(lines))


class ConfigError(ZooError):
    """An unknown model, preset or config key, or a value that does not fit it."""


class DataError(ZooError):
    """Files that are missing, malformed, or contradict each other."""


class WeightsError(ZooError):
    """Weights that are missing or do not fit the network they are loaded into."""


class RunError(ZooError):
    """A run folder that is missing, unfinished, or of another model."""


class ExportError(ZooError):
    """An export that would overwrite something, or that fails its own verification."""


class StoreError(ZooError):
    """A store, index or archive that is missing, damaged, hostile, or contradicts itself."""


class MissingExtraError(ZooError):
    """A library of an optional extra is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed.", fix=f"pip install 'mizoo[{extra}]'"
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the known name closest to `name`, or ""."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""
