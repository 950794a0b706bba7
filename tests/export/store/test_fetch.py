"""Fetching a version: from folders and hosts, present, damaged, foreign, copied, offline, signed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from export.store import patience
from export.store.cache import Cache
from export.store.entry import Blob, Entry
from export.store.fetch import fetch
from serving.signing import key_id, sign
from tests.export.store.fake_store import add_version, content, random_bytes, write_index, write_version
from tests.export.store.http_store import HttpStore, serving
from tests.serving.test_signing import write_keys
from zoo.errors import StoreError

WEIGHTS = random_bytes(200_000)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setenv("MIZOO_CACHE", str(tmp_path / "cache"))
    for name in ("MIZOO_STORE", "ZOO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cache(own_cache: None) -> Cache:
    return Cache.of_user()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def entry(store: Path) -> Entry:
    return add_version(store, WEIGHTS)


@pytest.fixture
def host(store: Path, entry: Entry) -> Iterator[HttpStore]:
    with serving(store) as host:
        yield host


def hidden(models: Path) -> list[str]:
    """Returns the names beside the versions of the model."""
    return sorted(path.name for path in (models / "tagger").iterdir() if not path.name.isdecimal())


def refusal(*arguments: object, **options: object) -> str:
    with pytest.raises(StoreError) as caught:
        fetch(*arguments, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "file", "http"])
def test_fetches_a_version_as_it_was_published(
    kind: str, host: HttpStore, store: Path, entry: Entry, cache: Cache, tmp_path: Path
) -> None:
    url = {"folder": str(store), "file": store.as_uri(), "http": host.url}[kind]
    folder = fetch("tagger", sources=[url])
    assert folder == cache.models / "tagger" / "1"
    assert content(folder) == content(tmp_path / "store-origin" / "tagger" / "1")
    assert hidden(cache.models) == [".1.receipt.json"]
    receipt = json.loads((cache.models / "tagger" / ".1.receipt.json").read_text())
    assert receipt["archive"] == {"size": entry.archive.size, "sha256": entry.archive.sha256}
    assert receipt["files"].keys() == entry.files.keys()
    assert (receipt["source"], receipt["key_id"]) == (url, None)
    assert not any((cache.folder / "archives").glob("*"))
    assert (store / "tagger" / "1.tar.gz").is_file()


def test_the_environment_names_store_and_mode(
    host: HttpStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MIZOO_STORE", f"{tmp_path}/gone {host.url}")
    fetch("tagger")
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    asked = len(host.requests)
    assert fetch("tagger", to=tmp_path / "models").is_dir()
    assert len(host.requests) == asked


@pytest.mark.parametrize("version", ["latest", 2, "2", "digest"])
def test_versions(version: int | str, store: Path, entry: Entry) -> None:
    second = add_version(store, b"second", version=2)
    add_version(store, b"other", name="other", version=3)
    wanted = f"sha256:{second.archive.sha256}" if version == "digest" else version
    assert fetch("tagger", wanted, sources=[store]).name == "2"
    assert fetch("tagger", f"sha256:{entry.archive.sha256}", sources=[store]).name == "1"


@pytest.mark.parametrize("version", [0, -1, True, "newest", "sha256:abc", "1.0", 1.5])
def test_what_is_no_version(version: int | str, store: Path, entry: Entry) -> None:
    assert refusal("tagger", version, sources=[store]) == (
        f"{version!r} is no version.\n"
        'Expected: a whole number from 1 on, "latest", or "sha256:" and 64 digits 0-9a-f\n'
        "Fix: correct the version"
    )


def test_what_is_no_name_and_no_store() -> None:
    assert "cannot be the name of a model" in refusal("../up", sources=["/nowhere"])
    assert "No store is named." in refusal("tagger")


@pytest.mark.parametrize("version", [1, "1", "digest"])
def test_a_present_number_or_digest_needs_no_network(
    version: int | str, host: HttpStore, entry: Entry
) -> None:
    folder = fetch("tagger", sources=[host.url])
    asked = len(host.requests)
    wanted = f"sha256:{entry.archive.sha256}" if version == "digest" else version
    assert fetch("tagger", wanted, sources=[host.url], verify=True) == folder
    assert fetch("tagger", wanted) == folder
    assert len(host.requests) == asked


def test_the_latest_is_asked_for_and_not_downloaded_again(host: HttpStore, store: Path) -> None:
    folder = fetch("tagger", sources=[host.url])
    sent = host.sent
    assert fetch("tagger", sources=[host.url]) == folder
    assert (host.requests[-1][2], host.sent) == (304, sent)
    add_version(store, b"second", version=2)
    assert fetch("tagger", sources=[host.url]).name == "2"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda folder: (folder / "saved_model.pb").unlink(), "saved_model.pb is missing"),
        (
            lambda folder: (folder / "saved_model.pb").write_bytes(b"x"),
            "saved_model.pb has 1 bytes instead of 7",
        ),
        (lambda folder: (folder / "extra").write_bytes(b""), "extra is not one of its files"),
        (
            lambda folder: (
                (folder / "variables" / "variables.index").unlink()
                or (folder / "variables" / "variables.index").symlink_to("/dev/zero")
            ),
            "variables/variables.index is no regular file",
        ),
    ],
    ids=["missing", "shorter", "extra", "link"],
)
def test_a_damaged_version_is_told_and_left(damage, found: str, store: Path, entry: Entry) -> None:
    folder = fetch("tagger", sources=[store])
    damage(folder)
    for version in ("latest", 1):
        assert refusal("tagger", version, sources=[store]) == (
            f"{folder} is damaged: {found}.\n"
            "Expected: its files as they were fetched\n"
            "Fix: remove that folder and fetch it again"
        )
    shutil.rmtree(folder)
    assert content(fetch("tagger", 1, sources=[store]))["saved_model.pb"] == b"a graph"


def test_changed_bytes_of_the_same_size_are_found_by_verify(store: Path, entry: Entry) -> None:
    folder = fetch("tagger", sources=[store])
    (folder / "saved_model.pb").write_bytes(b"A graph")
    assert fetch("tagger", 1) == folder
    found = hashlib.sha256(b"A graph").hexdigest()
    wanted = entry.files["saved_model.pb"].sha256
    assert f"is damaged: saved_model.pb has the SHA-256 {found} instead of {wanted}." in refusal(
        "tagger", 1, verify=True
    )


def test_another_archive_under_the_same_number_is_refused(tmp_path: Path, store: Path, entry: Entry) -> None:
    folder = fetch("tagger", sources=[store])
    other = add_version(tmp_path / "other", b"others")
    assert refusal("tagger", sources=[tmp_path / "other"]) == (
        f"{folder} was fetched from another archive, with SHA-256 {entry.archive.sha256}.\n"
        f"Expected: tagger@1 of this store, with SHA-256 {other.archive.sha256}\n"
        "Fix: move that folder and its receipt away, or fetch into another models folder"
    )


def test_an_equal_folder_without_receipt_gets_one(tmp_path: Path, host: HttpStore, entry: Entry) -> None:
    models = tmp_path / "models"
    write_version(models / "tagger" / "1", WEIGHTS)
    fetch("tagger", 1, to=models, sources=[host.url])
    assert host.archive_requests() == []
    assert hidden(models) == [".1.receipt.json"]
    assert fetch("tagger", 1, to=models)


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_a_users_own_export_is_never_overwritten(
    offline: bool, tmp_path: Path, store: Path, entry: Entry
) -> None:
    models = tmp_path / "models"
    own = write_version(models / "tagger" / "1", b"own")
    fetch("tagger", 1, sources=[store])
    same_size = write_version(tmp_path / "other" / "tagger" / "1", WEIGHTS[:-1] + b"?")
    assert f"{same_size} is there and is not tagger@1 of the store: variables/" in refusal(
        "tagger", 1, to=tmp_path / "other", sources=[store], offline=offline
    )
    assert refusal("tagger", 1, to=models, sources=[store], offline=offline) == (
        f"{own} is there and is not tagger@1 of the store: "
        "variables/variables.data-00000-of-00001 has 3 bytes instead of 200000.\n"
        "Expected: no such folder, or exactly the files of the store\n"
        "Fix: move it away, or fetch into another models folder"
    )
    assert content(own)["variables/variables.data-00000-of-00001"] == b"own"
    assert hidden(models) == []


def test_a_version_in_the_cache_is_copied(tmp_path: Path, host: HttpStore, cache: Cache) -> None:
    fetch("tagger", sources=[host.url])
    for number, offline in enumerate((False, True)):
        models = tmp_path / f"models{number}"
        folder = fetch("tagger", 1, to=models, sources=[host.url], offline=offline)
        assert content(folder) == content(cache.models / "tagger" / "1")
        assert hidden(models) == [".1.receipt.json"]
    assert len(host.archive_requests()) == 1
    (cache.models / "tagger" / "1" / "saved_model.pb").write_bytes(b"A graph")
    assert "saved_model.pb is damaged: its SHA-256 is" in refusal(
        "tagger", 1, to=tmp_path / "m", offline=True
    )
    assert hidden(tmp_path / "m") == []


def test_offline_names_the_archive_and_its_place_and_then_takes_it(
    host: HttpStore, store: Path, entry: Entry, cache: Cache, tmp_path: Path
) -> None:
    text = refusal("tagger", sources=[host.url], offline=True)
    assert f"{host.url}: offline, and its index is not here: {cache.index_file(host.url)}\n" in text
    place = cache.index_file(host.url)
    place.parent.mkdir(parents=True)
    shutil.copy(store / "index.json", place)
    path = cache.archive(entry.archive.sha256)
    assert refusal("tagger", sources=[host.url, str(tmp_path / "gone")], offline=True) == (
        "tagger/1.tar.gz of tagger@1 cannot be had offline.\n"
        f"  {tmp_path}/gone: there is no such folder\n"
        f"Expected: {entry.archive.size} bytes with SHA-256 {entry.archive.sha256}\n"
        f"Fix: put that file at {path}, or fetch with a network"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"another")
    found = hashlib.sha256(b"another").hexdigest()
    assert f"{path} has the SHA-256 {found}" in refusal("tagger", sources=[host.url], offline=True)
    shutil.copy(store / "tagger" / "1.tar.gz", path)
    assert content(fetch("tagger", sources=[host.url], offline=True))["saved_model.pb"] == b"a graph"
    assert host.requests == []
    assert not path.exists()


def test_offline_reads_folders(store: Path, entry: Entry) -> None:
    assert fetch("tagger", sources=[store.as_uri()], offline=True).is_dir()


def test_a_wrong_archive_in_the_cache_is_downloaded_again(
    host: HttpStore, entry: Entry, cache: Cache
) -> None:
    path = cache.archive(entry.archive.sha256)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"torn")
    assert fetch("tagger", sources=[host.url]).is_dir()


def test_no_room_is_told_before_anything_is_downloaded(host: HttpStore, store: Path, entry: Entry) -> None:
    huge = replace(entry, version=2, archive=Blob(10**17, "0" * 64, "tagger/2.tar.gz"))
    write_index(store, huge)
    text = refusal("tagger", 2, sources=[host.url])
    assert text.startswith("tagger@2 does not fit on the disk of ")
    assert f"Expected: room for {10**17} bytes downloaded and {entry.unpacked_size} bytes unpacked\n" in text
    assert host.archive_requests() == []


def test_an_archive_that_holds_other_files_leaves_nothing(
    host: HttpStore, store: Path, entry: Entry, cache: Cache
) -> None:
    files = dict(entry.files) | {"saved_model.pb": replace(entry.files["saved_model.pb"], sha256="0" * 64)}
    (store / "index.json").unlink()
    write_index(store, replace(entry, files=files))
    assert "'saved_model.pb' has the SHA-256" in refusal("tagger", sources=[host.url])
    assert hidden(cache.models) == []
    assert not (cache.models / "tagger" / "1").exists()


def test_what_killed_processes_left_is_removed(
    store: Path, entry: Entry, cache: Cache, host: HttpStore
) -> None:
    folder = cache.models / "tagger"
    (folder / ".staging-1-dead" / "1").mkdir(parents=True)
    (folder / ".staging-11-other").mkdir()
    (folder / ".1.receipt.json").write_text("{}")
    fetch("tagger", sources=[store])
    assert hidden(cache.models) == [".1.receipt.json", ".staging-11-other"]
    (folder / ".staging-1-dead").mkdir()
    archive = cache.archive(entry.archive.sha256)
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(b"complete, and its process killed before it was removed")
    fetch("tagger", 1)
    assert hidden(cache.models) == [".1.receipt.json", ".staging-11-other"]
    assert not archive.exists()


def test_a_broken_receipt_is_told(store: Path, entry: Entry, cache: Cache) -> None:
    fetch("tagger", sources=[store])
    receipt = cache.models / "tagger" / ".1.receipt.json"
    receipt.write_text("{}")
    assert refusal("tagger", 1) == (
        f"{receipt} is no receipt: KeyError: 'archive'.\n"
        "Expected: the file as it was written when the version was fetched\n"
        "Fix: remove it and fetch that version again: its files are then compared with the store's"
    )


def test_a_folder_that_cannot_be_written_is_told(store: Path, entry: Entry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = refusal("tagger", to=tmp_path / "file", sources=[store])
    assert text.startswith("tagger@latest cannot be stored: ")
    assert f"Expected: room and permission to write to {tmp_path / 'file'} and " in text


def test_a_signature_is_put_into_the_folder(tmp_path: Path, store: Path) -> None:
    add_version(store, WEIGHTS, signature=b"signed")
    with serving(store) as host:
        folder = fetch("tagger", sources=[host.url])
        assert (folder / "model.sig").read_bytes() == b"signed"
        assert fetch("tagger", 1, verify=True) == folder
        assert (
            fetch("tagger", 1, to=tmp_path / "copy", offline=True) / "model.sig"
        ).read_bytes() == b"signed"
        (folder / "model.sig").unlink()
        assert (fetch("tagger", to=tmp_path / "again", sources=[host.url]) / "model.sig").is_file()


def test_a_forged_signature_is_told_before_the_download(store: Path, cache: Cache) -> None:
    entry = add_version(store, WEIGHTS, signature=b"signed")
    assert entry.signature is not None
    (store / "tagger" / "1.sig").write_bytes(b"forged")
    found = hashlib.sha256(b"forged").hexdigest()
    with serving(store) as host:
        assert refusal("tagger", sources=[host.url]) == (
            "tagger/1.sig of tagger@1 comes from no source.\n"
            f"  {host.url}: tagger/1.sig has other bytes: their SHA-256 is {found}\n"
            f"Expected: 6 bytes with SHA-256 {entry.signature.sha256}\n"
            f"Fix: put that file at {cache.signature(entry.signature.sha256)}, or fetch with a network"
        )
        assert host.archive_requests() == []
        cache.signature(entry.signature.sha256).parent.mkdir(parents=True)
        cache.signature(entry.signature.sha256).write_bytes(b"signed")
        assert (fetch("tagger", sources=[host.url]) / "model.sig").read_bytes() == b"signed"


def test_a_demanded_signature_is_verified(store: Path, cache: Cache, tmp_path: Path) -> None:
    secret, public = write_keys(tmp_path)
    _, stranger = write_keys(tmp_path, "stranger")
    unsigned = add_version(store, b"unsigned")
    signature = sign(write_version(tmp_path / "same" / "2", WEIGHTS), secret)
    add_version(store, WEIGHTS, version=2, signature=signature)
    assert refusal("tagger", 1, sources=[store], require_signature=public) == (
        f"{unsigned.handle} is not signed in its store.\n"
        f"Expected: a signature by {public}\n"
        "Fix: publish it with --sign KEY, or fetch it without demanding a signature"
    )
    assert "is not accepted: stranger.pub: " in refusal(
        "tagger", 2, sources=[store], require_signature=stranger
    )
    assert hidden(cache.models) == []
    receipt = cache.models / "tagger" / ".2.receipt.json"
    folder = fetch("tagger", 2, sources=[store])
    assert json.loads(receipt.read_text())["key_id"] is None
    assert fetch("tagger", 2, require_signature=public) == folder
    assert json.loads(receipt.read_text())["key_id"] == key_id(signature)
    copied = fetch("tagger", 2, to=tmp_path / "copy", offline=True, require_signature=public)
    assert json.loads((copied.parent / ".2.receipt.json").read_text())["key_id"] == key_id(signature)
    (folder / "model.sig").unlink()
    assert f"{folder} is not signed: there is no model.sig." in refusal("tagger", 2, require_signature=public)


def test_fetching_imports_no_heavy_library(store: Path, entry: Entry) -> None:
    program = (
        "import sys; from export.store.fetch import fetch; fetch('tagger', sources=sys.argv[1:]);"
        "print({'tensorflow', 'keras', 'pandas', 'matplotlib', 'numpy', 'grpc'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", program, store], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
