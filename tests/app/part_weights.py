"""Small files of weights as `cuttle-data weights` writes them, random, for runs of encoders that start from some."""

import json

import numpy as np
from safetensors.numpy import save_file

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"0123456789", *(f"##{digit}" for digit in range(10)), "a", "e", "i"]
STAGES = [[1, 3, 1, 1, 6], [2, 3, 2, 2, 4]]


def make(folder, sample_rate):
    """bert, efficientnet_lite and lstm_speaker .safetensors in the folder."""
    folder.mkdir()
    _bert(folder)
    _efficientnet_lite(folder)
    _lstm_speaker(folder, sample_rate)
    return folder


def _save(folder, architecture, tensors, **record):
    told = {"format": 1, "name": "small", "architecture": architecture, **record}
    save_file(tensors, folder / f"{architecture}.safetensors", metadata={"cuttle.weights": json.dumps(told)})


def _drawn(shapes):
    draw = np.random.default_rng(0)

    def one(name, shape):
        if len(shape) > 1:
            return draw.normal(0, np.prod(shape[1:])**-0.5, shape)
        near_one = name.endswith(("Norm.weight", "_bn0.weight", "_bn1.weight", "_bn2.weight", "running_var"))
        return np.abs(draw.normal(1, 0.1, shape)) if near_one else draw.normal(0, 0.1, shape)

    return {name: one(name, shape).astype("<f4") for name, shape in shapes.items()}


def _affine(name, *shape):
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _bert(folder, width=8, inner=12):
    shapes = {"embeddings.word_embeddings.weight": (len(WORDS), width),
              "embeddings.position_embeddings.weight": (32, width),
              "embeddings.token_type_embeddings.weight": (2, width), **_affine("embeddings.LayerNorm", width)}
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= _affine(f"{layer}.attention.{part}", width, width)
        shapes |= _affine(f"{layer}.attention.output.LayerNorm", width)
        shapes |= _affine(f"{layer}.intermediate.dense", inner, width)
        shapes |= {**_affine(f"{layer}.output.dense", width, inner), **_affine(f"{layer}.output.LayerNorm", width)}
    tensors = {**_drawn(shapes), "tokenizer.bytes": np.frombuffer("\n".join(WORDS).encode(), "u1")}
    _save(folder, "bert", tensors, output={"width": width, "pooling": "mean", "unit": True},
          tokenizer={"type": "wordpiece", "lowercase": True}, preprocessing={"max_tokens": 24},
          sizes={"layers": 2, "width": width, "heads": 2, "inner": inner, "positions": 32, "types": 2,
                 "vocabulary": len(WORDS), "eps": 1e-12, "activation": "gelu"})


def _efficientnet_lite(folder, stem=8, head=10):
    shapes = {}

    def normed(conv, norm, *shape):
        shapes.update({f"{conv}.weight": shape, **_affine(norm, shape[0]), f"{norm}.running_mean": shape[:1],
                       f"{norm}.running_var": shape[:1]})

    normed("_conv_stem", "_bn0", stem, 3, 3, 3)
    place, last = 0, stem
    for repeats, kernel, _, expansion, out in STAGES:
        for _ in range(repeats):
            at, wide = f"_blocks.{place}", last * expansion
            if expansion > 1:
                normed(f"{at}._expand_conv", f"{at}._bn0", wide, last, 1, 1)
            normed(f"{at}._depthwise_conv", f"{at}._bn1", wide, 1, kernel, kernel)
            normed(f"{at}._project_conv", f"{at}._bn2", out, wide, 1, 1)
            place, last = place + 1, out
    normed("_conv_head", "_bn1", head, last, 1, 1)
    _save(folder, "efficientnet_lite", _drawn(shapes), output={"width": head},
          sizes={"stem": stem, "head": head, "stages": STAGES, "eps": 1e-3},
          preprocessing={"size": 16, "mean": [127] * 3, "deviation": [128] * 3, "crop": "centre",
                         "interpolation": "bicubic"})


def _lstm_speaker(folder, sample_rate, mels=6, width=5):
    shapes = _affine("linear", 7, width)
    for layer, inputs in enumerate((mels, width)):
        shapes |= {f"lstm.weight_ih_l{layer}": (4 * width, inputs), f"lstm.weight_hh_l{layer}": (4 * width, width),
                   f"lstm.bias_ih_l{layer}": (4 * width, ), f"lstm.bias_hh_l{layer}": (4 * width, )}
    _save(folder, "lstm_speaker", _drawn(shapes), output={"width": 7, "unit": True},
          sizes={"mels": mels, "width": width, "layers": 2, "output": 7},
          preprocessing={"rate": sample_rate, "n_fft": 128, "hop": 64, "mels": mels, "window_frames": 10,
                         "level_dbfs": -30})
