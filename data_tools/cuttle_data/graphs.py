"""Graphs: as shards store them, and from files of networkx (node-link JSON) and PyTorch Geometric's
arrays (.npz)."""

import io
import json
import zipfile

import numpy as np

from .decoding import as_bad_input, bytes_of
from .errors import BadInput

JSON_SUFFIX, ARCHIVE_SUFFIX = ".json", ".npz"
GRAPH_SUFFIXES = (JSON_SUFFIX, ARCHIVE_SUFFIX)
ENDS = ("source", "target")
MOST_NODES = (1 << 24) - 1
MOST_BYTES = 1 << 30  # of an archive when it is unpacked
NODES, EDGES, ID, FEATURES, EDGE_INDEX = "nodes", ("edges", "links"), "id", "x", "edge_index"


def stored_graph(features, edges, width, directed):
    """uint8 as FORMAT.md has it, of features [nodes, width] and edges [edges, 2] in any order, the same one any number
    of times, without a direction either way round. BadInput if they are none."""
    features, edges = np.asarray(features), np.asarray(edges)
    features = features[:, None] if features.ndim == 1 else features
    if features.ndim != 2 or features.shape[1] != width or not len(features) or features.dtype.kind not in "fiub":
        raise BadInput(f"the features of its nodes are {features.dtype} of shape {list(features.shape)}, not numbers "
                       f"[nodes, {width}]")
    if not edges.size:
        edges = np.zeros((0, 2), np.int64)
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        raise BadInput(f"its edges are {edges.dtype} of shape {list(edges.shape)}, not pairs of whole numbers")
    _check_nodes(len(features), edges)
    edges = np.unique(edges if directed else np.sort(edges, axis=1), axis=0).reshape(-1, 2)
    with np.errstate(over="ignore"):
        parts = (np.array([len(features)], "<i4"), features.astype("<f4"), edges.astype("<i4"))
    return np.frombuffer(b"".join(part.tobytes() for part in parts), np.uint8)


def parts_of(stored, width, directed):
    """(features [nodes, width], edges [edges, 2]) of a stored graph; BadInput if it is not as FORMAT.md has it."""
    data = np.ascontiguousarray(stored, np.uint8).tobytes()
    nodes = int(np.frombuffer(data[:4], "<i4")[0]) if len(data) >= 4 else 0
    if not 1 <= nodes <= MOST_NODES:
        raise BadInput(f"has {nodes} nodes, not 1 to {MOST_NODES}")
    end = 4 + 4 * nodes * width
    if len(data) < end or (len(data) - end) % 8:
        raise BadInput(f"has {len(data)} bytes, which are not {nodes} nodes of {width} features and edges")
    features = np.frombuffer(data[4:end], "<f4").reshape(nodes, width)
    edges = np.frombuffer(data[end:], "<i4").reshape(-1, 2)
    if not np.isfinite(features).all():
        raise BadInput("holds features that are not finite in float32")
    _check_nodes(nodes, edges)
    places = edges.astype(np.int64) @ [1 << 24, 1]
    if (np.diff(places) <= 0).any() or (not directed and (edges[:, 0] > edges[:, 1]).any()):
        raise BadInput("has edges that do not ascend")
    return features, edges


def is_graph(path):
    """Whether a file of these endings is a graph, and not something else of that ending."""
    try:
        if path.suffix.lower() == ARCHIVE_SUFFIX:
            with zipfile.ZipFile(path) as archive:
                return EDGE_INDEX + ".npy" in archive.namelist()
        return path.suffix.lower() == JSON_SUFFIX and _is_node_link(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile):
        return False


def graph_columns(path):
    """What the features of a file's nodes are: the names of their attributes, or how many numbers x has."""
    content = _content(path)
    names = _attributes(content) if _is_node_link(content) else ()
    return names or np.atleast_2d(graph_parts(content)[0].T).shape[0]


def load_graph(source, columns=()):
    """The parts of a graph in a path or binary file: features [nodes, F], edges [edges, 2]. columns: the attributes of
    nodes that are features, where the nodes have no x. Without either, each has the one feature 1."""
    return graph_parts(_content(source), columns)


