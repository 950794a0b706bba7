"""Publishers that fail, are killed, or run at once: the store is the old or the new one, and complete."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from export.store.chain import former_states
from export.store.change import STAGING_PREFIX, read_index
from export.store.collect import collect
from export.store.index import Index
from export.store.publish import publish
from export.store.source import open_source
from tests.export.store.small_models import tree, write_small_model

ROOT = Path(__file__).parents[3]


def check_complete(store):
    """All that the index names is there."""
    index, there = read_index(store)[0], tree(store)
    for blob in (blob for entry in index for blob in entry.blobs()):
        assert there[blob.path] == blob.sha256
    assert len(list(former_states(open_source(str(store)), index))) == index.sequence - 1


def run_child(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


FULL_DISK = """
import resource, sys
from pathlib import Path
from export.store.publish import publish
from zoo.errors import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    publish(Path(sys.argv[1]), Path(sys.argv[2]))
except StoreError as error:
    print(error.what)
"""


@pytest.mark.parametrize(
    ("limit", "too_large"),
    [(4096, ["m/2.tar.gz", "index.json"]), (70_000, ["index.json"])],
    ids=["in the archive", "in the index"],
)
def test_a_file_that_the_disk_does_not_hold(limit, too_large, tmp_path):
    """Numbers take three times the room in the index: there the archive is below the larger limit."""
    models, store = tmp_path / "models", tmp_path / "store"
    publish(write_small_model(models / "m" / "1"), store)
    before = tree(store)
    model = write_small_model(models / "m" / "2", metrics={"numbers": [0] * 10_000})
    done = run_child(FULL_DISK, model, store, limit)
    assert f"cannot be used: OSError: [Errno {errno.EFBIG}]" in done.stdout, done.stderr
    assert tree(store) == before
    assert list(store.glob(f"{STAGING_PREFIX}*")) == []
    written = publish(model, store).written
    assert [path for path in written if (store / path).stat().st_size > limit] == too_large


# Forks a publisher per point: at its n-th operation on the store it is killed, or the operation fails.
AT_EVERY_POINT = """
import errno, json, os, shutil, signal, sys
from pathlib import Path
from export.store.publish import publish
from zoo.errors import StoreError
import export.store.archive, filelock, tempfile

model, store, scratch, mode = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"}

def child(copy, point):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        if event in EVENTS and str(arguments[0]).startswith(str(copy)):
            seen += 1
            if seen == point and mode == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif seen == point:
                raise OSError(errno.ENOSPC, "No space left on device")
    sys.addaudithook(hook)
    try:
        publish(model, copy)
    except StoreError:
        os._exit(3)
    os._exit(0 if seen < point else 4)

outcomes = []
while not outcomes or outcomes[-1] != 0:
    copy = scratch / str(len(outcomes) + 1)
    shutil.copytree(store, copy) if store.exists() else None
    pid = os.fork()
    if pid == 0:
        try:
            child(copy, len(outcomes) + 1)
        finally:
            os._exit(99)
    outcomes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory):
    """A store with version 1, version 2 to publish, and the store with both."""
    folder = tmp_path_factory.mktemp("points")
    model = write_small_model(folder / "models" / "m" / "1")
    publish(model, folder / "old")
    write_small_model(model.parent / "2", weights=b"other")
    shutil.copytree(folder / "old", folder / "new")
    publish(model.parent, folder / "new")
    return folder


def state_of(store, old, new):
    """Which of two states a store is in; `published` of the new one differs."""
    found = Index.from_bytes((store / "index.json").read_bytes(), "")
    if (store / "index.json").read_bytes() == (old / "index.json").read_bytes():
        return "old"
    wanted = read_index(new)[0]
    entry = replace(found.find("m", 2), published=wanted.find("m", 2).published)
    assert replace(found, models={"m": {1: found.find("m", 1), 2: entry}}) == wanted
    return "new"


@pytest.mark.parametrize("mode", ["fail", "kill"])
def test_at_every_point_the_store_is_the_old_or_the_new_one(mode, two_versions, tmp_path):
    old, new = two_versions / "old", two_versions / "new"
    done = run_child(AT_EVERY_POINT, two_versions / "models" / "m" / "2", old, tmp_path, mode)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert len(outcomes) > 15  # else the hook saw nothing
    assert set(outcomes) <= ({0, 3, 4} if mode == "fail" else {0, -signal.SIGKILL})
    states = []
    for point, outcome in enumerate(outcomes, 1):
        store = tmp_path / str(point)
        states.append(state_of(store, old, new))
        check_complete(store)
        if mode == "fail" and states[-1] == "old":
            assert outcome == 3
            assert tree(store) == tree(old), point
        removed = collect(store, age=0)
        assert mode == "kill" or all(r.path.startswith(STAGING_PREFIX) for r in removed), (point, removed)
        assert tree(store).keys() == tree(old if states[-1] == "old" else new).keys(), point
        assert list(store.glob(".[!l]*")) == []
    assert {"old", "new"} == set(states)
    if mode == "kill":
        assert states == sorted(states, reverse=True)  # once new, always new


def test_after_a_kill_publishing_again_succeeds(two_versions, tmp_path):
    model = two_versions / "models" / "m" / "2"
    done = run_child(AT_EVERY_POINT, model, tmp_path / "none", tmp_path / "points", "kill")
    assert done.returncode == 0, done.stderr
    for point in range(1, len(json.loads(done.stdout)) + 1):
        store = tmp_path / "points" / str(point)
        publish(model, store)
        check_complete(store)
        collect(store, age=0)
        assert sorted(tree(store)) == ["index.json", "m/2.md", "m/2.tar.gz"]


def test_publishers_at_once_take_turns(tmp_path):
    models, store = tmp_path / "models", tmp_path / "store"
    folders = [write_small_model(models / name / "1", weights=name.encode()) for name in "abcd"]
    code = "import sys; from pathlib import Path; from export.store.publish import publish\n"
    code += "for folder in sys.argv[2:]: publish(Path(folder), Path(sys.argv[1]))"
    turns = [folders, folders[::-1], folders[2:] + folders[:2]]
    running = [subprocess.Popen([sys.executable, "-c", code, store, *turn], cwd=ROOT) for turn in turns]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    index, _ = read_index(store)
    assert (index.sequence, list(index.models)) == (4, ["a", "b", "c", "d"])
    check_complete(store)
    assert len(list((store / "history").iterdir())) == 3
