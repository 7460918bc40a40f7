"""Fusions in NumPy: f(p, looked, senses, words) is an embedding [n, w].

Those at the end are of one sample and know of no masks: a sample is {sense: (pooled [w], its tokens [T, w])} of the
senses that it has.
"""

import itertools

import numpy as np

from arithmetic import affine, layer_norm, looking, softmax, transformer_layer


def concat(p, looked, senses, words):
    columns = []
    for m, sense in enumerate(senses):
        column = looked.pooled[m].copy()
        if words.get("missing") != "zeros" and len(looked.pooled) > 1:
            column[~looked.present[:, m]] = p[f"fusion.absent.{sense}"]
        columns.append(column)
    return np.concatenate(columns, 1)


def gated(p, looked, senses, words):
    projected, scores = [], []
    for m, sense in enumerate(senses):
        h = np.tanh(affine(p, f"fusion.{sense}", looked.pooled[m]))
        projected.append(h)
        scores.append(np.where(looked.present[:, m], h @ p[f"fusion.{sense}.gate"][0], -1e30))
    gates = softmax(np.stack(scores, 1), 1)
    return sum(gates[:, m, None] * h for m, h in enumerate(projected))


def cross_attention(p, looked, senses, words):
    width, layers = int(words["fusion_width"]), int(words["fusion_layers"])
    tokens = [np.broadcast_to(p["fusion.first"], (looked.size, 1, width))]
    for m, sense in enumerate(senses):
        tokens.append(affine(p, f"fusion.{sense}.project", looked.tokens[m]) + p[f"fusion.{sense}.sense"])
    x, mask = np.concatenate(tokens, 1), np.concatenate([np.ones((looked.size, 1)), *looked.masks], 1)
    for i in range(layers):
        x = transformer_layer(p, f"fusion.layers.{i}", x, mask)
    return layer_norm(p, "fusion.norm", x[:, 0])


def late_weights(p, looked, senses, words):
    """(how much each sample has of each sense [n, senses], weights of the senses)"""
    equal, by = np.full(len(senses), 1 / len(senses)), words.get("late_weights", "learned")
    if by != "sample":
        return looked.present, softmax(p["fusion.weight"]) if by == "learned" else equal
    shares = np.zeros(looked.present.shape)
    for i, there in enumerate(looked.present):
        scores = [affine(p, f"fusion.{senses[m]}.gate", looked.pooled[m][i])[0] for m in np.flatnonzero(there)]
        if scores:
            shares[i, there] = len(scores) * softmax(np.array(scores))
    return shares, equal


# One sample.

def self_attention(p, sample, senses, words):
    tokens = np.array([affine(p, f"fusion.{sense}", x) for sense, (x, _) in sample.items()])
    for i in range(int(words["fusion_layers"]) if sample else 0):
        tokens = looking(p, f"fusion.layers.{i}", tokens, tokens, np.ones(len(tokens)))
    return layer_norm(p, "fusion.norm", tokens.mean(0) if sample else np.zeros(int(words["fusion_width"])))


def co_attention(p, sample, senses, words):
    streams = {sense: affine(p, f"fusion.{sense}.project", tokens) for sense, (_, tokens) in sample.items()}
    for i in range(int(words["fusion_layers"])):
        def seen_by(sense):
            return np.concatenate([p["fusion.nothing"][0], *(t for other, t in streams.items() if other != sense)])
        streams = {sense: looking(p, f"fusion.{sense}.layers.{i}", tokens, seen_by(sense), np.ones(len(seen_by(sense))))
                   for sense, tokens in streams.items()}
    means = [tokens.mean(0) for tokens in streams.values()]
    return layer_norm(p, "fusion.norm", np.mean(means, 0) if means else np.zeros(int(words["fusion_width"])))


def bottleneck(p, sample, senses, words):
    shared = p["fusion.shared"]
    streams = {sense: affine(p, f"fusion.{sense}.project", tokens) for sense, (_, tokens) in sample.items()}
    for i in range(int(words["fusion_layers"])):
        said = []
        for sense, tokens in streams.items():
            both = np.concatenate([tokens, shared])
            both = looking(p, f"fusion.{sense}.layers.{i}", both, both, np.ones(len(both)))
            streams[sense] = both[:len(tokens)]
            said.append(both[len(tokens):])
        shared = np.mean(said, 0) if said else np.zeros_like(shared)
    return layer_norm(p, "fusion.norm", shared.mean(0))


