"""What a version folder says of itself, read without tensorflow."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

import zoo
from export.store.describe import MAX_GOLDEN_BYTES, LicenceTexts, describe, version_folder
from tests.export.store.small_models import FREE, write_small_model
from zoo.errors import StoreError

NO_TEXTS = LicenceTexts()


def test_all_facts_of_a_small_model(tmp_path):
    pair = ({"x": np.ones((1, 3), np.float32)}, {"y": np.array([[0.5, -2]], np.float32)})
    folder = write_small_model(
        tmp_path / "m" / "7",
        goldens={"serving_default": pair},
        input_contract={"colour_order": "RGB"},
        metrics={"test": {"model": {"accuracy": 0.5, "loss": float("nan")}}},
        command="mizoo evaluate runs/m/1",
    )
    said = describe(folder, NO_TEXTS)
    assert (said.name, said.version, said.command) == ("m", 7, "mizoo evaluate runs/m/1")
    assert vars(said.licence) == FREE
    assert said.signatures == {
        "serving_default": {
            "inputs": {"x": {"dtype": "float32", "shape": [None, 3]}},
            "outputs": {"y": {"dtype": "float32", "shape": [None, 2]}},
        }
    }
    assert said.input_contract == {"colour_order": "RGB"}
    # NaN is no JSON: it would make the index unreadable outside of Python.
    assert said.metrics == {"test": {"model": {"accuracy": 0.5, "loss": "NaN"}}}
    assert said.requires == {
        "tensorflow": "2.20.0",
        "mizoo": zoo.__version__,
        "ops_sha256": hashlib.sha256(b"AddV2\nMatMul\nPlaceholder\nVarHandleOp").hexdigest(),
    }
    assert said.golden == {
        "tolerance": 1e-5,
        "pairs": [
            {
                "signature": "serving_default",
                "inputs": {"x": {"dtype": "float32", "shape": [1, 3], "values": [1.0, 1.0, 1.0]}},
                "outputs": {"y": {"dtype": "float32", "shape": [1, 2], "values": [0.5, -2.0]}},
            }
        ],
        "archive_only": [],
    }


def test_a_bare_saved_model_with_terms_given(tmp_path):
    folder = write_small_model(tmp_path / "m" / "1")
    (folder / "assets.extra" / "contract.json").unlink()
    said = describe(folder, LicenceTexts("MIT", "own", "none"))
    assert vars(said.licence) == {"code": "MIT", "weights": "own", "data": "none", "research_only": False}
    assert said.golden == {"tolerance": 1e-5, "pairs": [], "archive_only": []}
    assert (said.input_contract, said.metrics, said.command) == ({}, {}, "")


def test_large_pairs_stay_in_the_archive(tmp_path):
    large = ({"x": np.zeros((MAX_GOLDEN_BYTES // 3, 1), np.float32)}, {"y": np.zeros((1, 2), np.float32)})
    small = ({"x": np.zeros((1, 3), np.float32)}, {"y": np.zeros((1, 2), np.float32)})
    folder = write_small_model(tmp_path / "m" / "1", goldens={"large": large, "small": small})
    golden = describe(folder, NO_TEXTS).golden
    assert [pair["signature"] for pair in golden["pairs"]] == ["small"]
    assert golden["archive_only"] == ["large"]


def test_the_highest_version_of_a_model(tmp_path):
    for version in ("2", "10", "9"):
        write_small_model(tmp_path / "m" / version)
    (tmp_path / "m" / ".staging-11").mkdir()
    assert version_folder(tmp_path / "m") == tmp_path / "m" / "10"
    assert version_folder(tmp_path / "m" / "2") == tmp_path / "m" / "2"


def test_texts_override_the_contract_but_not_its_mark(tmp_path):
    folder = write_small_model(tmp_path / "m" / "1", licence=FREE | {"research_only": True})
    said = describe(folder, LicenceTexts(weights="mine"))
    assert vars(said.licence) == FREE | {"weights": "mine", "research_only": True}


@pytest.mark.parametrize(
    ("licence", "text", "fix"),
    [
        (
            None,
            "its code and weights and data",
            "--code-licence TEXT --weights-licence TEXT --data-licence TEXT",
        ),
        (FREE | {"data": " "}, "its data may", "publish with --data-licence TEXT"),
        ({"code": "MIT"}, "its weights and data", "publish with --weights-licence TEXT --data-licence TEXT"),
        (
            FREE | {"research_only": "no"},
            "licence.research_only is 'no', not true or false",
            "--code-licence",
        ),
        ("MIT", "licence is 'MIT', not an object", "--code-licence"),
    ],
    ids=["none", "blank", "code alone", "mark is text", "no object"],
)
def test_terms_that_are_not_known(licence, text, fix, tmp_path):
    folder = write_small_model(tmp_path / "m" / "1", licence=licence)
    with pytest.raises(StoreError) as caught:
        describe(folder, NO_TEXTS)
    assert text in caught.value.what
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("file", "content", "text"),
    [
        ("assets.extra/contract.json", b"{", "contract.json cannot be used: JSONDecodeError"),
        ("assets.extra/contract.json", b"[]", "it holds list, not an object"),
        ("assets.extra/contract.json", b'{"metrics": 3, "licence": null}', "its code and weights"),
        ("saved_model.pb", b"\xff\xff", "saved_model.pb cannot be read"),
        ("saved_model.pb", b"", "Could not find meta graph def matching supplied tags: { serve }"),
        ("assets.extra/golden_predictions", b"short", "record 0 of golden_predictions is cut off"),
    ],
    ids=["no JSON", "a list", "no terms", "no protobuf", "no graph", "no records"],
)
def test_folders_that_are_damaged(file, content, text, tmp_path):
    folder = write_small_model(tmp_path / "m" / "1")
    (folder / file).write_bytes(content)
    with pytest.raises(StoreError) as caught:
        describe(folder, NO_TEXTS)
    assert text in caught.value.what


def test_contract_parts_of_another_kind(tmp_path):
    folder = write_small_model(tmp_path / "m" / "1", metrics=[1])
    with pytest.raises(StoreError, match=r"metrics is \[1\], not an object"):
        describe(folder, NO_TEXTS)


@pytest.mark.parametrize(
    ("make", "name", "text"),
    [
        (lambda f: None, "none", "There is no folder"),
        (
            lambda f: (f / "m").mkdir(parents=True),
            "m",
            "holds neither saved_model.pb nor a folder of a version",
        ),
        (lambda f: (f / "m" / "3").mkdir(parents=True), "m", "3, the highest version of m, holds no"),
        (
            lambda f: write_small_model(f / "m" / "best"),
            "m/best",
            "holds a SavedModel, and its name is no version",
        ),
    ],
    ids=["missing", "empty", "empty version", "named version"],
)
def test_what_is_no_version_folder(make, name, text, tmp_path):
    make(tmp_path)
    with pytest.raises(StoreError, match=r"MODELS_DIR/NAME/VERSION/saved_model\.pb") as caught:
        version_folder(tmp_path / name)
    assert text in caught.value.what


def test_names_and_versions_that_no_store_takes(tmp_path):
    with pytest.raises(StoreError, match="'two words' cannot be the name"):
        describe(write_small_model(tmp_path / "two words" / "1"), NO_TEXTS)
    with pytest.raises(StoreError, match="0 is no version"):
        describe(write_small_model(tmp_path / "m" / "0"), NO_TEXTS)


def test_neither_tensorflow_nor_keras_is_imported(tmp_path):
    folder = write_small_model(tmp_path / "m" / "1")
    code = (
        "import sys, json; from pathlib import Path; import export.store.publish;"
        "from export.store.describe import *;"
        f"describe(Path({str(folder)!r}), LicenceTexts());"
        "print(json.dumps([m for m in ('tensorflow', 'keras', 'pandas', 'matplotlib') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
