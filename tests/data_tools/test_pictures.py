"""Pictures of more than 8 bits, damaged and large ones, and endings."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from cuttle_data import deep_pictures, media, pictures
from cuttle_data.errors import BadInput, UserError
from drawn_files import png, tiff

LEFT, RIGHT = 50, 200


def grey(data, value_range=None, **options):
    """([left, right] grey values, doubt) of a picture two pixels wide."""
    options = media.ReadOptions(value_range=deep_pictures.parse_range(value_range), **options)
    array, doubt = pictures.read_image(io.BytesIO(data), (1, 2), 1, options)
    return array.ravel().tolist(), doubt


def values(factor, dtype):
    return np.array([[LEFT * factor, RIGHT * factor]]).astype(dtype)


def saved(array, ending):
    file = io.BytesIO()
    Image.fromarray(array).save(file, ending)
    return file.getvalue()


@pytest.mark.parametrize("data, value_range", [
    (saved(values(257, np.uint16), "PNG"), None), (saved(values(257, np.uint16), "TIFF"), None),
    (saved(values(1, np.uint16), "PNG"), "8"), (saved(values(16, np.uint16), "PNG"), "12"),
    (saved(values(16, np.uint16), "PNG"), "0..4080"), (saved(values(257, np.uint16), "PPM"), None),
    (tiff(values(2**24, np.uint32)), None), (tiff(values(2**23, np.int32)), None),
    (tiff(values(1, np.int32)), "8"), (tiff(values(128, np.int16)), None),
    (tiff(values(128, np.int16) - 20000), "-20000..12640"), (tiff(values(1, np.float32) / 255), "0..1"),
    (tiff(values(0.5, np.int8)), None), (tiff(65535 - values(257, np.uint16), True), None),
    (tiff(4095 - values(16, np.uint16), True), "12"), (tiff(255 - values(1, np.uint8), True), None)])
def test_ranges(data, value_range):
    found, doubt = grey(data, value_range)
    assert np.abs(np.array(found) - (LEFT, RIGHT)).max() <= 1 and not doubt


def test_the_maximum_of_each_picture():
    assert grey(saved(values(16, np.uint16), "PNG"), "max") == ([64, 255], "")
    assert grey(tiff(values(1, np.float32)), "max") == ([64, 255], "")


def test_what_comes_out_nearly_black_is_said():
    found, doubt = grey(saved(values(16, np.uint16), "PNG"))
    assert found == [3, 12] and "nearly black: its values reach 3200 of 65535" in doubt and "--range" in doubt
    for dtype in (np.int32, np.uint32):
        with pytest.raises(BadInput, match="nearly black.*--range"):
            grey(tiff(values(1, dtype)))
    assert "above --range 8" in grey(saved(values(16, np.uint16), "PNG"), "8")[1]


def test_what_needs_a_range_is_refused():
    for array in (values(-1, np.int32), values(-1, np.int16), values(-0.5, np.int8)):
        with pytest.raises(BadInput, match="below 0.*LOW..HIGH"):
            grey(tiff(array))
    with pytest.raises(BadInput, match="floating-point image.*--range"):
        grey(tiff(values(1, np.float32)))
    with pytest.raises(BadInput, match="not finite"):
        grey(tiff(values(np.inf, np.float32)), "0..1")
    for text in ("7", "33", "minmax", "3..2", "..", "0..x"):
        with pytest.raises(UserError, match="--range"):
            deep_pictures.parse_range(text)


@pytest.mark.parametrize("colour, channels", [(2, 3), (6, 4)])
def test_sixteen_bits_a_colour(colour, channels):
    row = np.array([[[LEFT] * 3 + [0xFFFF] * (channels - 3), [RIGHT] * 3 + [0xFFFF] * (channels - 3)]], ">u2")
    data = png([row.tobytes()], 16, colour)
    assert grey(data, "8") == ([LEFT, RIGHT], "")
    assert "nearly black" in grey(data)[1]
    row[..., :3] *= 257
    assert grey(png([row.tobytes()], 16, colour)) == ([LEFT, RIGHT], "")


def test_sixteen_bits_of_grey_with_alpha():
    row = np.array([LEFT, 0xFFFF, RIGHT, 0xFFFF], ">u2")
    assert grey(png([row.tobytes()], 16, 4), "8") == ([LEFT, RIGHT], "")
    assert "nearly black" in grey(png([row.tobytes()], 16, 4))[1]
    row = np.array([LEFT * 257, 0xFFFF, RIGHT * 257, 0], ">u2")
    assert grey(png([row.tobytes()], 16, 4)) == ([LEFT, 255], "")


def test_transparent_colours_lie_over_white():
    deep = values(257, ">u2")
    assert grey(png([deep.tobytes()], 16, 0, (b"tRNS", deep[:, 0].tobytes()))) == ([255, RIGHT], "")
    colour = np.repeat(deep[..., None], 3, axis=2)
    assert grey(png([colour.tobytes()], 16, 2, (b"tRNS", colour[0, 0].tobytes()))) == ([255, RIGHT], "")
    assert grey(png([bytes([0x3C])], 4, 0, (b"tRNS", b"\0\3"))) == ([255, 0xCC], "")
    assert grey(png([bytes([0x40])], 1, 0, (b"tRNS", b"\0\0")))[0][0] == 255


def simple(*chunks):
    return png([bytes([LEFT, RIGHT])], 8, 0, *chunks)


def test_comments_do_not_matter():
    for name, body in ((b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 3_000_000)),
                       (b"tEXt", b"Comment\0" + b"x" * 2_000_000), (b"iTXt", b"Comment\0\1\0\0\0no stream")):
        assert grey(simple((name, body))) == ([LEFT, RIGHT], "")
    assert grey(simple((b"tEXt", b"Comment\0x", 1))) == ([LEFT, RIGHT], "")
    assert grey(simple((b"gAMA", b"\0\0\0\1", 1))) == ([LEFT, RIGHT], "")


def test_a_wrong_checksum_names_its_chunk():
    with pytest.raises(BadInput, match="wrong checksum of chunk tRNS"):
        grey(simple((b"tRNS", b"\0\0", 1)))
    data = bytearray(simple())
    data[data.index(b"IDAT") + 6] ^= 1
    with pytest.raises(BadInput, match="wrong checksum of chunk IDAT"):
        grey(bytes(data))
    with pytest.raises(BadInput, match="cut off in chunk IDAT.*--truncated"):
        grey(simple()[:-20])
    with pytest.raises(BadInput, match="cut off before chunk IEND"):
        grey(simple()[:-12])


def test_cut_off_pictures_by_option():
    file = io.BytesIO()
    Image.fromarray(np.full((16, 16), 77, np.uint8)).save(file, "JPEG")
    data = file.getvalue()[:-2]
    with pytest.raises(BadInput, match="cut off; .*--truncated"):
        grey(data)
    assert grey(data, truncated=True) == ([77, 77], "")
    assert grey(simple()[:-12], truncated=True) == ([LEFT, RIGHT], "")


def test_large_pictures_by_option():
    data = saved(np.full((1000, 3000), 9, np.uint8), "PNG")
    with pytest.raises(BadInput, match="3.0 megapixels, above .* 2 .*decompression bomb.*--max-megapixels 4"):
        grey(data, max_megapixels=2)
    assert grey(data, max_megapixels=4) == ([9, 9], "")
    limit, cut = Image.MAX_IMAGE_PIXELS, pictures.ImageFile.LOAD_TRUNCATED_IMAGES
    assert limit and not cut  # Pillow is left as it was


@pytest.mark.parametrize("data, message", [
    (b"", "the file is empty"), (b" \n<!DOCTYPE html><html>", "HTML"), (b"%PDF-1.7", "PDF"),
    (b"PK\3\4", "ZIP"), (b"\0\0\0\x18ftypheic", "HEIC"), (tiff(np.zeros((1, 2))), "TIFF file of a kind"),
    (b"something", "no picture that Pillow knows")])
def test_what_is_no_picture_can_be_counted(data, message):
    with pytest.raises(BadInput, match=message) as caught:
        grey(data)
    assert "0x" not in str(caught.value)


@pytest.mark.parametrize("ending, name", [(".jfif", "JPEG"), (".jpe", "JPEG"), (".avif", "AVIF"), (".WEBP", "WEBP")])
def test_endings(ending, name, tmp_path):
    path = tmp_path / f"x{ending}"
    path.write_bytes(saved(np.full((16, 16, 3), 90, np.uint8), name))
    assert media.kinds_of(path)[0] == "image"
    assert np.abs(media.load_image(path, (1, 1), 3).astype(int) - 90).max() <= 2


@pytest.mark.parametrize("truncated", [False, True])
def test_what_is_left_of_a_gif_is_an_animation_or_is_called_broken(tmp_path, truncated):
    frames = [Image.fromarray(np.full((8, 8), 40 * place, "u1")) for place in range(4)]
    frames[0].save(tmp_path / "whole.gif", save_all=True, append_images=frames[1:])
    whole = (tmp_path / "whole.gif").read_bytes()
    for size in range(1, len(whole)):
        (tmp_path / "cut.gif").write_bytes(whole[:size])
        try:
            made, _ = pictures.read_animation(tmp_path / "cut.gif", (8, 8), 1, range,
                                              media.ReadOptions(truncated=truncated))
            assert 1 <= len(made) <= 4
        except BadInput as problem:
            assert "broken image" in str(problem) and "index out of range" not in str(problem), (size, problem)
