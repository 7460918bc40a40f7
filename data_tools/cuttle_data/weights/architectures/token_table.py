"""A table with one vector for each piece of text; a text is the mean of its pieces."""

from .. import tokenizers
from ..architecture import Architecture

TABLE = "embedding.weight"


class Model(Architecture):
    NAME, SENSE = "token_table", "text"
    NEEDS = {TABLE: 2}
    SIZES = {"vocabulary": int, "width": int}

    def describe(self, tensors, opened, report):
        vocabulary, width = tensors[TABLE].shape
        tokenizer, stored = tokenizers.byte_pairs(opened, vocabulary)
        return {"sizes": {"vocabulary": vocabulary, "width": width}, "preprocessing": {},
                "output": {"width": width, "pooling": "mean", "unit": True}, "tokenizer": tokenizer,
                "tokenizer_bytes": stored}

    def shapes(self, sizes):
        yield TABLE, (sizes["vocabulary"], sizes["width"])
