"""The picture of some samples of every class."""

import numpy as np
from PIL import Image

from cuttle_data import contact_sheet


def test_verify_draws_what_the_shards_hold(run, tmp_path):
    assert run("make_synthetic", "--out", tmp_path / "set", "--classes", "30", "--missing", "0.3")[0] == 0
    code, out, _ = run("verify", tmp_path / "set", "--sheet", tmp_path / "sheet.png")
    assert code == 0 and "drew samples on" in out
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape[2] == 3 and len(np.unique(pixels)) > 50
    rows = (len(pixels) - contact_sheet.HEAD) / (contact_sheet.CELL + contact_sheet.GAP)
    assert rows == 15  # every second class of 30


def test_a_dry_run_draws_and_writes_nothing_else(run, tree, tmp_path):
    sheet = tmp_path / "sheet.png"
    code, out, _ = run("folder", tree, "--out", tmp_path / "out", "--dry-run", "--sheet", sheet)
    assert code == 0 and "drew 24 samples on" in out and not (tmp_path / "out").exists()
    with Image.open(sheet) as drawn:
        left = contact_sheet.LABEL + contact_sheet.CELL // 2
        top = contact_sheet.HEAD + contact_sheet.CELL // 2
        step = contact_sheet.CELL + contact_sheet.GAP
        assert [drawn.getpixel((left, top + row * step)) for row in range(6)] == [(30 * c, ) * 3 for c in range(6)]


def test_a_sheet_must_be_a_png(run, tree, tmp_path):
    for name in ("sheet.txt", "none/sheet.png"):
        for command in (("verify", tmp_path), ("folder", tree, "--out", tmp_path / "out")):
            code, _, err = run(*command, "--sheet", tmp_path / name)
            assert code == 2 and "is no PNG file" in err and not (tmp_path / "out").exists()


def test_a_tone_is_a_line_in_the_spectrogram():
    tone = np.round(8000 * np.sin(2 * np.pi * 2000 * np.arange(8000) / 8000)).astype("<i2")
    drawn = contact_sheet.spectrogram(tone)
    assert abs(int(drawn.mean(axis=1).argmax()) - len(drawn) // 2) <= 1
    assert contact_sheet.spectrogram(np.ones(3, "<i2")).shape == drawn.shape
