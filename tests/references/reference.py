"""cuttle's models as NumPy says them, in float64, from the papers and the README: nothing of cuttle is called.

A model is a dict of parameters by name and a dict of words (types and keys); a batch is a dict of arrays by name. What
a sample lacks has no row in the sense's arrays: `rows` says which samples the rows are.
"""

import math

import numpy as np

import fusions
from arithmetic import affine, layer_norm, softmax, transformer_layer

# Sequences: values [m, C, T], mask [m, T].

def convolve(p, name, x):
    """Width 3, zeros before the first step and after the last of the padded length."""
    steps = x.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    windows = np.stack([padded[:, :, k:k + steps] for k in range(3)])
    return np.einsum("oik,kmit->mot", p[f"{name}.weight"], windows) + p[f"{name}.bias"][:, None]


def moments(steps):
    """Mean and variance over the first axis, [C, 1]."""
    return steps.mean(0)[:, None], steps.var(0)[:, None]


def own_moments(steps, groups):
    """Of one sample's real steps [T, C], by equal groups of channels; [C, 1]."""
    share = steps.shape[1] // groups
    grouped = steps.T.reshape(groups, -1)
    return [np.repeat(value, share)[:, None] for value in (grouped.mean(1), grouped.var(1))]


def blended(p, name, support, samples, own):
    """TaskNorm-I: equations 7 to 9 of Bronskill et al. 2020."""
    weight, offset = p[f"{name}.blend"]
    share = 1 / (1 + np.exp(-(weight * samples + offset)))
    mean = share * support[0] + (1 - share) * own[0]
    variance = sum(part * (there[1] + (there[0] - mean)**2) for part, there in ((share, support), (1 - share, own)))
    return mean, variance


def normalise(p, name, x, mask, words):
    """By the norm's statistics of real steps; padding becomes zero. A query's pass finds those of the support under
    "given"; a support's pass leaves its own under "seen"."""
    norm, result = words.get("norm", "batch"), np.zeros_like(x)
    rows = [np.swapaxes(row, 0, 1)[real == 1] for row, real in zip(x, mask)]  # [steps, C] each
    together = words["given"][name] if "given" in words else (moments(np.concatenate(rows)), len(rows))
    words.get("seen", {})[name] = together
    groups = {"layer": 1, "group": int(words.get("norm_groups", 1))}.get(norm, x.shape[1])
    for i, (steps, real) in enumerate(zip(rows, mask)):
        mean, variance = together[0] if norm in ("batch", "support") else own_moments(steps, groups)
        if norm == "task":
            mean, variance = blended(p, name, *together, (mean, variance))
        scaled = steps.T
        if norm != "none":
            scaled = (scaled - mean) / np.sqrt(variance + 1e-5) * p[f"{name}.weight"][:, None]
            scaled = scaled + p[f"{name}.bias"][:, None]
        result[i][:, real == 1] = scaled
    return result


def pool_pairs(x):
    """Maximum of two steps; an odd last one stays."""
    steps = x.shape[-1]
    return np.stack([x[..., t:t + 2].max(-1) for t in range(0, steps, 2)], -1)


def sequence_encoder(p, name, x, mask, words):
    """(pooled [m, 2C], tokens [m, T, C], their mask)"""
    depth = int(words["depth"])
    for i in range(depth):
        x = convolve(p, f"{name}.{i}.conv", x)
        x = np.maximum(normalise(p, f"{name}.{i}.norm", x, mask, words), 0.0)
        if i + 1 < depth:
            x, mask = pool_pairs(x), pool_pairs(mask)
    pooled = []
    for row, real in zip(x, mask):
        steps = row[:, real == 1]
        pooled.append(np.concatenate([steps.mean(1), steps.max(1)]))
    return np.array(pooled), np.swapaxes(x, 1, 2), mask


