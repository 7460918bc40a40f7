"""Fetches the official files of Omniglot and checks them."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from .errors import UserError
from .files import atomic

COMMIT = "057f034baf2ecb8530bc5710e5a23584d2a519cc"  # the newest, of 2019
BASE_URL = f"https://raw.githubusercontent.com/brendenlake/omniglot/{COMMIT}/"
SHA256 = {  # by path in the repository
    "LICENSE": "2efb425d9850e7bce985f151dc2ee1f4485e926a3582e08fd879cd28eb0388f5",
    "python/images_background.zip": "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
    "python/images_evaluation.zip": "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
    "python/strokes_background.zip": "c1e445d158fd74b6adf81f1387ebe051f5a23923bdb0c16f539d6e707ce056d4",
    "python/strokes_evaluation.zip": "17185a39049e62d6e6a26070fa5c58e5ce7dbaff826a9f78595bdd7881d2070b",
}
BLOCK = 1 << 18
LONGEST = 1 << 28  # bytes; no official file is nearly as long
TIMEOUT = 60  # seconds without an answer


def missing_files(folder):
    """Paths in the repository of the official files that `folder` lacks or holds with another
    content."""
    return [path for path in SHA256 if not _is_good(folder, path)]


def download(folder, report):
    """Fetches what is missing. A file gets its name only after its hash was found right."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing_files(folder):
        name = Path(path).name
        with atomic(folder / name) as temporary:
            try:
                digest = _fetch(BASE_URL + path, temporary, report)
            except (urllib.error.URLError, OSError) as error:
                raise UserError(f"{BASE_URL}{path}: {getattr(error, 'reason', error)} (cannot be "
                                f"fetched); try again, or put the file into {folder} yourself"
                                ) from None
            if digest != SHA256[path]:
                raise UserError(f"{BASE_URL}{path}: SHA-256 is {digest}, not {SHA256[path]} "
                                "(damaged or changed on the way); try again")
        report.note(f"fetched {name}, SHA-256 as expected")


def _fetch(url, path, report):
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, open(path, "wb") as file:
        blocks = iter(lambda: answer.read(BLOCK), b"")
        length = int(answer.headers.get("Content-Length") or 0)
        for block in report.progress(blocks, -(-length // BLOCK) or None, path.name):
            digest.update(block)
            file.write(block)
            if file.tell() > LONGEST:
                raise OSError("endless answer")
    return digest.hexdigest()


def _is_good(folder, path):
    file = folder / Path(path).name
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == SHA256[path]
