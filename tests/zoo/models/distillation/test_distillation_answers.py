"""The typed helper of a served classifier, beside the client."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.models.distillation.answers import Label, labels_of

ANSWER = {
    "probabilities": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32),
    "labels": np.array([["deer", "horse"], ["horse", "deer"]], object),
    "scores": np.array([[0.75, 0.25], [0.5, 0.5]], np.float32),
}


def test_labels_with_their_probabilities_best_first():
    assert labels_of(ANSWER) == [
        [Label("deer", 0.75), Label("horse", 0.25)],
        [Label("horse", 0.5), Label("deer", 0.5)],
    ]
    assert labels_of(ANSWER, most=1) == [[Label("deer", 0.75)], [Label("horse", 0.5)]]


def test_the_answer_of_another_signature():
    with pytest.raises(ConfigError) as caught:
        labels_of({"logits": np.zeros((1, 2))})
    assert str(caught.value) == (
        "The answer has logits, without labels, scores: it names no classes.\n"
        "Expected: the answer of a classifier's `serving_default` or `tensor` signature\n"
        "Fix: name a classifier; other models are asked by serving.client.Client"
    )


def test_it_brings_no_tensorflow():
    module = "zoo.models.distillation.answers"
    code = f"import sys, {module}; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
