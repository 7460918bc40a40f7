"""Units of the game Battle for Wesnoth: picture, description, table, sound and video.

From the Debian package wesnoth-1.16-data (or a later one), installed or given by --package. A sample
is a unit, and its class is its race:

    image   the unit
    text    its description
    vector  level, cost, hit points, movement, experience, alignment, usage, and for the strongest
            melee and ranged attack damage, strikes and type; what a unit does not have is a hole
    audio   the sound of an attack (how units die sounds alike in a whole race)
    video   the animation with the most pictures: frames in their order, not at their speed

--class motion makes another data set: a sample is an animation of at least four pictures, its class
is what the unit does (death, idle, attack sword, ...), its group is the unit, and beside the video
is the series of its moves: how much of each picture is covered, where its centre is (down, right), how
light it is, and how much changed since the picture before. With --targets cost
or attacks the class says where a task is drawn from, and what is to be predicted is left out of the
vector: the price of a unit, or for each type of damage whether it deals it (0 or 1). Classes with
fewer than --least samples are left out, and the others split by --splits and --seed. License notes go
to OUT/licenses.
"""

from .. import media, packages
from ..errors import UserError
from ..files import path_of
from ..frame import opening
from ..licenses import copy_notices
from ..splits import add_split_arguments
from . import frame as general

PACKAGE = "wesnoth-1.16-data"
CORE = "usr/share/games/wesnoth/*/data/core"
LICENSE = "GPL-2+ (c) the Wesnoth project; see the folder licenses"
RACE, MOVEMENT, MOTION = "race", "movement_type", "motion"


def add_arguments(parser):
    parser.add_argument("--package", type=path_of, metavar="PATH",
                        help="the package as a .deb file, or a folder that it was unpacked to "
                        "(default: it is installed)")
    parser.add_argument("--class", dest="class_column", default=RACE,
                        choices=(RACE, MOVEMENT, MOTION), help="(default: race)")
    parser.add_argument("--targets", choices=("cost", "attacks"),
                        help="numbers to predict instead of the class")
    parser.add_argument("--least", type=int, default=2, metavar="N",
                        help="samples that a class needs (default: 2)")
    general.add_sense_arguments(parser)
    opening.add_fill_argument(parser)
    add_split_arguments(parser, "0.5,0.25,0.25")
    parser.set_defaults(**general.UNASKED, size="72")


def convert(args, report):
    from ..wesnoth.table import animation_table, unit_table
    from ..wesnoth.units import read_units
    if args.class_column == MOTION and args.targets:
        raise UserError("--class motion has no --targets (an animation costs nothing); leave one out")
    with packages.unpacked(args.package) as root:
        args.root = packages.found(root, CORE, PACKAGE)
        args.source = packages.described(args.package, args.root, PACKAGE)
        args.license = LICENSE
        units = read_units(args.root, report)
        if args.class_column == MOTION:
            frame, types, roles = animation_table(units, args.root, report)
        else:
            frame, types, roles = unit_table(units, args.class_column, args.targets)
        args.file = frame.path
        general.write(args, report, frame, types, roles, args.least, "cuttle-data wesnoth",
                      {"read": repr(media.read_options(args))})
        if not args.dry_run:
            copy_notices(args.out, packages.notices(root, "wesnoth-*data"))
