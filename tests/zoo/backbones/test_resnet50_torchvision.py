"""ResNet-50 with weights of PyTorch: the numbers of torchvision's network, and nothing that does not fit."""

from __future__ import annotations

import dataclasses
import io
import zipfile

import numpy as np
import pytest
from scipy.signal import correlate

from zoo.backbones import BACKBONES, build_backbone, get_backbone_spec
from zoo.backbones.build import _network
from zoo.errors import ConfigError, WeightsError

NAME, WIDTH, SIZE, CLASSES = "resnet50_torchvision", 2, 64, 5
PICTURE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """The whole structure with 2 channels in place of 64."""
    with pytest.MonkeyPatch.context() as patch:
        spec = dataclasses.replace(get_backbone_spec(NAME), arguments={"width": WIDTH})
        patch.setitem(BACKBONES, NAME, spec)
        yield


def random_state_dict() -> dict[str, np.ndarray]:
    """Names and shapes as `torchvision.models.resnet50(num_classes=5).state_dict()` has them, narrowed."""
    rng = np.random.default_rng(1)
    state: dict[str, np.ndarray] = {}

    def convolution(name: str, inputs: int, outputs: int, side: int) -> None:
        state[f"{name}.weight"] = (
            rng.normal(size=(outputs, inputs, side, side)) * (inputs * side * side) ** -0.5
        )

    def norm(name: str, channels: int) -> None:
        state[f"{name}.weight"] = rng.uniform(0.5, 1.5, channels)
        state[f"{name}.bias"] = rng.normal(size=channels) * 0.3
        state[f"{name}.running_mean"] = rng.normal(size=channels) * 0.3
        state[f"{name}.running_var"] = (
            rng.uniform(1e-5, 1e-4, channels) if "2.1" in name else rng.uniform(0.5, 2, channels)
        )
        state[f"{name}.num_batches_tracked"] = np.array(7)

    convolution("conv1", 3, WIDTH, 7)
    norm("bn1", WIDTH)
    inputs = WIDTH
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        channels = WIDTH * 2 ** (layer - 1)
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            for number, (side, outputs) in enumerate(
                ((1, channels), (3, channels), (1, 4 * channels)), start=1
            ):
                convolution(f"{name}.conv{number}", inputs if number == 1 else channels, outputs, side)
                norm(f"{name}.bn{number}", outputs)
            if block == 0:
                convolution(f"{name}.downsample.0", inputs, 4 * channels, 1)
                norm(f"{name}.downsample.1", 4 * channels)
            inputs = 4 * channels
    state["fc.weight"] = rng.normal(size=(CLASSES, inputs)) * inputs**-0.5
    state["fc.bias"] = rng.normal(size=CLASSES)
    return {name: value.astype(np.float32) if value.ndim else value for name, value in state.items()}


STATE = random_state_dict()


def saved(path, state=STATE):
    np.savez(path, **state)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("weights") / "places.npz")


# --- torchvision/models/resnet.py, computed with numpy and scipy, channels first ---


