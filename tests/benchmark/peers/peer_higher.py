"""higher: its differentiable SGD on a functional copy of the module."""

import higher
import interface
import torch
import torch_side


def build(problem):
    model, tasks = torch_side.load(problem)
    inner = torch.optim.SGD(model.parameters(), lr=problem.inner_lr)
    second_order = problem.order == 2

    def backward(count, support, labels, query, wanted):
        with higher.innerloop_ctx(model, inner, copy_initial_weights=False,
                                  track_higher_grads=second_order) as (learner, optimizer):
            for _ in range(problem.inner_steps):
                optimizer.step(torch_side.task_loss(learner(support), labels))
            loss = torch_side.task_loss(learner(query), wanted) / count
            if second_order:
                loss.backward()
                return
            # Without higher gradients the graph ends at the adapted weights: their gradient is the meta-gradient.
            for value, slope in zip(model.parameters(), torch.autograd.grad(loss, list(learner.parameters()))):
                value.grad = slope if value.grad is None else value.grad + slope

    def step(tasks):
        model.zero_grad()
        for task in tasks:
            backward(len(tasks), *task)
        return {name: value.grad for name, value in model.named_parameters()}

    return tasks, step, torch_side.export


if __name__ == "__main__":
    interface.serve(build)
