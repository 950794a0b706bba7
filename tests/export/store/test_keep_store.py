"""Is a store, or a models folder, what its index or its receipts say?"""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from export.store.change import read_index
from export.store.fetch import fetch
from export.store.inspect import Finding, check_store
from export.store.inspect_models import check_models
from tests.export.store.http_store import serving
from tests.export.store.small_models import tree, write_small_model
from zoo.errors import StoreError

HISTORY_OK = Finding("history", "ok", "3 states, each names the one before it")
ALL_OK = [*(Finding(handle, "ok", "hash ok, unsigned") for handle in ("a@1", "a@2", "b@1")), HISTORY_OK]


def test_a_whole_store(store):
    assert list(check_store(store)) == ALL_OK
    with serving(store) as host:
        assert list(check_store(host.url)) == ALL_OK
    assert {path.lstrip("/") for path, _, _ in host.requests} == set(tree(store))


def damage(store, path, change):
    content = (store / path).read_bytes()
    (store / path).write_bytes(change(content))


@pytest.mark.parametrize(
    ("path", "change", "subject", "text"),
    [
        ("a/1.tar.gz", lambda c: c[:-1], "a@1", "bytes instead of"),
        (
            "a/2.tar.gz",
            lambda c: c.replace(b"a2", b"a3"),
            "a@2",
            "a/2.tar.gz has other bytes: their SHA-256 is",
        ),
        ("b/1.md", lambda c: c.upper(), "b@1", "b/1.md has other bytes"),
        ("b/1.tar.gz", None, "b@1", "there is no b/1.tar.gz"),
    ],
    ids=["short", "a flipped byte", "card", "missing"],
)
def test_files_that_are_not_what_the_index_says(path, change, subject, text, store):
    damage(store, path, change) if change else (store / path).unlink()
    findings = list(check_store(store))
    (fault,) = [finding for finding in findings if finding.level == "error"]
    assert fault.subject == subject
    assert text in fault.text
    assert [f for f in findings if f.subject not in {subject}] == [f for f in ALL_OK if f.subject != subject]


def test_an_archive_that_does_not_hold_the_listed_files(store):
    """The digest of the archive is right, the list of files is not."""
    content = json.loads((store / "index.json").read_bytes())
    files = content["models"]["b"]["1"]["files"]
    files["variables/variables.index"]["sha256"] = "0" * 64
    (store / "index.json").write_text(json.dumps(content))
    fault, *_ = [f for f in check_store(store) if f.level == "error"]
    assert fault.subject == "b@1"
    assert "'variables/variables.index' has the SHA-256" in fault.text


def rewrite_state(store, change):
    """Changes the newest former index, and what names it."""
    index, _ = read_index(store)
    content = json.loads((store / "history" / f"{index.previous}.json").read_bytes())
    change(content)
    raw = json.dumps(content).encode()
    digest = hashlib.sha256(raw).hexdigest()
    (store / "history" / f"{digest}.json").write_bytes(raw)
    top = json.loads((store / "index.json").read_bytes())
    top["previous"] = digest
    (store / "index.json").write_text(json.dumps(top))


def change_sequence(content):
    content["sequence"] = 7


def change_metrics(content):
    content["models"]["a"]["1"]["metrics"] = {"better": 1}


@pytest.mark.parametrize(
    ("change", "text"),
    [(change_sequence, "is state 7, and state 3 follows it"), (change_metrics, "a@1 was changed after")],
    ids=["sequence", "entry"],
)
def test_a_history_that_was_rewritten(change, text, store):
    rewrite_state(store, change)
    (fault,) = [finding for finding in check_store(store) if finding.level == "error"]
    assert fault.subject == "history"
    assert text in fault.text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda path: path.unlink(), "is missing: there is no"),
        (lambda p: p.write_text("{}"), "has other content"),
    ],
    ids=["missing", "other content"],
)
def test_a_history_with_a_hole(change, text, store):
    index, _ = read_index(store)
    change(store / "history" / f"{index.previous}.json")
    (fault,) = [finding for finding in check_store(store) if finding.level == "error"]
    assert fault.subject == "history"
    assert f"history/{index.previous}.json {text}" in fault.text


def test_files_that_nothing_names_are_noted(store):
    (store / "a" / "9.tar.gz").write_bytes(b"left")
    (store / "notes.txt").write_bytes(b"mine")
    assert [(f.subject, f.level) for f in check_store(store)][4:] == [
        ("a/9.tar.gz", "note"),
        ("notes.txt", "note"),
    ]


def test_what_is_no_store_or_no_key(tmp_path, store):
    with pytest.raises(StoreError, match=r"there is no index\.json"):
        list(check_store(tmp_path))
    with pytest.raises(StoreError, match="cannot be used"):
        list(check_store(store, public_keys=[tmp_path / "none.pub"]))


def test_fetched_models_against_their_receipts(store, tmp_path):
    models = tmp_path / "fetched"
    for handle in (("a", 1), ("a", 2), ("b", 1)):
        fetch(*handle, sources=[store], to=models)
    write_small_model(models / "own" / "4")
    own = Finding("own@4", "note", "no receipt: it was not fetched from a store")
    assert list(check_models(models)) == [*ALL_OK[:3], own]
    damage(models, "a/2/variables/variables.index", lambda content: b"A2")
    (models / "b" / "1" / "extra").write_bytes(b"")
    shutil.rmtree(models / "a" / "1")
    found = list(check_models(models))
    assert [(f.subject, f.level) for f in found[:3]] == [("a@1", "note"), ("a@2", "error"), ("b@1", "error")]
    assert found[0].text == ".1.receipt.json is left of a version that is not there"
    assert "variables/variables.index has the SHA-256" in found[1].text
    assert found[2].text == "extra is not one of its files"
    with pytest.raises(StoreError, match="There is no folder"):
        list(check_models(tmp_path / "none"))
