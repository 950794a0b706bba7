"""The sum over time without its padding."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.layers.masked_sum import MaskedSum

VECTORS = np.array([[[1, 2], [10, 20], [100, 200]], [[3, 4], [30, 40], [300, 400]]], "float32")


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_masked_steps_count_nothing():
    mask = np.array([[True, False, True], [False, False, False]])
    assert value(MaskedSum()(VECTORS, mask=mask)).tolist() == [[101, 202], [0, 0]]


def test_without_a_mask_all_count():
    assert value(MaskedSum()(VECTORS)).tolist() == [[111, 222], [333, 444]]


def test_the_mask_comes_from_the_embedding_and_ends_here():
    tokens = keras.Input((None,), dtype="int32")
    words = keras.layers.Embedding(4, 2, mask_zero=True, embeddings_initializer="ones")(tokens)
    summed = MaskedSum()(words)
    assert summed.shape == (None, 2)
    assert getattr(summed, "_keras_mask", None) is None
    model = keras.Model(tokens, summed)
    assert model.predict(np.array([[1, 2, 0, 0], [3, 0, 0, 0]]), verbose=0).tolist() == [[2, 2], [1, 1]]
    assert model.predict(np.array([[1, 2]]), verbose=0).tolist() == [[2, 2]]


def test_it_survives_its_config():
    layer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(MaskedSum(name="sum")))
    assert isinstance(layer, MaskedSum)
    assert layer.name == "sum"
    assert layer.compute_output_shape((None, 5, 2)) == (None, 2)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_type_of_the_vectors_is_kept(dtype):
    mask = np.array([[True, False, True]] * 2)
    assert value(MaskedSum(dtype=dtype)(VECTORS.astype(dtype), mask=mask)).dtype == dtype
