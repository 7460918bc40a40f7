"""Architectures: each module of this package is one, found by its file name. It has a class `Model` that
derives from architecture.Architecture."""

import importlib
import pkgutil


def names():
    """The names of the architectures, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name):
    return importlib.import_module(f".{name}", __package__).Model()
