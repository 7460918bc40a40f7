"""Graphs: what is read of networkx's and PyTorch Geometric's files, what is refused, and how shards keep it."""

import io
import json

import networkx
import numpy as np
import pytest

from cuttle_data import features, graphs, media, names
from cuttle_data.errors import BadInput, UserError
from cuttle_data.packing.given_values import sample_of
from cuttle_data.reader import Shard
from cuttle_data.schema import Modality

GRAPH = Modality("graph", names.KIND_GRAPH, (2, ))
ROADS = Modality("graph", names.KIND_GRAPH, (2, ), directed=True)


def molecule(count=4, **more):
    """A ring whose nodes have two numbers and a name."""
    graph = networkx.cycle_graph(count)
    for node in graph:
        graph.nodes[node].update(mass=node + 0.5, charge=node % 2, element="C", **more)
    return graph


def write(path, graph):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(graph, dict):
        np.savez(path, **graph)
    else:
        path.write_text(json.dumps(networkx.node_link_data(graph, edges="links")), encoding="utf-8")
    return path


def parts(source, modality=GRAPH):
    stored = modality.convert(media.loader(modality, source, None)())
    nodes, edges = graphs.parts_of(stored, modality.shape[0], modality.directed)
    return nodes.tolist(), edges.tolist()


def test_node_link_files_of_networkx(tmp_path):
    path = write(tmp_path / "a.json", molecule())
    assert media.kinds_of(path) == ("graph", ) and graphs.graph_columns(path) == ("charge", "mass")
    nodes = [[0, 0.5], [1, 1.5], [0, 2.5], [1, 3.5]]
    assert parts(path) == (nodes, [[0, 1], [0, 3], [1, 2], [2, 3]])
    assert parts(io.BytesIO(path.read_bytes()))[0] == nodes
    chosen = Modality("graph", names.KIND_GRAPH, (1, ), columns=("mass", ))
    assert parts(path, chosen)[0] == [[0.5], [1.5], [2.5], [3.5]]
    path.write_text(json.dumps(networkx.node_link_data(molecule(), edges="edges")))
    assert parts(path)[0] == nodes
    named = networkx.relabel_nodes(molecule(), {0: "a", 1: "b", 2: (1, 2), 3: "d"})
    assert parts(write(path, named))[0] == nodes
    write(path, networkx.MultiDiGraph([(1, 0), (1, 0), (0, 1), (1, 1), (1, 2)]))
    one = Modality("graph", names.KIND_GRAPH, (1, ))
    assert graphs.graph_columns(path) == 1
    assert parts(path, one) == ([[1], [1], [1]], [[0, 0], [0, 1], [0, 2]])  # 1 comes first
    assert parts(path, Modality("graph", names.KIND_GRAPH, (1, ), directed=True))[1] == [[0, 0], [0, 1], [0, 2], [1, 0]]
    graph = networkx.path_graph(2)
    graph.nodes[0]["x"], graph.nodes[1]["x"] = [1, 2], [3, 4.5]
    assert parts(write(path, graph)) == ([[1, 2], [3, 4.5]], [[0, 1]])


def test_arrays_of_pytorch_geometric(tmp_path):
    path = write(tmp_path / "a.npz", {"x": np.eye(3)[:, :2], "edge_index": np.array([[0, 1, 1, 2], [1, 0, 2, 1]])})
    assert media.kinds_of(path) == ("graph", ) and graphs.graph_columns(path) == 2
    assert parts(path) == ([[1, 0], [0, 1], [0, 0]], [[0, 1], [1, 2]])
    assert parts(path, ROADS)[1] == [[0, 1], [1, 0], [1, 2], [2, 1]]
    assert parts(io.BytesIO(path.read_bytes()))[1] == [[0, 1], [1, 2]]
    one = Modality("graph", names.KIND_GRAPH, (1, ))
    assert parts(write(path, {"edge_index": np.array([[0], [2]])}), one) == ([[1], [1], [1]], [[0, 2]])
    assert parts(write(path, {"edge_index": np.zeros((2, 0), int), "num_nodes": np.array(2)}), one) == ([[1], [1]], [])
    assert parts(write(path, {"x": np.array([True, False]), "edge_index": np.zeros((2, 0))}), one)[0] == [[1], [0]]
    assert graphs.graph_columns(path) == 1


