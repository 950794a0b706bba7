"""`mizoo publish`, `fetch` and `store ...` as a user runs them, and `zoo.saved_model`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from tests.export.store.http_store import serving as serving_store
from tests.export.store.small_models import FREE, tree, write_small_model
from tests.serving.test_signing import write_keys
from zoo.errors import StoreError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder of its own, with one exported model and an own cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MIZOO_STORE", raising=False)
    write_small_model(tmp_path / "models" / "tagger" / "1")
    return tmp_path


def test_from_a_models_folder_to_another_machine(mizoo, here):
    status, out, _ = mizoo("publish", "models/tagger", "--to", "store", "--dry-run")
    assert status == 0 and "Nothing was written" in out and not (here / "store").exists()
    status, out, _ = mizoo("publish", "models/tagger", "--to", "store")
    digest = json.loads((here / "store" / "index.json").read_text())["models"]["tagger"]["1"]["archive"][
        "sha256"
    ]
    assert status == 0 and f"tagger@1 is published: sha256:{digest}" in out
    assert "Next: mizoo fetch tagger --from store --to models" in out
    before = tree(here / "store")
    status, out, _ = mizoo("publish", "models/tagger/1", "--to", "store")
    assert status == 0 and "is published already" in out and tree(here / "store") == before

    for handle in ("tagger", "tagger@1", f"tagger@sha256:{digest}"):
        status, out, _ = mizoo("fetch", handle, "--from", "store", "--to", "elsewhere")
        assert (status, out) == (0, f"{here}/elsewhere/tagger/1\n")
    assert tree(here / "elsewhere" / "tagger" / "1") == tree(here / "models" / "tagger" / "1")

    status, out, _ = mizoo("store", "list", "store")
    assert status == 0 and out.split("\n")[1].split()[:2] == ["tagger", "1"] and digest[:12] in out
    status, out, _ = mizoo("store", "list", "store", "--json")
    assert json.loads(out)["licence"] == FREE and json.loads(out)["name"] == "tagger"


def test_verify_says_what_is_wrong_and_ends_with_1(mizoo, here):
    mizoo("publish", "models/tagger", "--to", "store")
    mizoo("fetch", "tagger", "--from", "store", "--to", "elsewhere")
    for target in ("store", "elsewhere"):
        status, out, _ = mizoo("store", "verify", target)
        assert status == 0 and "tagger@1: " in out and "unsigned" in out
    weights = here / "elsewhere" / "tagger" / "1" / "variables" / "variables.index"
    weights.write_bytes(b"weightz")
    status, out, _ = mizoo("store", "verify", "elsewhere")
    assert status == 1 and out.startswith("error  tagger@1: ") and "variables/variables.index" in out
    (here / "store" / "tagger" / "1.tar.gz").write_bytes(b"junk")
    status, out, _ = mizoo("store", "verify", "store")
    assert status == 1 and "error  tagger@1: " in out


def test_signed_and_required(mizoo, here):
    secret, public = write_keys(here)
    mizoo("publish", "models/tagger", "--to", "unsigned")
    status, _, err = mizoo(
        "fetch", "tagger", "--from", "unsigned", "--to", "m", "--require-signature", public
    )
    assert status == 2 and "signed" in err and not (here / "m" / "tagger" / "1").exists()
    status, _, _ = mizoo("publish", "models/tagger", "--to", "store", "--sign", secret)
    assert status == 0
    status, _, _ = mizoo("fetch", "tagger", "--from", "store", "--to", "m", "--require-signature", public)
    assert status == 0 and (here / "m" / "tagger" / "1" / "model.sig").is_file()
    _, other = write_keys(here, "other")
    assert mizoo("store", "verify", "m", "--key", public)[0] == 0
    assert mizoo("store", "verify", "m", "--key", other)[0] == 1
    status, _, err = mizoo("publish", "models/tagger", "--to", "new", "--sign", public)
    assert status == 2 and "cannot be signed" in err and not (here / "new" / "index.json").exists()


def test_mirror_and_gc(mizoo, here):
    mizoo("publish", "models/tagger", "--to", "store")
    status, out, _ = mizoo("store", "mirror", "store", "copy")
    assert status == 0 and "copy: 2 files copied, 1 versions in all." in out
    assert tree(here / "copy") == tree(here / "store")
    assert "copy: 0 files copied" in mizoo("store", "mirror", "store", "copy")[1]
    (here / "copy" / "tagger" / "9.tar.gz").write_bytes(b"of a publish that was killed")
    status, out, _ = mizoo("store", "gc", "copy", "--dry-run")
    assert (
        status == 0 and "tagger/9.tar.gz" in out and "1 files and folders would be removed, 28 bytes." in out
    )
    assert mizoo("store", "gc", "copy")[0] == 0 and tree(here / "copy") == tree(here / "store")
    assert "0 files and folders removed" in mizoo("store", "gc")[1]


def test_wrong_use_is_one_clear_text(mizoo, here):
    status, _, err = mizoo("fetch", "tagger")
    assert status == 2 and "--from" in err and "MIZOO_STORE" in err
    status, _, err = mizoo("fetch", "tagger", "--from", "absent")
    assert status == 2 and "absent" in err and "Fix:" in err
    mizoo("publish", "models/tagger", "--to", "store")
    status, _, err = mizoo("fetch", "taggr", "--from", "store")
    assert status == 2 and "Did you mean 'tagger'?" in err
    status, _, err = mizoo("fetch", "tagger@7", "--from", "store")
    assert status == 2 and "latest, sha256:DIGEST of an archive, or one of 1" in err
    status, _, err = mizoo("publish", "models/absent", "--to", "store")
    assert status == 2 and "models/absent" in err
    write_small_model(here / "models" / "bound" / "1", licence=FREE | {"research_only": True})
    status, _, err = mizoo("publish", "models/bound", "--to", "store")
    assert status == 2 and "--research-only" in err
    assert mizoo("publish", "models/bound", "--to", "store", "--research-only")[0] == 0
    assert "research only" in mizoo("store", "list", "store")[1]


def test_saved_model_in_python_needs_no_tensorflow_and_works_offline(mizoo, here, monkeypatch):
    mizoo("publish", "models/tagger", "--to", "store")
    with serving_store(here / "store") as server:
        code = (
            "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; import zoo; "
            f"print(zoo.saved_model('tagger', sources=['{server.url}']))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        url = server.url
    folder = Path(done.stdout.strip())
    assert folder == here / "cache" / "store" / "models" / "tagger" / "1"
    monkeypatch.setenv("MIZOO_STORE", url)
    assert zoo.saved_model("tagger", 1) == folder  # the server is gone
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert zoo.saved_model("tagger") == folder
    with pytest.raises(StoreError):
        zoo.saved_model("tagger", 2)
