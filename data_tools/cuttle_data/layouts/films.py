"""The two layouts of MM-IMDb. Each read() gives (films, modalities, genres)."""

import functools
import json
from dataclasses import dataclass

import h5py
import numpy as np

from .. import media, names
from ..decoding import as_bad_input
from ..errors import UserError
from ..shards import Modality
from ..splits import split_of_folder
from ..texts import plain_bytes
from . import common

VECTORS = {"features": "word2vec", "vgg_features": "vgg"}  # datasets, and the modalities they become
# What the authors keep of IMDb's genres, the most frequent first by their count.
GENRES = ("Drama", "Comedy", "Romance", "Thriller", "Crime", "Action", "Adventure", "Horror",
          "Documentary", "Mystery", "Sci-Fi", "Fantasy", "Family", "Biography", "War", "History",
          "Music", "Animation", "Musical", "Western", "Sport", "Short", "Film-Noir")
VGG_MEAN = np.array([103.939, 116.779, 123.68])  # blue, green, red, as the authors took it away
LOOKED_AT = 64  # pictures


@dataclass
class Film:
    """genres: 0 or 1 for each; values and fingerprint: as those of a Sample; year: None where
    nothing says it."""

    name: str
    split: str
    genres: np.ndarray
    values: dict
    fingerprint: str
    year: int = None


def read_hdf5(path, picture):
    """Of multimodal_imdb.hdf5; it says no years."""
    file = h5py.File(path, "r")
    ids = [name.decode() for name in file["imdb_ids"][()].astype("S").tolist()]
    labels = np.asarray(file["genres"][()])
    genres = tuple(map(str, json.loads(file["genres"].attrs["target_names"])))
    found = {"images": picture} if "images" in file else {}
    found.update({dataset: Modality(name, names.KIND_VECTOR, file[dataset].shape[1:])
                  for dataset, name in VECTORS.items() if dataset in file})
    for dataset in found:
        if len(file[dataset]) != len(ids) or labels.shape != (len(ids), len(genres)):
            raise ValueError(f"{dataset} or genres are not of the {len(ids)} films")
    mark, centred = media.file_fingerprint(path), _is_centred(file)
    films = [Film(ids[row], split, labels[row],
                  {modality.name: functools.partial(_row, file[dataset], row, modality, centred)
                   for dataset, modality in found.items()}, f"{mark} {row}")
             for split, rows in _split_rows(file) for row in rows]
    return films, list(found.values()), genres


def _row(dataset, row, modality, centred):
    with as_bad_input("broken HDF5 file"):
        values = dataset[row]
    if modality.kind != names.KIND_IMAGE:
        return values
    values = np.moveaxis(values, 0, 2)
    if centred:
        # They were cut to whole numbers towards 0.
        restored = values + VGG_MEAN
        values = np.where(values < 0, np.floor(restored), np.ceil(restored))[..., ::-1]
    return common.picture_of(modality, np.clip(values, 0, 255).astype(np.uint8))


def _is_centred(file):
    """Whether pictures are as a VGG network takes them: blue first, less the means."""
    images = file.get("images", ())
    return any(images[row].min() < 0 for row in range(0, len(images), 1 + len(images) // LOOKED_AT))


def _split_rows(file):
    """(split, its rows) by the table that Fuel keeps of them."""
    for entry in file.attrs["split"]:
        if entry["source"] == b"genres":
            yield split_of_folder(entry["split"].decode()), range(entry["start"], entry["stop"])


def read_json(root, picture, options, report):
    """Of split.json with dataset/ID.json and .jpeg, or labels/ID.json and images/ID.jpeg."""
    one = root / "dataset"
    said_in, seen_in = (one, one) if one.is_dir() else (root / "labels", root / "images")
    films, seen = [], set()
    with common.as_laid_out(root / "split.json", "mm_imdb"):
        listed = [(split_of_folder(said), str(name))
                  for said, ids in common.read_json(root / "split.json").items() for name in ids]
    for split, name in listed:
        if split is None or name in seen:
            report.skipped(name, "is in split.json twice, or in a split of another name")
            continue
        seen.add(name)
        try:
            films.append(_film(name, split, said_in / f"{name}.json"))
        except UserError as problem:
            report.skipped(name, problem)
            continue
        poster = seen_in / f"{name}.jpeg"
        films[-1].fingerprint += " " + common.mark_of(poster)
        if poster.is_file():
            films[-1].values[picture.name] = media.loader(picture, poster, options)
    return films, [picture, Modality(common.TEXT, names.KIND_TEXT)], GENRES


def _film(name, split, path):
    """The Film without its picture."""
    if not path.is_file():
        raise UserError(f"{path.name} is missing")
    with common.as_laid_out(path.name, "mm_imdb"):
        said = common.read_json(path)
        genres = np.array([genre in said["genres"] for genre in GENRES], np.float32)
        plots = said.get("plot") or [said.get("plot outline", "")]
        plot = plain_bytes(max(plots, key=len))
        year = int(said["year"]) if said.get("year") else None
    return Film(name, split, genres, {common.TEXT: plot} if plot else {}, media.file_fingerprint(path), year)
