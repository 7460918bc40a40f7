"""Decoding of images, text, sound and .npy files."""

import io

import numpy as np
import pytest
from PIL import Image

from conftest import save_image
from cuttle_data import media
from cuttle_data.errors import BadInput, UserError
from cuttle_data.texts import parse_encoding


def test_image_sizes_and_channels(tmp_path):
    save_image(tmp_path / "x.png", 77, (5, 9))
    rgb = media.load_image(tmp_path / "x.png", (4, 6), 3)
    assert rgb.shape == (4, 6, 3) and rgb.dtype == np.uint8 and (rgb == 77).all()
    assert media.load_image(tmp_path / "x.png", (9, 5), 1).shape == (9, 5, 1)


def test_transparency_lies_over_white(tmp_path):
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (100, 100, 100, 255))
    picture.save(tmp_path / "x.png")
    assert media.load_image(tmp_path / "x.png", (1, 2), 1).ravel().tolist() == [255, 100]
    picture.quantize().save(tmp_path / "palette.png")
    assert media.load_image(tmp_path / "palette.png", (1, 2), 1).ravel().tolist() == [255, 100]


def test_sixteen_bits_one_bit_and_orientation(tmp_path):
    Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], np.uint16)).save(tmp_path / "x.png")
    assert media.load_image(tmp_path / "x.png", (1, 3), 1).ravel().tolist() == [0, 0x12, 255]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "bit.png")
    assert media.load_image(tmp_path / "bit.png", (1, 2), 1).ravel().tolist() == [255, 0]
    picture = Image.fromarray(np.array([[10, 20, 30]], np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6  # rotate by 90 degrees when shown
    picture.save(tmp_path / "turned.png", exif=exif)
    assert media.load_image(tmp_path / "turned.png", (3, 1), 1).ravel().tolist() == [10, 20, 30]


def test_broken_images(tmp_path):
    save_image(tmp_path / "x.png", 5, (64, 64))
    data = (tmp_path / "x.png").read_bytes()
    flipped = bytearray(data)
    flipped[60] ^= 255
    for broken in (b"", b"no image", data[:-20], data[:40], bytes(flipped)):
        with pytest.raises(BadInput, match="broken image"):
            media.load_image(io.BytesIO(broken), (8, 8), 3)
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        media.load_image(tmp_path / "none.png", (8, 8), 3)


@pytest.mark.parametrize("old, new", [(22050, 16000), (8000, 16000), (44100, 8000), (16000, 16000)])
def test_resampling_keeps_a_tone(old, new):
    tone = lambda rate: 8000 * np.sin(2 * np.pi * 440 * np.arange(rate // 4) / rate)  # noqa: E731
    result = media.resample(np.round(tone(old)).astype("<i2"), old, new)
    assert abs(len(result) - new // 4) <= 1 and result.dtype == np.dtype("<i2")
    inner = slice(200, new // 4 - 200)
    assert np.abs(result[inner] - tone(new)[inner]).max() < 20


def test_resampling_removes_what_would_alias_and_keeps_short_sounds():
    high = np.round(8000 * np.sin(2 * np.pi * 7000 * np.arange(4000) / 16000)).astype("<i2")
    assert np.abs(media.resample(high, 16000, 8000)[200:-200]).max() < 20
    assert len(media.resample(np.array([5], "<i2"), 48000, 8000)) == 1


def test_npy(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(6).reshape(3, 2))
    assert media.load_npy(path).shape == media.npy_shape(path) == (3, 2)
    bad = {
        "3 dimensions": np.zeros((1, 1, 1)), "object": np.array([{}, 1]),
        "not numbers": np.array(["a"])
    }
    for message, array in bad.items():
        np.save(path, array, allow_pickle=True)
        for function in (media.load_npy, media.npy_shape):
            with pytest.raises(BadInput, match=f"(?i){message}"):
                function(path)


def test_npy_never_unpickles(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.save(tmp_path / "x.npy", np.array([Trap()]), allow_pickle=True)
    with pytest.raises(BadInput):
        media.load_npy(tmp_path / "x.npy")
    assert not (tmp_path / "sprung").exists()


def test_sizes():
    assert media.parse_size("64") == (64, 64) and media.parse_size("28x32") == (28, 32)
    for text in ("0", "x", "1x2x3", "-4", "99999"):
        with pytest.raises(UserError, match="--size"):
            media.parse_size(text)


@pytest.mark.parametrize("data, text", [
    (b"\xef\xbb\xbf caf\xc3\xa9\n", "café"), ("Größe".encode("utf-16"), "Größe"),
    (b"\xfe\xff" + "Größe".encode("utf-16-be"), "Größe"), ("Größe".encode("utf-32"), "Größe"),
    (b"\0\0\xfe\xff" + "Größe".encode("utf-32-be"), "Größe"), (b"two\r\nlines\r\n", "two\nlines"),
    (b"old\rMac", "old\nMac"), (b"words\r\n\x1a", "words"), ("cafe\u0301".encode(), "café")])
def test_text_is_the_same_whatever_wrote_it(data, text, tmp_path):
    (tmp_path / "x.txt").write_bytes(data)
    assert media.load_text(tmp_path / "x.txt").decode() == text


def test_texts_that_are_refused_and_encodings(tmp_path):
    path = tmp_path / "x.txt"
    for data, message in ((b" \n", "empty"), (b"", "empty"), (b"\xff\xfe", "empty"), (b"\xff\xfea", "not utf-16"),
                          (b"caf\xe9", "not UTF-8.*--encoding"), ("plain".encode("utf-16-le"), "NULs.*--encoding")):
        path.write_bytes(data)
        with pytest.raises(BadInput, match=message):
            media.load_text(path)
    for encoding in ("latin-1", "cp1252", "utf-16-le", "shift_jis"):
        text = "カフェ" if encoding == "shift_jis" else "café"
        path.write_bytes(text.encode(encoding))
        assert media.load_text(path, media.ReadOptions(encoding=encoding)).decode() == text
    path.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    assert media.load_text(path, media.ReadOptions(encoding="latin-1")).decode() == "café"
    for wrong in ("klingon", "base64", "a\0b"):
        with pytest.raises(UserError, match="--encoding"):
            parse_encoding(wrong)


def test_true_and_false_are_numbers(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[True, False]]))
    assert media.load_npy(tmp_path / "x.npy").tolist() == [[1, 0]]
