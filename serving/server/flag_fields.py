"""How one flag is declared, and how its text becomes a value: the pieces of which `flags.Flags` is made."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

INT32, INT64 = 2**31 - 1, 2**63 - 1
Reader = Callable[[str], Any]


def flag(default: Any, help: str, read: Reader | None = None, *, env_only: bool = False) -> Any:
    """Declares a field of `Flags`.

    Args:
        default: The value where neither command line nor environment sets one.
        help: What the flag does, for `usage`.
        read: Turns text into the value and raises ValueError with what it expects; by the default's type.
        env_only: The value is a secret: process lists and logs show command lines.
    """
    read = read or _READERS[type(default)]
    metadata = {"help": help, "read": read, "env_only": env_only}
    return dataclasses.field(default=default, repr=not env_only, metadata=metadata)


def read_bool(text: str) -> bool:
    """Reads a switch."""
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise ValueError("true, false, 1 or 0")
    return values[text.lower()]


def integer(low: int = -INT32 - 1, high: int = INT32) -> Reader:
    """Returns a reader of whole numbers in a range, ends included."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def number(low: float, high: float) -> Reader:
    """Returns a reader of decimal numbers in a range, ends included."""

    def read(text: str) -> float:
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text) or not low <= float(text) <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return float(text)

    return read


def choice(*choices: str) -> Reader:
    """Returns a reader of one word out of a few."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read


def workers(text: str) -> int | str:
    """Reads a number of processes, or `auto`."""
    if text != "auto" and not re.fullmatch(r"0*[1-9][0-9]{0,3}", text):
        raise ValueError("auto or a whole number from 1 to 9999")
    return text if text == "auto" else int(text)


def words(text: str) -> tuple[str, ...]:
    """Reads a comma-separated list."""
    return tuple(word for word in text.split(",") if word)


def folders(text: str) -> tuple[Path, ...]:
    """Reads a comma-separated list of absolute folders."""
    paths = tuple(Path(word) for word in words(text))
    if not all(path.is_absolute() for path in paths):
        raise ValueError("absolute folders, separated by commas")
    return paths


def files(text: str) -> tuple[Path, ...]:
    """Reads a comma-separated list of files, as absolute paths."""
    return tuple(Path(word).absolute() for word in words(text))


def channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    """Reads `key=value,key=value`; a value that is an int32 becomes one, as TF Serving does."""
    pairs = [word.partition("=") for word in words(text)]
    if not all(key and equals for key, equals, _ in pairs):
        raise ValueError("key=value pairs, separated by commas")
    return tuple((key, _int32_or_text(value)) for key, _, value in pairs)


def _int32_or_text(text: str) -> int | str:
    try:
        return int(integer()(text))
    except ValueError:
        return text


_READERS: dict[type, Reader] = {bool: read_bool, int: integer(), str: str}


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
