"""Settings, presets and refusals of the four classifiers."""

from __future__ import annotations

import pytest

import zoo
from zoo.catalog import get_spec
from zoo.errors import ConfigError, ZooError

VGGS = ("vgg15", "vgg15_minus_one", "vgg15_one_per_block")


def configured(name="vgg15", preset=None, **settings):
    return get_spec(name).load().configured(preset, settings).config


@pytest.mark.parametrize("name", VGGS)
def test_presets(name):
    assert set(get_spec(name).load().presets) == {"repdistiller", "weiaicunzai", "cpu", "seed"}
    rep, wei, cpu, seed = (
        configured(name, preset) for preset in ("repdistiller", "weiaicunzai", "cpu", "seed")
    )
    assert (rep.learning_rate, rep.batch_size, rep.epochs, rep.nesterov) == (0.05, 64, 240, False)
    assert [share * 240 for share in rep.decay_at] == [150, 180, 210]
    assert (wei.learning_rate, wei.batch_size, wei.epochs, wei.nesterov) == (0.1, 128, 200, True)
    assert [share * 200 for share in wei.decay_at] == pytest.approx([60, 120, 160])
    assert (cpu.width, cpu.subset, cpu.schedule) == (0.25, 10_000, "cosine")
    assert (seed.batch_norm, seed.width, seed.head_width) == (False, 1.0, 512)


def test_presets_of_any_student():
    assert set(get_spec("distilled").load().presets) == {"repdistiller", "weiaicunzai", "cpu"}
    assert configured("distilled", "cpu", teacher="t").epochs == 15


def test_created_by_name():
    model = zoo.create_model("vgg15_one_per_block", classes=("a", "b"), width=0.125, head_width=4)
    assert model.classes == ("a", "b")
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"strategy": "whole"}, "strategy is whole, and there is no teacher."),
        ({"strategy": "blockwise"}, "strategy is blockwise, and there is no teacher."),
        ({"start": "teacher"}, "start is teacher, and there is no teacher."),
        ({"strategy": "Whole"}, "The setting 'strategy' got 'Whole'. Did you mean 'whole'?"),
        ({"kd_weight": 1.5}, "kd_weight is 1.5."),
        ({"hint_weight": -1.0}, "hint_weight is -1.0."),
        ({"hint_weight": 100.0}, "hint_weight is 100.0, and strategy is scratch."),
        ({"at": "block_1,block_2"}, "at is block_1,block_2, and there is no teacher to cut."),
        ({"weight_decay": -0.1}, "weight_decay is -0.1."),
        ({"decay_at": "0.5,1.5"}, "decay_at is (0.5, 1.5)."),
        ({"temperature": 0.0}, "temperature is 0.0."),
        ({"block_epochs": 0}, "block_epochs is 0."),
        ({"fine_tune_rate": 0.0}, "fine_tune_rate is 0.0."),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0."),
        ({"momentum": 1.0}, "momentum is 1.0."),
        ({"dropout": 1.0}, "dropout is 1.0."),
        ({"width": 0.0}, "width is 0.0."),
        ({"pools": 4}, "The setting 'pools' got 4."),
        ({"feature": "pre_relo"}, "The setting 'feature' got 'pre_relo'. Did you mean 'pre_relu'?"),
        ({"subset": 0}, "subset is 0."),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_settings_that_are_refused(settings, text):
    with pytest.raises(ZooError) as raised:
        configured(**settings)
    assert str(raised.value).splitlines()[0] == text
    assert "Fix: " in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "There is no teacher to make a student from."),
        ({"teacher": "t", "student_at": "a,b"}, "student_at is ('a', 'b'), and there is no student to cut."),
        ({"teacher": "t", "drop": 0}, "drop is 0."),
    ],
    ids=["teacher", "student_at", "drop"],
)
def test_a_derived_student_is_refused(settings, text):
    with pytest.raises(ConfigError) as raised:
        configured("distilled", **settings)
    assert str(raised.value).splitlines()[0] == text


def test_a_teacher_is_recorded_by_its_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "teacher.keras").touch()
    monkeypatch.chdir(tmp_path)
    assert configured(strategy="whole", teacher="teacher.keras").teacher == str(tmp_path / "teacher.keras")
    assert configured(strategy="whole", teacher="store:vgg15").teacher == "store:vgg15"


def test_prepared_arrays_keep_the_teacher_that_they_were_prepared_with():
    """Settings are checked together: each of these alone would have no teacher."""
    made = {"teacher": "t", "strategy": "blockwise", "epochs": 9, "subset": 50}
    recipe = get_spec("vgg15_minus_one").load()
    config = recipe.prepared(made, None, {"strategy": "whole"}).config
    assert (config.teacher, config.strategy, config.epochs) == ("t", "whole", 9)
    config = get_spec("distilled").load().prepared(made, "weiaicunzai", {"drop": "2"}).config
    assert (config.drop, config.epochs, config.learning_rate) == (2, 200, 0.1)
    with pytest.raises(ConfigError, match=r"prepared with subset=50, but subset=10000 is asked for"):
        recipe.prepared(made, "cpu", {})
