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
def unpacked(given, package):
    """(the folder that stands for / of a package, its name and version for people). given: None if it
    is installed, a .deb file, or a folder that one was unpacked to. UserError if it is not there."""
    if given is None:
        yield SYSTEM, _described(["dpkg-query", "-W", "-f", "${Package} ${Version}", package])
    elif given.is_dir():
        yield given, ""
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
            yield Path(folder), _described(["dpkg-deb", "--showformat=${Package} ${Version}", "-W",
                                            str(given)])
    else:
        raise UserError(f"{given}: no such file or folder; give a .deb file, or a folder that one "
                        "was unpacked to")


def _described(command):
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
