"""Drawings of the Open Clip Art Library: pictures with titles, descriptions and keywords.

From the Debian package openclipart-svg, installed or given by --package; drawn by rsvg-convert of the
package librsvg2-bin. A sample is a drawing, and its class is its folder, of two levels: food/fruit.

    image  RGB on white, --size wide and high
    text   title and description, as the drawing says them (--text: keywords, too)

With --keywords N each keyword that at least N drawings have is a target of 0 or 1, and a class is what
tasks are drawn from; drawings that say no keyword are left out then. Links to drawings of other folders
are not used, nor the folders shapes and computer/icons (thousands that are almost alike) and unsorted,
nor the keywords hash, theme, magick and unsorted, which say nothing of what is drawn. Classes with fewer than
--least samples are left out, and the others split by --splits and --seed.
"""

from pathlib import Path

from .. import media, openclipart_files, packages
from ..errors import UserError
from ..files import path_of
from ..licenses import copy_notices
from ..splits import FRACTIONS, add_split_arguments
from . import frame as general

PACKAGE = "openclipart-svg"
FOLDER = "usr/share/openclipart/svg"
LICENSE = "public domain; see the folder licenses"
TEXTS = ("title", "description", "keywords")


def add_arguments(parser):
    parser.add_argument("--package", type=path_of, metavar="PATH",
                        help="the package as a .deb file, or a folder that it was unpacked to "
                        "(default: it is installed)")
    parser.add_argument("--keywords", type=int, metavar="N",
                        help="predict the keywords of at least N drawings")
    parser.add_argument("--text", default="title,description", metavar="PARTS",
                        help=f"of {', '.join(TEXTS)} (default: title,description)")
    parser.add_argument("--least", type=int, default=2, metavar="N",
                        help="samples that a class needs (default: 2)")
    media.add_layout_arguments(parser)
    media.add_decoding_arguments(parser)
    add_split_arguments(parser, FRACTIONS)
    parser.set_defaults(**general.UNASKED, size="64")


def convert(args, report):
    parts = args.text.split(",")
    _check(args, parts)
    with packages.unpacked(args.package) as root:
        args.root = packages.found(root, FOLDER, PACKAGE)
        args.source = packages.described(args.package, args.root, PACKAGE)
        args.license = LICENSE
        drawings = openclipart_files.read_drawings(args.root, report)
        frame, types, roles = _table(drawings, parts, args.keywords)
        args.file = frame.path
        general.write(args, report, frame, types, roles, args.least, "cuttle-data openclipart",
                      {"read": repr(media.read_options(args))})
        if not args.dry_run:
            copy_notices(args.out, packages.notices(root, PACKAGE))


def _check(args, parts):
    for part in parts:
        if part not in TEXTS:
            raise UserError(f"--text {args.text}: no part {part!r}; give some of {', '.join(TEXTS)}")
    if args.keywords is not None and args.keywords < 1:
        raise UserError(f"--keywords {args.keywords} is no number of drawings; give 1 or more")
    if args.keywords and "keywords" in parts:
        raise UserError("--text with keywords beside --keywords (what is to be predicted must not be "
                        "read); leave one out")


def _table(drawings, parts, least):
    """(Frame, {column: type}, Roles): a row is a drawing. least: of the keywords to predict, or None."""
    import numpy as np
    import pyarrow as pa

    from ..frame.guesses import CATEGORY, IMAGE, LABELS, TEXT
    from ..frame.roles import Roles
    from ..frame.source import Frame
    if least:
        drawings = [drawing for drawing in drawings if drawing.keywords is not None]
    wanted = set(openclipart_files.frequent_keywords(drawings, least)) if least else set()
    if least and not wanted:
        raise UserError(f"no keyword has {least} drawings; give a smaller --keywords")
    said = [{"title": drawing.title, "description": drawing.description,
             "keywords": ", ".join(drawing.keywords or ())} for drawing in drawings]
    columns = {
        "drawing": (TEXT, [drawing.path.removesuffix(".svg") for drawing in drawings]),
        "folder": (CATEGORY, [drawing.folder or None for drawing in drawings]),
        "image": (IMAGE, [drawing.path for drawing in drawings]),
        "text": (TEXT, [". ".join(filter(None, (texts[part] for part in parts))) for texts in said])
    }
    cells = {name: pa.chunked_array([pa.array(column, pa.string())])
             for name, (_, column) in columns.items()}
    types = {name: kind for name, (kind, _) in columns.items()}
    roles = Roles("folder", id="drawing", values=("image", "text"))
    if least:
        kept = [[word for word in drawing.keywords if word in wanted] for drawing in drawings]
        cells["keywords"] = pa.chunked_array([pa.array(kept, pa.list_(pa.string()))])
        types["keywords"], roles.labels = LABELS, "keywords"
    return Frame(Path("openclipart"), cells, np.arange(1, len(drawings) + 1, dtype=np.int32)), types, roles
