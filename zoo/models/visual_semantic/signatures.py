"""What a served embedding answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from export.signatures import Input, Signature
from zoo.data.examples import example_files, example_pixels
from zoo.models.visual_semantic.words import WordTable

if TYPE_CHECKING:
    from zoo.models.visual_semantic.model import VisualSemantic


def embedding_signatures(model: VisualSemantic) -> list[Signature]:
    """Returns the signatures of an embedding of pictures.

    serving_default and embed_image: `image_bytes` string [N] -> `embedding` float32 [N, d], of length 1.
    tensor: `image` uint8 [N, H, W, 3] -> the same.
    embed_text: `text` string [N] -> `embedding` float32 [N, d], of length 1 (zeros where a text has no word), and
        `unknown_words` int32 [N], how many of its words the vocabulary lacks.
    """

    from zoo.preprocessing.image import decode_batch, resize_batch

    size = model.image_encoder.input_shape[1]
    words = WordTable(model.vocabulary, model.max_words)

    def embed_image(image_bytes: Any) -> dict[str, Any]:
        return {"embedding": model.image_encoder(decode_batch(image_bytes, size), training=False)}

    def tensor(image: Any) -> dict[str, Any]:
        return {"embedding": model.image_encoder(resize_batch(image, size), training=False)}

    def embed_text(text: Any) -> dict[str, Any]:
        ids, unknown = words.ids(text)
        return {"embedding": model.text_encoder(ids, training=False), "unknown_words": unknown}

    pixels = example_pixels(size)

    def texts(rows: int) -> dict[str, np.ndarray]:
        known = [" ".join(model.vocabulary[row : row + 3]) for row in range(rows - 1)]
        return {"text": np.array([text.encode() for text in [*known, "Xyzzy!"]][:rows], object)}

    image_bytes = {"image_bytes": Input("string", (None,))}
    return [
        Signature("serving_default", image_bytes, embed_image, example_files),
        Signature("embed_image", image_bytes, embed_image, example_files),
        Signature("tensor", {"image": Input("uint8", (None, None, None, 3))}, tensor, pixels),
        Signature(
            "embed_text", {"text": Input("string", (None,))}, embed_text, texts, tracked=(words.table,)
        ),
    ]
