"""A data frame of an R package as samples, without R.

PACKAGE is the name of an installed one (lme4), or its .deb file, the folder that this was unpacked to,
or the package's own folder. SET is the name of a data set in it; a wrong name lists those that there
are. What follows is as `frame` has it: columns are guessed to be numbers, categories, texts or dates,
and --class, --targets and the others say what they are for. Factors are categories by the names of
their levels, NA is a hole, columns that are matrices are a column for each of theirs, and what else
there may be in R (formulas, functions) is passed over: no code of the package runs.

    cuttle-data r_dataset nlme Milk --class Cow --targets protein --out milk
    cuttle-data r_dataset survival nafld2 --where test=hdl --class id --targets value \\
        --values days --least 6 --out hdl
"""

from ..frame import opening
from ..licenses import copy_notices
from ..packages import notices
from . import frame as general


def add_arguments(parser):
    parser.add_argument("package", metavar="PACKAGE", help="name or path, as above")
    parser.add_argument("set", metavar="SET", help="the data set in it")
    general.add_role_arguments(parser)
    general.add_sense_arguments(parser)
    opening.add_fill_argument(parser)
    parser.set_defaults(root=None, encoding=None)


def convert(args, report):
    from ..r_data import library, table
    with library.opened(args.package) as package:
        frame = table.table_of(package.data_set(args.set), args.set, report)
        args.file = frame.path
        args.source = f"data set {args.set} of the R package {package.name} {package.version()}"
        args.license = package.license()
        general.convert_table(args, report, frame, "cuttle-data r_dataset")
        if not args.dry_run:
            copy_notices(args.out, notices(package.root, f"r-cran-{package.name.lower()}"))
