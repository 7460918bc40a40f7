"""JAX: one compiled meta-gradient of a task, called for each. On CPUs that is its fastest form for convolutions: inside
scan or vmap XLA leaves its fast ones, and a max-pool by reduce_window has a slow gradient. Perceptrons are fastest with
vmap over all tasks in one compiled program."""

import interface
import jax
import numpy as np
from jax import lax, nn
from jax import numpy as jnp

BLOCKS = range(4)


def block_names(block):
    stem = f"encoder.image.{block}"
    return f"{stem}.conv.weight", f"{stem}.conv.bias", f"{stem}.norm.weight", f"{stem}.norm.bias"


def from_torch(parameters, width):
    """Channels last: filters as height, width, in, out; the head's inputs in the order of the images' memory."""
    if not any(value.ndim == 4 for value in parameters.values()):
        return {name: jnp.asarray(value) for name, value in parameters.items()}
    ours = {name: value.transpose(2, 3, 1, 0) if value.ndim == 4 else value for name, value in parameters.items()}
    head = parameters["head.weight"]
    side = int(round((head.shape[1] / width)**0.5))
    ours["head.weight"] = head.reshape(len(head), width, side, side).transpose(2, 3, 1, 0).reshape(-1, len(head))
    return {name: jnp.asarray(np.ascontiguousarray(value)) for name, value in ours.items()}


def to_torch(parameters, width):
    theirs = {name: np.asarray(value) for name, value in parameters.items()}
    if not any(value.ndim == 4 for value in theirs.values()):
        return theirs
    theirs = {name: value.transpose(3, 2, 0, 1) if value.ndim == 4 else value for name, value in theirs.items()}
    head = theirs["head.weight"]
    side = int(round((head.shape[0] / width)**0.5))
    theirs["head.weight"] = head.reshape(side, side, width, -1).transpose(3, 2, 0, 1).reshape(head.shape[1], -1)
    return theirs


def logits(theta, x):
    for block in BLOCKS:
        weight, bias, scale, shift = (theta[name] for name in block_names(block))
        x = lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias
        x = (x - x.mean((0, 1, 2))) * (lax.rsqrt(x.var((0, 1, 2)) + 1e-5) * scale) + shift
        x = nn.relu(x)[:, :x.shape[1] // 2 * 2, :x.shape[2] // 2 * 2]
        x = jnp.maximum(jnp.maximum(x[:, ::2, ::2], x[:, ::2, 1::2]), jnp.maximum(x[:, 1::2, ::2], x[:, 1::2, 1::2]))
    return x.reshape(len(x), -1) @ theta["head.weight"] + theta["head.bias"]


def perceptron(theta, x):
    layers = sorted({name.rsplit(".", 1)[0] for name in theta} - {"head"})
    for layer in layers:
        x = nn.relu(x @ theta[f"{layer}.weight"].T + theta[f"{layer}.bias"])
    return x @ theta["head.weight"].T + theta["head.bias"]


def squared_error(theta, x, wanted):
    return ((perceptron(theta, x) - wanted)**2).mean()


def cross_entropy(theta, x, labels):
    return -jnp.take_along_axis(nn.log_softmax(logits(theta, x)), labels[:, None], 1).mean()


def as_jax(array):
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    return jnp.asarray(array if array.dtype.kind == "f" else array.astype("i4"))


def all_at_once(theta, tasks, query_loss):
    mean = jax.jit(jax.grad(lambda theta, *arrays: jax.vmap(query_loss, (None, 0, 0, 0, 0))(theta, *arrays).mean()))
    stacked = {}

    def step(some):
        key = tuple(map(id, some))
        if key not in stacked:
            stacked[key] = [jnp.stack(parts) for parts in zip(*some)]
        return jax.block_until_ready(mean(theta, *stacked[key]))

    return tasks, step, lambda total: to_torch(total, 0)


def build(problem):
    theta = from_torch(problem.parameters, problem.width)
    loss_of = squared_error if problem.mlp else cross_entropy
    tasks = [[as_jax(array) for array in task] for task in problem.tasks]

    def query_loss(theta, support, labels, query, wanted):
        adapted = theta
        for _ in range(problem.inner_steps):
            slopes = jax.grad(loss_of)(adapted, support, labels)
            if problem.order == 1:
                slopes = lax.stop_gradient(slopes)
            adapted = {name: adapted[name] - problem.inner_lr * slopes[name] for name in adapted}
        return loss_of(adapted, query, wanted)

    if problem.mlp:
        return all_at_once(theta, tasks, query_loss)
    gradient = jax.jit(jax.grad(query_loss))
    add = jax.jit(lambda total, one, share: {name: total[name] + share * one[name] for name in total})
    zeros = {name: jnp.zeros_like(value) for name, value in theta.items()}

    def step(tasks):
        total = zeros
        for task in tasks:
            total = add(total, gradient(theta, *task), 1 / len(tasks))
        return jax.block_until_ready(total)

    return tasks, step, lambda total: to_torch(total, problem.width)


if __name__ == "__main__":
    interface.serve(build)
