"""WebDataset: tars whose consecutive members of one key are a sample.

000017.jpg, 000017.cls and 000017.json are the sample 000017 (the key: the path up to the first dot
of the file's name) with the columns jpg, cls and json.KEY for each key of the JSON object:

    jpg png webp ... wav flac mp3 ... mp4 ... npy   pictures, sounds, videos, arrays
    txt text transcript   texts                     cls cls2 index inx id   a number or a name
    json   numbers, words, and lists of words       anything else is not used

What columns are for is guessed, printed and corrected as by `cuttle-data frame`; the class is cls,
if there is one, and --classes names its numbers. Tars called train-..., val-..., test-... say
splits, if classes keep to them. Members called __x__, links and devices are left out. A key
with two members of one ending, or with members apart, is an error: nobody knows which are meant.
Nothing is unpacked; compressed tars are to be uncompressed first.
"""

from .. import media
from ..files import path_of
from ..frame import opening
from ..licenses import add_origin_arguments
from . import frame as general

CLASS = "cls"


def add_arguments(parser):
    parser.add_argument("files", type=path_of, metavar="TAR", nargs="+",
                        help="tars, or folders of such")
    parser.add_argument("--classes", type=path_of, metavar="FILE",
                        help=f"names of the numbers of {CLASS}: one a line, from 0")
    general.add_role_arguments(parser)
    reading = parser.add_argument_group("how the files are read")
    reading.add_argument("--encoding", help="of texts (default: utf-8)")
    opening.add_fill_argument(reading)
    general.add_sense_arguments(parser)
    add_origin_arguments(parser)


def convert(args, report):
    # pyarrow takes long to load, and the other commands do without.
    from ..frame import tars
    media.read_options(args)  # before tars are read
    frame = tars.read(args.files, args, report)
    if CLASS in frame.columns:
        args.class_column = args.class_column or CLASS
        if args.classes:
            tars.name_numbers(frame, CLASS, args.classes, report)
    args.id, args.root = args.id or tars.KEY, None
    args.file = args.files[0]
    general.convert_table(args, report, frame, "cuttle-data webdataset")