def product_of_experts(p, sample, senses, words):
    precision, weighted = np.ones(int(words["embedding"])), 0.0
    for sense, (x, _) in sample.items():
        own = np.exp(affine(p, f"fusion.{sense}.precision", x))
        weighted = weighted + own * affine(p, f"fusion.{sense}.mean", x)
        precision = precision + own
    return weighted / precision


def low_rank(p, sample, senses, words):
    total = 0.0
    for r in range(int(words["rank"])):
        rows, product = slice(r * int(words["embedding"]), (r + 1) * int(words["embedding"])), 1.0
        for sense in senses:
            factor = 1.0 + p[f"fusion.{sense}.bias"][rows]
            if sense in sample:
                factor = factor + p[f"fusion.{sense}.weight"][rows] @ sample[sense][0]
            product = product * factor
        total = total + product
    return total


def tensor(p, sample, senses, words):
    product = np.ones(1)
    for sense in senses:
        own = np.zeros(int(words["tensor_width"]))
        if sense in sample:
            own = affine(p, f"fusion.{sense}", sample[sense][0])
        product = np.kron(product, np.concatenate([[1.0], own]))
    return product


def bilinear(p, sample, senses, words):
    width, factors = int(words["embedding"]), int(words["factors"])
    codes = [np.tanh(affine(p, f"fusion.{sense}", x)) for sense, (x, _) in sample.items()]
    total = sum(codes, np.zeros(width * factors)) + sum(a * b for a, b in itertools.combinations(codes, 2))
    return total.reshape(width, factors).sum(1)


def film(p, sample, senses, words):
    width, by, columns = int(words["embedding"]), words.get("film_by") or senses[0], []
    for sense in senses:
        h = affine(p, f"fusion.{sense}", sample[sense][0]) if sense in sample else np.zeros(width)
        if sense != by and by in sample:
            scale, shift = np.split(affine(p, f"fusion.{sense}.film", sample[by][0]), 2)
            h = h + scale * h + shift
        columns.append(h)
    return np.concatenate(columns)


def sense_graph(p, sample, senses, words):
    nodes = {sense: affine(p, f"fusion.{sense}", x) for sense, (x, _) in sample.items()}
    for i in range(int(words["graph_layers"])):
        name, new = f"fusion.graph.{i}", {}
        for sense, h in nodes.items():
            others, heard = [other for other in nodes if other != sense], 0.0
            if others:
                edges = np.zeros(len(others))
                if words.get("edges") != "full":
                    edges = p["fusion.edges"][senses.index(sense)][[senses.index(other) for other in others]]
                heard = softmax(edges) @ np.array([nodes[other] for other in others]) @ p[f"{name}.heard.weight"].T
            new[sense] = h + np.tanh(affine(p, f"{name}.own", h) + heard)
        nodes = new
    return np.mean(list(nodes.values()), 0) if nodes else np.zeros(int(words["embedding"]))


def deep_sets(p, sample, senses, words):
    total = np.zeros(int(words["embedding"]))
    for sense, (x, _) in sample.items():
        total = total + np.maximum(affine(p, f"fusion.{sense}", x), 0.0)
    return affine(p, "fusion.rho.1", np.maximum(affine(p, "fusion.rho.0", total), 0.0))


def by_sample(fuse):
    def fused(p, looked, senses, words):
        rows = []
        for i, there in enumerate(looked.present):
            sample = {senses[m]: (looked.pooled[m][i], looked.tokens[m][i][looked.masks[m][i] == 1])
                      for m in np.flatnonzero(there)}
            rows.append(fuse(p, sample, senses, words))
        return np.array(rows)
    return fused


BY_NAME = {"concat": concat, "gated": gated, "cross_attention": cross_attention}
BY_NAME.update({fuse.__name__: by_sample(fuse) for fuse in (
    self_attention, co_attention, bottleneck, product_of_experts, low_rank, tensor, bilinear, film, sense_graph,
    deep_sets)})
