"""What the trio is made of and fed with, checked before Keras sees it: its errors would hide ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import ConfigError, DataError

LOOKED_AT = ("features", "image", "pooled")


def check_networks(networks: Mapping[str, Any], sentence_size: int) -> None:
    """Raises ConfigError unless generator, discriminator and recovery network fit each other.

    Args:
        networks: The three by these names.
        sentence_size: Length of the autoencoder's code.
    """
    code = networks["recovery"].output_shape[-1]
    features = networks["generator"].input_shape[0][-1]
    wanted = {
        "generator": ([features, code], sentence_size),
        "discriminator": ([sentence_size, features], 1),
        "recovery": ([sentence_size, features], code),
    }
    for key, (inputs, outputs) in wanted.items():
        found = [shape[-1] for shape in networks[key].input_shape], networks[key].output_shape[-1]
        if found != (inputs, outputs):
            raise ConfigError(
                f"The {key} goes from sizes {found[0]} to {found[1]}.",
                expected=f"from {inputs} to {outputs}, as the other networks have it",
                fix="make all networks from one config",
            )


def check_encoders(encoders: Sequence[Any], feature_size: int) -> None:
    """Raises ConfigError unless the networks before X lead to it, and what goes into them can be told from X.

    Args:
        encoders: From the picture on.
        feature_size: Length of X.
    """
    sizes = [network.input_shape for network in encoders] + [(None, feature_size)]
    for network, following in zip(encoders, sizes[1:], strict=True):
        if not fits(network.output_shape, following):
            raise ConfigError(
                f"'{network.name}' makes features {network.output_shape[1:]} of a picture.",
                expected=f"{following[1:]}, which the next network takes",
                fix="make all networks from one config",
            )
    if any(fits(size, (None, feature_size)) for size in sizes[:-1]):
        raise ConfigError(
            f"'{encoders[-1].name}' makes {feature_size} numbers of {feature_size} numbers: what goes in cannot be "
            "told from what comes out.",
            expected="another number of either",
            fix="e.g. --set scene_words to one more or less",
        )


def check_inputs(
    inputs: Any, *, feature_size: int, code_size: int, taken: Sequence[tuple[int | None, ...]]
) -> None:
    """Raises DataError unless there is something to look at, and a code of the right length where there is one.

    Args:
        inputs: A tensor, or tensors by name.
        feature_size: Length of X.
        code_size: Length of c.
        taken: Shapes of what the encoders before X take.
    """
    named = dict(inputs) if isinstance(inputs, Mapping) else None
    x = inputs if named is None else next((named[key] for key in LOOKED_AT if key in named), None)
    only_x = named is not None and "features" in named
    shapes = [(None, feature_size)] if only_x else [*taken, (None, feature_size)]
    if x is None or not any(fits(x.shape, shape) for shape in shapes):
        got = f"are {', '.join(named or ())}" if x is None else f"have the shape {tuple(x.shape)}"
        others = ", or ".join(f"[batch, {', '.join(map(str, shape[1:]))}]" for shape in taken)
        raise DataError(
            f"The inputs {got}.",
            expected=f"features [batch, {feature_size}]"
            + (f", or what is encoded: {others}" if taken else "; this model has no image encoder"),
            fix='pass e.g. {"features": X, "code": c}',
        )
    code = None if named is None else named.get("code")
    if code is not None and (len(code.shape) != 2 or code.shape[1] != code_size):
        raise DataError(
            f"The code has the shape {tuple(code.shape)}.",
            expected=f"[batch, {code_size}]",
            fix=f"pass {code_size} numbers for each picture",
        )


def check_captions(targets: Any, sentence_size: int) -> None:
    """Raises DataError unless targets have captions, as tokens or as codes.

    Args:
        targets: Tensors by name.
        sentence_size: Length of the autoencoder's code.
    """
    named = dict(targets) if isinstance(targets, Mapping) else {}
    shapes = {key: tuple(value.shape) for key, value in named.items()}
    tokens, sentences = shapes.get("tokens", ()), shapes.get("sentences", ())
    if "sentences" in shapes:
        fits = len(sentences) in (2, 3) and sentences[-1] == sentence_size
    else:
        fits = len(tokens) in (2, 3)
    if not fits:
        raise DataError(
            f"The targets have the shapes {shapes}.",
            expected=f"tokens [batch, captions, words], or sentences [batch, captions, {sentence_size}]; of one "
            "caption each, without the second axis",
            fix='pass e.g. {"tokens": tokens}',
        )


def fits(shape: Any, wanted: tuple[int | None, ...]) -> bool:
    """Whether all but the batch of a shape are as wanted, where anything in particular is."""
    return len(shape) == len(wanted) and all(
        w is None or h is None or h == w for h, w in zip(shape[1:], wanted[1:], strict=True)
    )
