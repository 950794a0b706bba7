"""Which layers of which network, and the presets of both tables of the report."""

import pytest

from zoo.errors import ConfigError
from zoo.models.fusion.config import CONCAT_PRESETS, MPN_CBP_PRESETS, ConcatConfig, MpnCbpConfig
from zoo.models.fusion.layer_names import Layer
from zoo.models.fusion.recipe import LayerConcatRecipe, MpnCbpRecipe

ONE = {"backbone": "mobilenet_025", "weights": "a.h5"}
TWO = ONE | {"second_backbone": "mobilenet_050", "second_weights": "b.h5"}


def test_a_layer_without_network_is_that_of_each():
    assert ConcatConfig(layers=("conv5",), **TWO).chosen == (
        Layer("first", "conv5"),
        Layer("second", "conv5"),
    )
    assert ConcatConfig(layers=("conv5",), **ONE).chosen == (Layer("first", "conv5"),)
    mixed = ConcatConfig(layers=("second:conv3", "first:fc"), **TWO)
    assert [layer.label for layer in mixed.chosen] == ["second_conv3", "first_fc"]


@pytest.mark.parametrize("recipe", [LayerConcatRecipe, MpnCbpRecipe])
def test_every_cell_of_the_tables_is_a_preset(recipe):
    rows = ["conv2", "conv3", "conv4", "conv5", "fc", "svd_fc"]
    rows += ["cam", "svd_cam"] if recipe is MpnCbpRecipe else []
    expected = {"seed", *(f"{row}_{column}" for row in rows for column in ("i", "p", "ip"))}
    assert recipe.presets.keys() == expected
    for preset in recipe.presets:
        chosen = recipe.configured(preset, TWO).config.chosen
        networks = [layer.network for layer in chosen]
        column = "ip" if preset == "seed" else preset.rpartition("_")[2]
        assert networks == {"i": ["first"], "p": ["second"], "ip": ["first", "second"]}[column]
    assert CONCAT_PRESETS["seed"]["layers"] == ("svd_fc",)
    assert MPN_CBP_PRESETS["seed"]["dimensions"] == 5000


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"layers": ("third:conv5",)}, "'third:conv5' names a layer of an unknown network 'third'."),
        (
            {"layers": ("second:conv5",)},
            "'second:conv5' names a layer of the second network, and there is none.",
        ),
        ({"layers": ()}, "layers is empty: nothing is looked at."),
        ({"layers": ("conv5", "first:conv5")}, "layers is conv5,first:conv5: a layer is named twice."),
        ({"backbone": "hub:model", "weights": None}, "layers asks 'hub:model' for conv5; of a network from"),
        ({"second_backbone": "store:x"}, "layers asks 'store:x' for conv5; of a network from elsewhere"),
        (
            {"second_backbone": "store:x", "layers": ("second:pooled", "second:features")},
            "layers asks 'store:x' for pooled, features; of a network from elsewhere",
        ),
        ({"split_seed": -1}, "split_seed is -1."),
        ({"folds": 1}, "folds is 1."),
        ({"c": 0.0}, "c is 0.0."),
        ({"per_class": 0}, "per_class is 0."),
        ({"second_weights": "b.h5"}, "second_weights is set, but there is no second network."),
        (
            {"weights": None},
            "backbone is 'mobilenet_025' without weights: its features would be those of chance",
        ),
        (
            {"second_backbone": "mobilenet_050"},
            "second_backbone is 'mobilenet_050' without second_weights: its features would be those of chance",
        ),
    ],
)
def test_settings_that_contradict_each_other(settings, text):
    with pytest.raises(ConfigError) as error:
        ConcatConfig(**ONE | settings)
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("layers", [("conv5", "conv4"), ("first:conv5", "second:fc")])
def test_second_order_statistics_need_one_layer_of_each_network_of_one_kind(layers):
    with pytest.raises(ConfigError, match="one layer of each network; all of them maps"):
        MpnCbpConfig(layers=layers, **TWO)
    ConcatConfig(layers=layers, **TWO)
