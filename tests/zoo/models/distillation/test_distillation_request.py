"""What a comparison may be asked for, and how a preset's subset meets small data."""

from __future__ import annotations

import logging

import pytest

from zoo.errors import ConfigError
from zoo.models.distillation.request import Request, fitting_subset
from zoo.recipe import DataOptions


def request(settings=None, *, preset=None, strategies=("scratch",), data="shapes", **more):
    given = {"teacher": "t"} | (settings or {})
    return Request("distilled", preset, given, strategies, 2, 1, str(data), **more)


@pytest.mark.parametrize(
    ("settings", "strategies", "text"),
    [
        ({}, (), "No strategy was named."),
        ({}, ("whole", "scratch", "whole"), "The strategy whole is named twice."),
        ({"epochs": 3}, ("scratch",), "say it with --epochs"),
        ({"block_epochs": 3}, ("scratch",), "say it with --epochs"),
        ({"strategy": "whole"}, ("scratch",), "say it with --strategies"),
        ({"student": "s", "drop": 2}, ("scratch",), "drop is 2, and student is s"),
    ],
    ids=["none", "twice", "epochs", "block_epochs", "strategy", "drop"],
)
def test_refused(settings, strategies, text):
    with pytest.raises(ConfigError) as raised:
        request(settings, strategies=strategies)
    assert text in str(raised.value)


def test_the_default_drop_beside_a_student():
    assert request({"student": "s", "drop": 1}).recipe().config.student == "s"


def test_written_and_read_again(tmp_path):
    asked = request({"subset": None}, preset="cpu", skip_bad_images=True)
    asked.write(tmp_path)
    assert Request.read(tmp_path) == asked


def test_the_subset_of_a_preset_is_a_cap(labelled_shapes, caplog):
    asked = request(preset="cpu", data=labelled_shapes)
    with caplog.at_level(logging.INFO, "zoo"):
        fitted = asked.fitted(DataOptions())
    assert fitted.recipe().config.subset is None
    assert "shapes has 108 training pictures: all are used, the preset would take 10000" in caplog.text
    assert len(fitted.recipe().splits(labelled_shapes, DataOptions()).train) == 108


def test_other_subsets_stay(labelled_shapes):
    """One that was set, though it is too large; that of a preset which the data can fulfil; none."""
    asked = request({"subset": "500"}, preset="cpu", data=labelled_shapes)
    assert asked.fitted(DataOptions()) == asked
    assert request(data=labelled_shapes).fitted(DataOptions()).settings == {"teacher": "t"}
    small = request({"subset": "50"}, data=labelled_shapes).recipe()
    assert fitting_subset(small, {}, labelled_shapes, DataOptions()) == {}
