"""Learners with an inner loop, in PyTorch by hand."""

import math

import torch
from hand import embed, linear, lstm_step, moving, query_loss, slopes, support_loss
from torch.nn import functional


def descend(p, task, steps, update, graph):
    """The parameters after every step, the first before any; update(name, values, slope, step) gives the next."""
    path, names = [dict(p)], moving(p)
    for step in range(steps):
        at = path[-1]
        gradient = slopes(support_loss(at, task), [at[name] for name in names], graph)
        path.append({**at, **{name: update(name, at, slope, step) for name, slope in zip(names, gradient)}})
    return path


def maml(p, task, s):
    path = descend(p, task, s["inner_steps"], lambda name, at, slope, _: at[name] - s["inner_lr"] * slope, True)
    return query_loss(path[-1], task)


def maml_clusters(p, task, s):
    """From a sum of initialisations, each by how near its centre is to the support's mean and spread."""
    def of_unit_scale(x):
        return x / (x.square().mean() + 1e-12).sqrt()

    known = embed(p, task.support_x)
    mean = known.mean(0)
    spread = ((known - mean).square().mean(0) + 1e-12).sqrt()
    z = of_unit_scale(p["learner.map.weight"] @ of_unit_scale(torch.cat([mean, spread])))
    far = (z - p["learner.centres"]).square().mean(1)
    share = torch.softmax(-p["learner.sharpness"].exp() * far, 0)
    start = {name: p[name] + sum(share[k] * p[f"learner.cluster.{k}.{name}"] for k in range(1, s["clusters"]))
             for name in moving(p)}
    return maml({**p, **start}, task, s)


def fomaml(p, task, s):
    path = descend(p, task, s["inner_steps"], lambda name, at, slope, _: at[name] - s["inner_lr"] * slope, False)
    return query_loss(path[-1], task)


def anil(p, task, s):
    features, head = embed(p, task.support_x), {name: p[name] for name in ("head.weight", "head.bias")}
    for _ in range(s["inner_steps"]):
        loss = functional.cross_entropy(linear(head, "head", features), task.support_y)
        gradient = slopes(loss, list(head.values()), True)
        head = {name: head[name] - s["inner_lr"] * slope for name, slope in zip(head, gradient)}
    return query_loss({**p, **head}, task)


def meta_sgd(p, task, s):
    path = descend(p, task, s["inner_steps"],
                   lambda name, at, slope, _: at[name] - p[f"learner.rate.{name}"] * slope, True)
    return query_loss(path[-1], task)


def maml_pp(p, task, s):
    """In the first outer step, where the losses after all inner steps count alike."""
    path = descend(p, task, s["inner_steps"],
                   lambda name, at, slope, step: at[name] - p[f"learner.rate.{name}"][step] * slope, True)
    return torch.stack([query_loss(at, task) for at in path[1:]]).mean()


def curved(p, name, slope):
    """Multiplied along each mode by a matrix, of which the identity is taken away."""
    stem = f"learner.curvature.{name}"
    if slope.dim() == 1:
        return slope + p[stem] * slope
    g = slope.flatten(2) if slope.dim() > 2 else slope[..., None]
    g = g + torch.einsum("ab,bif->aif", p[f"{stem}.out"], g)
    g = g + torch.einsum("ab,obf->oaf", p[f"{stem}.in"], g)
    if slope.dim() > 2:
        g = g + torch.einsum("ab,oib->oia", p[f"{stem}.filter"], g)
    return g.view_as(slope)


def meta_curvature(p, task, s):
    path = descend(p, task, s["inner_steps"],
                   lambda name, at, slope, _: at[name] - s["inner_lr"] * curved(p, name, slope), True)
    return query_loss(path[-1], task)


def cavia(p, task, s):
    """The context scales and shifts what a layer (of images: a norm) gives."""
    stem = "learner.context."
    layers = [name[len(stem):] for name in p if name.startswith(stem)]

    def modulated(context):
        moved = dict(p)
        for layer in layers:
            weight, bias = p[f"{layer}.weight"], p[f"{layer}.bias"]
            scale, shift = (p[stem + layer] @ context).chunk(2)
            scale = 1 + scale
            moved[f"{layer}.weight"] = weight * scale.view(-1, *[1] * (weight.dim() - 1))
            moved[f"{layer}.bias"] = bias * scale + shift
        return moved

    context = torch.zeros(s["context"], dtype=p["head.weight"].dtype, requires_grad=True)
    for _ in range(s["inner_steps"]):
        (slope, ) = slopes(support_loss(modulated(context), task), [context], True)
        context = context - s["inner_lr"] * slope
    return query_loss(modulated(context), task)


