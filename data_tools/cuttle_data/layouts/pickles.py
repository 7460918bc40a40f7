"""Reads pickles that hold NumPy arrays and plain containers, and runs nothing of them.

A pickle is a program that may call whatever it names. Here it may name only what arrays, their
dtypes and scalars, sets, OrderedDict and defaultdict are made of, and each of these names stands
for a function of this file: dtypes are of plain numbers, strings and objects (a
forged structured one makes NumPy take bytes for addresses), and sizes are compared with what is
there before anything is made. What Python 2 wrote as str comes as bytes.
"""

import os
import pickle
import pickletools
import re

import numpy as np

from ..decoding import reason_of
from ..errors import UserError

SUFFIXES = (".pkl", ".pickle", ".pk", ".p")
CODES = re.compile(r"[?]|b1|[iuf]\d{1,2}|[SU]\d{1,9}|O8?")
PLACES = ("PUT", "BINPUT", "LONG_BINPUT")


def load(path):
    """What the pickle holds. UserError if it is broken or names anything else."""
    try:
        with open(path, "rb") as file:
            _check(_Bounded(file))
            file.seek(0)
            return _Restricted(_Bounded(file), encoding="bytes").load()
    except _Refused as name:
        raise UserError(
            f"{path}: holds {name}, and only NumPy arrays and plain containers are read (anything "
            "else would run code that its maker chose); where you trust it, save its arrays with "
            "NumPy") from None
    except OSError:
        raise
    except Exception as error:  # a pickle that is damaged ends in any of them
        raise UserError(f"{path}: broken pickle: {reason_of(error)}; fetch it again") from None


def text_of(value):
    """The str of a str or of bytes."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin1")
    return str(value)


def keyed(value):
    """A dictionary with its keys as str; {} of anything else."""
    return {text_of(key): own for key, own in value.items()} if isinstance(value, dict) else {}


class _Refused(Exception):
    """The name of what is not admitted."""


class _Bounded:
    """A file whose reads fail, before they allocate, if they ask for more than there is."""

    def __init__(self, file):
        self.file_, self.size_ = file, os.fstat(file.fileno()).st_size
        self.readline, self.tell = file.readline, file.tell

    def read(self, count):
        left = self.size_ - self.file_.tell()
        if count > left:
            raise EOFError(f"claims {count} bytes where {left} are left")
        return self.file_.read(count)


def _check(file):
    """Sizes, and the places of the memo: Python makes room up to the highest one named."""
    for step, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if opcode.name in PLACES and argument > step:
            raise ValueError(f"names place {argument} of its memo at step {step}")


class _Restricted(pickle.Unpickler):

    def find_class(self, module, name):
        found = ADMITTED.get((SAME.get(module, module), name))
        if found is None:
            raise _Refused(f"{module}.{name}")
        return found


class _Admitted:
    """A function that a pickle may call, and not alter."""
    __slots__ = ("function_", )

    def __init__(self, function):
        object.__setattr__(self, "function_", function)

    def __call__(self, *arguments):
        return self.function_(*arguments)

    def __setattr__(self, *_):
        raise ValueError("alters a function")


class _Dtype:
    __slots__ = ("dtype_", )

    def __init__(self, code, *_):
        code = text_of(code)
        if not CODES.fullmatch(code):
            raise ValueError(f"an array of dtype {code!r}, which is not of numbers or strings")
        self.dtype_ = np.dtype(code)

    def __setstate__(self, state):
        _version, order, *structure = state[:5]
        if any(part is not None for part in structure) or text_of(order) not in "<>|=":
            raise ValueError("an array of structures")
        self.dtype_ = self.dtype_.newbyteorder(text_of(order))


class _Array(np.ndarray):
    __slots__ = ()

    def __setstate__(self, state):
        _version, shape, dtype, fortran, content = state
        dtype = dtype.dtype_
        content = content.encode("latin1") if isinstance(content, str) else content
        own = list if dtype.hasobject else bytes
        wanted = _count(shape) * (1 if dtype.hasobject else dtype.itemsize)
        if type(content) is not own or len(content) != wanted:
            raise ValueError(f"an array of shape {list(shape)} and {dtype} whose content is not "
                             f"{wanted} long")
        super().__setstate__((1, shape, dtype, bool(fortran), content))


def _count(shape):
    count = 1
    for size in shape:
        if type(size) is not int or size < 0:
            raise ValueError(f"an array of shape {shape!r}")
        count *= size
    return count


def _reconstruct(kind, shape, _code):
    if kind is not ARRAY or shape != (0, ):
        raise ValueError("makes an array in an odd way")
    return _Array((0, ), np.int8)


def _from_buffer(buffer, dtype, shape, order):
    return np.frombuffer(buffer, dtype.dtype_).reshape(shape, order=text_of(order))


def _scalar(dtype, content):
    content = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(content, dtype.dtype_, 1)[0]


def _encode(text, encoding):
    if text_of(encoding) != "latin1":
        raise ValueError(f"bytes in {text_of(encoding)}")
    return text.encode("latin1")


def _empty_bytes():
    return b""


def _default_dict(*_factory):
    return {}


def _no_call(*_):
    raise ValueError("calls what is no function")


ARRAY = _Admitted(_no_call)
# Modules that were called otherwise, by NumPy 2 and by Python 2.
SAME = {"numpy._core.multiarray": "numpy.core.multiarray",
        "numpy._core.numeric": "numpy.core.numeric",
        "__builtin__": "builtins"}
ADMITTED = {
    ("numpy", "ndarray"): ARRAY,
    ("numpy", "dtype"): _Admitted(_Dtype),
    ("numpy.core.multiarray", "_reconstruct"): _Admitted(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _Admitted(_scalar),
    ("numpy.core.numeric", "_frombuffer"): _Admitted(_from_buffer),
    ("_codecs", "encode"): _Admitted(_encode),
    ("builtins", "bytes"): _Admitted(_empty_bytes),
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "list"): _Admitted(_no_call),  # what a defaultdict would make
    ("builtins", "dict"): _Admitted(_no_call),
    ("builtins", "int"): _Admitted(_no_call),
    ("collections", "OrderedDict"): dict,
    ("collections", "defaultdict"): _Admitted(_default_dict),
}
