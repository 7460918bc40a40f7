"""learn2learn: a clone of its MAML wrapper adapts to each task."""

import interface
import learn2learn
import torch_side


def build(problem):
    model, tasks = torch_side.load(problem)
    maml = learn2learn.algorithms.MAML(model, lr=problem.inner_lr, first_order=problem.order == 1)

    def query_loss(support, labels, query, wanted):
        learner = maml.clone()
        for _ in range(problem.inner_steps):
            learner.adapt(torch_side.task_loss(learner(support), labels))
        return torch_side.task_loss(learner(query), wanted)

    return torch_side.stepper(model, tasks, query_loss)


if __name__ == "__main__":
    interface.serve(build)
