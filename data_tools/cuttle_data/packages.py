"""Data that come as Debian packages: installed, as .deb files, or unpacked."""

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from .errors import UserError

SYSTEM = Path("/")
DOCUMENTATION = "usr/share/doc"


@contextlib.contextmanager
def unpacked(given):
    """The folder that stands for / of a package. given: None if it is installed, a .deb file, or a
    folder that one was unpacked to. UserError if it is not there."""
    if given is None:
        yield SYSTEM
    elif given.is_dir():
        yield given
    elif given.is_file():
        if shutil.which("dpkg-deb") is None:
            raise UserError("dpkg-deb is not installed (it unpacks .deb files); unpack "
                            f"{given.name} elsewhere and give the folder")
        with tempfile.TemporaryDirectory(prefix="cuttle-") as folder:
            try:
                subprocess.run(["dpkg-deb", "-x", str(given), folder], check=True,
                               capture_output=True, text=True)
            except subprocess.CalledProcessError as error:
                raise UserError(f"{given}: no Debian package that can be unpacked "
                                f"({error.stderr.strip()}); download it again") from None
            yield Path(folder)
    else:
        raise UserError(f"{given}: no such file or folder; give a .deb file, or a folder that one "
                        "was unpacked to")


def described(given, place, package):
    """What the data are from, for people: the package's name and version as far as they are known.
    place: in what unpacked() gave; package: the usual one."""
    if given is None:
        owner = _output("dpkg-query", "-S", str(place)).partition(":")[0]
        known = _output("dpkg-query", "-W", "-f", "${Package} ${Version}", owner) if owner else ""
    else:
        known = _output("dpkg-deb", "--showformat=${Package} ${Version}", "-W", str(given)) \
            if given.is_file() else ""
    return f"Debian package {known or package}"


def _output(*command):
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def found(root, pattern, package):
    """The last of the places below root, in order of their names, that a pattern names; UserError
    saying how to get the package if there is none."""
    places = sorted(root.glob(pattern))
    if not places:
        lacking = (f"{package} is not installed" if root == SYSTEM else
                   f"{root}: no {pattern} in it")
        raise UserError(f"{lacking} (the data are in that Debian package); run: apt-get install "
                        f"{package}, or: apt-get download {package}, and give --package FILE.deb")
    return places[-1]


def notices(root, package):
    """{name to store it under: path} of the license notes of packages of this name (it may have
    wildcards)."""
    return {f"{path.parent.name}.copyright.txt": path
            for path in sorted(root.glob(f"{DOCUMENTATION}/{package}/copyright"))}
