"""Learners with an inner loop, of a perceptron of vectors, in JAX. As hand_descent.py: learner(p, task, s) -> loss."""

import jax
from jax import lax, nn
from jax import numpy as jnp


LINEAR_AT_THE_END = False  # as in hand.py


def embed(p, x):
    layers = sorted({name.rsplit(".", 1)[0] for name in p if name.startswith("encoder.")})
    for layer in layers:
        x = linear(p, layer, x)
        if layer != layers[-1] or not LINEAR_AT_THE_END:
            x = nn.relu(x)
    return x


def linear(p, name, x):
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def cross_entropy(outputs, labels):
    return -jnp.take_along_axis(nn.log_softmax(outputs), labels[:, None], 1).mean()


def loss_at(p, x, labels):
    return cross_entropy(linear(p, "head", embed(p, x)), labels)


def lstm_step(gates, cell):
    entry, forget, new, out = jnp.split(gates, 4, -1)
    cell = nn.sigmoid(forget) * cell + nn.sigmoid(entry) * jnp.tanh(new)
    return nn.sigmoid(out) * jnp.tanh(cell), cell


def as_input(x):
    large = jnp.abs(x) >= jnp.exp(-10.0)
    size = jnp.where(large, jnp.log(jnp.abs(x) + 1e-30) / 10, -1.0)
    return jnp.stack([size, jnp.where(large, jnp.sign(x), jnp.exp(10.0) * x)], -1)


def model_of(p):
    return {name: value for name, value in p.items() if not name.startswith("learner.")}


def descend(p, task, steps, update, first_order=False):
    """The model after every step; update(name, value, slope, step)."""
    path = [model_of(p)]
    for step in range(steps):
        slopes = jax.grad(loss_at)(path[-1], task.support_x, task.support_y)
        if first_order:
            slopes = lax.stop_gradient(slopes)
        path.append({name: update(name, value, slopes[name], step) for name, value in path[-1].items()})
    return path


def maml(p, task, s):
    path = descend(p, task, s["inner_steps"], lambda _, value, slope, __: value - s["inner_lr"] * slope)
    return loss_at(path[-1], task.x, task.y)


def maml_clusters(p, task, s):
    def of_unit_scale(x):
        return x * lax.rsqrt(jnp.square(x).mean() + 1e-12)

    known = embed(p, task.support_x)
    spread = jnp.sqrt(jnp.square(known - known.mean(0)).mean(0) + 1e-12)
    z = of_unit_scale(p["learner.map.weight"] @ of_unit_scale(jnp.concatenate([known.mean(0), spread])))
    far = jnp.square(z - p["learner.centres"]).mean(1)
    share = nn.softmax(-jnp.exp(p["learner.sharpness"]) * far)
    start = {name: value + sum(share[k] * p[f"learner.cluster.{k}.{name}"] for k in range(1, s["clusters"]))
             for name, value in model_of(p).items()}
    return maml(start, task, s)


def fomaml(p, task, s):
    path = descend(p, task, s["inner_steps"], lambda _, value, slope, __: value - s["inner_lr"] * slope, True)
    return loss_at(path[-1], task.x, task.y)


def meta_sgd(p, task, s):
    path = descend(p, task, s["inner_steps"],
                   lambda name, value, slope, _: value - p[f"learner.rate.{name}"] * slope)
    return loss_at(path[-1], task.x, task.y)


def maml_pp(p, task, s):
    path = descend(p, task, s["inner_steps"],
                   lambda name, value, slope, step: value - p[f"learner.rate.{name}"][step] * slope)
    return sum(loss_at(at, task.x, task.y) for at in path[1:]) / s["inner_steps"]


def meta_curvature(p, task, s):
    def curved(name, slope):
        stem = f"learner.curvature.{name}"
        if slope.ndim == 1:
            return slope + p[stem] * slope
        slope = slope + p[f"{stem}.out"] @ slope
        return slope + slope @ p[f"{stem}.in"].T

    path = descend(p, task, s["inner_steps"],
                   lambda name, value, slope, _: value - s["inner_lr"] * curved(name, slope))
    return loss_at(path[-1], task.x, task.y)


def anil(p, task, s):
    features = embed(p, task.support_x)
    head = {name: p[name] for name in ("head.weight", "head.bias")}
    for _ in range(s["inner_steps"]):
        slopes = jax.grad(lambda head: cross_entropy(linear(head, "head", features), task.support_y))(head)
        head = {name: head[name] - s["inner_lr"] * slopes[name] for name in head}
    return loss_at({**p, **head}, task.x, task.y)


