"""OpenSSF signatures of version folders, with a local key: made at publishing, checked before loading.

The signature lies in the folder as `model.sig`, a Sigstore bundle over the SHA-256 of every other file. Elliptic
curve keys in PEM files (P-256, P-384, P-521), no network. `openssl ecparam -name prime256v1 -genkey -noout -out
key.pem` and `openssl ec -in key.pem -pubout -out key.pub` make a pair; the tool `model_signing verify key` accepts
what is signed here. Needs the extra `signing`.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SIGNATURE_FILE = "model.sig"
_DIGESTS = re.compile(r": Expected 'Digest\(.*?\)', Actual 'Digest\(.*?\)'")  # a wall of escaped bytes


class SignatureError(ValueError):
    """A folder is not signed, not by the key, or not as it is; or a key file is none."""


def sign(folder: Path, private_key: Path) -> bytes:
    """Returns the content of `model.sig` for a folder; a signature that is in it is not part of what is signed.

    Args:
        folder: A version folder.
        private_key: PEM file of an elliptic curve key without a password.

    Raises:
        SignatureError: The key cannot be used, or the folder holds links.
    """
    model_signing = _library()
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / SIGNATURE_FILE
        try:
            config = model_signing.signing.Config().set_hashing_config(_hashing(model_signing, folder))
            config.use_elliptic_key_signer(private_key=private_key).sign(folder.absolute(), target)
        except Exception as error:  # the library raises whatever its parsers do
            raise SignatureError(
                f"{folder} cannot be signed with {private_key}: {_text(error)}\n"
                "Fix: name the PEM file of an elliptic curve private key"
            ) from error
        return target.read_bytes()


def verify(folder: Path, public_keys: Sequence[Path], signature: Path | None = None) -> str:
    """Checks that a folder is exactly what one of the keys has signed.

    Args:
        folder: A version folder.
        public_keys: PEM files; several while keys are exchanged.
        signature: The signature; None is `model.sig` in the folder.

    Returns:
        The id of the key that signed.

    Raises:
        SignatureError: No signature, none by these keys, or a file that is changed, missing or not signed.
    """
    model_signing = _library()
    signature = signature or folder / SIGNATURE_FILE
    if not signature.is_file():
        raise SignatureError(
            f"{folder} is not signed: there is no {signature.name}.\nFix: publish it with --sign KEY"
        )
    reasons = []
    for key in public_keys:
        try:
            config = model_signing.verifying.Config().set_hashing_config(_hashing(model_signing, folder))
            config.use_elliptic_key_verifier(public_key=key).verify(folder.absolute(), signature.absolute())
        except Exception as error:  # the library raises whatever its parsers do
            reasons.append(f"{key.name}: {_text(error)}")
        else:
            return key_id(signature.read_bytes())
    raise SignatureError(
        f"The signature of {folder} is not accepted: {'; '.join(reasons)}\n"
        "Fix: fetch it again, or name the public key of its publisher"
    )


def key_id(signature: bytes) -> str:
    """Returns which key a signature says it was made with: the SHA-256 of the public key's PEM form.

    Raises:
        SignatureError: It is no signature by a key.
    """
    try:
        hint: Any = json.loads(signature)["verificationMaterial"]["publicKey"]["hint"]
    except (ValueError, KeyError, TypeError) as error:
        raise SignatureError(f"This is no signature by a key: {_text(error)}") from error
    return str(hint)


def check_public_key(path: Path) -> None:
    """Raises SignatureError unless a file is a public key, or where the library to use it is missing."""
    _library()
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        fits = isinstance(load_pem_public_key(path.read_bytes()), EllipticCurvePublicKey)
        reason = "" if fits else "it is no elliptic curve key"
    except (OSError, ValueError) as error:
        reason = _text(error)
    if reason:
        raise SignatureError(
            f"{path} cannot be used: {reason}\nFix: name the PEM file of a public key; "
            "openssl ec -in key.pem -pubout -out key.pub makes one from a private key"
        )


def _hashing(model_signing: Any, folder: Path) -> Any:
    ignored = [folder.absolute() / SIGNATURE_FILE]
    return model_signing.hashing.Config().set_ignored_paths(paths=ignored, ignore_git_paths=False)


def _library() -> Any:
    try:
        import model_signing
    except ImportError as error:
        raise SignatureError(
            f"Signatures need {error.name}, which is not installed.\nFix: pip install 'mizoo[signing]'"
        ) from error
    return model_signing


def _text(error: Exception) -> str:
    text = _DIGESTS.sub("", " ".join(str(error).replace("\\'", "'").split()))
    return f"{type(error).__name__}: {text[:400]}"
