"""What models of every kind are made of, in NumPy."""

import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[float])


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def affine(p, name, x):
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def layer_norm(p, name, x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def attend(p, name, x, at, mask):
    """One sample: x [T, W] looks at `at` [S, W]. Steps that are not real are not looked at."""
    width = x.shape[1]
    heads = max(1, width // 32)
    query, _, _ = np.split(x @ p[f"{name}.in_proj_weight"].T + p[f"{name}.in_proj_bias"], 3, axis=1)
    _, key, value = np.split(at @ p[f"{name}.in_proj_weight"].T + p[f"{name}.in_proj_bias"], 3, axis=1)
    columns = []
    for part in np.split(np.arange(width), heads):
        scores = query[:, part] @ key[:, part].T / math.sqrt(width / heads)
        scores[:, mask == 0] = -1e30
        columns.append(softmax(scores) @ value[:, part])
    return affine(p, f"{name}.out_proj", np.concatenate(columns, 1))


def looking(p, name, row, at, real):
    """A transformer's layer of one sample's tokens, which look at others."""
    norm = f"{name}.norm1"
    row = row + attend(p, f"{name}.self_attn", layer_norm(p, norm, row), layer_norm(p, norm, at), real)
    hidden = affine(p, f"{name}.linear1", layer_norm(p, f"{name}.norm2", row))
    return row + affine(p, f"{name}.linear2", 0.5 * hidden * (1.0 + erf(hidden / math.sqrt(2.0))))


def transformer_layer(p, name, x, mask):
    """All samples: x [n, T, W], mask [n, T]."""
    return np.array([looking(p, name, row, row, real) for row, real in zip(x, mask)])
