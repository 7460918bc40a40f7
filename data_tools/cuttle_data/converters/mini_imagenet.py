"""mini-ImageNet, CIFAR-FS and FC100: pictures with a published split of their classes.

ROOT holds one of

    {train,val,test}.csv      filename,label; the pictures lie in ROOT/images
    mini-imagenet-cache-{train,val,test}.pkl
                              image_data uint8 [pictures, 84, 84, 3], class_dict {class: [indices]}
    miniImageNet_category_split_{train_phase_train,val,test}.pickle, CIFAR_FS_{train,val,test}.pickle,
    FC100_{train,val,test}.pickle
                              data uint8 [pictures, height, width, 3], labels [pictures]

What a pickle holds decides, its name says the split only. Pickles are read without running
anything (NumPy arrays and plain containers, of Python 2, too), one at a time in memory as a whole.
Further pictures of the training classes (train_phase_val, train_phase_test) are left out.
"""

import re

import numpy as np

from .. import media, names, splits
from ..errors import UserError
from ..layouts import common, pickles
from ..schema import SPLITS
from ..shards import Sample
from ..tables import Table

SOURCE = ("mini-ImageNet (Vinyals et al. 2016), CIFAR-FS (Bertinetto et al. 2019) or FC100 (Oreshkin et "
          "al. 2018)")
MORE_OF_TRAINING = re.compile(r"train_phase_(val|test)")


def add_arguments(parser):
    common.add_arguments(parser, by_class=False)
    common.add_picture_arguments(parser, "84, and of pickles as they are")


def convert(args, report):
    common.check_root(args)
    tables, held = _files(args.root, report)
    if tables:
        modality = common.picture(args, own=(84, 84))
        samples = [sample for split, path in tables.items()
                   for sample in _of_table(path, split, modality, media.read_options(args))]
    else:
        samples, modality = _of_pickles(args, held)
    common.write(args, report, SOURCE, samples, [modality])


def _files(root, report):
    """({split: table}, {split: pickle}), in the order of the splits."""
    tables, held = {}, {}
    for path in sorted(root.iterdir()):
        found = tables if path.suffix == ".csv" else held if path.suffix in pickles.SUFFIXES else None
        split = splits.split_of_folder(re.split(r"[-_]", path.stem)[-1])
        if found is None or split is None:
            continue
        if MORE_OF_TRAINING.search(path.stem):
            report.skipped(path.name, "further pictures of the training classes")
        elif split in found:
            raise UserError(f"{path}: {found[split].name} has the split {split}, too (which one "
                            "is meant?); keep one of them")
        else:
            found[split] = path
    return [{split: found[split] for split in SPLITS if split in found} for found in (tables, held)]


def _of_table(path, split, modality, options):
    table = Table(path)
    table.check_columns(("filename", "label"))
    for _, row in table.rows:
        picture = path.parent / "images" / row["filename"]
        yield Sample(row["filename"], row["label"], "all", split,
                     {modality.name: media.loader(modality, picture, options)},
                     common.mark_of(picture))


def _of_pickles(args, held):
    samples, modality = [], None
    for split, path in held.items():
        with common.as_laid_out(path, args.command):
            images, classes = _content(path)
        modality = modality or common.picture(args, own=images.shape[1:3])
        mark = media.file_fingerprint(path)
        samples += [Sample(f"{path.stem}/{index}", class_name, "all", split,
                           {modality.name: common.array_loader(modality, images, index)}, mark)
                    for index, class_name in classes]
    return samples, modality


def _content(path):
    """(pictures, [(index, class)] with whole classes)."""
    held = pickles.keyed(pickles.load(path))
    images = held.get("image_data", held.get("data"))
    if (not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4
            or images.shape[3] != 3):
        raise ValueError("neither image_data nor data is uint8 [pictures, height, width, 3]")
    if "class_dict" in held:
        classes = [(index, name) for name, indices in pickles.keyed(held["class_dict"]).items()
                   for index in indices]
    else:
        classes = [(index, pickles.text_of(label))
                   for index, label in enumerate(np.asarray(held.get("labels", ())).tolist())]
        classes.sort(key=lambda entry: entry[1])
    if len(classes) != len(images) or {index for index, _ in classes} != set(range(len(images))):
        raise ValueError(f"{len(classes)} labels are not one for each of {len(images)} pictures")
    return images, classes
