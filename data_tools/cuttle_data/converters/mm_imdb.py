"""MM-IMDb: posters and plots of films, of which each has some of 23 genres.

ROOT holds one of

    multimodal_imdb.hdf5    images, features (word2vec), vgg_features, genres, imdb_ids: becomes image,
                            word2vec and vgg. Pictures from which the means of a VGG network were
                            taken (as the published script does) are given them back
    split.json with dataset/ID.json and dataset/ID.jpeg, or labels/ID.json and images/ID.jpeg
                            becomes image and text: the longest plot, else the plot outline

Every genre is a target of 0 or 1. Films without one of the genres are left out; those without a
poster or a plot are without that sense. A class, what a task is drawn from, is by --class: all films
of a split, a decade (of JSON only), or the rarest of a film's genres, which is a class to recognise,
too; with --splits classes and not films are split.
"""

from collections import Counter

import numpy as np

from .. import media
from ..errors import UserError
from ..layouts import common, films
from ..shards import Sample

SOURCE = "MM-IMDb (Arevalo et al. 2017)"
HDF5 = "multimodal_imdb.hdf5"


def add_arguments(parser):
    common.add_arguments(parser, by_class=False)
    parser.add_argument("--class", dest="class_from", choices=("all", "decade", "genre"),
                        default="all", help="what a task is drawn from (default: all)")
    common.add_picture_arguments(parser)


def convert(args, report):
    common.check_root(args)
    picture, path = common.picture(args), args.root / HDF5
    if path.is_file():
        with common.as_laid_out(path, args.command):
            found, modalities, genres = films.read_hdf5(path, picture)
    elif (args.root / "split.json").is_file():
        found, modalities, genres = films.read_json(args.root, picture, media.read_options(args), report)
    else:
        raise UserError(f"{args.root}: neither {HDF5} nor split.json (nothing to convert); name the "
                        "folder of MM-IMDb")
    class_of = _classes(args, found, genres)
    samples = []
    for film in found:
        if film.genres.any():
            samples.append(Sample(film.name, class_of(film), "all", film.split, film.values,
                                  film.fingerprint, tuple(film.genres.astype(np.float32).tolist())))
        else:
            report.skipped(film.name, "has none of the genres")
    common.write(args, report, SOURCE, samples, modalities, genres)


def _classes(args, found, genres):
    """A function of a film."""
    if args.class_from == "decade":
        if all(film.year is None for film in found):
            raise UserError(f"{args.root}: nothing says a year (--class decade needs one); convert "
                            "the JSON files, or choose another --class")
        return lambda film: "unknown" if film.year is None else f"{film.year // 10 * 10}s"
    if args.class_from == "genre":
        often = Counter(genre for film in found for genre in np.flatnonzero(film.genres).tolist())
        return lambda film: genres[min(np.flatnonzero(film.genres).tolist(),
                                       key=lambda genre: (often[genre], genre))]
    return lambda film: "all"
