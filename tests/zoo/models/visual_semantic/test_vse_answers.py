"""The typed helper of a served search, beside the client."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError
from zoo.models.visual_semantic.answers import hits_of
from zoo.search.index import Hit

ANSWER = {
    "ids": np.array([["b.jpg", "a.jpg"], ["c.jpg", ""]], object),
    "scores": np.array([[0.5, 0.25], [1.0, 0.0]], np.float32),
    "along": np.array([[0.25, 0.125], [0.5, 0.0]], np.float32),
    "off": np.array([[0.5, 1.0], [0.0, 0.0]], np.float32),
    "keep": np.array([[0.75, 0.5], [0.25, 0.0]], np.float32),
    "unknown_words": np.array([0, 1], np.int32),
}


def test_hits_with_their_reasons_and_without_empty_places():
    assert hits_of(ANSWER) == [
        [Hit("b.jpg", 0.5, 0.25, 0.5, 0.75), Hit("a.jpg", 0.25, 0.125, 1.0, 0.5)],
        [Hit("c.jpg", 1.0, 0.5, 0.0, 0.25)],
    ]


def test_a_row_that_asks_for_nothing_and_the_answer_of_another_signature():
    empty = ANSWER | {"ids": np.array([["b.jpg", "a.jpg"], ["", ""]], object)}
    with pytest.raises(DataError, match="Row 1 asks for nothing: 1 of its words are unknown"):
        hits_of(empty)
    with pytest.raises(ConfigError, match="has embedding, without ids, scores"):
        hits_of({"embedding": np.zeros((1, 2))})


def test_it_brings_no_tensorflow():
    module = "zoo.models.visual_semantic.answers"
    code = f"import sys, {module}; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