def test_other_files_of_these_endings_are_none(tmp_path):
    for content in ("[1, 2]", '{"nodes": 3}', '{"nodes": []}', "{", "[" * 100000, '{"links": [], "nodes": {}}'):
        (tmp_path / "a.json").write_text(content)
        assert media.kinds_of(tmp_path / "a.json") == ()
    np.savez(tmp_path / "a.npz", x=np.eye(2))
    assert media.kinds_of(tmp_path / "a.npz") == ()
    (tmp_path / "a.npz").write_bytes(b"PK no archive")
    assert media.kinds_of(tmp_path / "a.npz") == ()


@pytest.mark.parametrize("change, why", [
    (lambda data: (data["nodes"].clear(), data["links"].clear()), "a graph without nodes"),
    (lambda data: data["links"].append({"source": 0, "target": 9}), "an edge leads to node 9, which is not there"),
    (lambda data: data["links"].append({"source": 0}), "an edge without target"),
    (lambda data: data["nodes"].append({"id": 0, "mass": 1}), "two nodes have the same id"),
    (lambda data: data["nodes"][1].update(x=[1, 2]), "broken graph: 'x'"),
    (lambda data: data["nodes"][1].update(mass=float("nan")), "not finite in float32"),
    (lambda data: data["nodes"][1].update(mass=1e99), "not finite in float32"),
    (lambda data: data["nodes"][1].update(mass="heavy"), r"shape \[4, 1\], not numbers \[nodes, 2\]"),
    (lambda data: data["nodes"][0].update(id={}), "broken graph: unhashable"),
    (lambda data: data["nodes"].append(3), "a node without id")])
def test_broken_node_link_files(tmp_path, change, why):
    data = networkx.node_link_data(molecule(), edges="links")
    change(data)
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.raises(BadInput, match=why):
        parts(tmp_path / "a.json")


@pytest.mark.parametrize("arrays, why", [
    ({"x": np.eye(2), "edge_index": np.array([[0], [2]])}, "an edge at node 2 of 2"),
    ({"x": np.eye(2), "edge_index": np.array([[0], [-1]])}, "an edge at node -1 of 2"),
    ({"x": np.eye(2), "edge_index": np.array([[0, 1]])}, r"edge_index is int64 of shape \[1, 2\]"),
    ({"x": np.eye(2), "edge_index": np.array([[0.0], [1.0]])}, "edge_index is float64"),
    ({"x": np.zeros((0, 2)), "edge_index": np.zeros((2, 0), int)}, "features of its nodes are"),
    ({"x": np.array([["a", "b"]]), "edge_index": np.zeros((2, 0), int)}, "features of its nodes are"),
    ({"edge_index": np.zeros((2, 0), int)}, "has 0 nodes"),
    ({"edge_index": np.zeros((2, 0), int), "num_nodes": np.array(1 << 40)}, "has 1099511627776 nodes"),
    ({"x": np.array([{}], object), "edge_index": np.zeros((2, 0), int)}, "broken graph")])
def test_broken_arrays(tmp_path, arrays, why):
    with pytest.raises(BadInput, match=why):
        parts(write(tmp_path / "a.npz", arrays))


