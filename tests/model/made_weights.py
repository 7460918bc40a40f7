"""Files of weights: what they say, others made of them, and the derivatives of what is computed by them."""

import json

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def record_of(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["cuttle.weights"])


def changed(path, out, tensors=None, **record):
    """The file with other tensors or entries of its record."""
    told = {**record_of(path), **record}
    save_file({**load_file(path), **(tensors or {})}, out, metadata={"cuttle.weights": json.dumps(told)})
    return out


def derivatives(tensors, features, learned=("", )):
    """As the peer's, by PyTorch: {name: gradient, name.moved: Hessian-vector product}, of tensors whose names start
    so."""
    leaves = {name: tensor.double().requires_grad_(True) for name, tensor in tensors.items()
              if "running" not in name and name.startswith(tuple(learned))}
    fixed = {name: tensor.double() for name, tensor in tensors.items() if name not in leaves}
    loss = sum(made.square().sum() for made in features({**leaves, **fixed}))
    gradient = torch.autograd.grad(loss, list(leaves.values()), create_graph=True)
    along = sum((part.flatten() * torch.arange(part.numel()).double().cos()).sum() for part in gradient)
    moved = torch.autograd.grad(along, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return {**dict(zip(leaves, gradient)), **{f"{name}.moved": part for name, part in zip(leaves, moved)}}


def compare_derivatives(made, wanted, tolerance=1e-9):
    assert made.keys() == wanted.keys()
    moved = 0.0
    for name, part in wanted.items():
        part = part.detach().numpy()
        assert np.abs(made[name] - part).max() <= tolerance * (np.abs(part).max() + 1e-3), name
        moved = max(moved, np.abs(part).max() if name.endswith(".moved") else 0)
    assert moved > 1e-3
