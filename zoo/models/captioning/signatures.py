"""What a served caption GAN answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from export.signatures import Input, Signature
from zoo.data.examples import example_files, example_images
from zoo.errors import ExportError
from zoo.models.captioning.tokens import PADDING
from zoo.models.captioning.words import TokenTable

if TYPE_CHECKING:
    from zoo.models.captioning.trio import CaptionTrio

_GREY, _RGB = 1, 3
_STREAM = 0


def caption_signatures(trio: CaptionTrio) -> list[Signature]:
    """Returns the signatures of a caption GAN with codes of K numbers and captions of T tokens.

    serving_default: `image_bytes` string [N], `code` float32 [N, K] -> `caption` string [N], words with a blank
        between; `token_ids` int32 [N, T], start, words, end, padding; `log_prob` float32 [N], log p(caption | s^) of
        the autoencoder in nats. The code is taken as it is given; |c| > 3 is hardly ever drawn in training. A code
        that is not finite has an empty caption, with the log_prob NaN.
    tensor: `image` uint8 [N, S, S, 1] for an image encoder of grey pictures, else uint8 [N, H, W, 3], and `code`
        -> the same.
    sample: `image_bytes`, `seed` int64 [N] -> the same, and `code` float32 [N, K], see `codes_of_seeds`.
    infer_code: `image_bytes`, `caption` string [N] -> `code` float32 [N, K], Q(encode(caption), X); `token_ids`, what
        was read of the caption; `known_words`, `unknown_words` and `cut_words` int32 [N], how many words have been
        read, are not in the vocabulary, and came after the last that fits. Where no word is known, the code means
        nothing: `zoo.models.captioning.answers.codes_of` refuses it.

    Args:
        trio: With its image encoder.

    Raises:
        ExportError: There is no image encoder, or it is not for square pictures of a fixed size, grey or RGB.
    """
    import tensorflow as tf

    from zoo.preprocessing.image import decode_batch, resize_batch

    size, channels = _picture(trio)
    code_size, autoencoder = trio.code_size, trio.autoencoder
    words = TokenTable(autoencoder.vocabulary, autoencoder.length)

    def decoded(image_bytes: Any) -> Any:
        image = decode_batch(image_bytes, size)
        return tf.image.rgb_to_grayscale(image) if channels == _GREY else image

    def written(image: Any, code: Any) -> dict[str, Any]:
        sentence = trio({"image": image, "code": code}, training=False)["sentence"]
        token_ids, log_prob = autoencoder.decode(sentence, autoencoder.length)
        # NaN does not come out by itself: the ReLU that TensorFlow fuses with a product makes 0 of it.
        finite = tf.reduce_all(tf.math.is_finite(code), axis=1)
        token_ids = tf.where(finite[:, None], token_ids, PADDING)
        log_prob = tf.where(finite, log_prob, np.nan)
        return {"caption": words.text(token_ids), "token_ids": token_ids, "log_prob": log_prob}

    def serving_default(image_bytes: Any, code: Any) -> dict[str, Any]:
        return written(decoded(image_bytes), code)

    def tensor(image: Any, code: Any) -> dict[str, Any]:
        return written(image if channels == _GREY else resize_batch(image, size), code)

    def sample(image_bytes: Any, seed: Any) -> dict[str, Any]:
        code = codes_of_seeds(seed, code_size)
        return written(decoded(image_bytes), code) | {"code": code}

    def infer_code(image_bytes: Any, caption: Any) -> dict[str, Any]:
        said = words.tokens(caption)
        features = trio.condition(decoded(image_bytes))
        return {
            "code": trio.recovery([autoencoder.encode(said.tokens), features], training=False),
            "token_ids": said.tokens,
            "known_words": said.known,
            "unknown_words": said.unknown,
            "cut_words": said.cut,
        }

    def pixels(rows: int) -> dict[str, np.ndarray]:
        return {"image": decoded(tf.constant(example_images(rows))).numpy()}

    def codes(rows: int) -> dict[str, np.ndarray]:
        return {"code": np.random.default_rng(0).standard_normal((rows, code_size), dtype=np.float32)}

    def seeds(rows: int) -> dict[str, np.ndarray]:
        return {"seed": np.arange(rows, dtype=np.int64) - 1}

    def captions(rows: int) -> dict[str, np.ndarray]:
        known = [words.vocabulary[row % len(words.vocabulary)] for row in range(rows - 1)]
        return {"caption": np.array([word.encode() for word in [*known, "Xyzzy!"]], object)}

    texts, numbers = Input("string", (None,)), Input("float32", (None, code_size))
    shape = (None, size, size, _GREY) if channels == _GREY else (None, None, None, _RGB)
    return [
        Signature(
            "serving_default",
            {"image_bytes": texts, "code": numbers},
            serving_default,
            lambda rows: example_files(rows) | codes(rows),
        ),
        Signature(
            "tensor",
            {"image": Input("uint8", shape), "code": numbers},
            tensor,
            lambda rows: pixels(rows) | codes(rows),
        ),
        Signature(
            "sample",
            {"image_bytes": texts, "seed": Input("int64", (None,))},
            sample,
            lambda rows: example_files(rows) | seeds(rows),
        ),
        Signature(
            "infer_code",
            {"image_bytes": texts, "caption": texts},
            infer_code,
            lambda rows: example_files(rows) | captions(rows),
            tracked=(words.table,),
        ),
    ]


def codes_of_seeds(seed: Any, code_size: int) -> Any:
    """Draws c ~ N(0, I) for each row from its own seed, whatever stands beside it in the batch.

    Args:
        seed: int64 tensor `[batch]`, any value.
        code_size: K.

    Returns:
        float32 tensor `[batch, code_size]`: of each seed
        `tf.random.stateless_normal([code_size], [seed, 0], alg="philox")`.
    """
    import tensorflow as tf

    def one(number: Any) -> Any:
        pair = tf.stack([number, tf.constant(_STREAM, tf.int64)])
        return tf.random.stateless_normal([code_size], pair, alg="philox")

    # By default the algorithm depends on the device, and so do the last bits of its logarithms and cosines. Philox,
    # because TensorFlow has no kernel of threefry for CPUs.
    with tf.device("/CPU:0"):
        return tf.map_fn(one, seed, fn_output_signature=tf.TensorSpec([code_size], tf.float32))


def _picture(trio: CaptionTrio) -> tuple[int, int]:
    """Side and channels of the pictures that the trio takes."""
    encoder = trio.picture_encoder
    if encoder is None:
        raise ExportError(
            f"'{trio.name}' was trained on features, and does not have the network that makes them of a picture.",
            expected="a trio with its image encoder",
            fix="build CaptionTrio of the same networks with backbone=<that of the features>",
        )
    height, width, channels = encoder.input_shape[1:]
    if height is None or height != width or channels not in (_GREY, _RGB):
        raise ExportError(
            f"The image encoder of '{trio.name}' takes pictures of {height} x {width} pixels and {channels} channels.",
            expected="square pictures of a fixed size, with 1 or 3 channels",
            fix="build it on keras.Input((size, size, 3))",
        )
    return int(height), int(channels)
