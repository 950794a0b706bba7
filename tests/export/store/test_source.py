"""Addresses of stores, and reading from folders and web hosts."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from export.store import patience, web
from export.store.cache import Cache
from export.store.lookup import look_up, read_index
from export.store.source import Folder, SourceError, open_source, open_sources
from tests.export.store.fake_store import add_version
from tests.export.store.http_store import MODIFIED, HttpStore, serving
from zoo.errors import StoreError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a file #1?.txt").write_bytes(b"0123456789")
    return tmp_path / "store"


@pytest.fixture
def host(folder: Path) -> Iterator[HttpStore]:
    with serving(folder) as store:
        yield store


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.001)


FILE = "a file #1?.txt"


@pytest.mark.parametrize("kind", ["path", "file", "localhost", "http"])
def test_reads_and_streams_from_every_kind_of_source(kind: str, folder: Path, host: HttpStore) -> None:
    urls = {
        "path": str(folder),
        "file": folder.as_uri(),
        "localhost": folder.as_uri().replace("file://", "file://localhost"),
        "http": host.url + "/",
    }
    source = open_source(urls[kind])
    assert source.remote == (kind == "http")
    assert source.read(FILE, 10) == b"0123456789"
    with source.stream(FILE, 4, None) as stream:
        assert (stream.start, stream.size, b"".join(stream.chunks)) == (4, 10, b"456789")
    with pytest.raises(SourceError, match="has 10 bytes, more than 9"):
        source.read(FILE, 9)
    with pytest.raises(SourceError):
        source.read("missing", 10)
    source.close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/store",
        "https://",
        "http://host/s?token=1",
        "http://host/s#x",
        "file://host/store",
        "s3://b/c",
    ],
)
def test_refuses_other_addresses(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_source(url)
    assert str(caught.value) == (
        f"{url!r} is no address of a store.\n"
        "Expected: http://HOST/FOLDER, https://HOST/FOLDER, file:///FOLDER or a path, without '?' and '#'\n"
        "Fix: name the folder that holds index.json"
    )


def test_sources_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIZOO_STORE", " /one\n http://two/x/ ")
    assert [source.url for source in open_sources(None)] == ["/one", "http://two/x"]
    assert [source.url for source in open_sources(["/three"])] == ["/three"]
    monkeypatch.delenv("MIZOO_STORE")
    with pytest.raises(StoreError) as caught:
        open_sources(None)
    assert str(caught.value) == (
        "No store is named.\n"
        "Expected: URLs or folders, each holding the index.json of a store\n"
        "Fix: name them (--from URL, or sources=[...]), or set MIZOO_STORE='URL MIRROR ...'"
    )


def test_a_folder_says_what_is_missing(folder: Path) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(str(folder)).read("index.json", 9)
    assert caught.value.reason == "there is no index.json"
    with pytest.raises(SourceError) as caught:
        open_source(str(folder / "gone")).read("index.json", 9)
    assert caught.value.reason == "there is no such folder"


def test_a_pipe_in_a_folder_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "index.json")
    assert open_source(str(folder)).local("index.json") is None


def test_credentials_are_sent_and_never_shown(host: HttpStore) -> None:
    source = open_source(host.url.replace("http://", "http://me:secret@"))
    source.read(FILE, 10)
    assert host.requests[-1][1]["authorization"].startswith("Basic ")
    assert source.url == host.url
    with pytest.raises(SourceError) as caught:
        source.read("missing", 1)
    assert "secret" not in str(caught.value)
    assert caught.value.reason == "/missing gives 404 Not Found"


@pytest.mark.parametrize("length", [0, None], ids=["announced", "unannounced"])
def test_a_body_beyond_the_limit_is_not_read(length: int | None, folder: Path, host: HttpStore) -> None:
    (folder / "large").write_bytes(bytes(20_000_000))
    host.length = length
    with pytest.raises(SourceError, match=r"large has (20000000 bytes, )?more than 1000"):
        open_source(host.url).read("large", 1000)
    assert host.sent < 20_000_000


def test_a_compressed_answer_is_refused(host: HttpStore) -> None:
    host.encoding = "gzip"
    with pytest.raises(SourceError, match="comes encoded, which was not asked for"):
        open_source(host.url).read(FILE, 10)


@pytest.mark.parametrize("etag", ["strong", "weak", None])
def test_asks_whether_a_file_has_changed(etag: str | None, folder: Path, host: HttpStore) -> None:
    host.etag = etag
    source = open_source(host.url)
    first = source.read_newer(FILE, 10, None)
    assert first is not None
    assert (first.validator == MODIFIED) == (etag is None)
    assert source.read_newer(FILE, 10, first.validator) is None
    if etag:
        (folder / FILE).write_bytes(b"changed")
        again = source.read_newer(FILE, 10, first.validator)
        assert again is not None and again.raw == b"changed"


def test_follows_redirects_between_web_hosts_only(folder: Path, host: HttpStore) -> None:
    host.redirects = {
        "/to-web": f"{host.url}/plain",
        "/to-file": f"file://{folder}/plain",
        "/round": "/round",
    }
    (folder / "plain").write_bytes(b"here")
    source = open_source(host.url)
    assert source.read("to-web", 10) == b"here"
    with pytest.raises(SourceError, match="redirects from http to file, which is not followed"):
        source.read("to-file", 10)
    with pytest.raises(SourceError, match="round is redirected more than 5 times"):
        source.read("round", 10)
    assert [path for path, *_ in host.requests].count("/round") == 6


def test_does_not_follow_from_tls_to_plain_http(
    folder: Path, host: HttpStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "plain").write_bytes(b"here")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(web, "tls", web.tls.__wrapped__)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(folder, context) as secure:
        secure.redirects = {"/down": f"{host.url}/plain", "/same": f"{secure.url}/plain"}
        host.redirects = {"/up": f"{secure.url}/plain"}
        source = open_source(secure.url)
        assert source.read("same", 10) == b"here"
        assert open_source(host.url).read("up", 10) == b"here"
        with pytest.raises(SourceError, match="redirects from https to http, which is not followed"):
            source.read("down", 10)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_status_that_may_pass_is_transient(status: int, host: HttpStore) -> None:
    host.statuses = [("txt", status)]
    with pytest.raises(SourceError) as caught:
        open_source(host.url).read(FILE, 10)
    assert caught.value.transient
    host.statuses = [("txt", 403)]
    with pytest.raises(SourceError) as caught:
        open_source(host.url).read(FILE, 10)
    assert not caught.value.transient


def test_the_index_is_asked_for_again_and_revalidated(tmp_path: Path, host: HttpStore, folder: Path) -> None:
    add_version(folder, b"weights")
    cache, source = Cache(tmp_path / "cache"), open_source(host.url)
    host.statuses = [("index.json", 503)] * 3
    first = read_index(source, cache, offline=False)
    assert [status for *_, status in host.requests] == [503, 503, 503, 200]
    assert read_index(source, cache, offline=False) == first
    assert host.requests[-1][2] == 304
    add_version(folder, b"other", version=2)
    assert read_index(source, cache, offline=False).find("tagger").version == 2
    assert read_index(source, cache, offline=True).find("tagger").version == 2


def test_an_index_whose_validator_is_of_another_is_read_anew(
    tmp_path: Path, host: HttpStore, folder: Path
) -> None:
    add_version(folder, b"weights")
    cache, source = Cache(tmp_path / "cache"), open_source(host.url)
    read_index(source, cache, offline=False)
    # A kill between the two writes of the cache leaves an index with the validator of the one before.
    cache.index_file(source.url).write_bytes(b"{}")
    read_index(source, cache, offline=False)
    assert [status for *_, status in host.requests] == [200, 200]


def test_all_reasons_are_told_where_no_source_has_an_index(tmp_path: Path, host: HttpStore) -> None:
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "index.json").write_text("<html>")
    sources = [open_source(url) for url in (host.url, str(tmp_path / "none"), str(tmp_path / "wrong"))]
    with pytest.raises(StoreError) as caught:
        look_up("tagger", "latest", sources, Cache(tmp_path / "cache"), offline=False)
    assert str(caught.value) == (
        "No source gives the index of a store:\n"
        f"  {host.url}: /index.json gives 404 Not Found\n"
        f"  {tmp_path}/none: there is no such folder\n"
        f"  {tmp_path}/wrong/index.json is no index of a store: JSONDecodeError: Expecting value: "
        "line 1 column 1 (char 0).\n"
        "Expected: index.json in at least one of them\n"
        "Fix: correct the URLs, or try again later"
    )


def test_sources_without_index_are_asked_last_for_the_archive(tmp_path: Path, folder: Path) -> None:
    add_version(folder, b"weights")
    sources = [Folder(tmp_path / name, name) for name in ("gone", "store", "later")]
    entry, ordered = look_up("tagger", "latest", sources, Cache(tmp_path / "cache"), offline=False)
    assert entry.handle == "tagger@1"
    assert [source.url for source in ordered] == ["store", "later", "gone"]
