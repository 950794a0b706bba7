from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from export.store import archive as archive_module
from export.store.archive import Packed, pack
from export.store.entry import Digest
from export.store.stored_gzip import StoredGzip
from zoo.errors import StoreError

from .archives import FILES, write_tree

LONG = "assets/" + "long-" * 30 + "name.txt"
TREE = FILES | {"assets/Tür.txt": b"", "assets/zebra.txt": b"z", LONG: b"long", "variables-x": b"-"}
# Changes only together with the format of archives; then every published archive keeps its old digest.
PINNED = Digest(14871, "d5feb2fe6df7b77909e424551e12f469eadd3819cb740cce552b1cfd0464c160")


def stored(*pieces: bytes) -> bytes:
    out: list[bytes] = []
    writer = StoredGzip(out.append)
    for piece in pieces:
        writer.write(piece)
    writer.close()
    return b"".join(out)


def test_gzip_by_hand() -> None:
    # One final stored block: 01, length 3, its complement; CRC-32 0x352441c2; size 3; all little-endian.
    assert stored(b"a", b"bc").hex() == "1f8b08000000000000ff010300fcff616263c241243503000000"


@pytest.mark.parametrize(
    "size", [0, 1, 65534, 65535, 65536, 16 * 65535 - 1, 16 * 65535, 16 * 65535 + 1, 3 * 2**20]
)
def test_gzip_sizes(size: int) -> None:
    data = os.urandom(size)
    once = stored(data)
    assert gzip.decompress(once) == data
    assert len(once) == 10 + size + 5 * (size // 65535 + 1) + 8
    assert stored(*(data[i : i + 100_003] for i in range(0, size, 100_003)), b"") == once


def test_digests_are_those_of_the_bytes(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "3.tar.gz"
    packed = pack(write_tree(tmp_path / "tree", TREE), target)
    raw = target.read_bytes()
    assert packed == Packed(
        Digest(len(raw), hashlib.sha256(raw).hexdigest()),
        {path: Digest(len(data), hashlib.sha256(data).hexdigest()) for path, data in TREE.items()},
    )
    assert target.stat().st_mode & 0o777 == 0o644


def test_members(tmp_path: Path) -> None:
    (write_tree(tmp_path / "tree", TREE) / "empty" / "folder").mkdir(parents=True)
    (tmp_path / "tree" / "model.sig").write_bytes(b"of the folder")
    (tmp_path / "tree" / "assets" / "model.sig").write_bytes(b"a file like others")
    target = tmp_path / "3.tar.gz"
    pack(tmp_path / "tree", target)
    with tarfile.open(target) as tar:
        members = tar.getmembers()
        assert {m.name: tar.extractfile(m).read() for m in members if m.isfile()} == TREE | {  # type: ignore[union-attr]
            "assets/model.sig": b"a file like others"
        }
    # By the bytes of their UTF-8 names: "T" before "l", "ü" (c3 bc) after all ASCII, "-" before "/".
    assert [m.name for m in members] == [
        "assets",
        "assets/Tür.txt",
        "assets/labels.txt",
        LONG,
        "assets/model.sig",
        "assets/zebra.txt",
        "saved_model.pb",
        "variables-x",
        "variables",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    assert {(m.isdir(), m.mode) for m in members} == {(True, 0o755), (False, 0o644)}


def test_real_tools_read_it(tmp_path: Path) -> None:
    target = tmp_path / "3.tar.gz"
    pack(write_tree(tmp_path / "tree", TREE), target)
    subprocess.run(["gzip", "-t", target], check=True)
    listed = subprocess.run(
        ["tar", "-tzf", target, "--quoting-style=literal"], check=True, capture_output=True, text=True
    )
    assert listed.stderr == ""
    assert {line for line in listed.stdout.splitlines() if not line.endswith("/")} == set(TREE)


def test_pinned(tmp_path: Path) -> None:
    packed = pack(write_tree(tmp_path / "tree", TREE), tmp_path / "3.tar.gz")
    assert packed.digest == PINNED


PACK = """
import os, sys
from pathlib import Path
from export.store.archive import pack
source, work, order, mtime, umask = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
os.umask(umask)
paths = sorted((p for p in source.rglob("*") if p.is_file()), key=lambda p: hash((order, p.name)))
for path in paths[::order]:
    copy = work / "tree" / path.relative_to(source)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(path.read_bytes())
    os.utime(copy, (mtime, mtime))
print(pack(work / "tree", work / "3.tar.gz").digest.sha256)
"""


def test_same_in_every_environment(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", TREE)
    environments = [
        (1, 0, 0o022, {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}),
        (-1, 1_700_000_000, 0o077, {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"}),
        (1, 2_000_000_000, 0o000, {"LC_ALL": "tr_TR.UTF-8", "TZ": "America/Lima", "PYTHONHASHSEED": "77"}),
        # Without UTF-8 for file names, which Python otherwise chooses for LC_ALL=C.
        (
            -1,
            86_399,
            0o027,
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "9"},
        ),
    ]
    digests = []
    for number, (order, mtime, umask, variables) in enumerate(environments):
        work = tmp_path / str(number)
        (work / "tmp").mkdir(parents=True)
        arguments = [tmp_path / "source", work, str(order), str(mtime), str(umask)]
        done = subprocess.run(
            [sys.executable, "-c", PACK, *arguments],
            env=os.environ | variables | {"TMPDIR": str(work / "tmp")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        digests.append(done.stdout.strip())
    here = pack(tmp_path / "source", tmp_path / "here.tar.gz")
    assert digests == [here.digest.sha256] * 4
    assert (tmp_path / "3" / "3.tar.gz").read_bytes() == (tmp_path / "here.tar.gz").read_bytes()


def test_refuses_links_and_special_files(tmp_path: Path) -> None:
    for number, make in enumerate(
        [lambda path: path.symlink_to("saved_model.pb"), lambda path: path.symlink_to("variables"), os.mkfifo]
    ):
        folder = write_tree(tmp_path / str(number))
        make(folder / "variables" / "odd")
        with pytest.raises(StoreError) as caught:
            pack(folder, tmp_path / "3.tar.gz")
        assert str(caught.value) == (
            f"{folder}/variables/odd is neither a file nor a folder.\n"
            "Expected: regular files: links and special files mean something else on another machine\n"
            "Fix: replace it by its content, or remove it"
        )
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


@pytest.mark.parametrize(
    "name",
    [b"back\\slash", b"col:on", b"new\nline", b"latin-\xfc"],
    ids=["backslash", "colon", "newline", "latin1"],
)
def test_refuses_names(tmp_path: Path, name: bytes) -> None:
    folder = write_tree(tmp_path / "tree")
    with open(os.fsencode(folder) + b"/" + name, "wb"):  # noqa: PTH123
        pass
    with pytest.raises(StoreError, match="is not one of a model's files"):
        pack(folder, tmp_path / "3.tar.gz")
    assert not (tmp_path / "3.tar.gz").exists()


def test_refuses_names_that_differ_in_case(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "tree", FILES | {"assets/LABELS.txt": b""})
    with pytest.raises(
        StoreError, match=r"'assets/(labels|LABELS).txt' and 'assets/(labels|LABELS).txt' clash"
    ):
        pack(folder, tmp_path / "3.tar.gz")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path}/none is no folder"):
        pack(tmp_path / "none", tmp_path / "3.tar.gz")


@pytest.mark.parametrize("change", [1, -1], ids=["grows", "shrinks"])
def test_file_that_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: int) -> None:
    folder = write_tree(tmp_path / "tree", {"saved_model.pb": bytes(1000)})
    target = tmp_path / "3.tar.gz"
    target.write_bytes(b"the former one")

    class Meanwhile(StoredGzip):
        def write(self, data: bytes) -> None:
            os.truncate(folder / "saved_model.pb", 1000 + change)
            super().write(data)

    monkeypatch.setattr(archive_module, "StoredGzip", Meanwhile)
    with pytest.raises(StoreError, match=r"saved_model\.pb changed while it was packed"):
        pack(folder, target)
    assert target.read_bytes() == b"the former one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.tar.gz", "tree"]


@pytest.mark.parametrize(
    ("swap", "text"),
    [
        (os.mkfifo, "saved_model.pb is neither a file nor a folder"),
        (lambda path: path.symlink_to("/etc/passwd"), "Too many"),
    ],
    ids=["pipe", "link"],
)
def test_file_that_is_swapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path], None], text: str
) -> None:
    swapped = write_tree(tmp_path / "tree") / "saved_model.pb"

    class Meanwhile(StoredGzip):
        def write(self, data: bytes) -> None:
            if swapped.is_file() and not swapped.is_symlink():
                swapped.unlink()
                swap(swapped)
            super().write(data)

    monkeypatch.setattr(archive_module, "StoredGzip", Meanwhile)
    # It was listed before and comes after the labels.
    with pytest.raises((StoreError, OSError), match=text):
        pack(tmp_path / "tree", tmp_path / "3.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]
