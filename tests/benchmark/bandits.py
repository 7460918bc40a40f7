"""The regret of a trained RL^2 agent on Bernoulli bandits, beside Thompson sampling, UCB1 and pulling at random.

    python3 tests/benchmark/bandits.py [--build build/release] [--out runs/parts] [--ranks 2] [--tasks 1000]

Trains configs/parts/rl2.yaml where OUT/rl2 is not there yet, and goes on from it to trials of 100 pulls: OUT/rl2_long.
A trial is episodes of ten pulls: what the agent earns in episode k+1 is what `cuttle eval` says after k episodes to
adapt to. The others are played on bandits of the same prior: regret is what the best arm would have earned more.
"""

import argparse
import json

import numpy as np
from runs import add_arguments, cuttle, train

ARMS, PULLS = 5, 10
SHORT, LONG = 4, 10  # episodes of a trial
# From where trials of 40 pulls ended. Learned values are told little, or they drown the policy.
ON = ["episode.shot=9", "adapt.discount=0.9", "adapt.value_weight=0.1", "step.outer_lr=0.003", "train.steps=150"]


def thompson(pulls, wins, step, random):
    return random.beta(1 + wins, 1 + pulls - wins).argmax(1)


def ucb1(pulls, wins, step, random):
    """Auer, Cesa-Bianchi, Fischer 2002: every arm once, then the highest bound."""
    tried = np.maximum(pulls, 1)
    return np.where(pulls == 0, np.inf, wins / tried + np.sqrt(2 * np.log(step + 1) / tried)).argmax(1)


def uniform(pulls, wins, step, random):
    return random.integers(ARMS, size=len(pulls))


def play(choose, tasks, episodes, seed=0):
    """What `choose` earns in each episode of a trial, the mean over tasks; what the best arm earns in one."""
    random = np.random.default_rng(seed)
    chances = random.random((tasks, ARMS))
    pulls, wins = np.zeros((tasks, ARMS)), np.zeros((tasks, ARMS))
    earned = np.zeros((tasks, episodes * PULLS))
    every = np.arange(tasks)
    for step in range(episodes * PULLS):
        arm = choose(pulls, wins, step, random)
        earned[:, step] = random.random(tasks) < chances[every, arm]
        pulls[every, arm] += 1
        wins[every, arm] += earned[:, step]
    return earned.mean(0).reshape(episodes, PULLS).sum(1), PULLS * chances.max(1).mean()


def agent(arguments, name, episodes, *words):
    """The same of the trained agent."""
    folder = arguments.out / name
    train(arguments, folder, "configs/parts/rl2.yaml", *words)
    returns = []
    for before in range(episodes):
        # Nothing to adapt to: an episode that begins knowing nothing.
        known = [f"episode.shot={before}"] if before else ["adapt.memory=episode"]
        said = cuttle(arguments, "eval", str(folder), *known, "--episodes", str(arguments.tasks), "--json")
        returns.append(json.loads(said)["return"])
    return np.array(returns), ARMS / (ARMS + 1) * PULLS  # the mean of the largest of uniform numbers


def table(arguments, episodes, shown, *trained):
    """The returns of the episodes `shown`, and the regret of all."""
    played = [(name, *play(choose, arguments.tasks, episodes))
              for name, choose in (("at random", uniform), ("UCB1", ucb1), ("Thompson sampling", thompson))]
    head = [f"{PULLS * episode + 1}-{PULLS * episode + PULLS}" for episode in shown]
    print(f"| | pulls {' | '.join(head)} | regret of {episodes * PULLS} pulls |\n|" + " --- |" * (len(head) + 2))
    for name, returns, best in [*played, *trained]:
        cells = " | ".join(f"{returns[episode]:.2f}" for episode in shown)
        print(f"| {name} | {cells} | {best * episodes - returns.sum():.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "parts")
    parser.add_argument("--tasks", type=int, default=1000)
    arguments = parser.parse_args()
    table(arguments, SHORT, range(SHORT), ("RL^2", *agent(arguments, "rl2", SHORT)))
    print()
    on = [f"train.init_from={arguments.out / 'rl2'}", *ON]
    table(arguments, LONG, (0, 1, 4, 9), ("RL^2, trials of 40", *agent(arguments, "rl2", LONG)),
          ("RL^2, then trials of 100", *agent(arguments, "rl2_long", LONG, *on)))


if __name__ == "__main__":
    main()
