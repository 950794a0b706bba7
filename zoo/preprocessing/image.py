"""The one way of a picture: bytes -> header guard -> decode -> RGB -> antialiased resize -> uint8.

Training, prepared arrays, the feature cache and every exported graph call these functions, so a model sees
the same pixels everywhere. What a backbone does with 0..255 afterwards is `zoo.preprocessing.scaling`, a
layer inside the network.

How each kind of file becomes RGB, always the same way:

- greyscale: the one channel three times; 1-bit and palette files are expanded first;
- 16 bits per channel (PNG): the high byte of each value;
- alpha or a transparent colour: dropped, not blended onto a background;
- CMYK and YCCK JPEG: R = C * K / 255 of the stored (Adobe: inverted) inks, no colour profile;
- colour profiles and gamma chunks are not applied;
- **EXIF orientation is ignored**: pixels are taken as stored;
- an animation (GIF, APNG) counts by its first frame, cut out as its own rectangle;
- BMP: uncompressed 24 or 32 bits per pixel; WebP, TIFF and others are refused.

The aspect ratio is not kept: the whole picture is resized to a square.
"""

from __future__ import annotations

import functools
from typing import Any

MAX_PIXELS = 50_000_000

# Part of the feature cache's key: raise it whenever a pixel of any picture may come out differently.
PREPROCESSING_VERSION = 1

INPUT_CONTRACT: dict[str, Any] = {
    "preprocessing_version": PREPROCESSING_VERSION,
    "formats": ["JPEG", "PNG", "GIF", "BMP (uncompressed, 24 or 32 bits)"],
    "colour_order": "RGB",
    "dtype": "uint8",
    "range": [0, 255],
    "resize": "whole picture to a square, antialiased bilinear, aspect ratio not kept, rounded",
    "alpha": "dropped, not blended",
    "exif_orientation": "ignored",
    "colour_profile": "ignored",
    "animation": "first frame",
    "max_pixels": MAX_PIXELS,
}


def decode_and_resize(image_bytes: Any, size: int, max_pixels: int = MAX_PIXELS) -> Any:
    """Decodes one picture and resizes it to a square.

    Usable in `tf.data` and inside an exported graph (stock operations only).

    Args:
        image_bytes: Scalar string tensor, the bytes of a JPEG, PNG, GIF or BMP file.
        size: Side of the result in pixels.
        max_pixels: Refuse, before decoding, a picture whose header claims more pixels than this.

    Returns:
        uint8 tensor `[size, size, 3]`, RGB, 0..255.

    Raises:
        tf.errors.InvalidArgumentError: Empty, truncated or unknown bytes, or too many pixels.
    """
    import tensorflow as tf

    return _graph(size, max_pixels)(tf.convert_to_tensor(image_bytes))


def decode_batch(image_bytes: Any, size: int, max_pixels: int = MAX_PIXELS) -> Any:
    """Decodes and resizes a batch of pictures, which may differ in size and format.

    Args:
        image_bytes: String tensor `[batch]`.
        size: Side of the results in pixels.
        max_pixels: As in `decode_and_resize`.

    Returns:
        uint8 tensor `[batch, size, size, 3]`, RGB, 0..255.

    Raises:
        tf.errors.InvalidArgumentError: One of the pictures is refused; the whole batch then has no result.
    """
    import tensorflow as tf

    return tf.map_fn(
        lambda one: decode_and_resize(one, size, max_pixels),
        image_bytes,
        fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
        parallel_iterations=16,
    )


def resize_batch(image: Any, size: int) -> Any:
    """Resizes pictures that are arrays already, by the rule that files go through.

    Args:
        image: uint8 tensor `[batch, height, width, 3]`, RGB, 0..255.
        size: Side of the results in pixels.

    Returns:
        uint8 tensor `[batch, size, size, 3]`; the values are unchanged where the size is right already.
    """
    import tensorflow as tf

    image = tf.convert_to_tensor(image)
    if image.shape[1:3] == [size, size]:
        return image
    filled = tf.reduce_min(tf.shape(image)[1:3]) > 0
    with tf.control_dependencies([require_filled(filled)]):
        return _resize(tf.identity(image), size)


