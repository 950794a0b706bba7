"""Weights of a PyTorch network, read from a `.npz` without PyTorch."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checks import listing
from zoo.errors import WeightsError

PICKLED = (".pth", ".pt", ".tar", ".safetensors")
_PREFIX = "module."
# Tensors of a module in the order of Keras' `layer.weights`: of a batch normalisation γ, β, mean, variance.
_ORDER = ("weight", "bias", "running_mean", "running_var")
_COUNTER = "num_batches_tracked"


def refuse_pickled(path: Path) -> None:
    """Raises WeightsError for a file of PyTorch, with the lines that turn it into a `.npz`."""
    if path.suffix not in PICKLED:
        return
    name = path.name.split(".")[0]
    if path.suffix == ".safetensors":
        lines = (
            "import numpy, safetensors.numpy",
            f'state = safetensors.numpy.load_file("{path.name}")',
            f'numpy.savez("{name}.npz", **state)',
        )
    else:
        lines = (
            "import numpy, torch",
            f'state = torch.load("{path.name}", map_location="cpu", encoding="latin1")["state_dict"]',
            f'numpy.savez("{name}.npz", **{{key: value.numpy() for key, value in state.items()}})',
        )
    raise WeightsError(
        f"{path} is a file of PyTorch's, which is not read here.",
        expected="its state dict as a .npz",
        fix="where PyTorch is installed, run\n    "
        + "\n    ".join(lines)
        + '\n(without ["state_dict"] if the file is the state dict itself)' * (path.suffix != ".safetensors"),
    )


def read_state_dict(path: Path) -> dict[str, list[Any]]:
    """Reads a state dict that was written with `numpy.savez`, one array a tensor.

    The file is made where PyTorch is installed, from `resnet50_places365.pth.tar` for example (the pickled file
    itself runs code when it is read, and is refused):

        import numpy, torch
        state = torch.load("resnet50_places365.pth.tar", map_location="cpu", encoding="latin1")["state_dict"]
        numpy.savez("resnet50_places365.npz", **{key: value.numpy() for key, value in state.items()})

    Args:
        path: The `.npz`. Its keys are `conv1.weight`, `layer1.0.bn1.running_mean`, ...; all may begin with
            `module.`, as `torch.nn.DataParallel` writes them.

    Returns:
        Module, a dot written as an underscore -> its arrays in the order and axes of Keras: kernels
        `[height, width, in, out]` and `[in, out]`; of a batch normalisation γ, β, mean, variance.

    Raises:
        WeightsError: It is no such file, or holds something else than these four tensors of modules.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            tensors = {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path} is not a readable .npz of arrays: {error}",
            expected="one array a tensor",
            fix="write it with numpy.savez, see zoo/backbones/state_dict.py",
        ) from error
    if tensors and all(key.startswith(_PREFIX) for key in tensors):
        tensors = {key.removeprefix(_PREFIX): tensor for key, tensor in tensors.items()}
    foreign = [key for key in tensors if key.rpartition(".")[2] not in (*_ORDER, _COUNTER)]
    if foreign or not tensors:
        raise WeightsError(
            f"{path} is no state dict; it holds {listing(foreign) or 'nothing'}.",
            expected="names of tensors like conv1.weight, " + ", ".join(f"bn1.{name}" for name in _ORDER),
            fix="save the state dict itself, not what it was stored in",
        )
    groups: dict[str, list[Any]] = {}
    for leaf in _ORDER:
        for key, tensor in tensors.items():
            module, _, name = key.rpartition(".")
            if name == leaf:
                groups.setdefault(module.replace(".", "_"), []).append(_as_in_keras(tensor))
    return groups


def _as_in_keras(tensor: np.ndarray) -> np.ndarray:
    """PyTorch's kernels are `[out, in, height, width]` and `[out, in]`."""
    return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T
