"""TorchOpt's implicit meta-gradients, with its conjugate gradients, for imaml."""

import interface
import torch
import torch_model
import torch_side
import torchopt
from torch.func import functional_call


def build(problem):
    torch_side.use_once()
    model, settings = torch_model.Model(problem.parameters, problem.linear), problem.settings
    solver = torchopt.linear_solve.solve_cg(maxiter=settings["solver_steps"], rtol=0.0)

    class Inner(torchopt.nn.ImplicitMetaGradientModule, linear_solve=solver):
        """Begins at the meta-parameters and is drawn back to them."""

        def __init__(self, meta):
            super().__init__()
            self.meta = meta
            start = {name.replace(".", "_"): torch.nn.Parameter(value.detach().clone())
                     for name, value in meta.named_parameters()}
            self.own = torch.nn.ParameterDict(start)

        def forward(self, x):
            return functional_call(self.meta, {name: self.own[name.replace(".", "_")] for name in model.names}, (x, ))

        def objective(self, x, labels):
            far = sum((self.own[name.replace(".", "_")] - value).square().sum()
                      for name, value in self.meta.named_parameters())
            return torch_side.task_loss(self(x), labels) + settings["lambda"] / 2 * far

        def solve(self, x, labels):
            values = tuple(self.parameters())
            optimizer = torch.optim.SGD(values, lr=settings["inner_lr"])
            with torch.enable_grad():
                for _ in range(settings["inner_steps"]):
                    optimizer.zero_grad()
                    self.objective(x, labels).backward(inputs=values)
                    optimizer.step()
            return self

    def query_loss(support, labels, query, wanted):
        return torch_side.task_loss(Inner(model).solve(support, labels)(query), wanted)

    def step(tasks):
        model.zero_grad()
        for task in tasks:
            (query_loss(*task) / len(tasks)).backward(inputs=tuple(model.parameters()))
        return {model.names[name]: value.grad for name, value in model.named_parameters()}

    return torch_model.tasks_of(problem), step, torch_side.export


if __name__ == "__main__":
    interface.serve(build)
