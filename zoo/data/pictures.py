"""Pictures on disk as the inputs of a network: image files, or features of a frozen backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.batches import ImageFiles, Split
from zoo.data.captions import CaptionedImages, open_captions
from zoo.data.examples import cached_shapes

if TYPE_CHECKING:
    from zoo.backbones.config import BackboneConfig, CaptionedConfig
    from zoo.recipe import DataOptions


def open_captioned(data: str | Path, config: CaptionedConfig, options: DataOptions) -> CaptionedImages:
    """Opens whatever `open_captions` knows, or "shapes" for the generated set."""
    if str(data) == "shapes":
        return open_captions(cached_shapes(options.cache, progress=options.progress))
    return open_captions(
        data,
        images=config.images,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        skip_bad=options.skip_bad_images,
    )


def rows_of_split(captioned: CaptionedImages, kept: Sequence[int], split: str) -> np.ndarray:
    """Returns which rows of `picture_inputs` are of one split: int64 `[pictures]`.

    Args:
        captioned: The data set.
        kept: As `picture_inputs` returned it.
        split: "train", "validation" or "test".

    Raises:
        DataError: The split has no pictures.
    """
    rows = np.array([i for i, row in enumerate(kept) if captioned.split[row] == split], int)
    if not len(rows):
        captioned.subset(split)  # raises, saying which splits there are
    return rows


def first_rows(split: Split) -> np.ndarray:
    """Returns a row for each picture of a split whose rows are captions: int64 `[pictures]`.

    Args:
        split: Target `picture` int32 `[rows, 1]`, the number of the picture within the split.
    """
    _, rows = np.unique(split.targets["picture"][:, 0], return_index=True)
    return rows


def picture_inputs(
    paths: Sequence[Path], config: BackboneConfig, options: DataOptions
) -> tuple[dict[str, Any], Sequence[int], dict[str, Any]]:
    """Returns the inputs of a network that looks at pictures.

    Args:
        paths: Picture files.
        config: Which backbone, and whether it is trained.
        options: How files are read.

    Returns:
        `image` files of a backbone that is trained, or `features` float32 `[rows, F]` of a frozen one; the
        positions of the rows in `paths`, without pictures that were skipped; and what the network is told:
        nothing, or `feature_size` and `backbone_sha256`.
    """
    return (_image_files if config.trains_backbone else _features)(paths, config, options)


def _image_files(paths: Sequence[Path], config: BackboneConfig, options: DataOptions) -> Any:
    """Files that tf.data decodes in every epoch; all are decoded once here, to name the bad ones beforehand."""
    from zoo.backbones.build import usual_image_size
    from zoo.preprocessing.reading import readable_images

    size = config.image_size or usual_image_size(config.backbone)
    kept = readable_images(paths, size, skip_bad=options.skip_bad_images, progress=options.progress)
    return {"image": ImageFiles(tuple(paths[row] for row in kept), size)}, kept, {}


def _features(paths: Sequence[Path], config: BackboneConfig, options: DataOptions) -> Any:
    """Features of the frozen backbone, from the cache where it has them."""
    from zoo.backbones.configured import frozen_backbone
    from zoo.data.feature_cache import extract_features

    backbone, digest = frozen_backbone(config)
    features = extract_features(
        paths,
        backbone,
        key={"backbone": config.backbone, "layer": config.layer, "weights_sha256": digest},
        image_size=backbone.input_shape[1],
        cache_dir=options.cache,
        skip_bad=options.skip_bad_images,
        progress=options.progress,
    )
    facts = {"feature_size": features.array.shape[1], "backbone_sha256": digest}
    return {"features": features.array}, features.kept, facts
