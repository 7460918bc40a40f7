"""Learners that compare embeddings or solve for a classifier of them, in PyTorch by hand."""

import torch
from hand import class_means, embed, embed_both, linear, lstm_step, one_hot, unit
from torch.nn import functional


def protonet(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    means = class_means(known, task.support_y, task.way)
    return functional.cross_entropy(-(asked[:, None] - means).square().sum(2), task.y)


def matching(p, task, s):
    """With full context embeddings: an LSTM over the support both ways, one of each query that looks at it."""
    x, labels = task.in_order()
    known, asked = embed_both(p, x, task.x)
    cell = {way: [p[f"learner.part0.{way}.{name}"] for name in ("weight_ih", "weight_hh", "bias")]
            for way in ("forward", "backward", "attending")}

    def step(way, x, past, state):
        weight, of_past, bias = cell[way]
        return lstm_step(functional.linear(x, weight, bias) + past @ of_past.T, state)

    def along(way, x):
        h = c = torch.zeros_like(x[:1])
        outputs = []
        for row in x.split(1):
            h, c = step(way, row, h, c)
            outputs.append(h)
        return torch.cat(outputs)

    g = known + along("forward", known) + along("backward", known.flip(0)).flip(0)
    f = c = torch.zeros_like(asked)
    for _ in range(s["processing_steps"]):
        read = torch.softmax(f @ g.T, 1) @ g
        f, c = step("attending", asked, torch.cat([f, read], 1), c)
        f = f + asked
    attention = torch.softmax(10 * unit(f) @ unit(g).T, 1)
    return functional.nll_loss((attention @ one_hot(labels, task.way, f)).log(), task.y)


def relation(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    means = class_means(known, task.support_y, task.way)
    shape = (len(asked), task.way, known.shape[1])
    x = torch.cat([means[None].expand(shape), asked[:, None].expand(shape)], 2)
    for layer in range(2):
        x = functional.relu(linear(p, f"learner.part0.{layer}", x))
    return functional.cross_entropy(linear(p, "learner.part0.2", x)[..., 0], task.y)


def r2d2(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    gram = known @ known.T + p["learner.ridge"].exp() * torch.eye(len(known), dtype=known.dtype)
    weights = known.T @ torch.linalg.solve(gram, one_hot(task.support_y, task.way, known))
    return functional.cross_entropy(p["learner.scale"].exp() * (asked @ weights) + p["learner.shift"], task.y)


def metaoptnet(p, task, s):
    """Which dual variables are at their caps an interior-point method finds; the others solve linear equations,
    through which the gradient goes."""
    known, asked = embed_both(p, task.support_x, task.x)
    samples, way = len(known), task.way
    members = one_hot(task.support_y, way, known).double().flatten()
    kernel = (known @ known.T).double()
    curvature = torch.kron(kernel, torch.eye(way, dtype=torch.double)) + torch.eye(samples * way, dtype=torch.double)
    sums = torch.kron(torch.eye(samples, dtype=torch.double), torch.ones(1, way, dtype=torch.double))
    caps = s["c"] * members
    free = below_caps(curvature.detach(), -members, sums, caps)
    at_caps = (caps * ~free)
    left = torch.zeros(samples, samples, dtype=torch.double)
    upper = torch.cat([curvature[free][:, free], sums[:, free].T], 1)
    lower = torch.cat([sums[:, free], left], 1)
    right = torch.cat([(members - curvature @ at_caps)[free], -sums @ at_caps])
    # A sample whose variables are all at their caps leaves an equation of zeros: the least solution.
    solved = torch.linalg.pinv(torch.cat([upper, lower]), hermitian=True) @ right
    alpha = at_caps.index_add(0, free.nonzero()[:, 0], solved[:int(free.sum())])
    weights = alpha.view(samples, way).T.to(known.dtype) @ known
    return functional.cross_entropy(p["learner.scale"].exp() * (asked @ weights.T), task.y)


def below_caps(curvature, slope, sums, caps, rounds=30):
    """Of min x'Cx/2 + slope.x with sums x = 0, x <= caps: whether x is below its cap at the optimum."""
    count, equations = len(slope), len(sums)
    x, room, force = torch.zeros(count).double(), torch.ones(count).double(), torch.ones(count).double()
    level = torch.zeros(equations).double()
    for _ in range(rounds):
        gap = (room * force).mean()
        if gap < 1e-13:
            break
        dual = curvature @ x + slope + force + sums.T @ level
        primal, even = x + room - caps, sums @ x
        # Towards a tenth of the gap.
        aim = room * force - 0.1 * gap
        system = torch.cat([torch.cat([curvature + torch.diag(force / room), sums.T], 1),
                            torch.cat([sums, torch.zeros(equations, equations).double()], 1)])
        step = torch.linalg.solve(system, torch.cat([-dual - (force * primal - aim) / room, -even]))
        dx, dlevel = step[:count], step[count:]
        droom = -primal - dx
        dforce = -(aim + force * droom) / room
        length = 1.0
        for value, change in ((room, droom), (force, dforce)):
            falling = change < 0
            if falling.any():
                length = min(length, 0.99 * float((-value / change)[falling].min()))
        x, level = x + length * dx, level + length * dlevel
        room, force = room + length * droom, force + length * dforce
    return room > force


def siamese(p, task, s):
    """All triplets of an episode."""
    x = embed(p, torch.cat([task.support_x, task.x]))
    labels = torch.cat([task.support_y, task.y])
    squares = x.square().sum(1)
    distance = (1e-12 + functional.relu(squares[:, None] - 2 * x @ x.T + squares)).sqrt()
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(x), dtype=torch.bool)
    triplets = positive[:, :, None] & ~same[:, None]
    return functional.relu(s["margin"] + distance[:, :, None] - distance[:, None])[triplets].mean()


def pretrain(p, task, s):
    return functional.cross_entropy(linear(p, "learner", embed(p, task.x)), task.y)


LEARNERS = {one.__name__: one for one in (matching, metaoptnet, pretrain, protonet, r2d2, relation, siamese)}