def cavia(p, task, s):
    stem = "learner.context."
    layers = [name[len(stem):] for name in p if name.startswith(stem)]

    def loss_with(context, x, labels):
        moved = dict(p)
        for layer in layers:
            scale, shift = jnp.split(p[stem + layer] @ context, 2)
            moved[f"{layer}.weight"] = p[f"{layer}.weight"] * (1 + scale)[:, None]
            moved[f"{layer}.bias"] = p[f"{layer}.bias"] * (1 + scale) + shift
        return loss_at(moved, x, labels)

    context = jnp.zeros(s["context"])
    for _ in range(s["inner_steps"]):
        context = context - s["inner_lr"] * jax.grad(loss_with)(context, task.support_x, task.support_y)
    return loss_with(context, task.x, task.y)


def imaml(p, task, s):
    """The gradient is v of (I + H / lambda) v = the query's, by conjugate gradients as hand_descent has them."""
    model = model_of(p)
    start = at = lax.stop_gradient(model)
    slope_at = jax.grad(lambda at: loss_at(at, task.support_x, task.support_y))
    for _ in range(s["inner_steps"]):
        slopes = slope_at(at)
        at = {name: at[name] - s["inner_lr"] * (slopes[name] + s["lambda"] * (at[name] - start[name])) for name in at}
    wanted = jax.grad(loss_at)(at, task.x, task.y)

    def product(v):
        curved = jax.jvp(slope_at, (at, ), (v, ))[1]
        return {name: v[name] + curved[name] / s["lambda"] for name in v}

    def dot(a, b):
        return sum((a[name] * b[name]).sum() for name in a)

    def along(x, rate, direction):
        return {name: x[name] + rate * direction[name] for name in x}

    x = {name: jnp.zeros_like(value) for name, value in wanted.items()}
    rest, direction, whole, ended = wanted, wanted, dot(wanted, wanted), False
    for _ in range(s["solver_steps"]):
        image = product(direction)
        left, curvature = dot(rest, rest), dot(direction, image)
        rate = left / curvature
        longer = along(x, rate, direction)
        outside = (curvature <= 0) | (dot(longer, longer) > whole)
        a, b, c = dot(direction, direction), dot(x, direction), jnp.minimum(0, dot(x, x) - whole)
        border = along(x, (jnp.sqrt(b * b - a * c) - b) / a, direction)
        x = {name: jnp.where(ended, x[name], jnp.where(outside, border[name], longer[name])) for name in x}
        ended = ended | outside
        rest = along(rest, -rate, image)
        direction = along(rest, dot(rest, rest) / left, direction)
    return dot(model, lax.stop_gradient(x))


def lstm(p, task, s):
    q = {name[len("learner."):]: value for name, value in p.items() if name.startswith("learner.")}
    at = model_of(p)
    names = list(at)
    ends = [sum(at[name].size for name in names[:count]) for count in range(1, len(names))]
    theta = jnp.concatenate([at[name].ravel() for name in names])[:, None]
    hidden = cell = jnp.zeros((len(theta), s["hidden"]))
    forget = entry = jnp.zeros_like(theta)
    for _ in range(s["inner_steps"]):
        loss, slopes = lax.stop_gradient(jax.value_and_grad(loss_at)(at, task.support_x, task.support_y))
        g = jnp.concatenate([slopes[name].ravel() for name in names])[:, None]
        seen = jnp.concatenate([as_input(g[:, 0]), jnp.broadcast_to(as_input(loss), (len(g), 2))], 1)
        gates = seen @ q["lstm.weight_ih"].T + q["lstm.bias"] + hidden @ q["lstm.weight_hh"].T
        hidden, cell = lstm_step(gates, cell)
        forget = nn.sigmoid(linear(q, "forget", jnp.concatenate([hidden, theta, forget], 1)))
        entry = nn.sigmoid(linear(q, "input", jnp.concatenate([hidden, theta, entry], 1)))
        theta = forget * theta - entry * g
        at = {name: part.reshape(at[name].shape) for name, part in zip(names, jnp.split(theta[:, 0], ends))}
    return loss_at(at, task.x, task.y)


def reptile(p, task, s):
    model = model_of(p)
    x, labels = jnp.concatenate([task.support_x, task.x]), jnp.concatenate([task.support_y, task.y])
    at = lax.stop_gradient(model)
    for _ in range(s["inner_steps"]):
        slopes = jax.grad(loss_at)(at, x, labels)
        at = {name: at[name] - s["inner_lr"] * slopes[name] for name in at}
    return sum(jnp.square(model[name] - lax.stop_gradient(at[name])).sum() for name in model) / 2


LEARNERS = {one.__name__: one for one in (anil, cavia, fomaml, imaml, lstm, maml, maml_clusters, maml_pp,
                                         meta_curvature, meta_sgd, reptile)}