def test_archives_that_grow_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(graphs, "MOST_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1 << 18, 1)), edge_index=np.zeros((2, 0), int))
    with pytest.raises(BadInput, match="larger than 1 MB when it is unpacked"):
        parts(tmp_path / "a.npz")


def test_stored_graphs_are_checked():
    good = graphs.stored_graph(np.eye(2), [[1, 0], [0, 1], [1, 1]], 2, directed=False)
    assert good.tobytes() == b"\2\0\0\0" + np.eye(2, dtype="<f4").tobytes() + np.array([0, 1, 1, 1], "<i4").tobytes()
    for change, why in ((good[:3], "has 0 nodes"), (good[:-1], "bytes, which are not 2 nodes"),
                        (good[:-8].tolist() + good[20:28].tolist(), "do not ascend"),
                        (good[:-4].tolist() + [0, 0, 0, 0], "do not ascend"),
                        (good[:-4].tolist() + [9, 0, 0, 0], "an edge at node 9 of 2"),
                        ([0] + good[1:].tolist(), "has 0 nodes"),
                        (good[:4].tolist() + [0, 0, 192, 127] + good[8:].tolist(), "not finite")):
        with pytest.raises(BadInput, match=why):
            GRAPH.convert(np.array(change, np.uint8))
    with pytest.raises(UserError, match="edges are of graphs, and vector has none"):
        Modality("a", names.KIND_VECTOR, (2, ), directed=True).check()


def test_a_folder_of_graphs(run, tmp_path):
    for class_name, size in (("train/a", 3), ("train/b", 5), ("test/c", 4)):
        for sample in range(3):
            write(tmp_path / f"in/{class_name}/{sample}.json", molecule(size + sample))
            (tmp_path / f"in/{class_name}/{sample}.txt").write_text(class_name)
    write(tmp_path / "in/train/a/odd.json", molecule(4, size=1))
    (tmp_path / "in/train/a/notes.json").write_text('{"made": "today"}')
    code, text, err = run("folder", tmp_path / "in", "--out", tmp_path / "out", "--shards", "1", "--sheet",
                          tmp_path / "sheet.png")
    assert code == 0, err
    log = (tmp_path / "out/conversion.log").read_text()
    assert "odd.json: graph with the features charge, mass, size, while most graph files have charge, mass" in log
    assert "notes.json: unknown file type .json" in log
    assert "a sample is a file of the kind graph with its side files" in text
    assert run("verify", tmp_path / "out", "--sheet", tmp_path / "again.png")[0] == 0
    (path, ) = (tmp_path / "out").glob("*.h5")
    with Shard(path) as shard:
        _, graph = shard.modalities
        assert (graph.kind, graph.shape, graph.columns, graph.directed) == ("graph", (2, ), ("charge", "mass"), False)
        nodes = np.concatenate([graphs.parts_of(shard.read(place, "graph"), 2, False)[0]
                                for place in range(9) if shard.sample_split[place] == 0])
        assert np.allclose(graph.mean, nodes.mean(0)) and np.allclose(graph.stddev, nodes.std(0))
    write(tmp_path / "new.json", molecule(7, size=3, a=9))  # attributes are found by their names
    (tmp_path / "table.json").write_text('[{"a": 1}]')
    code, _, err = run("pack", tmp_path / "new.json", tmp_path / "in/test", "--like", path, "--out",
                       tmp_path / "few.h5")
    assert code == 0, err
    with Shard(tmp_path / "few.h5") as shard:
        nodes, edges = graphs.parts_of(shard.read(0, "graph"), 2, False)
        assert nodes[:, 1].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5] and len(edges) == 7
    code, _, err = run("folder", tmp_path / "in", "--out", tmp_path / "roads", "--shards", "1", "--directed")
    assert code == 0, err
    with Shard(next((tmp_path / "roads").glob("*.h5"))) as shard:
        assert shard.modalities[1].directed and not shard.modalities[0].directed


