"""Reads text files: whatever system wrote them, the same letters give the same bytes."""

import codecs
import unicodedata

from .decoding import ReadOptions, as_bad_input
from .errors import BadInput, UserError

TEXT_SUFFIXES = (".txt", )
# The marks of UTF-32 begin with those of UTF-16.
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"),
         (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF16_LE, "utf-16-le"),
         (codecs.BOM_UTF16_BE, "utf-16-be"))
DOS_END = "\x1a"


def parse_encoding(text):
    """The name as it is given; UserError unless Python knows such an encoding of text."""
    try:
        "".encode(text)  # a LookupError for what is no encoding of text, too
    except (LookupError, ValueError):
        raise UserError(f"--encoding {text} is no encoding of text; give for example utf-8, "
                        "latin-1, cp1252, utf-16-le or shift_jis") from None
    return text


def load_text(path, options=ReadOptions()):
    """The UTF-8 bytes of a text file in NFC, with Unix line ends, without byte-order mark and
    surrounding white space; not empty. A byte-order mark decides over --encoding."""
    with as_bad_input("broken text"):
        data = path.read_bytes()
    encoding = options.encoding
    for mark, marked in MARKS:
        if data.startswith(mark):
            data, encoding = data[len(mark):], marked
            break
    try:
        text = data.decode(encoding)
    except UnicodeError:
        name = "UTF-8" if encoding == "utf-8" else encoding
        raise BadInput(f"text is not {name}; say what it is with --encoding") from None
    if "\0" in text:
        raise BadInput("text has NULs between its letters (UTF-16 without a byte-order mark?); "
                       "say what it is with --encoding utf-16-le")
    data = plain_bytes(text)
    if not data:
        raise BadInput("text is empty")
    return data


def plain_bytes(text):
    """UTF-8 in NFC, with Unix line ends, without surrounding white space."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip().rstrip(DOS_END).strip()
    return unicodedata.normalize("NFC", text).encode()
