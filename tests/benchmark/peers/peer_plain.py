"""PyTorch without a library: the inner loop written by hand, as in tests/app/plain_torch.py."""

import interface
import torch
import torch_side
from workloads import plain_torch


def build(problem, channels_last=False, float64=False):
    model, tasks = torch_side.load(problem, channels_last, torch.float64 if float64 else torch.float32)
    theta = dict(model.named_parameters())

    def query_loss(*arrays):
        task = {"support": arrays[:2], "query": arrays[2:]}
        if problem.algorithm == "protonet":
            return plain_torch.protonet_loss(model, theta, task)
        return plain_torch.maml_loss(model, theta, task, problem.inner_steps, problem.inner_lr, problem.order == 2)

    return torch_side.stepper(model, tasks, query_loss)


if __name__ == "__main__":
    interface.serve(build, {"--channels-last": "channels_last", "--float64": "float64"})
