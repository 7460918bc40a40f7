"""TorchOpt: its differentiable MetaSGD; module and optimizer go back to where they were after each task."""

import interface
import torch_side
import torchopt


def build(problem):
    model, tasks = torch_side.load(problem)
    inner = torchopt.MetaSGD(model, lr=problem.inner_lr)

    def step(tasks):
        leaves = dict(model.named_parameters())
        for value in leaves.values():
            value.grad = None
        weights = torchopt.extract_state_dict(model, by="reference", detach_buffers=True)
        state = torchopt.extract_state_dict(inner, by="reference")
        for support, labels, query, wanted in tasks:
            for _ in range(problem.inner_steps):
                inner.step(torch_side.task_loss(model(support), labels))
            (torch_side.task_loss(model(query), wanted) / len(tasks)).backward()
            torchopt.recover_state_dict(model, weights)
            torchopt.recover_state_dict(inner, state)
        return {name: value.grad for name, value in leaves.items()}

    return tasks, step, torch_side.export


if __name__ == "__main__":
    interface.serve(build)
