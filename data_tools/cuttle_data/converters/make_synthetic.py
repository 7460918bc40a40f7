"""Tiny deterministic shards with all kinds of modality, for tests and demonstrations.

Each class has its own random pattern in every modality and each sample adds noise, each group an
offset, so a model can learn and the floor is neither chance nor perfect. Classes span the shards.
With --frames there is a video, too, whose classes differ only in motion: a spot visits as many
places as there are frames, all of them in each round, in an order of the class, from any of them on;
every second class runs the one before it backwards. With --nodes there is a graph, too, whose
classes differ only in edges: its nodes are of six types, as many of each, that feature i is about 1
of the type i says, every type has about as many edges, and the class decides which types they join.
With --targets each class is a user whose labels, ratings or relevances lie along a direction of the
vectors: half the user's, half everybody's. The same arguments give the same bytes.
"""

import numpy as np

from .. import names, splits
from ..draws import generator
from ..errors import UserError
from ..graphs import stored_graph
from ..shards import DatasetInfo, Modality, Sample, write_converted

SAMPLE_RATE = 8000
FEATURES = 8
CHANNELS = 3
TYPES = 6
TARGETS = {"labels": ("red", "round", "large"), "ratings": ("rating", ), "relevances": ("relevance", )}
LETTERS = list("abcdefghijklmnopqrstuvwxyzäöüßéñ漢字語")


def add_arguments(parser):
    parser.add_argument("--classes", type=int, default=20, help="default: 20")
    parser.add_argument("--samples-per-class", type=int, default=8, help="default: 8")
    parser.add_argument("--groups", type=int, default=4, help="default: 4")
    parser.add_argument("--size",
                        type=int,
                        default=16,
                        help="height and width of the images (default: 16)")
    parser.add_argument("--missing",
                        type=float,
                        default=0.1,
                        help="rate at which a modality is left out, not more than "
                        "all but one per sample (default: 0.1)")
    parser.add_argument("--noise",
                        type=float,
                        default=1.0,
                        help="noise in units of the patterns (default: 1)")
    parser.add_argument("--frames",
                        type=int,
                        default=0,
                        metavar="N",
                        help="of one round of the video, 3 to 64 (default: 0, no video)")
    parser.add_argument("--nodes",
                        type=int,
                        default=0,
                        metavar="N",
                        help="most of each type in the graph, 2 to 1000 (default: 0, no graph)")
    parser.add_argument("--targets",
                        choices=sorted(TARGETS),
                        help="three labels, ratings 1 to 5 or relevances 0 to 2 (default: none)")
    splits.add_split_arguments(parser, "0.5,0.25,0.25")


def convert(args, report):
    if min(args.classes, args.groups, args.size) < 1 or args.size > 512:
        raise UserError("--classes, --groups and --size must be at least 1, --size at most 512")
    if args.samples_per_class < 2:
        raise UserError("--samples-per-class must be at least 2 (support and query need one each)")
    if not 0 <= args.missing < 1 or args.noise < 0:
        raise UserError("--missing must be within [0, 1) and --noise at least 0")
    if args.frames and not 3 <= args.frames <= 64:
        raise UserError("--frames must be 3 to 64 (or 0 for no video)")
    if args.nodes and not 2 <= args.nodes <= 1000:
        raise UserError("--nodes must be 2 to 1000 (or 0 for no graph)")
    class_names = [f"class {index:03d}" for index in range(args.classes)]
    split_of = splits.split_classes(class_names, splits.chosen_fractions(args), args.seed)
    groups = [_pattern(args, [1, group]) for group in range(args.groups)]
    samples = []
    for class_id, class_name in enumerate(class_names):
        pattern = _pattern(args, [0, class_id])
        for index in range(args.samples_per_class):
            group = index % args.groups
            values, targets = _values(args, class_id, index, pattern, groups[group])
            samples.append(
                Sample(f"{class_name}/{index}",
                       class_name,
                       f"group {group}",
                       split_of[class_name],
                       values,
                       targets=targets))
    modalities = [
        Modality("image", names.KIND_IMAGE, (args.size, args.size, 3)),
        Modality("text", names.KIND_TEXT),
        Modality("audio", names.KIND_AUDIO, sample_rate=SAMPLE_RATE),
        Modality("series", names.KIND_SERIES, (CHANNELS, )),
        Modality("vector", names.KIND_VECTOR, (FEATURES, )),
        *[Modality("video", names.KIND_VIDEO, (args.size, args.size, 3))] * bool(args.frames),
        *[Modality("graph", names.KIND_GRAPH, (TYPES, ))] * bool(args.nodes)
    ]
    info = DatasetInfo(args.name or "synthetic", "made by cuttle-data make_synthetic", "CC0-1.0",
                       "cuttle-data make_synthetic",
                       targets=TARGETS.get(args.targets, ()))
    write_converted(args, report, info, modalities, samples, spread_classes=True)


