"""Class activation maps as pictures: heat over the picture, and CAM beside SVD-CAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.drawing import new_figure, save_figure
from zoo.errors import ConfigError, DataError

# Nine colours of matplotlib's "inferno", RGB 0..255, lowest value first; between them colours are interpolated.
HEAT = np.array(
    [[0, 0, 4], [33, 12, 74], [87, 16, 110], [138, 34, 106], [188, 55, 84],
     [228, 90, 49], [249, 142, 9], [249, 203, 53], [252, 255, 164]], np.float32,
)  # fmt: skip
OPACITY = 0.55


@dataclass(frozen=True, eq=False)
class ClassMaps:
    """A picture with the maps of all classes, a row of the figure.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB 0..255.
        cam: float `[h, w, K]`.
        svd_cam: float `[h, w, K]`, of the polar class vectors: one map for each class.
        column: Which of the K classes is drawn.
        name: Of that class.
    """

    image: np.ndarray
    cam: np.ndarray
    svd_cam: np.ndarray
    column: int
    name: str

    def __post_init__(self) -> None:
        """Raises ConfigError where the maps do not belong together."""
        if self.cam.shape != self.svd_cam.shape or not 0 <= self.column < self.cam.shape[-1]:
            raise ConfigError(
                f"CAM is {self.cam.shape}, SVD-CAM {self.svd_cam.shape}, the class number {self.column}.",
                expected="[h, w, classes] for both, and one of the classes",
                fix='convert with basis="polar": the left factor has no map for a class',
            )


def draw_class_maps(rows: Sequence[ClassMaps], path: Path) -> Path:
    """Draws picture, CAM and SVD-CAM of a class, and the means of |CAM| and |SVD-CAM| over all classes.

    The form of Figs. 2 and 3 of the final report of KAKENHI 17K20008. Every map has its own scale, whose ends
    stand above it: the colours of two maps cannot be compared, only where they are large.

    Args:
        rows: One for each picture, at least one.
        path: PNG to write.

    Raises:
        ConfigError: There is no row.
        MissingExtraError: matplotlib is not installed.
    """
    if not rows:
        raise ConfigError("A figure of no picture.", fix="give at least one")
    figure = new_figure((13, 2.9 * len(rows)), "Drawing class activation maps")
    for axes, row in zip(figure.subplots(len(rows), 5, squeeze=False), rows, strict=True):
        maps = {
            "CAM": row.cam[..., row.column],
            "SVD-CAM": row.svd_cam[..., row.column],
            "mean |CAM|": np.abs(row.cam).mean(axis=-1),
            "mean |SVD-CAM|": np.abs(row.svd_cam).mean(axis=-1),
        }
        axes[0].imshow(row.image)
        # A "$" in a name is no formula.
        axes[0].set_title(row.name, fontsize="small", parse_math=False)
        for place, (title, values) in zip(axes[1:], maps.items(), strict=True):
            place.imshow(overlay(row.image, values))
            place.set_title(f"{title}: {values.min():.3g} .. {values.max():.3g}", fontsize="small")
        for place in axes:
            place.axis("off")
    return save_figure(figure, path)


def overlay(image: np.ndarray, values: np.ndarray, opacity: float = OPACITY) -> np.ndarray:
    """Lays a map over a picture as colours from its least value (dark) to its greatest (bright).

    Args:
        image: uint8 `[H, W, 3]`, RGB 0..255.
        values: float `[h, w]`, enlarged bilinearly. A constant map is dark everywhere.
        opacity: Of the colours, 0..1.

    Returns:
        uint8 `[H, W, 3]`, RGB 0..255.

    Raises:
        DataError: The picture or the map has another shape, or the map is not finite.
    """
    image, values = np.asarray(image), np.asarray(values, np.float32)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
        raise DataError(
            f"The picture is {image.dtype} {image.shape}.",
            expected="uint8 [height, width, 3], RGB 0..255",
            fix="decode it with zoo.preprocessing.reading.load_images",
        )
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise DataError(
            f"The map has shape {values.shape}" + (" and is not finite." if values.ndim == 2 else "."),
            expected="finite numbers [height, width]",
            fix="give the map of one class: cam[0, :, :, k]",
        )
    low, high = values.min(), values.max()
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    places = enlarge(scaled, image.shape[0], image.shape[1]) * (len(HEAT) - 1)
    below = np.minimum(places.astype(np.int64), len(HEAT) - 2)
    share = (places - below)[..., None]
    colours = (1 - share) * HEAT[below] + share * HEAT[below + 1]
    blended = (1 - opacity) * image.astype(np.float32) + opacity * colours
    return (blended + 0.5).astype(np.uint8)


def enlarge(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes a map bilinearly, pixels counted from their centres, as `tf.image.resize` does.

    Args:
        values: float `[h, w]`.
        height: Of the result.
        width: Of the result.
    """
    rows = _weights(values.shape[0], height)
    columns = _weights(values.shape[1], width)
    result: np.ndarray = rows @ values.astype(np.float32) @ columns.T
    return result


def _weights(before: int, after: int) -> np.ndarray:
    """Matrix `[after, before]` of linear interpolation; beyond the outermost centres the value stays."""
    centres = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    # 1 at a centre, 0 at its neighbours and beyond.
    distance = np.abs(centres[:, None] - np.arange(before)[None])
    return np.maximum(0, 1 - distance).astype(np.float32)
