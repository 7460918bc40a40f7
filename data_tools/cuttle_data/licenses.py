"""Where data come from: what the header says of it, and the license notes kept beside the shards."""

import shutil

from .files import atomic

FOLDER = "licenses"


def add_origin_arguments(parser):
    """For converters of data that a user brings."""
    parser.add_argument("--source", default="", help="where the data come from, for the header")
    parser.add_argument("--license",
                        default="not stated",
                        help="license of the data, for the header")


def copy_notices(out, notices):
    """Copies {name: path} to OUT/licenses/NAME."""
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in notices.items():
        with atomic(folder / name) as temporary:
            shutil.copyfile(path, temporary)


def notices_in(root):
    """The notices that lie in a folder of data: files called ATTRIBUTION... or LICENSE..."""
    return {path.name: path for pattern in ("ATTRIBUTION*", "LICENSE*")
            for path in sorted(root.glob(pattern)) if path.is_file()}
