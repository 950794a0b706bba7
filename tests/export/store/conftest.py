"""A store that was really published to, for the tests of keeping it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from export.store.publish import publish
from tests.export.store.small_models import write_small_model


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, three versions, three states."""
    folder = tmp_path_factory.mktemp("published")
    for name, version in (("a", 1), ("a", 2), ("b", 1)):
        model = folder / "models" / name / str(version)
        publish(write_small_model(model, weights=f"{name}{version}".encode()), folder / "store")
    return folder / "store"


@pytest.fixture
def store(published: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return shutil.copytree(published, tmp_path / "store")
