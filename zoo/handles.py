"""Handles of SavedModels, wherever a backbone or a teacher is named: a folder, a TF Hub URL, a version in a store."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import MissingExtraError, WeightsError

STORE = "store:"


def saved_model(
    name: str,
    version: int | str = "latest",
    *,
    sources: list[str] | None = None,
    to: str | Path | None = None,
    offline: bool | None = None,
    verify: bool = False,
    require_signature: str | Path | None = None,
) -> Path:
    """Returns the folder of an exported model, fetched from a store where it is not here yet.

    Args:
        name: Of the model.
        version: A number, "latest", or "sha256:" and the digest of the archive.
        sources: URLs or folders of stores, tried in this order; None takes those in `$MIZOO_STORE`.
        to: Models folder to put it into; None is the cache.
        offline: Use only what is here; None asks `$ZOO_OFFLINE`.
        verify: Hash every file of a version that is here already, not only compare sizes.
        require_signature: PEM file of the public key that must have signed it.

    Returns:
        `<models folder>/<name>/<version>`, which `tf.saved_model.load`, `hub.load` and every server take.

    Raises:
        StoreError: No source has it, or what it has is damaged, hostile or not signed.

    Example:
        >>> folder = zoo.saved_model("tagging_binomial", sources=["https://models.example.org"])
    """
    from export.store.fetch import fetch
    from export.store.progress import bar

    with bar(f"fetching {name}") as progress:
        return fetch(
            name,
            version,
            sources=sources,
            to=Path(to) if to is not None else None,
            offline=offline,
            verify=verify,
            require_signature=Path(require_signature) if require_signature is not None else None,
            progress=progress,
        )


def split_version(text: str) -> tuple[str, str]:
    """Splits `NAME[@VERSION|@sha256:DIGEST]`; without a version it is "latest"."""
    name, _, version = text.partition("@")
    return name, version or "latest"


def saved_model_folder(handle: str) -> Path:
    """Returns the local folder of a SavedModel.

    Args:
        handle: `store:NAME[@VERSION|@sha256:DIGEST]`, a TF Hub URL, or a folder.

    Raises:
        StoreError: The store has no such model.
        WeightsError: The URL or folder cannot be had.
        MissingExtraError: tensorflow-hub is not installed.
    """
    if handle.startswith(STORE):
        return saved_model(*split_version(handle.removeprefix(STORE)))
    try:
        import tensorflow_hub as hub
    except ImportError as error:
        raise MissingExtraError("tensorflow-hub", "zoo", f"The handle '{handle}'") from error
    try:
        return Path(hub.resolve(handle))
    except Exception as error:  # hub lets through whatever its resolvers raise
        raise WeightsError(
            f"'{handle}' cannot be loaded: {error}",
            expected="store:NAME[@VERSION], a TF Hub URL that is reachable from here, or the folder of a SavedModel",
            fix="fetch or download the SavedModel elsewhere and name its folder",
        ) from error