def positions(steps, width):
    table = np.zeros((steps, width))
    for t in range(steps):
        for pair in range(width // 2):
            angle = t / 10000.0**(pair / (width // 2))
            table[t, 2 * pair:2 * pair + 2] = math.sin(angle), math.cos(angle)
    return table


def squares(x, side):
    """[m, C, H, W] -> [m, squares, C * side * side], row by row."""
    return np.stack([x[:, :, i:i + side, j:j + side].reshape(len(x), -1)
                     for i in range(0, x.shape[2], side) for j in range(0, x.shape[3], side)], 1)


def steps_together(x, mask, count):
    """[m, C, T] -> [m, tokens, C * count] and their mask; zeros fill up the last one."""
    tokens, real = [], []
    for t in range(0, x.shape[2], count):
        part = x[:, :, t:t + count]
        tokens.append(np.pad(part, ((0, 0), (0, 0), (0, count - part.shape[2]))).reshape(len(x), -1))
        real.append(mask[:, t:t + count].max(1))
    return np.stack(tokens, 1), np.stack(real, 1)


def tokens_of(p, name, x, mask, words):
    """Tokens at their places, and which are real."""
    weight, bias, patch = p[f"{name}.weight"], p.get(f"{name}.bias"), int(words.get("patch", 0))
    if x.ndim == 4:
        tokens = squares(x, patch or 4) @ weight.reshape(len(weight), -1).T + bias + p[f"{name}.places"]
        return tokens, np.ones(tokens.shape[:2])
    if x.ndim == 2:
        tokens = weight[x]
    else:
        x, mask = steps_together(x, mask, patch or (4 if x.shape[1] == 40 else 1))
        tokens = x @ weight.reshape(len(weight), -1).T + bias
    return tokens + positions(*tokens.shape[1:]), mask


def transformer_encoder(p, name, x, mask, words):
    x, mask = tokens_of(p, f"{name}.embedding", x, mask, words)
    for i in range(int(words["depth"])):
        x = transformer_layer(p, f"{name}.layers.{i}", x, mask)
    normed = layer_norm(p, f"{name}.norm", x)
    return np.array([row[real == 1].mean(0) for row, real in zip(normed, mask)]), x, mask


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_states(p, name, end, steps):
    """One sample [T, C] to its states [T, W] (Cho et al. 2014, section 2.3; the reset gate behind the product)."""
    state, states = np.zeros(p[f"{name}.weight_hh{end}"].shape[1]), []
    for x in steps:
        new = np.split(p[f"{name}.weight_ih{end}"] @ x + p[f"{name}.bias_ih{end}"], 3)
        old = np.split(p[f"{name}.weight_hh{end}"] @ state + p[f"{name}.bias_hh{end}"], 3)
        reset, update = sigmoid(new[0] + old[0]), sigmoid(new[1] + old[1])
        state = update * state + (1 - update) * np.tanh(new[2] + reset * old[2])
        states.append(state)
    return np.array(states)


def gru_encoder(p, name, x, mask, words):
    """(pooled [m, 2C], tokens [m, T, C], their mask)"""
    pooled, tokens = [], []
    for row, real in zip(x, mask):
        steps = p[f"{name}.table.weight"][row[real == 1]] if x.ndim == 2 else row[:, real == 1].T
        for layer in range(int(words["depth"])):
            ways = [gru_states(p, f"{name}.gru", f"_l{layer}", steps)]
            if words.get("bidirectional", "true") == "true":
                ways.append(gru_states(p, f"{name}.gru", f"_l{layer}_reverse", steps[::-1])[::-1])
            steps = np.concatenate(ways, 1)
        pooled.append(np.concatenate([steps.mean(0), steps.max(0)]))
        tokens.append(np.pad(steps, ((0, len(real) - len(steps)), (0, 0))))
    return np.array(pooled), np.array(tokens), mask


def frames_encoder(p, name, x, mask, words):
    """Videos [m, H, W, C, T]: each real frame through an encoder of pictures, then all through one of series."""
    def inside(part):
        return {key.partition(".")[2]: word for key, word in words.items() if key.startswith(part + ".")}
    real = np.moveaxis(x, (4, 3), (1, 2))[mask == 1]
    features = encoder_of(inside("frame")["type"])(p, f"{name}.frame", real, None, inside("frame"))[0]
    steps = np.zeros((*mask.shape, features.shape[1]))
    steps[mask == 1] = features
    return encoder_of(inside("over_time")["type"])(p, f"{name}.over_time", np.moveaxis(steps, 2, 1), mask,
                                                   inside("over_time"))


def average_encoder(p, name, x, mask, words):
    return (x * mask[:, None]).sum(2) / mask.sum(1)[:, None], np.moveaxis(x, 2, 1), mask


def graph_encoder(p, name, x, mask, words):
    """Steps that are nodes (a one behind their features), then edges (the numbers of two nodes behind that), both ways.
    Kipf and Welling 2017, equation 2: ReLU(D^-1/2 (A + I) D^-1/2 X W), here with a norm before the ReLU."""
    width = x.shape[1] - 2
    real = x[:, width - 1] * mask
    nodes, links = x[:, :width] * real[:, None], []
    for row, own, steps in zip(x, real, mask):
        link = np.eye(len(own))
        for i, j in row[width:, (steps == 1) & (own == 0)].astype(int).T:
            if i != j:
                link[i, j] += 1
                link[j, i] += 1
        degree = link.sum(1)
        links.append(link / np.sqrt(np.outer(degree, degree)))
    for i in range(int(words["depth"])):
        sums = [p[f"{name}.{i}.conv.lin.weight"] @ row @ link for row, link in zip(nodes, links)]
        nodes = np.maximum(normalise(p, f"{name}.{i}.norm", np.array(sums) + p[f"{name}.{i}.conv.bias"][:, None], real,
                                     words), 0.0)
    return average_encoder(p, name, nodes, real, words)


def encoder_of(kind):
    return {"transformer": transformer_encoder, "gru": gru_encoder, "frames": frames_encoder,
            "average": average_encoder, "graph_conv": graph_encoder}[kind]


def encode(p, sense, batch, words):
    name, kind = f"encoder.{sense}", words[f"encoder.{sense}"]
    x, mask = batch[f"{sense}.values"], batch.get(f"{sense}.mask")
    if kind == "mlp":
        for i in range(int(words["depth"])):
            x = np.maximum(affine(p, f"{name}.{i}", x), 0.0)
        return x, x[:, None, :], np.ones((len(x), 1))
    if kind in ("transformer", "gru", "frames", "graph_conv"):
        return encoder_of(kind)(p, name, x, mask, words)
    if kind == "char_conv":
        x = np.where(mask[:, None, :] == 1, np.swapaxes(p[f"{name}.table.weight"][x], 1, 2), 0.0)
    return sequence_encoder(p, name, x, mask, words)


def senses_of(words):
    return sorted(word.partition(".")[2] for word in words if word.startswith("encoder."))


def spread(values, rows, size):
    """Rows of the samples that have a sense among all samples; zeros elsewhere."""
    result = np.zeros((size, *values.shape[1:]))
    result[rows] = values
    return result


class Looked:
    """A batch's features: by sense pooled [n, w], tokens [n, T, w], their mask; present [n, senses]."""

    def __init__(self, p, batch, words):
        self.size = len(batch["labels"])
        self.pooled, self.tokens, self.masks, present = [], [], [], []
        for sense in senses_of(words):
            rows = batch[f"{sense}.rows"]
            pooled, tokens, mask = (spread(part, rows, self.size) for part in encode(p, sense, batch, words))
            self.pooled.append(pooled)
            self.tokens.append(tokens)
            self.masks.append(mask)
            present.append(np.isin(np.arange(self.size), rows))
        self.present = np.stack(present, 1)


def late(p, looked, words):
    if "adapter" not in words:
        return looked.pooled
    return [x + np.maximum(affine(p, f"fusion.{sense}.down", x), 0.0) @ p[f"fusion.{sense}.up.weight"].T
            for sense, x in zip(senses_of(words), looked.pooled)]


def embed(p, batch, words):
    """(parts [n, w] each, how much samples have of them [n, parts], weights of the parts)"""
    looked = Looked(p, batch, words)
    if words["fusion"] == "late":
        looked.pooled = late(p, looked, words)
        return looked.pooled, *fusions.late_weights(p, looked, senses_of(words), words)
    part = fusions.BY_NAME[words["fusion"]](p, looked, senses_of(words), words)
    return [part], np.ones((looked.size, 1), bool), np.ones(1)


def combine(logits, known, weights, words):
    """Of the parts that can say, by weight: mean, product or vote; 0 where none can."""
    by = words.get("late_by", "mean")
    sums, total = 0.0, 0.0
    for part, can, weight in zip(logits, known, weights):
        sums = sums + weight * can * part
        total = total + weight * can
    if by == "mean":
        return np.divide(sums, total, out=np.zeros_like(sums + total), where=total > 0)
    together = np.zeros_like(logits[0])
    for i, row in enumerate(together):
        experts = []  # (how much it counts, log-odds), of those that know any class
        for part, can, weight in zip(logits, known, weights):
            can = np.broadcast_to(can[i], row.shape)
            if can.any():
                experts.append((weight * can.max(), neutral(part[i:i + 1], can[None] > 0)[0]))
        if experts and by == "product":
            row[:] = sum(len(logits) * share * said for share, said in experts)
        elif experts:
            row[:] = np.log(np.average([softmax(said) for _, said in experts], 0, [share for share, _ in experts]))
    return np.where(total > 0, together, 0.0)


def head(p, name, words, x):
    if words["head"] == "linear":
        return affine(p, name, x)
    directions = p[f"{name}.weight"]
    lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(directions, axis=1)
    return float(words.get("head_scale", 10)) * np.divide(x @ directions.T, lengths, out=np.zeros_like(lengths),
                                                          where=lengths > 0)


def classify(p, batch, words):
    """(logits [n, way], parts of the embedding)"""
    parts, have, weights = embed(p, batch, words)
    if len(parts) == 1:
        return head(p, "head", words, parts[0]), parts
    logits = [head(p, f"head.{i}", words, part) for i, part in enumerate(parts)]
    return combine(logits, have.T[:, :, None], weights, words), parts


# Prototypes.

def neutral(logits, known):
    """The mean of a sample's known logits where nothing is known."""
    result = logits.copy()
    for row, can in zip(result, known):
        row[~can] = row[can].mean() if can.any() else 0.0
    return result


def cosine(x, c):
    """0 where either is nothing."""
    return np.dot(x, c) / max(np.linalg.norm(x) * np.linalg.norm(c), 1e-30)


def prototype_logits(p, support, query, words, refine):
    """(logits [n, way], those of each part alone, where each can say)"""
    way, seen = support["labels"].max() + 1, {}
    known_parts, known_have, weights = embed(p, support, {**words, "seen": seen})
    parts, have, _ = embed(p, query, {**words, "given": seen})
    guess = np.zeros((len(query["labels"]), way))
    for _ in range(refine + 1):
        members = np.concatenate([np.eye(way)[support["labels"]], guess])
        logits, known = [], []
        for i, part in enumerate(parts):
            samples = np.concatenate([known_parts[i], part])
            share = members * np.concatenate([known_have[:, i], have[:, i]])[:, None]
            there = share.sum(0) > 0
            centres = np.zeros((way, part.shape[1]))
            centres[there] = (share.T @ samples)[there] / share.sum(0)[there, None]
            near = cosine if words.get("distance") == "cosine" else lambda x, c: -np.sum((x - c)**2)
            scale = np.exp(p["learner.scale"][0]) if near is cosine else 1.0
            logits.append(scale * np.array([[near(x, c) for c in centres] for x in part]))
            known.append(have[:, i, None] * there)
        together = neutral(combine(logits, known, weights, words), np.any(known, 0))
        guess = softmax(together)
    return together, logits, known


def cross_entropy(logits, labels):
    return -np.mean(np.log(softmax(logits))[np.arange(len(labels)), labels])


def prototype_loss(p, support, query, words):
    """(loss of all senses together, the same with each part's own loss beside it, by adapt.part_loss)"""
    labels = query["labels"]
    together, logits, known = prototype_logits(p, support, query, words, 0)
    alone = []
    for part, share in zip(logits, known):
        can = share > 0
        rows = can[np.arange(len(labels)), labels]
        if rows.any():
            alone.append(cross_entropy(neutral(np.where(can, part, 0.0), can)[rows], labels[rows]))
    loss = cross_entropy(together, labels)
    return loss, loss + float(words["part_loss"]) * sum(alone) / len(logits)
