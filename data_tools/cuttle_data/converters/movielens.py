"""MovieLens: ratings of films as numbers to predict, in the layouts of 100k, 1m, 10m and latest.

ROOT holds u.data, u.item and u.user (100k), or ratings.dat, movies.dat and users.dat (1m; 10m has
no users), or ratings.csv and movies.csv (latest, 20m, 25m, 32m). A sample is one rating:

    target   rating
    text     the film's title
    vector   year, a 0 or 1 for each genre; of the user age, gender and occupation, where the
             layout has them; a hole where a film or a user is not described

A class is what a task is drawn from: a user, whose taste is learned from a few ratings, or with
--class item a film. Users (or films) are split by --splits and --seed: the published u1.base,
u1.test and so on cut each user's ratings and leave no user unseen.
"""

import math

from .. import splits
from ..errors import UserError
from ..files import path_of
from ..licenses import add_origin_arguments
from . import frame as general

TARGET = "rating"


def add_arguments(parser):
    parser.add_argument("root", type=path_of, metavar="ROOT", help="the unpacked folder")
    parser.add_argument("--class", dest="class_column", choices=("user", "item"), default="user",
                        help="whose ratings are one task (default: user)")
    splits.add_split_arguments(parser)
    add_origin_arguments(parser)
    parser.set_defaults(**general.UNASKED, fill=math.nan, modality=general.VECTOR)


def convert(args, report):
    # pyarrow takes long to load, and the other commands do without.
    from ..layouts import movielens
    from ..frame import show
    from ..frame.guesses import CATEGORY, NUMBER, TEXT
    from ..frame.roles import Roles
    if not args.root.is_dir():
        raise UserError(f"{args.root}: no such folder; give the unpacked folder of MovieLens")
    splits.chosen_fractions(args)  # before the tables are read
    frame = movielens.read(args.root, report)
    types = dict.fromkeys(frame.columns, NUMBER)
    types.update({name: CATEGORY for name in ("user", "item", "sample", "gender", "occupation")
                  if name in types}, title=TEXT)
    used = ("user", "item", "sample", TARGET)
    roles = Roles(args.class_column, (TARGET, ), id="sample",
                  values=tuple(name for name in types if name not in used))
    show.show(report, frame, types, roles, examples=args.dry_run)
    args.file, args.name = frame.path, args.name or args.root.resolve().name
    args.source = args.source or "MovieLens, grouplens.org/datasets/movielens (Harper, Konstan 2015)"
    general.write(args, report, frame, types, roles, 2, "cuttle-data movielens", {})
