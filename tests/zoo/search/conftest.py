"""A trained embedding that counts what it looks at, and a few pictures for it."""

from __future__ import annotations

import shutil

import pytest

from zoo.search.run_embedder import RunEmbedder


@pytest.fixture(scope="module")
def loaded(trained):
    return RunEmbedder(trained("vse_bow").run.folder, batch_size=4)


@pytest.fixture
def embedder(loaded, monkeypatch):
    """Counts the files that it looks at in `asked`."""
    loaded.asked = []
    stream = RunEmbedder.stream

    def counted(self, paths):
        loaded.asked += [path.name for path in paths]
        return stream(self, paths)

    monkeypatch.setattr(RunEmbedder, "stream", counted)
    return loaded


@pytest.fixture
def images(shapes, tmp_path):
    """Six pictures, two of them in a folder below."""
    target = tmp_path / "images"
    (target / "below").mkdir(parents=True)
    for row, path in enumerate(sorted((shapes / "Images").iterdir())[:6]):
        shutil.copy(path, target / ("below" if row > 3 else "") / f"{row}{path.suffix}")
    return target
