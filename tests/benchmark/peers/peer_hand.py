"""Any learner without a library: hand_*.py."""

import hand
import hand_context
import hand_descent
import hand_metric
import interface
import torch
import torch_side

LEARNERS = {**hand_context.LEARNERS, **hand_descent.LEARNERS, **hand_metric.LEARNERS}


def build(problem, channels_last=False, float64=False):
    p, tasks = torch_side.load_by_name(problem, channels_last, torch.float64 if float64 else torch.float32)
    learner = LEARNERS[problem.learner]
    hand.LINEAR_AT_THE_END = problem.linear
    tasks = [hand.Task(task, problem.orders) for task in tasks]

    def step(tasks):
        for value in p.values():
            value.grad = None
        for task in tasks:
            (learner(p, task, problem.settings) / len(tasks)).backward()
        return {name: torch.zeros_like(value) if value.grad is None else value.grad for name, value in p.items()}

    return tasks, step, torch_side.export


if __name__ == "__main__":
    interface.serve(build, {"--channels-last": "channels_last", "--float64": "float64"})
