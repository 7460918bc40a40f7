"""Learners that read a support set, with a transformer, convolutions, memories or codes, in PyTorch by hand."""

import math

import torch
from hand import class_means, embed, embed_both, linear, lstm_step, one_hot, slopes, unit
from hand_descent import as_input
from torch.nn import functional


def neural_process(p, task, s):
    """Conditional: the means of what samples of each class say, side by side."""
    known, asked = embed_both(p, task.support_x, task.x)

    def perceptron(name, *x):
        hidden = functional.relu(linear(p, f"learner.{name}.0", torch.cat(x, 1)))
        return linear(p, f"learner.{name}.1", hidden)

    each = perceptron("encoder", known, one_hot(task.support_y, task.way, known))
    represented = class_means(each, task.support_y, task.way).flatten()
    return functional.cross_entropy(perceptron("decoder", asked, represented.expand(len(asked), -1)), task.y)


def caml(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    way, width = task.way, s["width"]
    codes = math.sqrt(way / (way - 1)) * (torch.eye(way, dtype=known.dtype) - 1 / way)
    deal = task.orders["codes"]
    answers = codes[task.support_y]
    known = linear(p, "learner.project", known) + answers @ p["learner.label.weight"][:, deal].T
    asked = linear(p, "learner.project", asked) + p["learner.label.unknown"]
    x = torch.cat([asked[:, None], known.expand(len(asked), -1, -1)], 1)
    for layer in range(s["layers"]):
        x = transformer_layer(p, f"learner.layers.{layer}", x)
    x = functional.layer_norm(x, (width, ), p["learner.norm.weight"], p["learner.norm.bias"])
    last = x[:, 0]
    code = last @ p["learner.head.weight"][deal].T
    likeness = torch.einsum("nsw,nw->ns", x[:, 1:], last) / math.sqrt(width)
    code = code + torch.softmax(likeness, 1) @ answers
    return functional.cross_entropy(p["learner.scale"].exp() * (code @ codes.T), task.y)


def transformer_layer(p, name, x):
    width = x.shape[-1]

    def norm(x, which):
        return functional.layer_norm(x, (width, ), p[f"{name}.{which}.weight"], p[f"{name}.{which}.bias"])

    parts = functional.linear(norm(x, "norm1"), p[f"{name}.self_attn.in_proj_weight"],
                              p[f"{name}.self_attn.in_proj_bias"])
    query, key, value = (part.unflatten(2, (-1, min(width, 32))).transpose(1, 2) for part in parts.chunk(3, 2))
    mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    x = x + linear(p, f"{name}.self_attn.out_proj", mixed)
    return x + linear(p, f"{name}.linear2", functional.gelu(linear(p, f"{name}.linear1", norm(x, "norm2"))))


def snail(p, task, s):
    """Every query ends a sequence of its own."""
    support, labels = task.in_order()
    known, asked = embed_both(p, support, task.x)
    past = torch.cat([known, one_hot(labels, task.way, known)], 1)
    last = torch.cat([asked, asked.new_zeros(len(asked), task.way)], 1)
    x = torch.cat([past.expand(len(asked), -1, -1), last[:, None]], 1)  # [queries, steps, columns]
    later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)

    def attention(which, x):
        key, query, value = (linear(p, f"learner.attention{which}.{part}", x) for part in ("key", "query", "value"))
        scores = query @ key.transpose(1, 2) / math.sqrt(key.shape[2])
        return torch.cat([x, torch.softmax(scores.masked_fill(later, -1e30), 2) @ value], 2)

    def convolutions(which, x):
        x = x.transpose(1, 2)
        for block in range(math.ceil(math.log2(x.shape[2]))):
            before = functional.pad(x, (2**block, 0))
            new, gate = (functional.conv1d(before, p[f"learner.past{which}.{block}.{part}.weight"],
                                           p[f"learner.past{which}.{block}.{part}.bias"], dilation=2**block)
                         for part in ("filter", "gate"))
            x = torch.cat([x, new.tanh() * gate.sigmoid()], 1)
        return x.transpose(1, 2)

    x = convolutions(1, attention(1, x))
    x = attention(3, convolutions(2, attention(2, x)))
    return functional.cross_entropy(linear(p, "learner.head", x[:, -1]), task.y)


