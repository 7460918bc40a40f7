"""What an architecture says of itself."""

import itertools
import re

from ..errors import UserError
from .tensors import SHOWN, some

LARGEST = 2**31 - 1
COUNT = "a whole number, or 0"  # a kind of size


class Architecture:
    NAME = ""
    SENSE = ""
    NEEDS = {}  # {name after renaming: number of dimensions} of tensors by which it is known
    SIZES = {}  # {key: int (1 and more), COUNT, float, bool, list, or the words that are allowed} of the record's sizes
    RENAMES = ()  # (pattern, replacement) pairs, applied in turn to each name of a source
    DROPPED = ()  # (pattern of the source's name, what it is): heads and other tensors that no encoder uses

    def renamed(self, name):
        for pattern, replacement in self.RENAMES:
            name = re.sub(pattern, replacement, name)
        return name

    def refuse(self, found, opened):
        """UserError for a model that looks like one of these and computes something else."""

    def arranged(self, tensors, opened, report):
        """The tensors as the encoder wants them, where that is more than other names."""
        return tensors

    def describe(self, tensors, opened, report):
        """The record's sizes, preprocessing and output; tokenizer and tokenizer_bytes where it has one.
        None stands for what the source does not say."""
        raise NotImplementedError

    def shapes(self, sizes):
        """Yields (name, shape) of every tensor that these sizes call for."""
        raise NotImplementedError

    def check_sizes(self, sizes, path):
        for key, kind in self.SIZES.items():
            value = sizes.get(key)
            if isinstance(kind, tuple):
                good, wanted = value in kind, " or ".join(kind)
            elif kind in (int, COUNT):
                good = _is_whole(value, 1 if kind is int else 0)
                wanted = "a whole number from 1" if kind is int else COUNT
            elif kind is float:
                good, wanted = type(value) in (int, float) and 0 < value < 1, "a number between 0 and 1"
            else:
                good, wanted = type(value) is kind, {bool: "true or false", list: "a list"}[kind]
            if not good:
                raise UserError(f"{path}: sizes.{key} is {value!r} (it has to be {wanted}); give it by --set")
        if set(sizes) != set(self.SIZES):
            raise UserError(f"{path}: sizes are {', '.join(sizes)} (they have to be {', '.join(self.SIZES)}); make the "
                            "file again")
        if "heads" in self.SIZES and sizes["width"] % sizes["heads"]:
            raise UserError(f"{path}: {sizes['heads']} heads do not divide {sizes['width']} columns (each head has as "
                            "many); give sizes.heads by --set")

    def check_fit(self, sizes, tensors, path):
        """UserError unless the tensors are those that the sizes call for."""
        self.check_sizes(sizes, path)
        wanted = dict(itertools.islice(self.shapes(sizes), len(tensors) + SHOWN))  # sizes may be anything
        advice = (f"(not the {self.NAME} that its sizes {sizes} call for); name other weights, or correct a size by "
                  "--set")
        missing, extra = [n for n in wanted if n not in tensors], [n for n in tensors if n not in wanted]
        if missing:
            raise UserError(f"{path}: lacks {some(missing)} {advice}")
        if extra:
            raise UserError(f"{path}: has {some(extra)}, too {advice}")
        for name, shape in wanted.items():
            if tuple(tensors[name].shape) != shape:
                raise UserError(f"{path}: {name} is {list(tensors[name].shape)}, not {list(shape)} {advice}")


def _is_whole(value, least=1):
    return type(value) is int and least <= value <= LARGEST


def are_whole(value, lengths):
    """Whether the value is a list of as many lists (or, with one length, a list) of whole numbers."""
    if len(lengths) == 1:
        return type(value) is list and len(value) == lengths[0] and all(map(_is_whole, value))
    return type(value) is list and len(value) == lengths[0] and all(are_whole(one, lengths[1:]) for one in value)


def count(tensors, pattern):
    """How many different numbers the names that match have: the blocks of a network."""
    return len({found[1] for found in map(re.compile(pattern).match, tensors) if found})


def agree(opened, key, found):
    """`found`, the tensors' own number. UserError if config.json says another one."""
    said = opened.config().get(key, found)
    if said != found:
        raise UserError(f"{opened.tensors}: config.json says {key} {said!r}, and the tensors have {found} (one "
                        "belongs to another model); fetch both again")
    return found


def linear(name, outputs, inputs):
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def norm(name, width):
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def batch_norm(name, width):
    yield from norm(name, width)
    yield f"{name}.running_mean", (width,)
    yield f"{name}.running_var", (width,)
