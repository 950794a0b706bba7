"""The one way of a picture: every kind of file, the guard in the graph, the resize rule, broken bytes."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.hostile_png import png_bomb
from zoo.preprocessing.image import INPUT_CONTRACT, decode_and_resize, decode_batch, resize_batch

SIDE = 8
PIXELS = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]
InvalidArgument = tf.errors.InvalidArgumentError


def encoded(array, kind: str, mode: str | None = None, **options) -> bytes:
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decoded_8(image_bytes):
    return decode_and_resize(image_bytes, SIDE)


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def batch_8(image_bytes):
    return decode_batch(image_bytes, SIDE)


def gif_header(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    return (
        b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6)
        + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\x00;"
    )  # fmt: skip


def jpeg_claiming(width: int, height: int) -> bytes:
    data = encoded(PIXELS, "JPEG")
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def test_rgb_png_is_exact():
    assert np.array_equal(decoded_8(encoded(PIXELS, "PNG")), PIXELS)


def test_greyscale_is_repeated():
    assert np.array_equal(decoded_8(encoded(GREY, "PNG")), np.repeat(GREY[..., None], 3, axis=-1))


def test_one_bit_png_is_black_and_white():
    bits = GREY > 127
    expected = np.repeat(np.where(bits, 255, 0)[..., None], 3, axis=-1)
    assert np.array_equal(decoded_8(encoded(Image.fromarray(bits), "PNG")), expected)


def test_palette_png_is_expanded():
    image = Image.fromarray(PIXELS).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    assert np.array_equal(decoded_8(encoded(image, "PNG")), np.asarray(image.convert("RGB")))


def test_alpha_is_dropped_not_blended():
    alpha = np.dstack([PIXELS, np.zeros_like(GREY)])
    assert np.array_equal(decoded_8(encoded(alpha, "PNG")), PIXELS)
    grey_alpha = Image.fromarray(np.dstack([GREY, GREY]), "LA")
    assert np.array_equal(decoded_8(encoded(grey_alpha, "PNG")), np.repeat(GREY[..., None], 3, axis=-1))


def test_sixteen_bits_count_by_their_high_byte():
    deep = GREY.astype(np.uint16) * 256 + 255
    assert np.array_equal(decoded_8(encoded(deep, "PNG"))[..., 0], GREY)


def test_cmyk_jpeg_is_ink_times_black():
    ink = Image.new("CMYK", (SIDE, SIDE), (0, 128, 255, 51))
    # R = (255 - C)(255 - K) / 255 for the inks as people write them: 255*204/255, 127*204/255, 0.
    found = decoded_8(encoded(ink, "JPEG", quality=100)).numpy().reshape(-1, 3).mean(axis=0)
    assert np.abs(found - [204, 101.6, 0]).max() < 3


def test_exif_orientation_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6
    tall = np.repeat(PIXELS, 2, axis=0)
    assert np.array_equal(decoded_8(encoded(tall, "JPEG", exif=exif)), decoded_8(encoded(tall, "JPEG")))


def test_progressive_and_greyscale_jpeg():
    smooth = np.tile(np.arange(0, 240, 30, dtype=np.uint8), (SIDE, 1))
    expected = np.repeat(smooth[..., None], 3, axis=-1).astype(int)
    for options in ({}, {"progressive": True}):
        found = decoded_8(encoded(smooth, "JPEG", quality=100, **options)).numpy().astype(int)
        assert np.abs(found - expected).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_bmp(mode):
    assert np.array_equal(decoded_8(encoded(PIXELS, "BMP", mode)), PIXELS)


def test_palette_bmp_is_refused():
    with pytest.raises(InvalidArgument, match=r"BMP with 8 bits per pixel.*save it as uncompressed 24 bits"):
        decoded_8(encoded(PIXELS, "BMP", "P"))


def two_frames() -> bytes:
    red, blue = (Image.new("RGB", (SIDE, SIDE), colour) for colour in ("#ff0000", "#0000ff"))
    return encoded(red, "GIF", save_all=True, append_images=[blue], comment=b"x" * 600)


def test_animated_gif_counts_by_its_first_frame():
    assert np.array_equal(decoded_8(two_frames()), np.full((SIDE, SIDE, 3), [255, 0, 0]))


def test_later_gif_frames_are_never_read():
    data = two_frames()
    second = data.rindex(b",", 0, len(data) - 8)
    bomb = data[: second + 5] + struct.pack("<HH", 65535, 65535) + data[second + 9 :]
    assert np.array_equal(decoded_8(bomb), np.full((SIDE, SIDE, 3), [255, 0, 0]))


def test_gif_frame_is_cut_out_of_its_screen():
    data = encoded(Image.new("RGB", (SIDE, SIDE), "#00ff00"), "GIF")
    at = data.index(b",")
    moved = (
        data[:6] + struct.pack("<HH", 20, 20) + data[10 : at + 1] + struct.pack("<HH", 5, 5) + data[at + 5 :]
    )
    assert np.array_equal(decoded_8(moved), np.full((SIDE, SIDE, 3), [0, 255, 0]))


@pytest.mark.parametrize(
    "bomb",
    [
        png_bomb(30000, 30000, data=bytes(99)),
        jpeg_claiming(30000, 30000),
        gif_header((30000, 30000), (1, 1)),
        gif_header((1, 1), (30000, 30000)),
        b"BM" + bytes(16) + struct.pack("<iiHHI", 30000, -30000, 1, 24, 0) + bytes(20),
    ],
    ids=["png", "jpeg", "gif screen", "gif frame", "bmp"],
)
def test_header_bomb_is_refused_before_decoding(bomb):
    with pytest.raises(InvalidArgument, match="header of the image says 30000 x 30000 pixels; 1 to 50000000"):
        decoded_8(bomb)


def test_max_pixels_is_inclusive():
    data = encoded(PIXELS, "PNG")
    assert decode_and_resize(data, SIDE, max_pixels=64).shape == (SIDE, SIDE, 3)
    with pytest.raises(InvalidArgument, match="8 x 8 pixels; 1 to 63"):
        decode_and_resize(data, SIDE, max_pixels=63)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
@pytest.mark.parametrize("kept", [0.5, 0.9, 20])
def test_truncated_bytes(kind, kept):
    data = encoded(np.repeat(PIXELS, 4, axis=0), kind)
    cut = data[: kept if kept > 1 else int(kept * len(data))]
    with pytest.raises(InvalidArgument, match=r"Invalid|ends (inside|before)|size should match"):
        decoded_8(cut)


def test_bytes_that_are_no_picture():
    with pytest.raises(InvalidArgument, match=r"empty \(0 bytes\)"):
        decoded_8(b"")
    for data in (b"x", b"hello world", b"\x89PNG", encoded(PIXELS, "TIFF"), encoded(PIXELS, "WEBP")):
        with pytest.raises(InvalidArgument, match=f"{len(data)} bytes are not a JPEG, PNG, GIF or BMP image"):
            decoded_8(data)


def test_random_bytes_behind_a_magic_number_never_crash():
    rng = np.random.default_rng(1)
    for magic in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"):
        for _ in range(20):
            with pytest.raises(InvalidArgument):
                decoded_8(magic + rng.bytes(int(rng.integers(0, 200))))


def test_resize_is_antialiased_bilinear():
    # Halving with a triangle of radius 2: weights 3/7, 3/7, 1/7 at the border; without antialiasing 1/2, 1/2.
    row = np.array([0, 70, 140, 210], np.uint8)
    image = np.repeat(np.tile(row, (4, 1))[..., None], 3, axis=-1)
    expected = np.repeat(np.array([[50, 160], [50, 160]])[..., None], 3, axis=-1)
    assert np.array_equal(resize_batch(image[None], 2)[0], expected)
    assert np.array_equal(decode_and_resize(encoded(image, "PNG"), 2), expected)


def test_enlarging_is_bilinear_between_pixel_centres():
    # Output centres lie at -0.25, 0.25, 0.75, 1.25 of the input: 0, 25, 75, 100.
    image = np.repeat(np.array([[[0], [100]], [[0], [100]]], np.uint8), 3, axis=-1)
    expected = np.repeat(np.tile([0, 25, 75, 100], (4, 1))[..., None], 3, axis=-1)
    assert np.array_equal(resize_batch(image[None], 4)[0], expected)
    assert np.array_equal(decode_and_resize(encoded(image, "PNG"), 4), expected)


def test_arrays_and_files_give_the_same_pixels():
    image = np.random.default_rng(2).integers(0, 256, (13, 29, 3), dtype=np.uint8)
    from_file = decode_and_resize(encoded(image, "PNG"), 16)
    assert from_file.dtype == tf.uint8
    assert np.array_equal(resize_batch(image[None], 16)[0], from_file)
    assert np.array_equal(resize_batch(PIXELS[None], SIDE)[0], PIXELS)
    with pytest.raises(InvalidArgument, match="no pixels"):
        resize_batch(np.zeros([2, 0, 5, 3], np.uint8), 4)


def test_batch_of_different_sizes_and_formats():
    files = [encoded(PIXELS, "PNG"), encoded(np.repeat(PIXELS, 3, axis=1), "JPEG"), two_frames()]
    found = batch_8(tf.constant(files)).numpy()
    assert found.shape == (3, SIDE, SIDE, 3)
    for one, data in zip(found, files, strict=True):
        assert np.array_equal(one, decoded_8(data))
    assert batch_8(tf.constant([], tf.string)).shape == (0, SIDE, SIDE, 3)
    with pytest.raises(InvalidArgument, match="not a JPEG"):
        batch_8(tf.constant([*files, b"text"]))


def test_exported_graph_is_the_same_function_of_stock_operations(tmp_path):
    module = tf.Module()
    module.decode = batch_8
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=batch_8)
    loaded = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    files = tf.constant([encoded(PIXELS, "PNG"), encoded(PIXELS, "JPEG"), two_frames()])
    assert np.array_equal(loaded(image_bytes=files)["output_0"], batch_8(files))
    with pytest.raises(InvalidArgument, match="30000 x 30000"):
        loaded(image_bytes=tf.constant([png_bomb(30000, 30000, data=bytes(99))]))
    library = loaded.graph.as_graph_def().library.function
    operations = {node.op for function in library for node in function.node_def}
    assert "DecodeJpeg" in operations
    assert not operations & {"PyFunc", "EagerPyFunc", "ReadFile"}


def test_contract_is_json():
    assert INPUT_CONTRACT["colour_order"] == "RGB"
    assert INPUT_CONTRACT["exif_orientation"] == "ignored"
