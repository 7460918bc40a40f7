"""JAX: a learner's meta-gradients of all tasks by vmap, compiled as one program; of vectors."""

import interface
import jax
import jax_descent
import jax_forward
import numpy as np
from jax import numpy as jnp

LEARNERS = {**jax_descent.LEARNERS, **jax_forward.LEARNERS}


class Task:
    """As hand.Task."""

    def __init__(self, arrays, way, orders):
        *support, self.x, self.y = arrays
        self.support_x, self.support_y = support or (None, None)
        self.way, self.orders = way, orders

    def in_order(self):
        order = jnp.array(self.orders["support"])
        return self.support_x[order], self.support_y[order]

    def in_one_sequence(self):
        (x, labels), order = self.in_order(), jnp.array(self.orders["queries"])
        return jnp.concatenate([x, self.x[order]]), jnp.concatenate([labels, self.y[order]])


def build(problem):
    theta = {name: jnp.asarray(value) for name, value in problem.parameters.items()}
    tasks = [[jnp.asarray(part if part.dtype.kind == "f" else part.astype("i4")) for part in task]
             for task in problem.tasks]
    learner, settings, stacked = LEARNERS[problem.learner], problem.settings, {}
    jax_descent.LINEAR_AT_THE_END = problem.linear

    def mean_loss(p, *arrays):
        def loss_of(*one):
            return learner(p, Task(one, problem.way, problem.orders), settings)
        return jax.vmap(loss_of)(*arrays).mean()

    gradient = jax.jit(jax.grad(mean_loss))

    def step(some):
        key = tuple(map(id, some))
        if key not in stacked:
            stacked[key] = [jnp.stack(parts) for parts in zip(*some)]
        return jax.block_until_ready(gradient(theta, *stacked[key]))

    return tasks, step, lambda total: {name: np.asarray(value) for name, value in total.items()}


if __name__ == "__main__":
    interface.serve(build)
