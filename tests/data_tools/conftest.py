"""Shared by the tests of data_tools: the package on the path, and small inputs."""

import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "data_tools"))

from cuttle_data import cli  # noqa: E402


@pytest.fixture
def run(capsys):
    """run("verify", folder) -> (exit code, stdout, stderr) of the command line, in this process."""
    def call(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


@pytest.fixture
def tree(tmp_path):
    """A folder of 6 classes with 4 images each; class c, sample s has the grey value 30 * c + s."""
    root = tmp_path / "tree"
    for class_id in range(6):
        for sample in range(4):
            save_image(root / f"class{class_id}" / f"s{sample}.png", 30 * class_id + sample)
    return root


def save_image(path, value, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def save_wav(path, samples, rate=16000, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples).tobytes())