def require_filled(filled: Any) -> Any:
    """Asserts in the graph that pictures have at least one pixel."""
    from zoo.preprocessing.image_header import require

    return require(filled, "The image has no pixels: height or width is 0.")


@functools.cache
def _graph(size: int, max_pixels: int) -> Any:
    """From bytes to pixels; traced once, since that takes half a second and an export needs it a dozen times."""
    import tensorflow as tf

    def decoded_and_resized(image_bytes: Any) -> Any:
        return _resize(_decode(image_bytes, max_pixels)[tf.newaxis], size)[0]

    return tf.function(decoded_and_resized, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


def _resize(image: Any, size: int) -> Any:
    import tensorflow as tf

    def enlarge() -> Any:
        # Nothing to antialias: the triangle is one pixel wide, and this kernel is five times as fast.
        return tf.image.resize(image, [size, size], method="bilinear")

    def reduce() -> Any:
        return tf.image.resize(image, [size, size], method="bilinear", antialias=True)

    resized = tf.cond(tf.reduce_max(tf.shape(image)[1:3]) <= size, enlarge, reduce)
    # A weighted mean of 0..255 stays in it, so that adding a half and cutting off rounds and clips at once.
    rounded = tf.cast(resized + 0.5, tf.uint8)
    return tf.ensure_shape(rounded, [None, size, size, 3])


def _decode(image_bytes: Any, max_pixels: int) -> Any:
    """Decodes to uint8 `[height, width, 3]`; the size that the header claims is checked first."""
    import tensorflow as tf

    from zoo.preprocessing import image_header as header

    def guarded(width: Any, height: Any, *checks: Any) -> Any:
        return tf.control_dependencies([header.require_pixels(width, height, max_pixels), *checks])

    def jpeg() -> Any:
        with guarded(*header.jpeg_size(image_bytes)):
            # The default of dct_method depends on how TensorFlow was built.
            return tf.io.decode_jpeg(tf.identity(image_bytes), channels=3, dct_method="INTEGER_ACCURATE")

    def png() -> Any:
        with guarded(*header.png_size(image_bytes)):
            return tf.io.decode_png(tf.identity(image_bytes), channels=3)

    def gif() -> Any:
        frame, width, height = header.gif_first_frame(image_bytes)
        with guarded(width, height):
            return tf.io.decode_gif(tf.identity(frame))[0]

    def bmp() -> Any:
        width, height, bits, compression = header.bmp_size(image_bytes)
        plain = tf.logical_or(
            tf.logical_and(tf.equal(bits, 24), tf.equal(compression, 0)),
            tf.logical_and(
                tf.equal(bits, 32), tf.logical_or(tf.equal(compression, 0), tf.equal(compression, 3))
            ),
        )
        known = header.require(
            plain,
            "A BMP with ", bits, " bits per pixel and compression ", compression,
            " is not read; save it as uncompressed 24 bits, or as PNG.",
        )  # fmt: skip
        with guarded(width, height, known):
            return tf.io.decode_bmp(tf.identity(image_bytes), channels=0)[..., :3]

    def unknown() -> Any:
        length = tf.strings.length(image_bytes)
        text = tf.where(
            tf.equal(length, 0),
            "The image is empty (0 bytes).",
            tf.strings.join(
                ["The ", tf.strings.as_string(length), " bytes are not a JPEG, PNG, GIF or BMP image."]
            ),
        )
        with tf.control_dependencies([tf.debugging.Assert(False, [text])]):
            return tf.zeros([1, 1, 3], tf.uint8)

    def rarer() -> Any:
        return tf.switch_case(header.format_index(image_bytes), [png, gif, bmp, unknown])

    image = tf.cond(header.is_jpeg(image_bytes), jpeg, rarer)
    return tf.ensure_shape(image, [None, None, 3])