def convolve(x, kernel, stride, padding):
    """Of `[in, h, w]` with `[out, in, kh, kw]`."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    full = np.stack([correlate(x, k, mode="valid", method="direct")[0] for k in kernel])
    return full[:, ::stride, ::stride]


def normalize(x, name):
    gamma, beta, mean, variance = (
        STATE[f"{name}.{leaf}"][:, None, None].astype(np.float64)
        for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta


def bottleneck(x, name, stride):
    y = np.maximum(0, normalize(convolve(x, STATE[f"{name}.conv1.weight"], 1, 0), f"{name}.bn1"))
    y = np.maximum(0, normalize(convolve(y, STATE[f"{name}.conv2.weight"], stride, 1), f"{name}.bn2"))
    y = normalize(convolve(y, STATE[f"{name}.conv3.weight"], 1, 0), f"{name}.bn3")
    if f"{name}.downsample.0.weight" in STATE:
        x = normalize(convolve(x, STATE[f"{name}.downsample.0.weight"], stride, 0), f"{name}.downsample.1")
    return np.maximum(0, x + y)


def torchvision_stages(picture):
    x = (picture / 255.0 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    x = np.maximum(0, normalize(convolve(x.transpose(2, 0, 1), STATE["conv1.weight"], 2, 3), "bn1"))
    x = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(3, 4))
    stages = []
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            x = bottleneck(x, f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1)
        stages.append(x.transpose(1, 2, 0))
    return stages


@pytest.fixture(scope="module")
def reference():
    return torchvision_stages(PICTURE)


@pytest.mark.parametrize(("stage", "side"), [(2, 16), (3, 8), (4, 4), (5, 2)])
def test_stages_are_those_of_torchvision(file, reference, stage, side):
    model = build_backbone(NAME, layer=f"stage{stage}", weights=file, image_size=SIZE, pool=None)
    maps = np.asarray(model(PICTURE[None]))[0]
    expected = reference[stage - 2]
    assert maps.shape == expected.shape == (side, side, 4 * WIDTH * 2 ** (stage - 2))
    assert expected.std() > 0.1
    assert np.allclose(maps, expected, atol=1e-4 * np.abs(expected).max())


def test_odd_sizes_are_halved_as_torchvision_does(file):
    picture = PICTURE[:45, :45]
    model = build_backbone(NAME, layer="stage3", weights=file, image_size=45, pool=None)
    expected = torchvision_stages(picture)[1]
    maps = np.asarray(model(picture[None]))[0]
    assert maps.shape == expected.shape == (6, 6, 16)
    assert np.allclose(maps, expected, atol=1e-4 * np.abs(expected).max())


def test_predictions_and_classes_come_from_the_file(file, reference):
    model = build_backbone(NAME, layer="predictions", weights=file, image_size=SIZE)
    logits = STATE["fc.weight"] @ reference[3].mean(axis=(0, 1)) + STATE["fc.bias"]
    expected = np.exp(logits - logits.max())
    assert model.output_shape == (None, CLASSES)
    assert np.allclose(model(PICTURE[None])[0], expected / expected.sum(), atol=1e-5)


def test_prefix_of_data_parallel_and_old_files_without_counters(file, tmp_path):
    state = {f"module.{name}": value for name, value in STATE.items() if "num_batches" not in name}
    old = build_backbone(NAME, weights=saved(tmp_path / "old.npz", state), image_size=SIZE)
    new = build_backbone(NAME, weights=file, image_size=SIZE)
    for ours, theirs in zip(old.get_weights(), new.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_keras_weights_of_the_same_network(file, tmp_path):
    model = build_backbone(NAME, layer="predictions", weights=file, image_size=SIZE)
    model.get_layer(NAME).save_weights(tmp_path / "x.weights.h5")
    again = build_backbone(NAME, layer="predictions", weights=tmp_path / "x.weights.h5", image_size=SIZE)
    assert np.array_equal(model(PICTURE[None]), again(PICTURE[None]))


def test_published_size():
    """25,557,032 parameters (torchvision's ResNet50_Weights) and 2 x 26,560 statistics of batch normalisation."""
    spec = dataclasses.replace(get_backbone_spec(NAME), arguments={})
    assert spec.parameters == 25_557_032 + 2 * 26_560
    network = _network(spec, "predictions", 32, 1000, None)
    assert network.count_params() == spec.parameters
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == 25_557_032


def without(name):
    return {key: value for key, value in STATE.items() if key != name}


REFUSED = {
    "missing_tensor": (
        without("layer2.0.bn2.running_var"),
        r"layer 'layer2_0_bn2' \(layer2_0_bn2\) has shapes",
    ),
    "missing_module": (without("layer3.5.conv3.weight"), "layer 'layer3_5_conv3' .* has no weights"),
    "extra_module": (
        {**STATE, "layer5.0.conv1.weight": np.zeros((1, 1, 1, 1))},
        "does not have: layer5_0_conv1",
    ),
    "extra_bias": (
        {**STATE, "conv1.bias": np.zeros(WIDTH)},
        r"'conv1' .* has shapes \[\(7, 7, 3, 2\), \(2,\)\]",
    ),
    "wrong_shape": (
        {**STATE, "conv1.weight": np.zeros((2, 3, 3, 3))},
        r"'conv1' .* has shapes \[\(3, 3, 3, 2\)\]",
    ),
    "foreign_tensor": ({**STATE, "bn1.scale": np.zeros(2)}, r"is no state dict; it holds bn1\.scale"),
    "checkpoint": (
        {"epoch": np.array(90), "arch": np.array("resnet50")},
        "is no state dict; it holds epoch, arch",
    ),
    "mixed_prefix": ({**STATE, "module.fc.weight": STATE["fc.weight"]}, "does not have: module_fc"),
    "pickled_objects": (
        {"conv1.weight": np.array([{}])},
        r"is not a readable \.npz of arrays: Object arrays",
    ),
    "empty": ({}, "is no state dict; it holds nothing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_do_not_fit_are_refused(case, tmp_path):
    state, text = REFUSED[case]
    with pytest.raises(WeightsError, match=text):
        build_backbone(NAME, weights=saved(tmp_path / "x.npz", state), image_size=SIZE)


def test_trunk_needs_no_classifier_and_predictions_do(tmp_path):
    state = {key: value for key, value in STATE.items() if not key.startswith("fc.")}
    path = saved(tmp_path / "x.npz", state)
    assert build_backbone(NAME, weights=path, image_size=SIZE).output_shape == (None, 32 * WIDTH)
    with pytest.raises(WeightsError, match=r"no classifier, which layer 'predictions'(.|\n)*the layers fc"):
        build_backbone(NAME, layer="predictions", weights=path, image_size=SIZE)


def test_damaged_files_are_refused(tmp_path, file):
    (tmp_path / "text.npz").write_text("no weights")
    whole = file.read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    flipped = io.BytesIO()
    with zipfile.ZipFile(flipped, "w") as archive:
        archive.writestr("conv1.weight.npy", b"\x93NUMPY\x01\x00")
    (tmp_path / "header.npz").write_bytes(flipped.getvalue())
    for name in ("text", "half", "header"):
        with pytest.raises(WeightsError, match=rf"{name}\.npz is not a readable \.npz of arrays"):
            build_backbone(NAME, weights=tmp_path / f"{name}.npz", image_size=SIZE)


def test_files_of_pytorch_tell_how_they_are_converted(tmp_path):
    path = tmp_path / "resnet50_places365.pth.tar"
    path.write_bytes(b"\x80\x02")
    with pytest.raises(WeightsError) as raised:
        build_backbone(NAME, weights=path, image_size=SIZE)
    assert str(raised.value) == (
        f"{path} is a file of PyTorch's, which is not read here.\n"
        "Expected: its state dict as a .npz\n"
        "Fix: where PyTorch is installed, run\n"
        "    import numpy, torch\n"
        '    state = torch.load("resnet50_places365.pth.tar", map_location="cpu", encoding="latin1")["state_dict"]\n'
        '    numpy.savez("resnet50_places365.npz", **{key: value.numpy() for key, value in state.items()})\n'
        '(without ["state_dict"] if the file is the state dict itself)'
    )
    (tmp_path / "x.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match=r'numpy\.savez\("x\.npz", \*\*state\)$'):
        build_backbone(NAME, weights=tmp_path / "x.safetensors", image_size=SIZE)


def test_other_backbones_name_the_right_one(file):
    with pytest.raises(
        WeightsError, match=r"of PyTorch, 'resnet50' takes(.|\n)*a state dict of resnet50_torchvision"
    ):
        build_backbone("resnet50", weights=file, image_size=32)


def test_pictures_too_small_and_no_published_weights():
    with pytest.raises(ConfigError, match="cannot be built for pictures of 31 x 31"):
        build_backbone(NAME, image_size=31)
    with pytest.raises(WeightsError, match="no ImageNet weights for 'resnet50_torchvision'"):
        build_backbone(NAME, weights="imagenet")
