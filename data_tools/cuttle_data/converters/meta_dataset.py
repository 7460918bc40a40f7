"""A data set of Meta-Dataset: TFRecord files of classes, read without TensorFlow.

ROOT is the folder of one data set:

    dataset_spec.json    a DatasetSpecification, BiLevelDatasetSpecification (Omniglot: classes are
                         SUPERCLASS/CLASS) or HierarchicalDatasetSpecification (ImageNet); it says the
                         classes' splits and names
    ID.tfrecords         the records of a class; or ID_SHARD.tfrecords, or ID_train and ID_test: two
                         pools, which become groups (evaluation with groups apart keeps them so)

Records are tf.Examples with image (JPEG or PNG) or, of feature sets, image/embedding. Each is checked
by its CRC-32C: a damaged one is left out, what follows a cut or a damaged length, too.
"""

import functools
import io
import re

from .. import media, names, splits
from ..errors import BadInput, UserError
from ..layouts import common, tfrecords
from ..shards import Modality, Sample

SPEC = "dataset_spec.json"
FILE = re.compile(r"(\d+)(?:_(\w+))?\.tfrecords")
POOLS = ("train", "valid", "test")
EMBEDDING = "image/embedding"


def add_arguments(parser):
    common.add_arguments(parser, by_class=False)
    common.add_picture_arguments(parser)


def convert(args, report):
    common.check_root(args)
    if not (args.root / SPEC).is_file():
        inside = sorted(path.parent.name for path in args.root.glob(f"*/{SPEC}"))
        raise UserError(f"{args.root}: no {SPEC} (it says what the classes are); name the folder of "
                        f"one data set{': ' if inside else ''}{', '.join(inside)}")
    with common.as_laid_out(args.root / SPEC, args.command):
        spec = common.read_json(args.root / SPEC)
        classes = _classes(spec)
        counts = _counts(spec, classes)
    args.name = args.name or re.sub(r"\W", "_", str(spec["name"]))
    places = _index(args.root, classes, counts, report)
    modality = _modality(args, places)
    options = media.read_options(args)
    samples = []
    for path, class_id, pool, records in places:
        class_name, split = classes[class_id]
        mark = media.file_fingerprint(path)
        samples += [Sample(f"{path.stem}/{number}", class_name, pool, split,
                           {modality.name: functools.partial(_load, modality, options, class_id,
                                                             path, *record)}, f"{mark} {number}")
                    for number, record in enumerate(records)]
    common.write(args, report, f"{spec['name']} of Meta-Dataset (Triantafillou et al. 2020)", samples,
                 [modality])


def _classes(spec):
    """{class id: (name, split)}; ids run through the splits' classes without gaps."""
    given = {int(key): str(name) for key, name in spec["class_names"].items()}
    if "split_subgraphs" in spec:  # its counts are of every node of a split, and leaves are classes
        homes = {name: split for split in spec["images_per_class"]
                 for name in spec["images_per_class"][split]}
        return {key: (name, splits.split_of_folder(homes[name])) for key, name in given.items()}
    per_split = spec.get("superclasses_per_split") or spec["classes_per_split"]
    order = [split for split in ("TRAIN", "VALID", "TEST") for _ in range(per_split[split])]
    if "superclasses_per_split" in spec:
        sizes = [int(spec["classes_per_superclass"][str(place)]) for place in range(len(order))]
        parents = [str(spec["superclass_names"][str(place)]) for place in range(len(order))]
        order = [(split, f"{parent}/") for split, parent, size in zip(order, parents, sizes)
                 for _ in range(size)]
    else:
        order = [(split, "") for split in order]
    taken, classes = set(), {}
    for key, (split, parent) in enumerate(order):
        name = parent + given[key]
        name = f"{name} ({key})" if name in taken else name
        taken.add(name)
        classes[key] = name, splits.split_of_folder(split)
    return classes


def _counts(spec, classes):
    """{class id: how many records it has}, as far as it is said."""
    held = spec["images_per_class"]
    if "split_subgraphs" in spec:
        by_name = {name: count for counts in held.values() for name, count in counts.items()}
        return {key: int(by_name[name]) for key, (name, _) in classes.items()}
    return {int(key): sum(count.values()) if isinstance(count, dict) else int(count)
            for key, count in held.items()}


def _index(root, classes, counts, report):
    """[(path, class id, group, records' places)], in order of the classes."""
    found, seen = [], dict.fromkeys(classes, 0)
    files = [(int(match[1]), match[2] or "", path) for path in root.iterdir()
             if (match := FILE.fullmatch(path.name))]
    for class_id, part, path in report.progress(sorted(files), len(files), "files"):
        if class_id not in classes:
            report.skipped(path.name, "no class of dataset_spec.json")
            continue
        records, problem = tfrecords.index(path)
        if problem:
            report.skipped(path.name, problem)
        seen[class_id] += len(records)
        found.append((path, class_id, part if part in POOLS else "all", records))
    for class_id, count in seen.items():
        if count != counts.get(class_id, count):
            report.doubted(f"class {classes[class_id][0]}", f"has {count} records, and {SPEC} says "
                           f"{counts[class_id]}")
    return found


def _modality(args, places):
    """By the first record that can be read."""
    for path, _, _, records in places:
        for record in records[:1]:
            try:
                held = tfrecords.read(path, *record)
            except BadInput:
                continue
            if EMBEDDING in held:
                return Modality("embedding", names.KIND_VECTOR, (len(held[EMBEDDING]), ))
            return common.picture(args)
    return common.picture(args)


def _load(modality, options, class_id, path, place, length):
    held = tfrecords.read(path, place, length)
    if modality.kind == names.KIND_VECTOR:
        if EMBEDDING not in held:
            raise BadInput(f"record without {EMBEDDING}")
        return held[EMBEDDING]
    if list(held.get("label", (class_id, ))) != [class_id] or len(held.get("image", ())) != 1:
        raise BadInput("record without an image, or with another class's label")
    return media.loader(modality, io.BytesIO(held["image"][0]), options)()
