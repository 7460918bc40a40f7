"""Small files of weights as `cuttle-data weights` writes them, random, for runs of encoders that start from some."""

import json

import numpy as np
from safetensors.numpy import save_file

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"0123456789", *(f"##{digit}" for digit in range(10)), "a", "e", "i"]
STAGES = [[1, 3, 1, 1, 6], [2, 3, 2, 2, 4]]
PICTURES = {"mean": [127] * 3, "deviation": [128] * 3}


def make(folder, sample_rate):
    """bert, efficientnet_lite, lstm_speaker, resnet and vit .safetensors in the folder."""
    folder.mkdir()
    _bert(folder)
    _efficientnet_lite(folder)
    _lstm_speaker(folder, sample_rate)
    _resnet(folder)
    _vit(folder)
    return folder


def _save(folder, architecture, tensors, **record):
    told = {"format": 1, "name": "small", "architecture": architecture, **record}
    save_file(tensors, folder / f"{architecture}.safetensors", metadata={"cuttle.weights": json.dumps(told)})


def _drawn(shapes):
    draw = np.random.default_rng(0)

    def one(name, shape):
        if len(shape) > 1:
            return draw.normal(0, np.prod(shape[1:])**-0.5, shape)
        near_one = name.endswith((".weight", "running_var"))  # of norms
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


def _normed(conv, norm, *shape):
    """Shapes of a convolution and of the norm after it."""
    return {f"{conv}.weight": shape, **_affine(norm, shape[0]), f"{norm}.running_mean": shape[:1],
            f"{norm}.running_var": shape[:1]}


def _efficientnet_lite(folder, stem=8, head=10):
    shapes = {}

    def normed(*words):
        shapes.update(_normed(*words))

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
          preprocessing={"size": 16, "crop": "centre", "interpolation": "bicubic", **PICTURES})


def _lstm_speaker(folder, sample_rate, mels=6, width=5):
    shapes = _affine("linear", 7, width)
    for layer, inputs in enumerate((mels, width)):
        shapes |= {f"lstm.weight_ih_l{layer}": (4 * width, inputs), f"lstm.weight_hh_l{layer}": (4 * width, width),
                   f"lstm.bias_ih_l{layer}": (4 * width, ), f"lstm.bias_hh_l{layer}": (4 * width, )}
    _save(folder, "lstm_speaker", _drawn(shapes), output={"width": 7, "unit": True},
          sizes={"mels": mels, "width": width, "layers": 2, "output": 7},
          preprocessing={"rate": sample_rate, "n_fft": 128, "hop": 64, "mels": mels, "window_frames": 10,
                         "level_dbfs": -30})


def _resnet(folder, width=4):
    shapes, last = _normed("conv1", "bn1", width, 3, 7, 7), width
    for stage in range(4):
        at, out = f"layer{stage + 1}.0", width * 2**stage
        shapes |= {**_normed(f"{at}.conv1", f"{at}.bn1", out, last, 3, 3),
                   **_normed(f"{at}.conv2", f"{at}.bn2", out, out, 3, 3)}
        if stage > 0:
            shapes |= _normed(f"{at}.downsample.0", f"{at}.downsample.1", out, last, 1, 1)
        last = out
    _save(folder, "resnet", _drawn(shapes), output={"width": last},
          sizes={"block": "basic", "layers": [1] * 4, "width": width},
          preprocessing={"size": 32, "resize": 36, "crop": "centre", "interpolation": "bilinear", **PICTURES})


def _vit(folder, width=8, inner=12, patch=8, size=16):
    shapes = {"cls_token": (1, 1, width), "pos_embed": (1, 1 + (size // patch)**2, width),
              **_affine("patch_embed.proj", width, 3, patch, patch), **_affine("norm", width)}
    for at in ("blocks.0", "blocks.1"):
        shapes |= {**_affine(f"{at}.norm1", width), **_affine(f"{at}.attn.qkv", 3 * width, width),
                   **_affine(f"{at}.attn.proj", width, width), **_affine(f"{at}.norm2", width),
                   **_affine(f"{at}.mlp.fc1", inner, width), **_affine(f"{at}.mlp.fc2", width, inner)}
    _save(folder, "vit", _drawn(shapes), output={"width": width, "pooling": "cls"},
          sizes={"layers": 2, "width": width, "heads": 2, "inner": inner, "patch": patch, "size": size, "eps": 1e-6,
                 "activation": "gelu", "pre_norm": False},
          preprocessing={"size": size, "crop": "none", "interpolation": "bicubic", **PICTURES})
