"""What the learners written by hand in PyTorch share. Each is a function

    learner(p, task, s) -> loss

of parameters by name, a Task and the learner's settings, whose gradient with respect to p is the meta-gradient."""

import torch
from torch.nn import functional


class Task:
    """Support and query with their labels; a minibatch has no support."""

    def __init__(self, arrays, orders):
        *support, self.x, self.y = arrays
        self.support_x, self.support_y = support or (None, None)
        self.way = int(self.y.max()) + 1
        # "support" and "queries": what sequences read them in; "codes": which code a label has.
        self.orders = orders

    def in_order(self):
        """The support as learners read it that are told of samples one by one."""
        return self.support_x[self.orders["support"]], self.support_y[self.orders["support"]]

    def in_one_sequence(self):
        """The support, and the queries after it."""
        (x, labels), order = self.in_order(), self.orders["queries"]
        return torch.cat([x, self.x[order]]), torch.cat([labels, self.y[order]])


LINEAR_AT_THE_END = False  # the perceptron of the problem at hand, as the process of a peer sets it


def embed(p, x):
    """Conv4 of images, normalised by the batch at hand; a perceptron of vectors."""
    if x.dim() == 2:
        layers = layers_of(p, "encoder.vector.")
        for layer in layers:
            x = functional.linear(x, p[f"{layer}.weight"], p[f"{layer}.bias"])
            if layer != layers[-1] or not LINEAR_AT_THE_END:
                x = functional.relu(x)
        return x
    for block in layers_of(p, "encoder.image."):
        x = functional.conv2d(x, p[f"{block}.conv.weight"], p[f"{block}.conv.bias"], padding=1)
        x = functional.batch_norm(x, None, None, p[f"{block}.norm.weight"], p[f"{block}.norm.bias"], training=True)
        x = functional.max_pool2d(functional.relu(x), 2)
    return x.flatten(1)


def layers_of(p, stem):
    return [f"{stem}{place}" for place in sorted({int(name[len(stem):].split(".")[0]) for name in p
                                                  if name.startswith(stem)})]


def embed_both(p, support, query):
    """In one pass, so that norms see both."""
    both = embed(p, torch.cat([support, query]))
    return both[:len(support)], both[len(support):]


def linear(p, name, x):
    return functional.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def support_loss(p, task):
    return loss_at(p, task.support_x, task.support_y)


def query_loss(p, task):
    return loss_at(p, task.x, task.y)


def loss_at(p, x, labels):
    return functional.cross_entropy(linear(p, "head", embed(p, x)), labels)


def moving(p):
    """Names of the model's own parameters, which inner loops move."""
    return [name for name in p if not name.startswith("learner.")]


def slopes(loss, values, graph):
    return torch.autograd.grad(loss, values, create_graph=graph)


def one_hot(labels, way, like):
    return functional.one_hot(labels, way).to(like.dtype)


def class_means(x, labels, way):
    members = one_hot(labels, way, x)
    return members.T @ x / members.sum(0)[:, None]


def unit(x):
    return x * (x.square().sum(-1, keepdim=True) + 1e-12).rsqrt()


def lstm_step(gates, cell):
    """Output and cell, of gates in, forget, new, out."""
    entry, forget, new, out = gates.chunk(4, -1)
    cell = forget.sigmoid() * cell + entry.sigmoid() * new.tanh()
    return out.sigmoid() * cell.tanh(), cell
