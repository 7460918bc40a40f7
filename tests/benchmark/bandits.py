"""The regret of a trained RL^2 agent on Bernoulli bandits, beside Thompson sampling, UCB1 and pulling at random.

    python3 tests/benchmark/bandits.py [--build build/release] [--out runs/parts] [--ranks 2] [--tasks 1000]

Trains configs/parts/rl2.yaml where OUT/rl2 is not there yet. A trial is four episodes of ten pulls: what the agent
earns in episode k+1 is what `cuttle eval` says after k episodes to adapt to. The others are played on bandits of the
same prior: regret is what the best arm would have earned more.
"""

import argparse
import json

import numpy as np
from runs import add_arguments, cuttle, train

ARMS, EPISODES, PULLS = 5, 4, 10


def thompson(pulls, wins, step, random):
    return random.beta(1 + wins, 1 + pulls - wins).argmax(1)


def ucb1(pulls, wins, step, random):
    """Auer, Cesa-Bianchi, Fischer 2002: every arm once, then the highest bound."""
    tried = np.maximum(pulls, 1)
    return np.where(pulls == 0, np.inf, wins / tried + np.sqrt(2 * np.log(step + 1) / tried)).argmax(1)


def uniform(pulls, wins, step, random):
    return random.integers(ARMS, size=len(pulls))


def play(choose, tasks, seed=0):
    """What `choose` earns in each episode of a trial, the mean over tasks; what the best arm earns."""
    random = np.random.default_rng(seed)
    chances = random.random((tasks, ARMS))
    pulls, wins = np.zeros((tasks, ARMS)), np.zeros((tasks, ARMS))
    earned = np.zeros((tasks, EPISODES * PULLS))
    every = np.arange(tasks)
    for step in range(EPISODES * PULLS):
        arm = choose(pulls, wins, step, random)
        earned[:, step] = random.random(tasks) < chances[every, arm]
        pulls[every, arm] += 1
        wins[every, arm] += earned[:, step]
    return earned.mean(0).reshape(EPISODES, PULLS).sum(1), PULLS * chances.max(1).mean()


def agent(arguments):
    """The same of the trained agent."""
    folder = arguments.out / "rl2"
    train(arguments, folder, "configs/parts/rl2.yaml")
    returns = []
    for before in range(EPISODES):
        # Nothing to adapt to: an episode that begins knowing nothing.
        known = [f"episode.shot={before}"] if before else ["adapt.memory=episode"]
        said = cuttle(arguments, "eval", str(folder), *known, "--episodes", str(arguments.tasks), "--json")
        returns.append(json.loads(said)["return"])
    return np.array(returns)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "parts")
    parser.add_argument("--tasks", type=int, default=1000)
    arguments = parser.parse_args()
    rows = [("at random", *play(uniform, arguments.tasks)), ("UCB1", *play(ucb1, arguments.tasks)),
            ("Thompson sampling", *play(thompson, arguments.tasks))]
    rows.append(("RL^2", agent(arguments), ARMS / (ARMS + 1) * PULLS))  # the mean of the largest of uniform numbers
    print("| | pulls 1-10 | 11-20 | 21-30 | 31-40 | regret of 40 pulls |\n| --- | --- | --- | --- | --- | --- |")
    for name, returns, best in rows:
        cells = " | ".join(f"{returns[episode]:.2f}" for episode in range(EPISODES))
        print(f"| {name} | {cells} | {best * EPISODES - returns.sum():.1f} |")


if __name__ == "__main__":
    main()