def graph_parts(content, columns=()):
    """The same of a dict of arrays, or of node-link data as networkx.node_link_data gives it."""
    if not _is_node_link(content):
        return _parts_of_arrays(content)
    with as_bad_input("broken graph"):
        found = content[NODES]
        if not found:
            raise BadInput("a graph without nodes")
        if not all(isinstance(node, dict) and ID in node for node in found):
            raise BadInput(f"a node without {ID}")
        places = {_hashable(node[ID]): place for place, node in enumerate(found)}
        if len(places) != len(found):
            raise BadInput("two nodes have the same id")
        links = next(content[key] for key in EDGES if key in content)
        edges = [tuple(_place(link, end, places) for end in ENDS) for link in links]
        if any(FEATURES in node for node in found):
            features = np.array([np.atleast_1d(np.asarray(node[FEATURES], float)) for node in found])
        else:
            columns = columns or _attributes(content)
            features = np.array([[_number(node, column) for column in columns] or [1.0] for node in found])
    return features, np.array(edges, np.int64).reshape(-1, 2)


def _place(link, end, places):
    """Of the node at an end of an edge."""
    if not isinstance(link, dict) or end not in link:
        raise BadInput(f"an edge without {end}")
    node = _hashable(link[end])
    if node not in places:
        raise BadInput(f"an edge leads to node {link[end]!r}, which is not there")
    return places[node]


def _number(node, name):
    if not isinstance(node.get(name), (int, float)):
        raise BadInput(f"{name} of node {node[ID]!r} is {node.get(name)!r}, not a number")
    return float(node[name])


def _parts_of_arrays(content):
    edges = np.asarray(content[EDGE_INDEX])
    if edges.size and (edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype.kind not in "iu"):
        raise BadInput(f"edge_index is {edges.dtype} of shape {list(edges.shape)}, not whole numbers [2, edges]")
    if content.get(FEATURES) is not None:
        return np.asarray(content[FEATURES]), edges.T
    count = content.get("num_nodes")
    count = int(edges.max(initial=-1)) + 1 if count is None else int(np.asarray(count).reshape(()))
    if not 1 <= count <= MOST_NODES:
        raise BadInput(f"has {count} nodes, not 1 to {MOST_NODES}")
    return np.ones((count, 1), np.float32), edges.T


def _content(source):
    """Node-link data, or arrays by name."""
    data = bytes_of(source)
    with as_bad_input("broken graph"):
        if not data.startswith(b"PK"):
            content = json.loads(data)
            if not _is_node_link(content):
                raise BadInput("no graph: it has no lists of nodes and edges, as networkx writes them")
            return content
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise BadInput(f"larger than {MOST_BYTES >> 20} MB when it is unpacked")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if EDGE_INDEX not in arrays:
                raise BadInput(f"no graph: the archive has no {EDGE_INDEX}")
            return {name: arrays[name] for name in (FEATURES, EDGE_INDEX, "num_nodes") if name in arrays}


def _is_node_link(content):
    return (isinstance(content, dict) and isinstance(content.get(NODES), list)
            and any(isinstance(content.get(key), list) for key in EDGES))


def _attributes(content):
    """Those that all nodes have as numbers, in order of their names; () where there is x."""
    with as_bad_input("broken graph"):
        shared = None
        for node in content[NODES]:
            mine = {key for key, value in node.items() if key != ID and isinstance(value, (int, float))}
            shared = mine if shared is None else shared & mine
            if FEATURES in node:
                return ()
        return tuple(sorted(shared or ()))


def _hashable(value):
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _check_nodes(count, edges):
    if not 1 <= count <= MOST_NODES:
        raise BadInput(f"has {count} nodes, not 1 to {MOST_NODES}")
    if edges.size and not 0 <= edges.min() <= edges.max() < count:
        raise BadInput(f"has an edge at node {edges.min() if edges.min() < 0 else edges.max()} of {count}")