def mann(p, task, s):
    """Support and then queries are one sequence, and each sample is asked for before its answer is seen."""
    x, labels = task.in_one_sequence()
    steps = embed(p, x)
    answers = one_hot(labels, task.way, steps)
    late = torch.cat([torch.zeros_like(answers[:1]), answers[:-1]])
    hidden = cell = steps.new_zeros(s["hidden"])
    memory, read = steps.new_zeros(s["slots"], s["slot_width"]), steps.new_zeros(s["reads"], s["slots"])
    usage, gate = steps.new_zeros(s["slots"]), p["learner.gate"].sigmoid()

    def heads(name):
        return linear(p, f"learner.{name}", hidden).tanh().view(s["reads"], s["slot_width"])

    def alike(x):
        return x * (x.square().sum(-1, keepdim=True) + 1e-2).rsqrt()

    seen = []
    for row in torch.cat([steps, late], 1):
        gates = linear(p, "learner.lstm.in", torch.cat([row, (read @ memory).flatten()]))
        hidden, cell = lstm_step(gates + p["learner.lstm.back"] @ hidden, cell)
        least = one_hot(torch.argsort(usage.detach(), stable=True)[:s["reads"]], s["slots"], row)
        write = gate * read + (1 - gate) * least
        memory = memory * (1 - least.sum(0))[:, None] + write.T @ heads("add")
        read = torch.softmax(p["learner.sharpness"].exp() * (alike(heads("key")) @ alike(memory).T), 1)
        usage = 0.95 * usage + (read + write).sum(0)
        seen.append(torch.cat([hidden, (read @ memory).flatten()]))
    return functional.cross_entropy(linear(p, "learner.head", torch.stack(seen)), labels)


def meta_networks(p, task, s):
    """Gradients of the support's losses are read by small networks that make fast weights of them."""
    known, asked = embed_both(p, task.support_x, task.x)
    x = linear(p, "learner.project", known)
    represent, hidden, output = (p[f"learner.{name}.weight"] for name in ("represent", "base.0", "base.1"))
    count = len(x)

    # Gradients as data: of one representation loss, and of each sample's task loss.
    given = x.detach()
    q = represent.detach().requires_grad_()
    w0, w1 = (w.detach().expand(count, *w.shape).requires_grad_() for w in (hidden, output))
    biases = [p[f"learner.{name}.bias"].detach() for name in ("represent", "base.0", "base.1")]
    r = functional.relu(functional.linear(given, q, biases[0]))
    h = functional.relu((w0 @ given[..., None])[..., 0] + biases[1])
    loss = (functional.cross_entropy(functional.linear(r, output.detach(), biases[2]), task.support_y) +
            functional.cross_entropy((w1 @ h[..., None])[..., 0] + biases[2], task.support_y, reduction="sum"))
    gradients = slopes(loss, [q, w0, w1], False)

    def fast(name, gradient):
        return linear(p, f"learner.{name}.1",
                      functional.relu(linear(p, f"learner.{name}.0", as_input(gradient.flatten())))).view_as(gradient)

    of_represent = fast("meta_represent", gradients[0])
    of_hidden, of_output = (fast("meta_base", gradient) for gradient in gradients[1:])

    def represented(x):
        return functional.relu(linear(p, "learner.represent", x) + x @ of_represent.T)

    y = linear(p, "learner.project", asked)
    share = torch.softmax(p["learner.sharpness"].exp() * (unit(represented(y)) @ unit(represented(x)).T), 1)

    def mixed(weights, rows):
        return torch.einsum("ns,nso->no", share, torch.einsum("soi,ni->nso", weights, rows))

    h = functional.relu(linear(p, "learner.base.0", y) + mixed(of_hidden, y))
    return functional.cross_entropy(linear(p, "learner.base.1", h) + mixed(of_output, h), task.y)


def leo(p, task, s):
    """Without draws: codes and weights are their means."""
    known, asked = embed_both(p, task.support_x, task.x)
    way, latent = task.way, s["latent"]
    name = "learner.0"
    code = known @ p[f"{name}.encoder.weight"].T
    count = len(code)
    pairs = torch.cat([code[:, None].expand(count, count, latent), code.expand(count, count, latent)], 2)
    for layer in range(3):
        pairs = (functional.relu(pairs) if layer else pairs) @ p[f"{name}.relation.{layer}.weight"].T
    members = one_hot(task.support_y, way, known)
    numbers = members.T @ pairs.mean(1) / members.sum(0)[:, None]
    mean, spread = numbers.chunk(2, 1)
    deviation = functional.softplus(spread) * math.sqrt(2 / (2 * latent)) / math.log(2) + 1e-10
    penalty = s["kl"] * 0.5 * (mean.square() + deviation.square() - 1 - 2 * deviation.log()).mean()
    decoder = p[f"{name}.decoder.weight"]

    def decoded(z):
        return (z @ decoder.T).chunk(2, 1)[0]

    def loss_by(weights):
        return functional.cross_entropy(known @ weights.T, task.support_y)

    z = mean
    for _ in range(s["inner_steps"]):
        z = z - p["learner.inner_lr"] * slopes(loss_by(decoded(z)), [z], True)[0]
    penalty = penalty + s["encoder_penalty"] * (z.detach() - mean).square().mean()
    columns = decoder / (decoder.square().sum(0) + 1e-12).sqrt()
    correlations = columns.T @ columns - torch.eye(latent, dtype=decoder.dtype)
    penalty = penalty + s["orthogonality"] * correlations.square().mean()
    weights = decoded(z)
    for _ in range(s["finetune_steps"]):
        weights = weights - p["learner.finetune_lr"] * slopes(loss_by(weights), [weights], True)[0]
    return functional.cross_entropy(asked @ weights.T, task.y) + penalty


LEARNERS = {one.__name__: one for one in (caml, leo, mann, meta_networks, neural_process, snail)}
