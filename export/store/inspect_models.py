"""Are fetched versions still what was fetched?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from export.store.inspect import Finding, check_keys, signature_state
from export.store.local import difference
from export.store.names import NAME
from export.store.receipt import Place, Receipt
from serving.server.source import versions
from serving.signing import SIGNATURE_FILE
from zoo.errors import StoreError


def check_models(models: Path, *, public_keys: Sequence[Path] = ()) -> Iterator[Finding]:
    """Compares every version in a models folder with the receipt of its fetch, all bytes hashed.

    Args:
        models: Folder that holds `<name>/<version>/`.
        public_keys: PEM files; with them every signature there is has to be by one of them.

    Yields:
        A finding per version and per receipt without one; a version without a receipt was not fetched.

    Raises:
        StoreError: There is no such folder, or a public key cannot be used.
    """
    check_keys(public_keys)
    if not models.is_dir():
        raise StoreError(f"There is no folder {models}.", fix="name the folder that holds <name>/<version>/")
    for model in sorted(child for child in models.iterdir() if child.is_dir() and NAME.fullmatch(child.name)):
        receipts = (path.name[1 : -len(".receipt.json")] for path in model.glob(".*.receipt.json"))
        numbers = {int(number) for number in receipts if number.isdecimal()} | versions(model).keys()
        for place in [Place(models, model.name, number) for number in sorted(numbers)]:
            yield _check(place, public_keys)


def _check(place: Place, public_keys: Sequence[Path]) -> Finding:
    if not place.folder.is_dir():
        return Finding(place.handle, "note", f"{place.receipt.name} is left of a version that is not there")
    try:
        receipt = Receipt.read(place)
        if receipt is None:
            return Finding(place.handle, "note", "no receipt: it was not fetched from a store")
        if found := difference(place.folder, receipt.files, contents=True):
            return Finding(place.handle, "error", found)
        signature = place.folder / SIGNATURE_FILE
        state = signature_state(
            place.folder, signature if signature.is_file() else None, receipt.key_id, public_keys
        )
    except StoreError as error:
        return Finding(place.handle, "error", error.what)
    return Finding(place.handle, "ok", f"hash ok, {state}")
