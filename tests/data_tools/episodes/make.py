"""Made the shards here and drawn.txt, the episodes of several protocols: python3 make.py

The files are committed: planner_files_test.cpp and test_floor.py read them, so that the program and data_tools must
draw the same. A line "protocol SPLIT WAY SHOT QUERY GROUPS COMPLETE MODALITIES SEED", then a line for each episode:
class by class, the support's samples > the query's.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "data_tools"))

from cuttle_data import episodes  # noqa: E402
from cuttle_data.reader import Shard  # noqa: E402
from cuttle_data.report import Report  # noqa: E402
from cuttle_data.schema import Modality  # noqa: E402
from cuttle_data.shards import DatasetInfo, Sample, write_dataset  # noqa: E402

PROTOCOLS = ("test 3 1 2 free false a,b 1", "test 2 1 1 apart false a,b 1", "test 3 2 2 apart false a,b 7",
             "test 4 1 3 free false a 1", "validation 2 1 2 apart true a,b 1", "test 2 2 1 free true b 5000000000",
             "train 3 1 4 apart false b 3")
EPISODES = 12


def samples():
    """Classes of 4 to 15 samples in up to 5 groups of any size; a third lacks one of the senses, some have none."""
    random = np.random.default_rng(0)
    for class_id in random.permutation(24):
        split = ("train", "validation", "test")[min(2, class_id // 6)]
        for number in range(int(random.integers(4, 16))):
            values = {"a": np.ones(1, np.float32), "b": "x"}
            for sense in values if random.random() < 0.05 else random.choice(["a", "b"], int(random.random() < 0.3)):
                values = {name: value for name, value in values.items() if name != sense}
            group = int(random.integers(0, 1 + class_id % 5))
            yield Sample(f"{class_id}/{number}", f"class {class_id}", f"group {group}", split, values)


def parse(protocol):
    """(arguments as `floor` has them, modalities in use)."""
    split, way, shot, query, groups, complete, modalities, seed = protocol.split()
    return argparse.Namespace(split=split, way=int(way), shot=int(shot), query=int(query),
                              groups_apart=groups == "apart", complete=complete == "true",
                              seed=int(seed)), modalities.split(",")


def drawn(protocol):
    """The lines below a protocol's."""
    args, modalities = parse(protocol)
    shards = [Shard(path) for path in sorted(HERE.glob("*.h5"))]
    sample_names = [name for shard in shards for name in shard.sample_names]
    planner = episodes.planner_of(shards, args, modalities)
    for episode in range(EPISODES):
        support, query = planner.plan(args.way, episodes.Random(args.seed, args.split, episode))
        yield "  ".join(" > ".join(" ".join(sample_names[i] for i in part) for part in parts)
                        for parts in zip(support, query))


def main():
    info = DatasetInfo("uneven", "make.py", "CC0-1.0", "make.py")
    modalities = [Modality("a", "vector", (1, )), Modality("b", "text")]
    write_dataset(HERE, info, modalities, list(samples()), shards=3, seed=0, report=Report())
    for beside in ("conversion.log", "dataset.json"):
        (HERE / beside).unlink()
    lines = [line for protocol in PROTOCOLS for line in (f"protocol {protocol}", *drawn(protocol))]
    (HERE / "drawn.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