def _pattern(args, key):
    random = generator(args.seed, *key)
    return {"image": random.standard_normal((4, 4, 3)),
            "text": random.choice(LETTERS, 8),
            "audio": random.uniform(200, 3000, 2),
            "series": random.uniform(0.5, 4, (2, CHANNELS)),
            "vector": random.standard_normal(FEATURES)}


def _values(args, class_id, index, pattern, group):
    random = generator(args.seed, 2, class_id, index)
    vector = pattern["vector"] + 0.5 * group["vector"]
    values = {"image": _image(args, random, pattern["image"] + 0.5 * group["image"]),
              "text": _text(args, random, pattern["text"], group["text"]),
              "audio": _audio(args, random, pattern["audio"]),
              "series": _series(args, random, pattern["series"]),
              "vector": (vector + args.noise * random.standard_normal(FEATURES)).astype("<f4")}
    if args.frames:
        values["video"] = _video(args, class_id, generator(args.seed, 3, class_id, index))
    if args.nodes:
        values["graph"] = _graph(args, class_id, generator(args.seed, 5, class_id, index))
    targets = _targets(args, class_id, values["vector"] - vector)
    left_out = [name for name in values if random.random() < args.missing]
    for name in left_out[:len(values) - 1]:
        del values[name]
    return values, targets


def _targets(args, class_id, offset):
    """Where a sample lies from its class's middle, along directions of the class, one for each target, as levels."""
    names_of = TARGETS.get(args.targets, ())
    own, common = (generator(args.seed, *key).standard_normal((len(names_of), FEATURES))
                   for key in ((5, class_id), (6, )))
    place = (own + common) @ offset / (np.sqrt(2 * FEATURES) * max(args.noise, 1e-6))
    steps = {"labels": [0.4], "ratings": [-1.2, -0.4, 0.4, 1.2], "relevances": [0.5, 1.2]}.get(args.targets, [])
    return tuple(float(np.searchsorted(steps, each)) + (args.targets == "ratings") for each in place)


def _image(args, random, pattern):
    cells = np.arange(args.size) * 4 // args.size
    noise = args.noise * random.standard_normal((args.size, args.size, 3))
    return np.clip(128 + 40 * (pattern[cells][:, cells] + noise), 0, 255).astype(np.uint8)


def _video(args, class_id, random):
    """One round or two of a spot of any colour, in noise."""
    order = generator(args.seed, 4, class_id // 2).permutation(args.frames)
    order = np.roll(order[::-1] if class_id % 2 else order, random.integers(args.frames))
    angles = 2 * np.pi * np.tile(order, random.integers(1, 3)) / args.frames
    middle, rows = (args.size - 1) / 2, np.arange(args.size)
    places = middle + 0.7 * middle * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    near = np.exp(-((rows - places[:, :, None]) / max(1, args.size / 10))**2)
    spot = near[:, 0, :, None] * near[:, 1, None, :]
    noise = 10 * args.noise * random.standard_normal((*spot.shape, 3))
    colour = random.uniform(100, 200, 3)
    return np.clip(np.round(30 + spot[..., None] * colour + noise), 0, 255).astype(np.uint8)


def _graph(args, class_id, random):
    """Nodes in any order; two edges for each lead from a type to the one that the class has follow it, one in ten
    anywhere (at noise 1)."""
    follows = generator(args.seed, 6, class_id).permutation(TYPES)
    kinds = random.permutation(np.repeat(np.arange(TYPES), random.integers((args.nodes + 1) // 2, args.nodes + 1)))
    places = [np.flatnonzero(kinds == kind) for kind in range(TYPES)]
    first = np.repeat(np.arange(len(kinds)), 2)
    second = np.array([random.choice(places[follows[kinds[node]]]) for node in first])
    astray = random.random(len(first)) < min(0.5, 0.1 * args.noise)
    second = np.where(astray, random.integers(len(kinds), size=len(first)), second)
    features = np.eye(TYPES)[kinds] + 0.1 * args.noise * random.standard_normal((len(kinds), TYPES))
    return stored_graph(features, np.stack([first, second], 1), TYPES, directed=False)


def _text(args, random, word, group):
    changed = random.random(len(word)) < min(0.5, 0.3 * args.noise)
    letters = np.where(changed, random.choice(LETTERS, len(word)), word)
    return "".join([*letters, " ", *group[:3]])


def _audio(args, random, tones):
    """50 to 100 ms of two tones; sin is evaluated in float64 and rounded to 16 bits."""
    time = np.arange(random.integers(SAMPLE_RATE // 20, SAMPLE_RATE // 10)) / SAMPLE_RATE
    wave = np.sin(2 * np.pi * np.outer(time, tones)).sum(axis=1)
    wave += args.noise * random.standard_normal(len(time))
    return np.clip(np.round(4000 * wave), -32768, 32767).astype("<i2")


def _series(args, random, waves):
    steps = np.linspace(0, 1, random.integers(8, 24))[:, None]
    clean = np.sin(2 * np.pi * waves[0] * steps + waves[1])
    return (clean + 0.3 * args.noise * random.standard_normal(clean.shape)).astype("<f4")