def test_tables_hold_no_graphs(run, tmp_path):
    for class_name in "ab":
        for sample in range(2):
            write(tmp_path / f"in/{class_name}/{sample}.json", molecule())
    assert run("folder", tmp_path / "in", "--out", tmp_path / "out", "--shards", "1", "--all-test")[0] == 0
    (tmp_path / "t.csv").write_text("charge,mass,label\n1,2,a\n3,4,b\n")
    code, _, err = run("pack", tmp_path / "t.csv", "--like", tmp_path / "out", "--out", tmp_path / "few.h5")
    assert code == 2 and "no column is what the model takes (graph)" in err
    for name, content in (("cut.json", '{"nodes": [{"id"'), ("other.json", '{"a": 1}'), ("cut.npz", "PK")):
        (tmp_path / name).write_text(content)
        code, _, err = run("pack", tmp_path / name, tmp_path / "in/a/0.json", "--like", tmp_path / "out", "--out",
                           tmp_path / "few.h5")
        assert code == 0 and "graph" in err and f"1 x {tmp_path / name}" in err


def test_damaged_graphs_of_a_shard_are_named(run, tmp_path):
    assert run("make_synthetic", "--out", tmp_path / "out", "--nodes", "3", "--classes", "4", "--missing", "0")[0] == 0
    path = next((tmp_path / "out").glob("*.h5"))
    with Shard(path) as shard:
        start = shard.data_["graph"].id.get_offset()
        graph = features.feature_of(shard.modalities[5], shard.read(0, "graph"))
        assert graph.shape == (2 * 6 + features.DEGREES, ) and graph[12:].sum() == pytest.approx(1)
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(b"\0")
    code, _, err = run("verify", tmp_path / "out")
    assert code == 2 and "[graph] has a wrong CRC-32" in err


def test_made_up_graphs_differ_in_nothing_but_edges(run, tmp_path):
    assert run("make_synthetic", "--out", tmp_path / "out", "--nodes", "5", "--classes", "6", "--missing", "0",
               "--samples-per-class", "40", "--shards", "1", "--noise", "0")[0] == 0
    joined, degrees = {}, {}
    with Shard(next((tmp_path / "out").glob("*.h5"))) as shard:
        for sample, label in enumerate(shard.sample_class):
            nodes, edges = graphs.parts_of(shard.read(sample, "graph"), 6, False)
            kinds = nodes.argmax(1)
            assert (nodes.sum(1) == 1).all() and len(set(np.bincount(kinds))) == 1
            counts = joined.setdefault(label, np.zeros((6, 6)))
            np.add.at(counts, tuple(kinds[edges].T), 1)
            degrees.setdefault(label, []).append(2 * len(edges) / len(nodes))
    for counts in joined.values():
        assert ((counts + counts.T) > 0).sum(1).max() <= 3  # each type joins two others, or itself
    patterns = {tuple(((counts + counts.T) > 0).ravel()) for counts in joined.values()}
    assert len(patterns) == 6


@pytest.mark.parametrize("given", [
    {"x": [[1, 2], [3, 4]], "edge_index": [[0, 1], [1, 0]]},
    type("Data", (), {"x": np.array([[1., 2], [3, 4]]), "edge_index": np.array([[0], [1]])})(),
    {"nodes": [{"id": 5, "x": [1, 2]}, {"id": 6, "x": [3, 4]}], "links": [{"source": 5, "target": 6}]}])
def test_graphs_given_from_python(given):
    stored = sample_of({"graph": given}, "one", [GRAPH]).values["graph"]
    nodes, edges = graphs.parts_of(stored, 2, False)
    assert nodes.tolist() == [[1, 2], [3, 4]] and edges.tolist() == [[0, 1]]


def test_what_is_no_graph_is_refused_with_what_would_be():
    for given, why in ((3, "is of the type int without nodes or edge_index"), ({"x": [[1, 2]]}, "without nodes"),
                       ({"x": [[1, 2, 3]], "edge_index": [[], []]}, r"shape \[1, 3\], not numbers"),
                       ({"x": [[1, 2]], "edge_index": [[0], [1]]}, "an edge at node 1 of 1")):
        with pytest.raises(UserError, match=f"one: graph .*{why}.*; give what has x, "):
            sample_of({"graph": given}, "one", [GRAPH])
