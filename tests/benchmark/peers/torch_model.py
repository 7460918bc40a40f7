"""The model of a learner's workload as a torch module, for libraries that want one."""

import torch


class Model(torch.nn.Module):
    """Encoder (`body`) and, where there is one, head, of given parameters. `names`: cuttle's name by the module's.
    `linear`: no ReLU after the last layer of the body."""

    def __init__(self, parameters, linear=False):
        super().__init__()
        own = {name: torch.from_numpy(value) for name, value in parameters.items() if not name.startswith("learner.")}
        modules, self.names = [], {}
        for stem in dict.fromkeys(name.rsplit(".", 1)[0] for name in own if name.startswith("encoder.")):
            module = filled(layer_of(stem, own[f"{stem}.weight"]), own, stem)
            self.names.update({f"body.{len(modules)}.{kind}": f"{stem}.{kind}" for kind in ("weight", "bias")})
            modules += [module, *([] if stem.endswith(".conv") else [torch.nn.ReLU()]),
                        *([torch.nn.MaxPool2d(2)] if stem.endswith(".norm") else [])]
        if linear and isinstance(modules[-1], torch.nn.ReLU):
            modules.pop()
        self.body = torch.nn.Sequential(*modules, torch.nn.Flatten())
        if "head.weight" in own:
            self.head = filled(layer_of("head", own["head.weight"]), own, "head")
            self.names.update({f"head.{kind}": f"head.{kind}" for kind in ("weight", "bias")})

    def forward(self, x):
        return self.head(self.body(x))


def layer_of(stem, weight):
    if stem.endswith(".conv"):
        return torch.nn.Conv2d(*weight.shape[1::-1], 3, padding=1)
    if stem.endswith(".norm"):
        return torch.nn.BatchNorm2d(len(weight), track_running_stats=False)
    return torch.nn.Linear(*weight.shape[::-1])


def filled(module, own, stem):
    module.load_state_dict({kind: own[f"{stem}.{kind}"] for kind in ("weight", "bias")})
    return module


def tasks_of(problem):
    return [tuple(map(torch.from_numpy, task)) for task in problem.tasks]
