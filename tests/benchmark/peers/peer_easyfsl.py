"""EasyFSL: its methods on the same encoder. They are other functions than cuttle's (support and query are normalised
apart, modules and losses differ in detail), so only their time counts, and their parameters keep their own names."""

import interface
import torch
import torch_model
import torch_side
from easyfsl.methods import MatchingNetworks, PrototypicalNetworks, RelationNetworks
from torch.nn import functional


def squared_error(scores, labels):
    return functional.mse_loss(scores, functional.one_hot(labels, scores.shape[1]).to(scores.dtype))


def build(problem):
    torch_side.use_once()
    body, width = torch_model.Model(problem.parameters, problem.linear).body, problem.width
    maps = torch.nn.Sequential(body, torch.nn.Unflatten(1, (-1, 1, 1)))
    method, loss_of = {"matching": lambda: (MatchingNetworks(body, feature_dimension=width), functional.nll_loss),
                       "protonet": lambda: (PrototypicalNetworks(body), functional.cross_entropy),
                       "relation": lambda: (RelationNetworks(maps, feature_dimension=width), squared_error)
                       }[problem.learner]()

    def step(tasks):
        method.zero_grad()
        for support, labels, query, wanted in tasks:
            method.process_support_set(support, labels)
            (loss_of(method(query), wanted) / len(tasks)).backward()
        return {f"easyfsl.{name}": value.grad for name, value in method.named_parameters()}

    return torch_model.tasks_of(problem), step, torch_side.export


if __name__ == "__main__":
    interface.serve(build)
