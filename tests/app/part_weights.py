"""Small files of weights as `cuttle-data weights` writes them, random, for runs of encoders that start from some."""

import json
import sys

import driver
import numpy as np
from safetensors.numpy import save_file

sys.path.insert(0, str(driver.ROOT / "data_tools"))

from cuttle_data.weights import architectures  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"0123456789", *(f"##{digit}" for digit in range(10)), "a", "e", "i"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
PICTURES = {"mean": [127] * 3, "deviation": [128] * 3}


def make(folder, sample_rate):
    """One .safetensors in the folder for each architecture, called as it is, and pieces.json."""
    folder.mkdir()
    _save(folder, "bert", {"tokenizer.bytes": np.frombuffer("\n".join(WORDS).encode(), "u1")},
          output={"width": 8, "pooling": "mean", "unit": True}, tokenizer={"type": "wordpiece", "lowercase": True},
          preprocessing={"max_tokens": 24},
          sizes={"layers": 2, "width": 8, "heads": 2, "inner": 12, "positions": 32, "types": 2,
                 "vocabulary": len(WORDS), "eps": 1e-12, "activation": "gelu"})
    _save(folder, "efficientnet_lite", output={"width": 10},
          sizes={"stem": 8, "head": 10, "stages": [[1, 3, 1, 1, 6], [2, 3, 2, 2, 4]], "eps": 1e-3},
          preprocessing={"size": 16, "crop": "centre", "interpolation": "bicubic", **PICTURES})
    _save(folder, "lstm_speaker", output={"width": 7, "unit": True},
          sizes={"mels": 6, "width": 5, "layers": 2, "output": 7},
          preprocessing={"rate": sample_rate, "n_fft": 128, "hop": 64, "mels": 6, "window_frames": 10,
                         "level_dbfs": -30})
    _save(folder, "resnet", output={"width": 32}, sizes={"block": "basic", "layers": [1] * 4, "width": 4},
          preprocessing={"size": 32, "resize": 36, "crop": "centre", "interpolation": "bilinear", **PICTURES})
    pieces = [*BYTES, *"0123456789aeinot", *(f"1{digit}" for digit in range(10)), "an", "on"]
    (folder / "pieces.json").write_bytes(_byte_pairs(pieces))
    _save(folder, "token_table", {"tokenizer.bytes": np.frombuffer(_byte_pairs(pieces), "u1")},
          output={"width": 8, "pooling": "mean", "unit": True}, tokenizer={"type": "bpe", "added_tokens": False},
          preprocessing={}, sizes={"vocabulary": len(pieces), "width": 8})
    _save(folder, "vit", output={"width": 8, "pooling": "cls"},
          sizes={"layers": 2, "width": 8, "heads": 2, "inner": 12, "patch": 8, "size": 16, "eps": 1e-6,
                 "activation": "gelu", "pre_norm": False},
          preprocessing={"size": 16, "crop": "none", "interpolation": "bicubic", **PICTURES})
    _save(folder, "wav2vec2", output={"width": 8, "pooling": "mean"},
          sizes={"channels": [6, 6, 4], "kernels": [10, 8, 8], "strides": [8, 6, 6], "bias": False, "step_norms": False,
                 "width": 8, "layers": 2, "heads": 2, "inner": 12, "places": 4, "groups": 2, "eps": 1e-5,
                 "activation": "gelu", "pre_norm": False},
          preprocessing={"rate": sample_rate, "normalise": True})
    return folder


def _byte_pairs(pieces):
    """A tokenizer.json."""
    model = {"type": "BPE", "byte_fallback": True, "vocab": {piece: number for number, piece in enumerate(pieces)},
             "merges": [list(piece) for piece in pieces if len(piece) == 2]}
    return json.dumps({"model": model}).encode()


def _save(folder, architecture, more=(), **record):
    of = architectures.load(architecture)
    told = {"format": 1, "name": "small", "architecture": architecture, "sense": of.SENSE, **record}
    tensors = {**_drawn(of.shapes(record["sizes"])), **dict(more)}
    save_file(tensors, folder / f"{architecture}.safetensors", metadata={"cuttle.weights": json.dumps(told)})


def _drawn(shapes):
    draw = np.random.default_rng(0)

    def one(name, shape):
        if len(shape) > 1:
            return draw.normal(0, np.prod(shape[1:])**-0.5, shape)
        near_one = name.endswith((".weight", "running_var"))  # of norms
        return np.abs(draw.normal(1, 0.1, shape)) if near_one else draw.normal(0, 0.1, shape)

    return {name: one(name, shape).astype("<f4") for name, shape in shapes}
