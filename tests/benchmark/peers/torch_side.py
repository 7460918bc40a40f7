"""Model and tasks as PyTorch has them, for the peers that are built on it."""

import torch
import workloads

torch.set_num_threads(1)
task_loss = workloads.plain_torch.task_loss


def load(problem, channels_last=False, dtype=torch.float32):
    """The module with the given weights, and the tasks as tuples of support, answers, query, answers."""
    model = workloads.model_of(vars(problem))
    model.load_state_dict({name: torch.from_numpy(value) for name, value in problem.parameters.items()})
    model = model.to(dtype)
    tasks = [tuple(map(torch.from_numpy, task)) for task in problem.tasks]
    if dtype != torch.float32:
        tasks = [tuple(part.to(dtype) if part.is_floating_point() else part for part in task) for task in tasks]
    if channels_last and not problem.mlp:
        model = model.to(memory_format=torch.channels_last)
        tasks = [(_channels_last(a), b, _channels_last(c), d) for a, b, c, d in tasks]
    use_once(dtype)
    return model, tasks


def load_by_name(problem, channels_last=False, dtype=torch.float32):
    """The parameters as leaves by name, and the tasks, of a learner's workload."""
    p = {name: torch.from_numpy(value).to(dtype) for name, value in problem.parameters.items()}
    tasks = [[torch.from_numpy(part) for part in task] for task in problem.tasks]
    tasks = [[part.to(dtype) if part.is_floating_point() else part for part in task] for task in tasks]
    if channels_last:
        p = {name: value.to(memory_format=torch.channels_last) if value.dim() == 4 else value
             for name, value in p.items()}
        tasks = [[_channels_last(part) if part.dim() == 4 else part for part in task] for task in tasks]
    use_once(dtype)
    return {name: value.requires_grad_() for name, value in p.items()}, tasks


def stepper(model, tasks, query_loss):
    """What build() returns, for query_loss(*task) that reaches the parameters of `model`."""

    def step(tasks):
        model.zero_grad()
        for task in tasks:
            (query_loss(*task) / len(tasks)).backward()
        return {name: value.grad for name, value in model.named_parameters()}

    return tasks, step, export


def export(gradient):
    return {name: value.numpy() for name, value in gradient.items()}


def _channels_last(images):
    """Also with one channel, where PyTorch takes both layouts for the same and then picks the slow one."""
    count, channels, height, width = images.shape
    packed = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return packed.as_strided(packed.shape, (channels * height * width, 1, width * channels, channels))


def use_once(dtype=torch.float32):
    """What PyTorch sets up at its first gradients is no memory of the task."""
    block = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.MaxPool2d(2)).to(dtype)
    weights = tuple(block.parameters())
    first = torch.autograd.grad(block(torch.randn(4, 1, 8, 8, dtype=dtype)).square().sum(), weights, create_graph=True)
    torch.autograd.grad(sum(value.square().sum() for value in first), weights)
