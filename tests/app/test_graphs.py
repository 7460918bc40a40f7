"""Graphs: who is joined to whom is learned through edges, and by nothing else; from files to answers."""

import json
import sys

import driver
import networkx
import numpy as np
import pytest
from driver import cuttle, cuttle_json

sys.path.insert(0, str(driver.ROOT / "data_tools"))

from cuttle_data.graphs import parts_of, stored_graph  # noqa: E402
from cuttle_data.reader import Shard  # noqa: E402
from cuttle_data.schema import DatasetInfo  # noqa: E402
from cuttle_data.shard_file import Loaded, write_shard  # noqa: E402

CONFIG = """
name: types
data: {shards: [SHARDS/*.h5], modalities: [graph], in_memory: true, feature_bank: none}
episode: {way: 5, shot: 1, query: 3, meta_batch_size: 4}
model: {encoders: {graph: {type: graph_conv, width: 32, depth: 2, norm: layer}}}
adapt: {algorithm: protonet}
step: {outer_lr: 3.0e-3}
train: {steps: 80, validate_every: 80, validation_episodes: 10, checkpoint_every: 80}
evaluation: {episodes: 100}
"""


@pytest.fixture(scope="module", name="types")
def shards_of_types(tmp_path_factory):
    """Classes that differ in nothing but which types of nodes are joined."""
    return driver.make_shards(tmp_path_factory.mktemp("types") / "shards", "--nodes", "4", "--classes", "60",
                              "--samples-per-class", "6", "--missing", "0", "--seed", "3")


def without_edges(shards, folder):
    """The same nodes in one shard."""
    samples = []
    for path in sorted(shards.glob("*.h5")):
        with Shard(path) as shard:
            (graph, ) = [modality for modality in shard.modalities if modality.kind == "graph"]
            for i, name in enumerate(shard.sample_names):
                nodes, _ = parts_of(shard.read(i, "graph"), graph.shape[0], False)
                arrays = {"graph": stored_graph(nodes, [], graph.shape[0], False)}
                split = ("train", "validation", "test")[shard.sample_split[i]]
                samples.append(Loaded(name, shard.class_names[shard.sample_class[i]], "all", split, arrays, None))
    folder.mkdir()
    write_shard(folder / "nodes.h5", DatasetInfo("nodes", "made by a test", "CC0-1.0", "a test"), [graph], samples)
    return folder


def test_what_edges_say_is_learned_from_edges(types, tmp_path):
    found = {}
    for name, shards in (("edges", types), ("nodes", without_edges(types, tmp_path / "bare"))):
        config = driver.write_config(tmp_path / f"{name}.yaml", shards, CONFIG)
        driver.train(config, tmp_path / name)
        found[name] = cuttle_json("eval", tmp_path / name, "--split", "test")["accuracy"]
    assert found["edges"] > 0.7 and found["nodes"] < 0.3, found  # chance is 0.2


def family(name, size):
    """A kind of graph of about so many nodes."""
    made = {"path": networkx.path_graph, "cycle": networkx.cycle_graph, "star": networkx.star_graph,
            "wheel": networkx.wheel_graph, "ladder": lambda n: networkx.ladder_graph(n // 2),
            "complete": networkx.complete_graph, "prism": lambda n: networkx.circular_ladder_graph(n // 2),
            "halves": lambda n: networkx.complete_bipartite_graph(n // 2, n // 2),
            "lollipop": lambda n: networkx.lollipop_graph(n // 2, n // 2),
            "barbell": lambda n: networkx.barbell_graph(n // 3, n // 3),
            "tree": lambda n: networkx.full_rary_tree(2, n), "grid": lambda n: networkx.grid_2d_graph(n // 3, 3)}
    return made[name](size) if name else list(made)


def write(path, graph):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(networkx.node_link_data(graph, edges="edges")), encoding="utf-8")


def graphs(folder, names, sizes):
    for name in names:
        for size in sizes:
            write(folder / name / f"{size}.json", family(name, size))
    return folder


def one_way(folder, names, sizes):
    """Each kind twice, with all edges turned round."""
    for name in names:
        for size in sizes:
            graph = networkx.DiGraph(list(family(name, size).edges))
            write(folder / f"{name} there" / f"{size}.json", graph)
            write(folder / f"{name} back" / f"{size}.json", graph.reverse())
    return folder


@pytest.mark.parametrize("directed", [True, False])
def test_which_way_edges_go_is_seen_where_it_is_kept(tmp_path, directed):
    files = one_way(tmp_path / "mine", family("", 0), range(9, 13))
    driver.run([str(driver.ROOT / "data_tools/cuttle-data"), "folder", str(files), "--out", str(tmp_path / "shards"),
                *["--directed"] * directed])
    config = driver.write_config(tmp_path / "config.yaml", tmp_path / "shards", CONFIG)
    driver.train(config, tmp_path / "run", "train.steps=10", "train.validate_every=0", "episode.query=1")
    cuttle("adapt", tmp_path / "run", "--support", one_way(tmp_path / "support", ["tree"], range(14, 18)), "--out",
           tmp_path / "mine.adapted")
    said = cuttle("predict", tmp_path / "mine.adapted", one_way(tmp_path / "new", ["tree"], range(18, 24)), "--json")
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    sure = [max(answer["probabilities"].values()) for answer in answers]
    right = [answer["probabilities"][answer["class"]] == most for answer, most in zip(answers, sure)]
    assert len(answers) == 12
    assert all(right) if directed else max(sure) < 0.5001, answers


def test_from_files_to_answers(tmp_path):
    files = graphs(tmp_path / "mine", family("", 0), range(9, 17))
    driver.run([str(driver.ROOT / "data_tools/cuttle-data"), "folder", str(files), "--out", str(tmp_path / "shards"),
                "--seed", "1"])
    suggested = cuttle("suggest", tmp_path / "shards").stdout
    assert "graph: graph 1, " in suggested and " nodes (19 of 20" in suggested
    assert "graph: {type: graph_conv, width: 64, depth: 2, norm: layer}" in suggested
    config = tmp_path / "my.yaml"
    config.write_text(suggested, encoding="utf-8")
    cuttle("validate", config)
    driver.train(config, tmp_path / "run", "train.minutes=0", "train.steps=60", "train.validate_every=0",
                 "augment.tasks=support")
    assert "graph" in cuttle("inspect", tmp_path / "run").stdout
    cuttle("adapt", tmp_path / "run", "--support", graphs(tmp_path / "support", ("star", "ladder"), range(20, 24)),
           "--out", tmp_path / "mine.adapted")
    new = graphs(tmp_path / "new", ("star", "ladder"), range(24, 30))
    np.savez(new / "star/arrays.npz", edge_index=np.array([[0] * 20, range(1, 21)]))
    (new / "star/words.txt").write_text("a star", encoding="utf-8")
    result = cuttle("predict", tmp_path / "mine.adapted", new, "--json")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(answers) == 13 and "the model has no sense for texts" in result.stderr
    best = [max(answer["probabilities"], key=answer["probabilities"].get) for answer in answers]
    assert sum(answer["class"] == label for answer, label in zip(answers, best)) > 10
    alone = cuttle("predict", tmp_path / "mine.adapted", new / "ladder/25.json", "--json").stdout
    by_name = {answer["sample"]: answer["probabilities"] for answer in answers}
    assert by_name[str(new / "ladder/25.json")] == json.loads(alone)["probabilities"]
