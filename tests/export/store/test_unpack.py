from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from export.store.archive import pack
from export.store.tar_reader import Gunzip, members
from export.store.unpack import unpack
from zoo.errors import StoreError

from .archives import FILES, ZEROS, bomb, entry_of, good, gz, member, tree, write_tree

FOLDERS: dict[str, bytes | None] = {"assets": None, "variables": None}


def test_gives_back_what_was_packed(tmp_path: Path) -> None:
    files = FILES | {
        "assets/Tür.txt": b"",
        "assets/" + "long-" * 30: b"long",
        "variables/big": os.urandom(3 * 2**20),
    }
    packed = pack(write_tree(tmp_path / "tree", files), tmp_path / "3.tar.gz")
    entry = replace(entry_of(tmp_path / "3.tar.gz", files), files=packed.files)
    unpack(tmp_path / "3.tar.gz", entry, tmp_path / "new" / "parents" / "3")
    assert tree(tmp_path / "new" / "parents" / "3") == files | FOLDERS


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=["open", "closed"])
def test_modes_are_fixed(tmp_path: Path, umask: int) -> None:
    info = tarfile.TarInfo("saved_model.pb")
    info.mode, info.size, info.uid, info.mtime = 0o6777, 3, 12345, 2**31
    folder = tarfile.TarInfo("variables")
    folder.type, folder.mode = tarfile.DIRTYPE, 0o000
    raw = info.tobuf() + b"abc".ljust(512, b"\0") + folder.tobuf() + member("variables/x", b"y")
    (tmp_path / "3.tar.gz").write_bytes(gz(raw))
    before = os.umask(umask)
    try:
        files = {"saved_model.pb": b"abc", "variables/x": b"y"}
        unpack(tmp_path / "3.tar.gz", entry_of(tmp_path / "3.tar.gz", files), tmp_path / "3")
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode) for path in [tmp_path / "3", *(tmp_path / "3").rglob("*")]}
    assert modes == {"3": "0o40755", "variables": "0o40755", "saved_model.pb": "0o100644", "x": "0o100644"}


def other_tools() -> dict[str, str]:
    names = "assets saved_model.pb variables"
    return {
        "gnu": f"tar -c {names} | gzip -9",
        "pax": f"tar --format=pax -c {names} | gzip -1",
        "ustar, from the end": f"tar --format=ustar -b 2048 -c $(ls -r {names} -d) | gzip",
        "the folder itself": "tar -c . | gzip -9n",
        "v7": f"tar --format=v7 -c {names} | gzip",
        "with a name in gzip": f"tar -cf 3.tar {names} && gzip -c 3.tar && rm 3.tar",
    }


@pytest.mark.parametrize("command", other_tools().values(), ids=other_tools())
def test_archives_of_other_tools(tmp_path: Path, command: str) -> None:
    files = FILES | ({} if "v7" in command or "ustar" in command else {"assets/" + "long-" * 40: b"long"})
    write_tree(tmp_path / "tree", files)
    made = subprocess.run(["bash", "-c", command], cwd=tmp_path / "tree", check=True, capture_output=True)
    (tmp_path / "3.tar.gz").write_bytes(made.stdout)
    unpack(tmp_path / "3.tar.gz", entry_of(tmp_path / "3.tar.gz", files), tmp_path / "3")
    assert tree(tmp_path / "3") == files | FOLDERS


def test_repeats_in_a_compressed_archive(tmp_path: Path) -> None:
    files = {"saved_model.pb": b"abc", "variables/zeros": ZEROS * 20}
    (tmp_path / "3.tar.gz").write_bytes(gz(good(files)))
    unpack(tmp_path / "3.tar.gz", entry_of(tmp_path / "3.tar.gz", files), tmp_path / "3")
    assert tree(tmp_path / "3") == files | {"variables": None}


def test_sizes_beyond_eight_gibibytes(tmp_path: Path) -> None:
    info = tarfile.TarInfo("variables/x")
    info.size = 9 * 2**30
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        raw = tmp_path / "raw"
        raw.write_bytes(bomb(info.tobuf(form), 0))
        with raw.open("rb") as file:
            assert next(members(Gunzip(file)))[0].size == 9 * 2**30


class Dribble(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 1))


def test_pieces_of_any_length() -> None:
    found = {m.name: b"".join(content) for m, content in members(Gunzip(Dribble(gz(good()))))}
    assert found == FILES


def archive_of(folder: Path, raw: bytes | None = None) -> Path:
    (folder / "3.tar.gz").write_bytes(gz(good()) if raw is None else raw)
    return folder / "3.tar.gz"


def make_file(path: Path) -> None:
    path.write_bytes(b"kept")


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "kept").write_bytes(b"kept")


def make_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [make_file, make_folder, make_link], ids=["file", "folder", "link"])
def test_never_into_what_exists(tmp_path: Path, make: Callable[[Path], None]) -> None:
    archive = archive_of(tmp_path)
    make(tmp_path / "3")
    before = tree(tmp_path)
    with pytest.raises(StoreError) as caught:
        unpack(archive, entry_of(archive), tmp_path / "3")
    assert str(caught.value) == (
        f"{archive} cannot be unpacked to {tmp_path}/3: File exists.\n"
        "Expected: a folder that does not exist, in one that can be written\n"
        "Fix: remove it, or choose another"
    )
    assert tree(tmp_path) == before


def test_parent_that_is_a_file(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    with pytest.raises(StoreError, match=r"cannot be unpacked to .*: Not a directory"):
        unpack(archive, entry_of(archive), archive / "deep" / "3")
    assert list(tree(tmp_path)) == ["3.tar.gz"]


def test_no_archive(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    entry = entry_of(archive)
    archive.unlink()
    with pytest.raises(
        StoreError, match=r"could not be unpacked to .*No such file or directory: '.*3.tar.gz'"
    ):
        unpack(archive, entry, tmp_path / "new" / "3")
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("../x", "The path '../x' is not one of a model's files"),
        ("SAVED_model.pb", "clash"),
        ("assets", "clash"),
    ],
)
def test_entry_that_was_not_checked(tmp_path: Path, path: str, text: str) -> None:
    archive = archive_of(tmp_path)
    entry = entry_of(archive, FILES | {path: b"x"})
    with pytest.raises(StoreError, match=text):
        unpack(archive, entry, tmp_path / "new" / "3")
    assert list(tree(tmp_path)) == ["3.tar.gz"]


def test_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_of(tmp_path)

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, entry_of(archive), tmp_path / "new" / "3")
    assert list(tree(tmp_path)) == ["3.tar.gz"]


def test_everything_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_of(tmp_path)
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path / "3"))  # noqa: PTH115
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    unpack(archive, entry_of(archive), tmp_path / "3")
    # Files before the folders that name them, these from the deepest to the top.
    assert synced == [*FILES, "variables", "assets", "."]


def test_other_size_than_listed(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    entry = entry_of(archive)
    entry = replace(entry, archive=replace(entry.archive, size=entry.archive.size + 1))
    with pytest.raises(StoreError) as caught:
        unpack(archive, entry, tmp_path / "3")
    size = archive.stat().st_size
    assert str(caught.value) == (
        f"The archive {archive} of tagger@3 cannot be used: it has {size} bytes instead of {size + 1}.\n"
        "Expected: a tar.gz of the 4 files that the index lists, and nothing else\n"
        "Fix: fetch it from another source, and tell the publisher of this one"
    )
    assert list(tree(tmp_path)) == ["3.tar.gz"]
