"""Debian packages for tests on real data: .deb files in the folder CUTTLE_DEBS, or what is installed."""

import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("CUTTLE_DEBS")


def deb(package):
    """The .deb file of a package, or None."""
    return next(iter(sorted(Path(FOLDER).glob(f"{package}_*.deb"))), None) if FOLDER else None


def needs(package, place):
    """A mark that skips without the package; place: a pattern of what is there where it is installed."""
    missing = not deb(package) and not list(Path("/").glob(place))
    return pytest.mark.skipif(missing, reason=f"{package} is not installed, nor in the folder CUTTLE_DEBS")
