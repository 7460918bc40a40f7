"""What decoders throw, as reasons that people can read and programs can count."""

import contextlib
import re
from dataclasses import dataclass

from .errors import BadInput, UserError

MAX_MEGAPIXELS = 89  # Pillow's own limit
UNREADABLE = "cannot be read"


@dataclass(frozen=True)
class ReadOptions:
    """How files are read where they do not say it themselves. encoding: of texts without a
    byte-order mark; value_range: what is black and white in pictures of more than 8 bits
    (deep_pictures.parse_range), None for the range of the type; truncated: take what there is of
    cut-off files."""

    encoding: str = "utf-8"
    value_range: object = None
    truncated: bool = False
    max_megapixels: float = MAX_MEGAPIXELS


@dataclass(frozen=True)
class Doubtful:
    """A value that is used although something about it is odd: the writer reports the reason."""

    value: object
    reason: str


@contextlib.contextmanager
def as_bad_input(problem):
    """Whatever a decoder throws at a broken file (Pillow alone: OSError, SyntaxError, ValueError,
    struct.error, zlib.error, ...) is a BadInput; the first line of its message says enough. What
    the operating system refuses is no fault of the file."""
    try:
        yield
    except (BadInput, UserError):
        raise
    except Exception as error:
        refused = isinstance(error, OSError) and error.strerror
        raise BadInput(f"{UNREADABLE if refused else problem}: {reason_of(error)}") from None


def reason_of(error):
    """The first line of an error's message without memory addresses, which differ between runs."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    line = (str(error).splitlines() or [""])[0] or type(error).__name__
    return re.sub(r"<[^<>]*\b0x[0-9a-fA-F]+[^<>]*>", "the file", line)


def bytes_of(source):
    """The content of a path or binary file."""
    return source.read_bytes() if hasattr(source, "read_bytes") else source.read()
