"""Conv4, MAML and ProtoNet as one would write them in plain PyTorch, on parameters by name."""

import torch
from torch.func import functional_call
from torch.nn import functional


class Conv4(torch.nn.Module):
    """Its state_dict has the names that cuttle gives an image model; blocks are 3x3 convolution, batch norm by the
    batch's own statistics, ReLU, 2x2 max-pool."""

    def __init__(self, channels, width, embedding, way):
        super().__init__()
        blocks = torch.nn.ModuleDict()
        for block in range(4):
            blocks[str(block)] = torch.nn.ModuleDict(
                {"conv": torch.nn.Conv2d(channels if block == 0 else width, width, 3, padding=1),
                 "norm": torch.nn.BatchNorm2d(width, track_running_stats=False)})
        self.encoder = torch.nn.ModuleDict({"image": blocks})
        if way:
            self.head = torch.nn.Linear(embedding, way)

    def embed(self, x):
        for block in self.encoder["image"].values():
            x = functional.max_pool2d(functional.relu(block["norm"](block["conv"](x))), 2)
        return x.flatten(1)

    def forward(self, x):
        embedding = self.embed(x)
        return self.head(embedding) if hasattr(self, "head") else embedding


class Mlp(torch.nn.Module):
    """Linear layers with ReLU, then a linear head, named as cuttle names a model of one vector modality `x`."""

    def __init__(self, inputs, widths, outputs):
        super().__init__()
        sizes = (inputs, *widths)
        layers = {str(layer): torch.nn.Linear(*sizes[layer:layer + 2]) for layer in range(len(widths))}
        self.encoder = torch.nn.ModuleDict({"x": torch.nn.ModuleDict(layers)})
        self.head = torch.nn.Linear(sizes[-1], outputs)

    def forward(self, x):
        for layer in self.encoder["x"].values():
            x = functional.relu(layer(x))
        return self.head(x)


def task_loss(outputs, answers):
    """Mean cross-entropy with labels, mean squared error with values."""
    return functional.mse_loss(outputs, answers) if answers.is_floating_point() else functional.cross_entropy(
        outputs, answers)


def adapt(model, theta, support, labels, steps, rate, second_order):
    for _ in range(steps):
        loss = task_loss(functional_call(model, theta, (support, )), labels)
        gradient = torch.autograd.grad(loss, tuple(theta.values()), create_graph=second_order)
        theta = {name: value - rate * slope for (name, value), slope in zip(theta.items(), gradient)}
    return theta


def maml_loss(model, theta, task, steps, rate, second_order=True):
    """Query loss after the unrolled inner loop, the graph kept whole."""
    adapted = adapt(model, theta, *task["support"], steps, rate, second_order)
    query, answers = task["query"]
    return task_loss(functional_call(model, adapted, (query, )), answers)


def protonet_loss(model, theta, task):
    (support, support_labels), (query, query_labels) = task["support"], task["query"]
    both = functional_call(model, theta, (torch.cat([support, query]), ))
    embedded, wanted = both[:len(support)], both[len(support):]
    way = int(support_labels.max()) + 1
    prototypes = torch.stack([embedded[support_labels == row].mean(0) for row in range(way)])
    distance = (wanted[:, None] - prototypes[None]).square().sum(2)
    return functional.cross_entropy(-distance, query_labels)


def mean_gradient(loss_of, model, tasks):
    """Mean over tasks of the gradient by name."""
    theta = dict(model.named_parameters())
    loss = sum(loss_of(model, theta, task) for task in tasks) / len(tasks)
    return dict(zip(theta, torch.autograd.grad(loss, tuple(theta.values()))))
