"""The tokenizer that belongs to an encoder of texts: its file, and what it does beside looking up pieces."""

import hashlib

from ..errors import UserError
from .source import read_object

PREFIX, LONGEST_WORD = "##", 100  # of WordPiece: the sign of a piece that goes on, and words beyond are unknown
# The record's key of each, its key in tokenizer_config.json, and its value where that says nothing.
FLAGS = (("lowercase", "do_lower_case", True), ("strip_accents", "strip_accents", None),
         ("split_chinese", "tokenize_chinese_chars", True))
SPECIAL = (("unknown", "unk_token", "[UNK]"), ("start", "cls_token", "[CLS]"), ("end", "sep_token", "[SEP]"),
           ("pad", "pad_token", "[PAD]"))


def wordpiece(opened, rows):
    """(the record's `tokenizer`, bytes of vocab.txt) of a BERT. rows: how many pieces have a vector."""
    if opened.tokenizer:
        listed, whole = (None, opened.tokenizer) if opened.tokenizer.suffix == ".json" else (opened.tokenizer, None)
    else:
        listed, whole = opened.beside("vocab.txt"), opened.beside("tokenizer.json")
    if not listed and not whole:
        raise _missing(opened, "vocab.txt or tokenizer.json")
    said, pieces, flags = opened.config("tokenizer_config.json"), None, {}
    if listed:
        pieces = _text_of(listed).replace("\r\n", "\n").removesuffix("\n").split("\n")
    if whole:
        numbered, flags = _wordpiece_of(whole)
        if pieces is not None and pieces != numbered:
            raise UserError(f"{listed}: other pieces than those of {whole.name} beside it (one belongs to another "
                            "model); keep the right one")
        pieces = numbered
    record = {key: said.get(name, flags.get(key, usual)) for key, name, usual in FLAGS}
    if record["strip_accents"] is None:
        record["strip_accents"] = record["lowercase"]
    record |= {key: _content(said.get(name, usual)) for key, name, usual in SPECIAL}
    path = listed or whole
    for key, _, usual in (*FLAGS, *SPECIAL):
        if type(record[key]) is not (str if usual and usual is not True else bool):
            raise UserError(f"{path}: {key} is {record[key]!r} in tokenizer_config.json beside it (it decides the "
                            "pieces); fetch it again")
    _check(path, pieces, [record[key] for key, _, _ in SPECIAL], rows)
    stored = "".join(piece + "\n" for piece in pieces).encode()
    return {"type": "wordpiece", "sha256": _hash(stored), **record, "prefix": PREFIX,
            "longest_word": LONGEST_WORD}, stored


def byte_pairs(opened, rows, around=False):
    """(the record's `tokenizer`, bytes of tokenizer.json) of a byte-pair encoding. around: whether the special tokens
    stand around every text that its post-processor names."""
    path = opened.tokenizer or opened.beside("tokenizer.json")
    if not path:
        raise _missing(opened, "tokenizer.json")
    model = read_object(path).get("model")
    if not isinstance(model, dict) or model.get("type") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise UserError(f"{path}: no byte-pair encoding (pieces are looked up in the table); name another tokenizer")
    numbers = list(model["vocab"].values())
    if not numbers or any(type(number) is not int or not 0 <= number < rows for number in numbers):
        raise UserError(f"{path}: numbers of pieces go beyond the {rows:,} vectors of the table (it belongs to another "
                        "model); name the right one")
    stored = path.read_bytes()
    return {"type": "bpe", "sha256": _hash(stored), "added_tokens": around}, stored


def _missing(opened, files):
    return UserError(f"{opened.tensors}: no {files} beside it (an encoder of texts reads nothing without its "
                     "tokenizer); put it into the folder, or name it by --tokenizer")


def _hash(stored):
    return hashlib.sha256(stored).hexdigest()


def _content(token):
    return token.get("content") if isinstance(token, dict) else token


def _text_of(path):
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: {error} (pieces are UTF-8, one a line); fetch it again") from None


def _wordpiece_of(path):
    """(pieces in the order of their numbers, {flag: value}) of a tokenizer.json."""
    said = read_object(path)
    try:
        model, normal = said["model"], said["normalizer"]
        kinds = (model.get("type", "WordPiece"), normal["type"], said["pre_tokenizer"]["type"])
        if kinds != ("WordPiece", "BertNormalizer", "BertPreTokenizer") or not normal["clean_text"]:
            raise UserError(f"{path}: a tokenizer of {', '.join(map(str, kinds))} (that of a BERT is WordPiece, "
                            "BertNormalizer, BertPreTokenizer); name another model")
        if (model["continuing_subword_prefix"], model["max_input_chars_per_word"]) != (PREFIX, LONGEST_WORD):
            raise UserError(f"{path}: pieces go on by another sign than {PREFIX}, or words are unknown beyond "
                            f"another length than {LONGEST_WORD} (a BERT's are not); name another model")
        numbered = sorted(model["vocab"].items(), key=lambda item: item[1])
        if [number for _, number in numbered] != list(range(len(numbered))):
            raise UserError(f"{path}: pieces are not numbered 0, 1, 2 and so on (each has a vector); fetch it again")
        flags = {"lowercase": normal["lowercase"], "strip_accents": normal["strip_accents"],
                 "split_chinese": normal["handle_chinese_chars"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: no WordPiece tokenizer: {type(error).__name__} {error} (damaged, or of "
                        "another kind of model); fetch it again") from None
    return [piece for piece, _ in numbered], flags


def _check(path, pieces, special, rows):
    known = set(pieces)
    if len(known) != len(pieces) or any("\n" in piece for piece in pieces):
        raise UserError(f"{path}: the same piece twice, or a line break in one (each line is one); fetch it again")
    missing = [piece for piece in special if piece not in known]
    if missing:
        raise UserError(f"{path}: lacks {', '.join(missing)} (every text gets them); fetch it again")
    if len(pieces) > rows:
        raise UserError(f"{path}: {len(pieces):,} pieces, and the tensors have vectors for {rows:,} (it belongs to "
                        "another model); name the right one")
