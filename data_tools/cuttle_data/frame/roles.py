"""What each column of a table is for."""

from dataclasses import dataclass, field

import numpy as np

from .. import splits
from ..schema import SPLITS
from . import cells

SPLIT_WORDS = {
    **{word: SPLITS.index(split) for word, split in splits.FOLDERS.items()}, "validate": 1, "eval": 2
}


@dataclass
class Roles:
    """Names of columns; None or () where there is none. series: rows of one id are one sample.
    unused, guessed: {column: why}."""

    class_column: str = None
    targets: tuple = ()
    labels: str = None
    group: str = None
    split: str = None
    id: str = None
    order: str = None
    values: tuple = ()
    series: bool = False
    unused: dict = field(default_factory=dict)
    guessed: dict = field(default_factory=dict)

    def of(self, name):
        """The role of a column in one word, for people."""
        single = {
            self.class_column: "class",
            self.labels: "labels",
            self.group: "group",
            self.split: "split",
            self.id: "sample" if self.series else "name",
            self.order: "order"
        }
        if name in self.targets:
            return "target"
        return "value" if name in self.values else single.get(name, "-")


def split_numbers(column):
    """int8 for each row: the number of its split, -1 where the cell names none."""
    codes, found = cells.codes_of(column)
    words = np.array([SPLIT_WORDS.get(name.casefold(), -1) for name in found] + [-1], np.int8)
    return words[codes]
