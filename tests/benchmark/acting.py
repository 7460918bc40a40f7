"""What MAML's and RL^2's policies earn on random decision processes, walks in the plane and bandits.

    python3 tests/benchmark/acting.py [--build build/release] [--out runs/parts] [--ranks 2] [--tasks 1000]

Trains configs/parts/maml_rl.yaml, rl2_mdp.yaml (tabular_mdp), navigation.yaml and rl2_navigation.yaml where OUT has no
run of theirs yet, and maml_rl on bandits. MAML after 0, 1 and 2 steps of adaptation, each to 20 episodes, RL^2 after 0,
1, 2 and 4 episodes. Beside them, on tasks of the same prior, policies that need no adaptation: at random, and what
knows the task: of a decision process the best one, by value iteration over its steps, of a walk the direction that
comes nearest to the goal at each step, of a bandit the best arm. RL^2 on bandits: bandits.py.
"""

import argparse
import json

import numpy as np
from runs import add_arguments, cuttle, train

STATES, ACTIONS, STEPS = 10, 5, 10  # of five arms, too


def mdps(tasks, choose):
    """Mean return from state 0, step by step backwards; `choose` makes one value of each action's."""
    random = np.random.default_rng(0)
    rewards = random.normal(1, 1, (tasks, STATES, ACTIONS))
    transitions = random.dirichlet(np.ones(STATES), (tasks, STATES, ACTIONS))
    value = np.zeros((tasks, STATES))
    for _ in range(STEPS):
        value = choose(rewards + np.einsum("tsan,tn->tsa", transitions, value))
    return value[:, 0].mean()


def walks(tasks, choose):
    """Mean return; `choose`: from squared distances [tasks, directions] after a step to directions."""
    random = np.random.default_rng(0)
    goal, place, total = random.random((tasks, 1, 2)) - 0.5, np.zeros((tasks, 1, 2)), 0
    angles = np.arange(8) * np.pi / 4
    strides = 0.1 * np.stack([np.cos(angles), np.sin(angles)], 1)
    for _ in range(STEPS):
        distances = ((place + strides - goal) ** 2).sum(2)
        taken = choose(distances, random)
        place = place + strides[taken][:, None]
        total -= np.take_along_axis(distances, taken[:, None], 1).mean()
    return total


def agent(arguments, name, config, *words):
    """What `cuttle eval` says after each number of steps."""
    folder = arguments.out / name
    train(arguments, folder, f"configs/parts/{config}.yaml", *words)
    said = [cuttle(arguments, "eval", str(folder), steps, "--episodes", str(arguments.tasks), "--json")
            for steps in ("adapt.inner_steps=0", "adapt.eval_inner_steps=1", "adapt.eval_inner_steps=2")]
    return [json.loads(text)["return"] for text in said]


def recurrent(arguments, name):
    """What it says after each number of episodes."""
    folder = arguments.out / name
    train(arguments, folder, f"configs/parts/{name}.yaml")
    said = [cuttle(arguments, "eval", str(folder), known, "--episodes", str(arguments.tasks), "--json")
            for known in ("adapt.memory=episode", "episode.shot=1", "episode.shot=2", "episode.shot=4")]
    return [json.loads(text)["return"] for text in said]


def row(name, returns):
    cells = " | ".join([f"{value:.2f}" for value in returns] + [""] * (4 - len(returns)))
    print(f"| {name} | {cells} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "parts")
    parser.add_argument("--tasks", type=int, default=1000)
    arguments = parser.parse_args()
    print("| | 0 | 1 | 2 | 4 |\n| --- | --- | --- | --- | --- |")
    row("tabular_mdp: at random", [mdps(arguments.tasks, lambda values: values.mean(2))])
    row("tabular_mdp: the best policy", [mdps(arguments.tasks, lambda values: values.max(2))])
    row("tabular_mdp: `maml_rl`", agent(arguments, "maml_rl", "maml_rl"))
    row("tabular_mdp: `rl2`, by episodes", recurrent(arguments, "rl2_mdp"))
    row("navigation: at random", [walks(arguments.tasks, lambda far, random: random.integers(8, size=len(far)))])
    row("navigation: the nearest step", [walks(arguments.tasks, lambda far, random: far.argmin(1))])
    row("navigation: `maml_rl`", agent(arguments, "navigation", "navigation"))
    row("navigation: `rl2`, by episodes", recurrent(arguments, "rl2_navigation"))
    row("bandits: at random", [STEPS / 2])
    row("bandits: the best arm", [STEPS * ACTIONS / (ACTIONS + 1)])
    row("bandits: `maml_rl`", agent(arguments, "maml_bandits", "maml_rl", "episode.source=bandits", "train.steps=200"))


if __name__ == "__main__":
    main()
