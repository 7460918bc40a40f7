"""av_mnist on a miniature: every digit, every split, values in and out of range."""

import numpy as np
import pytest
from layouts import converted, refused

ALONE = ("--splits", "1,0,0")
LABELS = {"train": np.arange(24) % 3, "test": np.arange(6) % 3}


@pytest.fixture
def root(tmp_path):
    """Images hold their row in the corner and the label elsewhere, spectrograms the label plus column."""
    root = tmp_path / "avmnist"
    for folder in ("image", "audio"):
        (root / folder).mkdir(parents=True)
    for part, labels in LABELS.items():
        images = np.repeat(labels[:, None] * 10.0, 784, axis=1).astype(np.float64)
        images[:, 0] = np.arange(len(labels))
        np.save(root / f"image/{part}_data.npy", images)
        np.save(root / f"audio/{part}_data.npy",
                (labels[:, None, None] + np.zeros((1, 112, 1)) + np.arange(112)).astype(np.uint8))
        np.save(root / f"{part}_labels.npy", labels.astype(np.float32))
    return root


def test_values_and_splits(run, root, tmp_path):
    samples, text = converted(run, "av_mnist", root, tmp_path / "out", *ALONE)
    assert len(samples) == 30 and "skipped" not in text
    published, _ = converted(run, "av_mnist", root, tmp_path / "published", "--published")
    assert len(published) == 28  # one class of validation has one sample of each of two digits
    for part, labels in LABELS.items():
        for row, label in enumerate(labels):
            sample = samples[f"{part}/{row}"]
            assert sample.class_name == str(label)
            image, spectrogram = sample.values["image"], sample.values["spectrogram"]
            assert image.shape == (28, 28, 1) and (image[0, 0, 0], image[5, 5, 0]) == (row, 10 * label)
            assert (spectrogram[:, :, 0] == label + np.arange(112)).all() and spectrogram.shape == (112, 112, 1)
            assert part == "train" and row >= 22 or published[f"{part}/{row}"].class_name == f"{part}/{label}"


def test_ranges(run, root, tmp_path):
    spectrograms = -80.0 * (np.arange(112) % 2)[None, None, :] * np.ones((24, 112, 1))
    np.save(root / "audio/train_data.npy", spectrograms)
    samples, text = converted(run, "av_mnist", root, tmp_path / "out", *ALONE)
    assert "24 x values from -80 to 0, not within 0 to 255; say by --range" in text
    assert samples["train/3"].values.keys() == {"image"}
    np.save(root / "audio/test_data.npy", spectrograms[:6])
    samples, _ = converted(run, "av_mnist", root, tmp_path / "scaled", *ALONE, "--range=-80..0")
    assert samples["train/3"].values["spectrogram"][0, :3, 0].tolist() == [255, 0, 255]


def test_refusals(run, root, tmp_path):
    out, path = tmp_path / "out", root / "image/test_data.npy"
    assert "is no LOW..HIGH" in refused(run, "av_mnist", root, out, "--range", "max")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert "test_data.npy: not a whole .npy file" in refused(run, "av_mnist", root, out)
    np.save(path, np.zeros((5, 784)))
    assert "holds float64 [5, 784], not 6 times 28 x 28 numbers" in refused(run, "av_mnist", root, out)
    np.save(path, np.array([{}] * 6), allow_pickle=True)
    assert "not a whole .npy file" in refused(run, "av_mnist", root, out)
    path.unlink()
    assert "test_data.npy" in refused(run, "av_mnist", root, out)
    np.save(root / "train_labels.npy", np.full(24, 0.5))
    assert "not whole numbers" in refused(run, "av_mnist", root, out)
