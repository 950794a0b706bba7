"""The command line of the server: parsing, checking and explaining the flags of `flag_table`.

Every flag is also an environment variable, `MIZOO_` and the name in capitals; the command line wins.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
import textwrap
from collections import deque
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from serving import signing
from serving.server.errors import StartError
from serving.server.flag_table import UNUSED_SWITCHES, UNUSED_VALUES, Flags

__all__ = ["Flags", "parse", "usage", "validate", "version_text"]

log = logging.getLogger(__name__)
ENVIRONMENT_PREFIX = "MIZOO_"
_FIELDS = {field.name: field for field in dataclasses.fields(Flags)}


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Flags:
    """Reads `--x=v`, `--x v` and, for switches, `--x`; of a flag that is given twice, the last one counts.

    An unknown argument is logged and passed over, as TF Serving does; so are its flags without a meaning here.

    Args:
        argv: The arguments without the program's name.
        environ: The environment; `MIZOO_<FLAG>` is below the command line.

    Raises:
        StartError: A value is missing or of the wrong type.
    """
    values: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        variable = ENVIRONMENT_PREFIX + name.upper()
        if variable in environ:
            values[name] = _value(field, environ[variable], f"{variable}={environ[variable]}")
    unused = []
    arguments = deque(argv)
    while arguments:
        argument = arguments.popleft()
        name, equals, text = argument.removeprefix("--").partition("=")
        known = name in _FIELDS or name in UNUSED_VALUES or name in UNUSED_SWITCHES
        if not argument.startswith("--") or not known:
            log.warning("unknown argument: %s%s", argument, _suggestion(argument, name))
            continue
        if not equals:
            text = _following(name, arguments)
        if name in _FIELDS:
            if _FIELDS[name].metadata["env_only"]:
                raise StartError(
                    f"--{name} is a secret, and others can read a command line.\n"
                    f"Fix: set the environment variable {ENVIRONMENT_PREFIX}{name.upper()}"
                )
            values[name] = _value(_FIELDS[name], text, f"--{name}={text}")
            continue
        if name == "use_alts_credentials" and text.lower() not in ("false", "0"):
            raise StartError("--use_alts_credentials is not supported.\nFix: --ssl_config_file=FILE for TLS")
        unused.append(f"--{name}")
    if unused:
        log.warning("accepted, without effect in this server: %s", " ".join(unused))
    return Flags(**values)


def validate(flags: Flags, *, has_models: bool = False) -> None:
    """Refuses flags that contradict each other, with TF Serving's texts where it has one.

    Args:
        flags: What `parse` returned.
        has_models: The models come from elsewhere, a folder that holds all of them; then port 0 takes a free one.

    Raises:
        StartError: The contradiction, and the fix.
    """
    parallelism = (
        flags.tensorflow_session_parallelism,
        flags.tensorflow_intra_op_parallelism,
        flags.tensorflow_inter_op_parallelism,
    )
    if not flags.port and not flags.grpc_socket_path and not has_models:
        raise StartError("server_options.grpc_port is not set.\nFix: --port=8500 or --grpc_socket_path=FILE")
    if not has_models and not flags.model_base_path and not flags.model_config_file:
        raise StartError(
            "Both server_options.model_base_path and server_options.model_config_file are empty!\n"
            "Fix: --model_name=NAME --model_base_path=/models/NAME, or --model_config_file=FILE"
        )
    if flags.batching_parameters_file and not flags.enable_batching:
        raise StartError(
            "server_options.batching_parameters_file is set without setting "
            "server_options.enable_batching to true.\nFix: add --enable_batching"
        )
    if all(parallelism):
        raise StartError(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all.\nFix: leave out --tensorflow_session_parallelism"
        )
    for key in flags.zoo_require_signature:
        try:
            signing.check_public_key(key)
        except signing.SignatureError as error:
            raise StartError(f"--zoo_require_signature: {error}") from error
    if flags.zoo_reload != "off" and not flags.zoo_model_roots:
        raise StartError(
            f"--zoo_reload={flags.zoo_reload} would let a caller load any folder.\n"
            "Fix: --zoo_model_roots=/models names the folders it may load from"
        )
    if flags.zoo_reload == "token" and not flags.zoo_reload_token:
        raise StartError("--zoo_reload=token has no token.\nFix: set MIZOO_ZOO_RELOAD_TOKEN")
    if flags.zoo_rest_tls and not flags.ssl_config_file:
        raise StartError("--zoo_rest_tls has no certificate.\nFix: --ssl_config_file=FILE")


def usage() -> str:
    """Returns all flags with their defaults and what they do, aligned."""
    rows = [(_shown(field), field.metadata["help"]) for field in _FIELDS.values()]
    width = max(len(shown) for shown, _ in rows)
    lines = ["Flags (each also as environment variable MIZOO_<FLAG>, below the command line):"]
    for shown, text in rows:
        first, next_ones = f"  {shown:<{width}}  ", " " * (width + 4)
        lines += textwrap.wrap(
            text, 110, initial_indent=first, subsequent_indent=next_ones, break_on_hyphens=False
        )
    lines.append("Accepted, without effect in this server:")
    unused = " ".join(f"--{name}" for name in sorted(UNUSED_VALUES | UNUSED_SWITCHES))
    return "\n".join([*lines, *textwrap.wrap(unused, 110, initial_indent="  ", subsequent_indent="  ")])


def version_text() -> str:
    """Returns the two lines of `--version`, without importing tensorflow."""
    library = next(filter(None, map(_installed, ("tensorflow", "tensorflow-cpu"))), "not installed")
    return f"TensorFlow ModelServer: mizoo {_installed('mizoo') or 'unknown'}\nTensorFlow Library: {library}"


def _value(field: dataclasses.Field[Any], text: str, given: str) -> Any:
    try:
        return field.metadata["read"](text)
    except ValueError as error:
        fix = f"leave it out for the default, {_text(field.default) or 'none'}"
        if given.startswith(ENVIRONMENT_PREFIX) and "://" in text:
            fix = "Kubernetes sets it for a Service named mizoo: enableServiceLinks: false in the pod"
        raise StartError(f"{given}: expected {error}.\nFix: {fix}") from error


def _following(name: str, arguments: deque[str]) -> str:
    """Takes the value of `--name` from the next argument; a switch needs none."""
    switch = name in UNUSED_SWITCHES or (name in _FIELDS and isinstance(_FIELDS[name].default, bool))
    if switch:
        return arguments.popleft() if arguments and arguments[0] in ("true", "false", "1", "0") else "true"
    if not arguments or arguments[0].startswith("--"):
        raise StartError(f"--{name} has no value.\nFix: --{name}=VALUE")
    return arguments.popleft()


def _suggestion(argument: str, name: str) -> str:
    close = difflib.get_close_matches(name, _FIELDS, 1, 0.8) if argument.startswith("-") else []
    return f" (did you mean --{close[0]}?)" if close else ""


def _shown(field: dataclasses.Field[Any]) -> str:
    if field.metadata["env_only"]:
        return f"{ENVIRONMENT_PREFIX}{field.name.upper()} (environment only)"
    return f"--{field.name}={_text(field.default)}"


def _text(value: Any) -> str:
    if value is None or isinstance(value, tuple):
        return ",".join(value or ())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
