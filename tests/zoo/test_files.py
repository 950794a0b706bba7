"""Files are either whole or not there."""

from __future__ import annotations

import json
import stat

import pytest

from zoo.files import csv_text, save_keras, write_atomically, write_json, write_text


def test_written_whole_with_its_folder_and_readable_by_others(tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    write_atomically(path, lambda file: file.write(b"abc"))
    assert path.read_bytes() == b"abc"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def half(file):
        file.write(b"new, but on")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_nothing_either(tmp_path):
    def interrupted(file):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", interrupted)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_saved_leaves_nothing(tmp_path):
    class Unsavable:
        def save(self, path):
            path.write_bytes(b"half of it")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_keras(Unsavable(), tmp_path / "teacher.keras")
    assert not list(tmp_path.iterdir())


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def look(file):
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"

    write_atomically(path, look)
    assert path.read_text() == "new"


def test_json_and_utf8(tmp_path):
    write_json(tmp_path / "a.json", {"θ": [1, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"θ": [1, None]}
    write_text(tmp_path / "b.txt", "犬")
    assert (tmp_path / "b.txt").read_bytes() == "犬".encode()


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"array": object()})
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_csv_quotes_what_needs_it_and_ends_lines_alike():
    assert csv_text([["a", 1], ['b, "c"', 2.5]]) == 'a,1\n"b, ""c""",2.5\n'
