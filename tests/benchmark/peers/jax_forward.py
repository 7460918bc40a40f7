"""Learners without an inner loop over the model, of a perceptron of vectors, in JAX. learner(p, task, s) -> loss."""

import math

import jax
from jax import lax, nn
from jax import numpy as jnp
from jax_descent import as_input, cross_entropy, embed, linear, lstm_step


def embed_both(p, support, query):
    both = embed(p, jnp.concatenate([support, query]))
    return both[:len(support)], both[len(support):]


def class_means(x, labels, way):
    members = nn.one_hot(labels, way)
    return members.T @ x / members.sum(0)[:, None]


def unit(x):
    return x * lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-12)


def repeated(x, count):
    return jnp.broadcast_to(x, (count, *x.shape))


def protonet(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    means = class_means(known, task.support_y, task.way)
    return cross_entropy(-jnp.square(asked[:, None] - means).sum(2), task.y)


def matching(p, task, s):
    x, labels = task.in_order()
    known, asked = embed_both(p, x, task.x)

    def step(way, x, past, cell):
        weight, of_past, bias = (p[f"learner.part0.{way}.{name}"] for name in ("weight_ih", "weight_hh", "bias"))
        return lstm_step(x @ weight.T + bias + past @ of_past.T, cell)

    def along(way, x):
        h = c = jnp.zeros_like(x[0])
        outputs = []
        for row in x:
            h, c = step(way, row, h, c)
            outputs.append(h)
        return jnp.stack(outputs)

    g = known + along("forward", known) + along("backward", known[::-1])[::-1]
    f = c = jnp.zeros_like(asked)
    for _ in range(s["processing_steps"]):
        f, c = step("attending", asked, jnp.concatenate([f, nn.softmax(f @ g.T) @ g], 1), c)
        f = f + asked
    attention = nn.softmax(10 * unit(f) @ unit(g).T)
    return cross_entropy(jnp.log(attention @ nn.one_hot(labels, task.way)), task.y)


def relation(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    means = class_means(known, task.support_y, task.way)
    width = known.shape[1]
    first = p["learner.part0.0.weight"]
    x = nn.relu((means @ first[:, :width].T)[None] + (asked @ first[:, width:].T)[:, None] + p["learner.part0.0.bias"])
    return cross_entropy(linear(p, "learner.part0.2", nn.relu(linear(p, "learner.part0.1", x)))[..., 0], task.y)


def r2d2(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    gram = known @ known.T + jnp.exp(p["learner.ridge"]) * jnp.eye(len(known))
    weights = known.T @ jnp.linalg.solve(gram, nn.one_hot(task.support_y, task.way))
    return cross_entropy(jnp.exp(p["learner.scale"]) * (asked @ weights) + p["learner.shift"], task.y)


def siamese(p, task, s):
    x = embed(p, jnp.concatenate([task.support_x, task.x]))
    labels = jnp.concatenate([task.support_y, task.y])
    squares = jnp.square(x).sum(1)
    distance = jnp.sqrt(1e-12 + nn.relu(squares[:, None] - 2 * x @ x.T + squares))
    same = labels[:, None] == labels
    positive = same & ~jnp.eye(len(x), dtype=bool)
    triplets = positive[:, :, None] & ~same[:, None]
    losses = nn.relu(s["margin"] + distance[:, :, None] - distance[:, None])
    return jnp.where(triplets, losses, 0).sum() / triplets.sum()


def pretrain(p, task, s):
    return cross_entropy(linear(p, "learner", embed(p, task.x)), task.y)


def neural_process(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)

    def perceptron(name, *x):
        return linear(p, f"learner.{name}.1", nn.relu(linear(p, f"learner.{name}.0", jnp.concatenate(x, 1))))

    each = perceptron("encoder", known, nn.one_hot(task.support_y, task.way))
    means = class_means(each, task.support_y, task.way).ravel()
    return cross_entropy(perceptron("decoder", asked, repeated(means, len(asked))), task.y)


def layer_norm(p, name, x):
    x = x - x.mean(-1, keepdims=True)
    return x * lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def transformer_layer(p, name, x):
    parts = layer_norm(p, f"{name}.norm1", x) @ p[f"{name}.self_attn.in_proj_weight"].T
    parts = (parts + p[f"{name}.self_attn.in_proj_bias"]).reshape(*x.shape[:2], 3, -1, min(x.shape[2], 32))
    query, key, value = (parts[:, :, which] for which in range(3))
    scores = jnp.einsum("nthd,nshd->nhts", query, key) / math.sqrt(query.shape[-1])
    mixed = jnp.einsum("nhts,nshd->nthd", nn.softmax(scores), value).reshape(x.shape)
    x = x + linear(p, f"{name}.self_attn.out_proj", mixed)
    hidden = nn.gelu(linear(p, f"{name}.linear1", layer_norm(p, f"{name}.norm2", x)), approximate=False)
    return x + linear(p, f"{name}.linear2", hidden)


def caml(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    way = task.way
    codes = math.sqrt(way / (way - 1)) * (jnp.eye(way) - 1 / way)
    deal = jnp.array(task.orders["codes"])
    answers = codes[task.support_y]
    known = linear(p, "learner.project", known) + answers @ p["learner.label.weight"][:, deal].T
    asked = linear(p, "learner.project", asked) + p["learner.label.unknown"]
    x = jnp.concatenate([asked[:, None], repeated(known, len(asked))], 1)
    for layer in range(s["layers"]):
        x = transformer_layer(p, f"learner.layers.{layer}", x)
    x = layer_norm(p, "learner.norm", x)
    likeness = jnp.einsum("nsw,nw->ns", x[:, 1:], x[:, 0]) / math.sqrt(s["width"])
    code = x[:, 0] @ p["learner.head.weight"][deal].T + nn.softmax(likeness) @ answers
    return cross_entropy(jnp.exp(p["learner.scale"]) * (code @ codes.T), task.y)


def snail(p, task, s):
    support, labels = task.in_order()
    known, asked = embed_both(p, support, task.x)
    past = jnp.concatenate([known, nn.one_hot(labels, task.way)], 1)
    last = jnp.concatenate([asked, jnp.zeros((len(asked), task.way))], 1)
    x = jnp.concatenate([repeated(past, len(asked)), last[:, None]], 1)
    steps = x.shape[1]
    later = jnp.triu(jnp.ones((steps, steps), bool), 1)

    def attention(which, x):
        key, query, value = (linear(p, f"learner.attention{which}.{part}", x) for part in ("key", "query", "value"))
        scores = jnp.where(later, -1e30, query @ key.transpose(0, 2, 1) / math.sqrt(key.shape[2]))
        return jnp.concatenate([x, nn.softmax(scores) @ value], 2)

    def convolutions(which, x):
        for block in range(math.ceil(math.log2(steps))):
            before = jnp.pad(x, ((0, 0), (2**block, 0), (0, 0)))[:, :steps]
            new, gate = (before @ weight[:, :, 0].T + x @ weight[:, :, 1].T + bias
                         for weight, bias in ((p[f"learner.past{which}.{block}.{part}.weight"],
                                               p[f"learner.past{which}.{block}.{part}.bias"])
                                              for part in ("filter", "gate")))
            x = jnp.concatenate([x, jnp.tanh(new) * nn.sigmoid(gate)], 2)
        return x

    x = attention(3, convolutions(2, attention(2, convolutions(1, attention(1, x)))))
    return cross_entropy(linear(p, "learner.head", x[:, -1]), task.y)


def mann(p, task, s):
    x, labels = task.in_one_sequence()
    answers = nn.one_hot(labels, task.way)
    late = jnp.concatenate([jnp.zeros_like(answers[:1]), answers[:-1]])
    gate = nn.sigmoid(p["learner.gate"])

    def alike(x):
        return x * lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-2)

    def step(state, row):
        """The state after a sample, and what it is answered by."""
        hidden, cell, memory, read, usage = state
        gates = linear(p, "learner.lstm.in", jnp.concatenate([row, (read @ memory).ravel()]))
        hidden, cell = lstm_step(gates + p["learner.lstm.back"] @ hidden, cell)
        key, add = (jnp.tanh(linear(p, f"learner.{name}", hidden)).reshape(s["reads"], s["slot_width"])
                    for name in ("key", "add"))
        least = nn.one_hot(jnp.argsort(lax.stop_gradient(usage))[:s["reads"]], s["slots"])
        write = gate * read + (1 - gate) * least
        memory = memory * (1 - least.sum(0))[:, None] + write.T @ add
        read = nn.softmax(jnp.exp(p["learner.sharpness"]) * (alike(key) @ alike(memory).T))
        usage = 0.95 * usage + (read + write).sum(0)
        return (hidden, cell, memory, read, usage), jnp.concatenate([hidden, (read @ memory).ravel()])

    state = (jnp.zeros(s["hidden"]), jnp.zeros(s["hidden"]), jnp.zeros((s["slots"], s["slot_width"])),
             jnp.zeros((s["reads"], s["slots"])), jnp.zeros(s["slots"]))
    seen = lax.scan(step, state, jnp.concatenate([embed(p, x), late], 1))[1]
    return cross_entropy(linear(p, "learner.head", seen), labels)


def meta_networks(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    x = linear(p, "learner.project", known)
    given = lax.stop_gradient(p)

    def loss_by(q, w0, w1, row, label):
        """Both losses of one sample; q reaches the first alone, w0 and w1 the second."""
        r = nn.relu(q @ row + given["learner.represent.bias"])
        h = nn.relu(w0 @ row + given["learner.base.0.bias"])
        outputs = jnp.stack([given["learner.base.1.weight"] @ r, w1 @ h]) + given["learner.base.1.bias"]
        return 2 * cross_entropy(outputs, jnp.stack([label, label]))

    weights = [given[f"learner.{name}.weight"] for name in ("represent", "base.0", "base.1")]
    slopes = jax.vmap(jax.grad(loss_by, (0, 1, 2)), (None, None, None, 0, 0))(*weights, lax.stop_gradient(x),
                                                                            task.support_y)

    def fast(name, slope):
        return linear(p, f"learner.{name}.1", nn.relu(linear(p, f"learner.{name}.0", as_input(slope))))[..., 0]

    of_represent = fast("meta_represent", slopes[0].mean(0))
    of_hidden, of_output = (fast("meta_base", slope) for slope in slopes[1:])

    def represented(x):
        return nn.relu(linear(p, "learner.represent", x) + x @ of_represent.T)

    y = linear(p, "learner.project", asked)
    share = nn.softmax(jnp.exp(p["learner.sharpness"]) * (unit(represented(y)) @ unit(represented(x)).T))

    def mixed(weights, rows):
        return jnp.einsum("ns,nso->no", share, jnp.einsum("soi,ni->nso", weights, rows))

    h = nn.relu(linear(p, "learner.base.0", y) + mixed(of_hidden, y))
    return cross_entropy(linear(p, "learner.base.1", h) + mixed(of_output, h), task.y)


def leo(p, task, s):
    known, asked = embed_both(p, task.support_x, task.x)
    latent, name = s["latent"], "learner.0"
    code = known @ p[f"{name}.encoder.weight"].T
    count = len(code)
    shape = (count, count, latent)
    pairs = jnp.concatenate([jnp.broadcast_to(code[:, None], shape), jnp.broadcast_to(code, shape)], 2)
    for layer in range(3):
        pairs = (nn.relu(pairs) if layer else pairs) @ p[f"{name}.relation.{layer}.weight"].T
    mean, spread = jnp.split(class_means(pairs.mean(1), task.support_y, task.way), 2, 1)
    deviation = nn.softplus(spread) * math.sqrt(1 / latent) / math.log(2) + 1e-10
    penalty = s["kl"] * 0.5 * (jnp.square(mean) + jnp.square(deviation) - 1 - 2 * jnp.log(deviation)).mean()
    decoder = p[f"{name}.decoder.weight"]
    half = decoder[:len(decoder) // 2]

    def loss_by(weights):
        return cross_entropy(known @ weights.T, task.support_y)

    z = mean
    for _ in range(s["inner_steps"]):
        z = z - p["learner.inner_lr"] * jax.grad(lambda z: loss_by(z @ half.T))(z)
    penalty = penalty + s["encoder_penalty"] * jnp.square(lax.stop_gradient(z) - mean).mean()
    columns = decoder * lax.rsqrt(jnp.square(decoder).sum(0) + 1e-12)
    penalty = penalty + s["orthogonality"] * jnp.square(columns.T @ columns - jnp.eye(latent)).mean()
    weights = z @ half.T
    for _ in range(s["finetune_steps"]):
        weights = weights - p["learner.finetune_lr"] * jax.grad(loss_by)(weights)
    return cross_entropy(asked @ weights.T, task.y) + penalty


LEARNERS = {one.__name__: one for one in (caml, leo, mann, matching, meta_networks, neural_process, pretrain, protonet,
                                         r2d2, relation, siamese, snail)}
