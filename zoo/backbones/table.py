"""The one table of backbones. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping

from zoo.backbones.backbone_spec import BackboneSpec
from zoo.errors import ConfigError, nearest

_FOREIGN_PREFIXES = ("hub:", "store:", "garden:")


def is_foreign(name: str) -> bool:
    """Whether a backbone is no network of the table, but one from elsewhere by its handle."""
    return name.startswith(_FOREIGN_PREFIXES)


def _vgg(layers: int, parameters: int, column: str) -> BackboneSpec:
    return BackboneSpec(
        name=f"vgg{layers}",
        network=f"keras.applications:VGG{layers}",
        scaling="caffe",
        image_size=224,
        layers={
            **{f"block{block}_pool": f"block{block}_pool" for block in range(1, 6)},
            "fc6": "fc1",
            "fc7": "fc2",
            "predictions": "predictions",
        },
        default_layer="fc7",
        top=("fc6", "fc7", "predictions"),
        classifier={"fc1": "dense", "fc2": "dense_1", "predictions": "dense_2"},
        parameters=parameters,
        paper=f"Simonyan and Zisserman 2014, arXiv:1409.1556, Table 1, column {column}",
        weights_licence="CC BY 4.0; trained on ImageNet, whose own terms are non-commercial research",
    )


def _mobilenet(suffix: str, alpha: float, image_size: int, parameters: int) -> BackboneSpec:
    return BackboneSpec(
        name=f"mobilenet{suffix}",
        network="keras.applications:MobileNet",
        arguments={"alpha": alpha},
        scaling="tf",
        image_size=image_size,
        layers={
            **{f"block{block}": f"conv_pw_{block}_relu" for block in range(1, 14)},
            "predictions": "predictions",
        },
        default_layer="block13",
        top=("predictions",),
        classifier={"conv_preds": "conv2d_14"},
        parameters=parameters,
        paper="Howard et al. 2017, MobileNets, arXiv:1704.04861, Table 1",
    )


_SPECS = (
    BackboneSpec(
        name="tiny_cnn",
        network="zoo.backbones.tiny_cnn:tiny_cnn",
        scaling="tf",
        image_size=64,
        layers={f"block{block}": f"block{block}_relu" for block in range(1, 5)},
        default_layer="block4",
        parameters=79_184,
        imagenet=False,
        paper="none: a small plain CNN, trained end to end",
        weights_licence="none shipped: trained by the user",
        research_only=False,
    ),
    _vgg(16, 138_357_544, "D"),
    _vgg(19, 143_667_240, "E"),
    BackboneSpec(
        name="resnet50",
        network="keras.applications:ResNet50",
        scaling="caffe",
        image_size=224,
        layers={
            "stage2": "conv2_block3_out",
            "stage3": "conv3_block4_out",
            "stage4": "conv4_block6_out",
            "stage5": "conv5_block3_out",
            "predictions": "predictions",
        },
        default_layer="stage5",
        top=("predictions",),
        classifier={"predictions": "dense"},
        parameters=25_636_712,
        paper="He et al. 2015, Deep residual learning, arXiv:1512.03385, Table 1",
        weights_licence="MIT; trained on ImageNet, whose own terms are non-commercial research",
    ),
    BackboneSpec(
        name="resnet50_torchvision",
        network="zoo.backbones.resnet50_torchvision:resnet50_torchvision",
        scaling="torch",
        image_size=224,
        layers={
            "stage2": "layer1_2_out",
            "stage3": "layer2_3_out",
            "stage4": "layer3_5_out",
            "stage5": "layer4_2_out",
            "predictions": "fc",
        },
        default_layer="stage5",
        top=("predictions",),
        classifier={"fc": "dense"},
        parameters=25_610_152,
        imagenet=False,
        state_dict=True,
        paper="He et al. 2015, arXiv:1512.03385, Table 1, with the stride in the 3x3 convolution as in torchvision",
        weights_licence="as stated where the weights come from; the networks of CSAILVision/places365 are CC BY, the "
        "copyright of their pictures is their owners'",
    ),
    _mobilenet("", 1.0, 224, 4_253_864),
    _mobilenet("_075", 0.75, 192, 2_601_976),
    _mobilenet("_050", 0.5, 160, 1_342_536),
    _mobilenet("_025", 0.25, 128, 475_544),
    BackboneSpec(
        name="mobilenet_v2",
        network="keras.applications:MobileNetV2",
        scaling="tf",
        image_size=224,
        layers={
            "block2": "block_2_add",
            "block5": "block_5_add",
            "block9": "block_9_add",
            "block12": "block_12_add",
            "block15": "block_15_add",
            "block16": "block_16_project_BN",
            "features": "out_relu",
            "predictions": "predictions",
        },
        default_layer="features",
        top=("predictions",),
        classifier={"predictions": "dense"},
        parameters=3_538_984,
        paper="Sandler et al. 2018, MobileNetV2, arXiv:1801.04381, Table 2",
    ),
    BackboneSpec(
        name="efficientnet_v2_b0",
        network="keras.applications:EfficientNetV2B0",
        arguments={"include_preprocessing": False},
        scaling="torch",
        image_size=224,
        layers={
            "stage1": "block1a_project_bn",
            "stage2": "block2b_add",
            "stage3": "block3b_add",
            "stage4": "block4c_add",
            "stage5": "block5e_add",
            "stage6": "block6h_add",
            "features": "top_activation",
            "predictions": "predictions",
        },
        default_layer="features",
        top=("predictions",),
        classifier={"predictions": "dense"},
        parameters=7_200_312,
        paper="Tan and Le 2021, EfficientNetV2, arXiv:2104.00298, section 3 (B0 scaling of EfficientNet)",
    ),
    BackboneSpec(
        name="squeezenet",
        network="zoo.backbones.squeezenet:squeezenet",
        scaling="caffe",
        image_size=227,
        layers={
            **{f"fire{fire}": f"fire{fire}_concat" for fire in range(2, 10)},
            "predictions": "predictions",
        },
        default_layer="fire9",
        top=("predictions",),
        classifier={"conv10": "conv2d_25"},
        parameters=1_235_496,
        imagenet=False,
        paper="Iandola et al. 2016, SqueezeNet, arXiv:1602.07360, Table 1; v1.1 of the authors' repository",
        weights_licence="as stated where the weights come from; those of its authors were trained on ImageNet, "
        "whose own terms are non-commercial research",
    ),
)

BACKBONES: Mapping[str, BackboneSpec] = {spec.name: spec for spec in _SPECS}


def backbone_names() -> list[str]:
    """Returns the names of the table; `hub:...`, `store:...` and `garden:...` work beside them."""
    return list(BACKBONES)


def listed_backbones() -> list[str]:
    """Returns the names of the table and the forms of those that come from elsewhere."""
    return [*BACKBONES, "hub:<handle or path>", "store:NAME[@VERSION]", "garden:resnet50[:checkpoint]"]


def get_backbone_spec(name: str) -> BackboneSpec:
    """Returns the row of a backbone of the table.

    Raises:
        ConfigError: There is no such backbone, or it is a foreign one (`hub:`, `store:`, `garden:`), which has no row.
    """
    if name not in BACKBONES:
        raise ConfigError(
            f"Unknown backbone '{name}'.{nearest(name, BACKBONES)}",
            expected=f"one of {', '.join(listed_backbones())}",
            fix="set backbone to one of these",
        )
    return BACKBONES[name]


def get_layer_name(spec: BackboneSpec, layer: str | None) -> str:
    """Returns our name of the feature layer that was asked for, or the default one.

    Raises:
        ConfigError: The backbone offers no such layer.
    """
    layer = layer or spec.default_layer
    if layer not in spec.layers:
        raise ConfigError(
            f"Backbone '{spec.name}' has no feature layer '{layer}'.{nearest(layer, spec.layers)}",
            expected=f"one of {', '.join(spec.layers)}",
            fix="set layer to one of these, or leave it out",
        )
    return layer
