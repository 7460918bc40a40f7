"""SVG drawings, by a stand-in of rsvg-convert, and by itself where it is installed."""

import io
import os
import shutil
import sys

import numpy as np
import pytest

from cuttle_data import drawings, media
from cuttle_data.errors import BadInput, UserError

RED = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="5" height="10" fill="red"/></svg>'
HEAD = b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a drawing -->\n<!DOCTYPE svg>\n'
# Draws a grey picture, or does what the drawing says.
STAND_IN = """#!{python}
import io, sys, time
from PIL import Image
data = sys.stdin.buffer.read()
if b"fails" in data:
    sys.exit("first line\\nnot a path")
if b"sleeps" in data:
    time.sleep(9)
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
picture = Image.new("RGB", (int(given["--width"]), int(given["--height"])), (len(data), 0, 0))
if b"nothing" not in data:
    picture.save(sys.stdout.buffer, given["--format"])
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    program = tmp_path / "bin/rsvg-convert"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


@pytest.mark.parametrize("data, drawing", [
    (RED, True), (HEAD + RED, True), (b"\n " + RED, True), (b"<svg:svg/>", True), (b"<html><svg/></html>", False),
    (b"<?xml version='1.0'?><html/>", False), (b"<svgs/>", False), (b"\x89PNG<svg", False), (b"", False),
    (b"<!--" + b" " * 9000 + b"--><svg/>", False)])
def test_what_is_a_drawing(data, drawing):
    assert drawings.is_drawing(data) == drawing


def test_drawings_are_pictures_of_the_size_asked_for(stand_in, tmp_path):
    path = tmp_path / "a.svg"
    path.write_bytes(RED)
    assert media.kinds_of(path)[0] == "image"
    picture = media.load_image(path, (4, 6), 3)
    assert picture.shape == (4, 6, 3) and picture[0, 0].tolist() == [len(RED), 0, 0]


@pytest.mark.parametrize("content, message", [
    (b"<svg>fails</svg>", "broken drawing: not a path"), (b"<svg>nothing</svg>", "broken drawing: nothing"),
    (b"<svg>sleeps</svg>", "takes more than 0.5 seconds")])
def test_broken_drawings(stand_in, monkeypatch, content, message):
    monkeypatch.setattr(drawings, "LONGEST", 0.5 if b"sleeps" in content else 60)
    with pytest.raises(BadInput, match=message):
        media.load_image(io.BytesIO(content), (2, 2), 3)


def test_without_librsvg_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="rsvg-convert is not installed .*apt-get install librsvg2-bin"):
        media.load_image(io.BytesIO(RED), (2, 2), 3)


@pytest.mark.skipif(shutil.which("rsvg-convert") is None, reason="rsvg-convert is not installed")
def test_real_drawings(tmp_path):
    picture = media.load_image(io.BytesIO(RED), (4, 4), 3)
    assert picture[:, 0].tolist() == [[255, 0, 0]] * 4 and picture[:, 3].tolist() == [[255, 255, 255]] * 4
    wide = media.load_image(io.BytesIO(RED), (2, 8), 3)
    assert wide.shape == (2, 8, 3) and wide[0, 3].tolist() == [255, 0, 0] and wide[0, 4].tolist() == [255] * 3
    (tmp_path / "secret.svg").write_bytes(RED)
    outside = f'<image href="file://{tmp_path}/secret.svg" width="10" height="10"/></svg>'.encode()
    white = RED.replace(b"red", b"white").replace(b"</svg>", outside)
    assert np.all(media.load_image(io.BytesIO(white), (4, 4), 3) == 255)
    with pytest.raises(BadInput, match="broken drawing"):
        media.load_image(io.BytesIO(b"<svg><rect"), (4, 4), 3)