def imaml(p, task, s):
    """The gradient is v of (I + H / lambda) v = the query's, by conjugate gradients."""
    start = {name: value.detach() for name, value in p.items()}
    names = moving(p)
    at = {name: start[name].clone().requires_grad_() for name in names}
    for _ in range(s["inner_steps"]):
        gradient = slopes(support_loss(at, task), list(at.values()), False)
        at = {name: (at[name].detach() - s["inner_lr"] *
                     (slope + s["lambda"] * (at[name].detach() - start[name]))).requires_grad_()
              for name, slope in zip(names, gradient)}
    values = list(at.values())
    wanted = slopes(query_loss(at, task), values, False)
    gradient = slopes(support_loss(at, task), values, True)

    def product(v):
        curved_v = torch.autograd.grad(gradient, values, v, retain_graph=True)
        return [one + other / s["lambda"] for one, other in zip(v, curved_v)]

    solved = conjugate_gradients(product, wanted, s["solver_steps"])
    return sum((p[name] * value).sum() for name, value in zip(names, solved))


def conjugate_gradients(product, wanted, steps):
    """No farther than `wanted` is long, as at a minimum: there, or where the curvature is none, the way ends."""
    def dot(a, b):
        return sum((one * other).sum() for one, other in zip(a, b))

    def along(x, rate, direction):
        return [value + rate * part for value, part in zip(x, direction)]

    def at_sphere(x, direction):
        a, b, c = dot(direction, direction), dot(x, direction), (dot(x, x) - whole).clamp_max(0)
        return along(x, ((b * b - a * c).sqrt() - b) / a, direction)

    x = [torch.zeros_like(value) for value in wanted]
    rest = direction = list(wanted)
    left = whole = dot(rest, rest)
    for _ in range(steps):
        image = product(direction)
        curvature = dot(direction, image)
        if curvature <= 0:
            return at_sphere(x, direction)
        rate = left / curvature
        longer = along(x, rate, direction)
        if dot(longer, longer) > whole:
            return at_sphere(x, direction)
        x, rest = longer, along(rest, -rate, image)
        before, left = left, dot(rest, rest)
        direction = along(rest, left / before, direction)
    return x


def as_input(x):
    """How a network reads gradients and losses: logarithm and sign (Andrychowicz et al. 2016, appendix A, p = 10)."""
    large = x.abs() >= math.exp(-10)
    size = torch.where(large, (x.abs() + 1e-30).log() / 10, torch.full_like(x, -1.0))
    return torch.stack([size, torch.where(large, x.sign(), math.exp(10) * x)], -1)


def lstm(p, task, s):
    """One LSTM for all coordinates reads gradient and loss, which are taken as given."""
    q = {name[len("learner."):]: value for name, value in p.items() if name.startswith("learner.")}
    names, at = moving(p), dict(p)
    theta = torch.cat([p[name].flatten() for name in names])[:, None]
    hidden = cell = theta.new_zeros(len(theta), s["hidden"])
    forget = entry = torch.zeros_like(theta)
    for _ in range(s["inner_steps"]):
        loss = support_loss(at, task)
        gradient = slopes(loss, [at[name] for name in names], False)
        g = torch.cat([slope.flatten() for slope in gradient])[:, None]
        seen = torch.cat([as_input(g[:, 0]), as_input(loss.detach()[None]).expand(len(g), 2)], 1)
        gates = functional.linear(seen, q["lstm.weight_ih"], q["lstm.bias"]) + hidden @ q["lstm.weight_hh"].T
        hidden, cell = lstm_step(gates, cell)
        forget = linear(q, "forget", torch.cat([hidden, theta, forget], 1)).sigmoid()
        entry = linear(q, "input", torch.cat([hidden, theta, entry], 1)).sigmoid()
        theta = forget * theta - entry * g
        parts = theta[:, 0].split([p[name].numel() for name in names])
        at.update({name: part.view_as(p[name]) for name, part in zip(names, parts)})
    return query_loss(at, task)


def reptile(p, task, s):
    """Its gradient is where the parameters were less where they come to, on support and query together."""
    names = moving(p)
    x, labels = torch.cat([task.support_x, task.x]), torch.cat([task.support_y, task.y])
    at = {name: p[name].detach() for name in names}
    for _ in range(s["inner_steps"]):
        values = [value.requires_grad_() for value in at.values()]
        loss = functional.cross_entropy(linear(at, "head", embed(at, x)), labels)
        gradient = slopes(loss, values, False)
        at = {name: value.detach() - s["inner_lr"] * slope for name, value, slope in zip(names, values, gradient)}
    return sum((p[name] - value).square().sum() for name, value in at.items()) / 2


LEARNERS = {one.__name__: one for one in (anil, cavia, fomaml, imaml, lstm, maml, maml_clusters, maml_pp,
                                         meta_curvature, meta_sgd, reptile)}
