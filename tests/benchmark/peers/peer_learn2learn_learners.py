"""learn2learn: its learners, on a torch module of the same layers. Each gives a query's loss and the learner's own
parameters by cuttle's names, (parameter, whether cuttle's is its transpose)."""

import interface
import learn2learn
import torch
import torch_model
import torch_side
from learn2learn.nn import metaoptnet
from learn2learn.optim.transforms import MetaCurvatureTransform
from torch.nn import functional


def descending(algorithm, steps):
    """A query's loss after `steps` of the wrapper's clone."""
    def query_loss(support, labels, query, wanted):
        learner = algorithm.clone()
        for _ in range(steps):
            learner.adapt(torch_side.task_loss(learner(support), labels))
        return torch_side.task_loss(learner(query), wanted)
    return query_loss


def maml(model, problem):
    return descending(learn2learn.algorithms.MAML(model, lr=problem.settings["inner_lr"]),
                      problem.settings["inner_steps"]), {}


def meta_sgd(model, problem):
    names = [f"learner.rate.{model.names[name]}" for name, _ in model.named_parameters()]
    rates = torch.nn.ParameterList([torch.nn.Parameter(torch.from_numpy(problem.parameters[name])) for name in names])
    own = {name: (rate, False) for name, rate in zip(names, rates)}
    return descending(learn2learn.algorithms.MetaSGD(model, lrs=rates), problem.settings["inner_steps"]), own


def meta_curvature(model, problem):
    learner = learn2learn.algorithms.GBML(model, MetaCurvatureTransform, lr=problem.settings["inner_lr"])
    own = {}
    for (name, _), one in zip(model.named_parameters(), learner.compute_update.transforms_modules):
        stem = f"learner.curvature.{model.names[name]}"
        # Which of the modes learn2learn calls in and which out: its first is ours `out`.
        modes = {"mc": "", "mc_in": ".out", "mc_out": ".in", "mc_f": ".filter"}
        for mode, matrix in one.named_parameters():
            given = torch.from_numpy(problem.parameters[stem + modes[mode]])
            given = given.T if mode == "mc_out" else given
            matrix.data += given
            own[stem + modes[mode]] = (matrix, mode == "mc_out")
    return descending(learner, problem.settings["inner_steps"]), own


def anil(model, problem):
    head = learn2learn.algorithms.MAML(model.head, lr=problem.settings["inner_lr"])

    def query_loss(support, labels, query, wanted):
        learner, features = head.clone(), model.body(support)
        for _ in range(problem.settings["inner_steps"]):
            learner.adapt(torch_side.task_loss(learner(features), labels))
        return torch_side.task_loss(learner(model.body(query)), wanted)

    return query_loss, {}


def svm(model, problem):
    scale = torch.nn.Parameter(torch.from_numpy(problem.parameters["learner.scale"]))

    def query_loss(support, labels, query, wanted):
        both = model.body(torch.cat([support, query]))
        classifier = metaoptnet.SVClassifier(both[:len(support)], labels, problem.way, C_reg=problem.settings["c"])
        return functional.cross_entropy(scale.exp() * classifier(both[len(support):]), wanted)

    return query_loss, {"learner.scale": (scale, False)}


LEARNERS = {"anil": anil, "maml": maml, "meta_curvature": meta_curvature, "meta_sgd": meta_sgd, "metaoptnet": svm}


def build(problem):
    torch_side.use_once()
    model = torch_model.Model(problem.parameters, problem.linear)
    query_loss, own = LEARNERS[problem.learner](model, problem)
    named = {model.names[name]: (value, False) for name, value in model.named_parameters()}
    named.update(own)
    tasks = torch_model.tasks_of(problem)

    def step(tasks):
        for value, _ in named.values():
            value.grad = None
        for task in tasks:
            (query_loss(*task) / len(tasks)).backward()
        return {name: value.grad.T if turned else value.grad for name, (value, turned) in named.items()}

    return tasks, step, torch_side.export


if __name__ == "__main__":
    interface.serve(build)
