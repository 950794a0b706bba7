"""Golden pairs go through JSON and come back exactly as they were."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest

from export.prediction_log import Golden
from export.store.goldens import array_from_json, array_to_json, golden_from_json, golden_to_json
from serving.protocol import dtypes
from zoo.errors import StoreError

ARRAYS = {
    "float16": np.array([1.5, -0.0, np.inf], np.float16),
    "bfloat16": np.array([1.5, -3e38, np.nan, -np.inf, 1e-40], ml_dtypes.bfloat16),
    "float32": np.array([[0.1, -0.0, 1e-45], [np.nan, np.inf, -np.inf]], np.float32),
    "float64": np.array([0.1, 1 / 3, 5e-324, np.nan]),
    "int8": np.array([-128, 127], np.int8),
    "int16": np.array([-(2**15), 2**15 - 1], np.int16),
    "int32": np.array([-(2**31), 2**31 - 1], np.int32),
    "int64": np.array([-(2**63), 2**63 - 1, 2**53 + 1]),
    "uint8": np.array([0, 255], np.uint8),
    "uint16": np.array([0, 65535], np.uint16),
    "uint32": np.array([0, 2**32 - 1], np.uint32),
    "uint64": np.array([0, 2**64 - 1], np.uint64),
    "bool": np.array([[True], [False]]),
    "complex64": np.array([1 + 2j, complex(np.nan, -np.inf)], np.complex64),
    "complex128": np.array([[0.1 - 1j / 3]]),
    "string": np.array([b"", b"\xff\x00\xfe", "犬".encode()], object),
}


def through_json(array):
    # allow_nan=False: what a strict parser could not read must not be written.
    return array_from_json(json.loads(json.dumps(array_to_json(array), allow_nan=False)))


@pytest.mark.parametrize("name", ARRAYS)
def test_every_type_comes_back_bit_by_bit(name):
    array = ARRAYS[name]
    content = array_to_json(array)
    assert content["dtype"] == name
    back = through_json(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    if name == "string":
        assert back.tolist() == array.tolist()
    else:
        nans = (
            np.isnan(array) if array.dtype.kind in "fc" or name == "bfloat16" else np.zeros(array.shape, bool)
        )
        assert back[~nans].tobytes() == array[~nans].tobytes()
        assert np.isnan(back[nans]).all()


@pytest.mark.parametrize(
    "array",
    [
        np.float32(2.5).reshape(()),
        np.zeros((0, 3), np.int64),
        np.zeros((2, 0), object),
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.arange(3, dtype=">i4"),
    ],
    ids=["scalar", "no rows", "no strings", "transposed", "big endian"],
)
def test_shapes_and_orders(array):
    back = through_json(array)
    assert back.shape == array.shape
    assert back.tolist() == array.tolist()


def test_the_form_in_the_index():
    golden = Golden(
        "serving_default",
        {"text": np.array(["a", "é"]), "k": np.array(3, np.int32)},
        {"score": np.array([[0.5, np.nan], [-np.inf, 2]], np.float32), "seen": np.array([True])},
    )
    assert golden_to_json(golden) == {
        "signature": "serving_default",
        "inputs": {
            "k": {"dtype": "int32", "shape": [], "values": [3]},
            "text": {"dtype": "string", "shape": [2], "values": ["YQ==", "w6k="]},
        },
        "outputs": {
            "score": {"dtype": "float32", "shape": [2, 2], "values": [0.5, "NaN", "-Infinity", 2.0]},
            "seen": {"dtype": "bool", "shape": [1], "values": [True]},
        },
    }
    back = golden_from_json(golden_to_json(golden))
    assert back.signature == "serving_default"
    assert back.inputs["text"].tolist() == [b"a", "é".encode()]
    np.testing.assert_array_equal(back.outputs["score"], golden.outputs["score"])


def test_names_of_types():
    assert [dtypes.python_name(number) for number in (1, 2, 7, 14, 19, 20)] == [
        "float32",
        "float64",
        "string",
        "bfloat16",
        "float16",
        "DataType 20",
    ]


GOOD = {"dtype": "int32", "shape": [2], "values": [1, 2]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([], "TypeError"),
        ({"dtype": "int32", "shape": [2]}, "KeyError: 'values'"),
        (GOOD | {"dtype": "float31"}, "'float31' is none of the types bfloat16, bool, complex128"),
        (GOOD | {"shape": [3]}, "cannot reshape array of size 2 into shape"),
        (GOOD | {"values": [1, 2**31]}, "out of bounds for int32"),
        (GOOD | {"values": [1, 2.0]}, "int32 needs values of the kind int"),
        (GOOD | {"values": [1, True]}, "int32 needs values of the kind int"),
        (GOOD | {"dtype": "bool"}, "bool needs values of the kind bool"),
        (GOOD | {"dtype": "float32", "values": [1, "x"]}, "could not convert string to float"),
        (GOOD | {"dtype": "string", "values": ["YQ==", "!"]}, "Only base64 data"),
    ],
    ids=[
        *("no object", "no values", "unknown type", "another shape", "too large", "fraction", "truth"),
        *("no truth", "no number", "no base64"),
    ],
)
def test_content_that_is_no_array(content, why):
    with pytest.raises(StoreError, match="A golden pair cannot be used") as caught:
        array_from_json(content)
    assert why in caught.value.what


def test_arrays_that_tensorflow_cannot_hold():
    with pytest.raises(StoreError, match="no type for numpy datetime64"):
        array_to_json(np.array(["2020-01-01"], "datetime64[D]"))
    with pytest.raises(StoreError, match="holds 3, which is neither bytes nor text"):
        array_to_json(np.array([3], object))
    with pytest.raises(StoreError, match="AttributeError"):
        golden_from_json({"signature": "s", "inputs": 3, "outputs": {}})
