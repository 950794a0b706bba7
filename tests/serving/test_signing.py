"""Signatures of version folders: what is accepted, what is refused and how, and a server that insists on them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from serving import signing
from serving.server import Server, StartError
from serving.server import flags as command_line
from tests.serving.saved_models import save_pair


def write_keys(folder: Path, name: str = "key", private=None) -> tuple[Path, Path]:
    private = private or ec.generate_private_key(ec.SECP256R1())
    secret, public = folder / f"{name}.pem", folder / f"{name}.pub"
    secret.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return secret, public


@pytest.fixture
def keys(tmp_path):
    return write_keys(tmp_path)


@pytest.fixture
def version(tmp_path):
    folder = tmp_path / "m" / "1"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"weights")
    return folder


def signed(version: Path, secret: Path) -> str:
    content = signing.sign(version, secret)
    (version / "model.sig").write_bytes(content)
    return signing.key_id(content)


def test_a_signed_folder_is_accepted_wherever_it_lies_and_by_the_tool_of_openssf(version, keys, tmp_path):
    key = signed(version, keys[0])
    assert signing.verify(version, [keys[1]]) == key and len(key) == 64
    moved = version.rename(tmp_path / "renamed")
    assert signing.verify(moved, [keys[1]]) == key
    tool = subprocess.run(
        [
            *(sys.executable, "-m", "model_signing", "verify", "key", str(moved)),
            *("--signature", str(moved / "model.sig"), "--ignore-paths", str(moved / "model.sig")),
            *("--public_key", str(keys[1])),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tool.returncode == 0, tool.stderr


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda folder: (folder / "saved_model.pb").write_bytes(b"grapH"),
            "Hash mismatch for 'saved_model.pb'']",
        ),
        (
            lambda folder: (folder / "variables" / "more").touch(),
            "Extra files found in model '1': variables/more",
        ),
        (lambda folder: (folder / ".gitignore").touch(), "Extra files found in model '1': .gitignore"),
        (lambda folder: (folder / "variables" / "model.sig").touch(), "variables/model.sig"),
        (
            lambda folder: (folder / "variables" / "variables.index").unlink(),
            "Missing files in model '1': variables/variables.index",
        ),
    ],
    ids=["changed", "added", "added for git", "another model.sig", "missing"],
)
def test_any_change_is_refused_and_named(version, keys, change, text):
    signed(version, keys[0])
    change(version)
    with pytest.raises(signing.SignatureError) as caught:
        signing.verify(version, [keys[1]])
    assert text in str(caught.value) and "Fix: fetch it again" in str(caught.value)


def test_a_signature_is_accepted_by_any_of_the_keys_and_refused_by_others(version, keys, tmp_path):
    with pytest.raises(signing.SignatureError, match=r"is not signed: there is no model.sig.\nFix: publish"):
        signing.verify(version, [keys[1]])
    signed(version, keys[0])
    _, other = write_keys(tmp_path, "other")
    assert signing.verify(version, [other, keys[1]])
    with pytest.raises(signing.SignatureError, match=r"other.pub: ValueError: Key mismatch"):
        signing.verify(version, [other])
    sig = version / "model.sig"
    sig.write_bytes(sig.read_bytes()[:200])
    with pytest.raises(signing.SignatureError, match=r"is not accepted"):
        signing.verify(version, [keys[1]])
    with pytest.raises(signing.SignatureError, match=r"no signature by a key"):
        signing.key_id(b"{}")


def test_files_that_are_no_keys_are_refused(version, keys, tmp_path):
    with pytest.raises(signing.SignatureError, match=r"cannot be signed with .*key.pub"):
        signing.sign(version, keys[1])
    assert sorted(p.name for p in version.iterdir()) == ["saved_model.pb", "variables"]
    with pytest.raises(signing.SignatureError, match=r"openssl ec -in key.pem -pubout"):
        signing.check_public_key(keys[0])
    _, weak = write_keys(tmp_path, "rsa", rsa.generate_private_key(65537, 2048))
    with pytest.raises(signing.SignatureError, match=r"it is no elliptic curve key"):
        signing.check_public_key(weak)
    for path, text in ((keys[0], "cannot be used"), (tmp_path / "absent.pub", "No such file")):
        flags = command_line.parse([f"--zoo_require_signature={path}"], {})
        with pytest.raises(StartError, match=f"--zoo_require_signature: {path} .*{text}"):
            command_line.validate(flags, has_models=True)


def test_a_server_that_requires_signatures_loads_only_what_is_signed(tmp_path, keys):
    save_pair(tmp_path / "models" / "pair" / "1")
    flags = command_line.parse([f"--zoo_require_signature={keys[1]}"], {})
    with pytest.raises(StartError, match=r"pair version 1: .* is not signed"):
        Server(tmp_path / "models", port=0, flags=flags).start()
    signed(tmp_path / "models" / "pair" / "1", keys[0])
    with Server(tmp_path / "models", port=0, flags=flags) as server:
        assert server.core.available() == {"pair": [1]}
    graph = tmp_path / "models" / "pair" / "1" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes() + b"\x00")
    with pytest.raises(StartError, match=r"Hash mismatch for 'saved_model.pb'"):
        Server(tmp_path / "models", port=0, flags=flags).start()
