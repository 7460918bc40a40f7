"""The weights file: a safetensors file whose metadata hold one record (FORMAT.md)."""

import hashlib
import json
from dataclasses import dataclass

from ..errors import UserError
from ..files import atomic
from . import architectures

RECORD = "cuttle.weights"
TOKENIZER = "tokenizer.bytes"
FORMAT = 1


@dataclass
class Weights:
    record: dict
    tensors: dict
    tokenizer: bytes | None = None


def write(path, weights):
    import torch
    from safetensors.torch import save  # save_file would make a file that nobody else may read
    tensors = dict(weights.tensors)
    if weights.tokenizer is not None:
        tensors[TOKENIZER] = torch.frombuffer(bytearray(weights.tokenizer), dtype=torch.uint8)
    with atomic(path) as temporary:
        temporary.write_bytes(save(tensors, {RECORD: json.dumps(weights.record, ensure_ascii=False)}))


def read(path):
    """The Weights in a file of this program, checked. UserError for any other."""
    import safetensors
    try:
        with safetensors.safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(RECORD)
            tensors = {name: file.get_tensor(name) for name in file.keys()} if text else {}
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: {error} (no file of weights); to make one, name the file to write by --out") from None
    if text is None:
        raise UserError(f"{path}: has no record of cuttle-data (its tensors may be anyone's); to make a file that "
                        "has one, name it by --out")
    record = _record_of(text, path)
    stored = tensors.pop(TOKENIZER, None)
    if any(str(tensor.dtype) != "torch.float32" for tensor in tensors.values()) or (
            stored is not None and str(stored.dtype) != "torch.uint8"):
        raise UserError(f"{path}: its tensors are not F32, and {TOKENIZER} U8 (changed by another program); make "
                        "the file again")
    weights = Weights(record, tensors, None if stored is None else bytes(stored.numpy()))
    check_fit(weights, path)
    return weights


def _record_of(text, path):
    try:
        record = json.loads(text)
        version, architecture = record["format"], record["architecture"]
        whole = all(isinstance(record[key], dict) for key in ("sizes", "preprocessing", "output", "source"))
        whole = whole and all(isinstance(record[key], str) for key in ("name", "sense", "license"))
        whole = whole and isinstance(record.get("tokenizer", {"sha256": ""})["sha256"], str)
        whole = whole and "width" in record["output"]
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise UserError(f"{path}: the record is no record of weights (damaged); make the file again")
    if version != FORMAT or architecture not in architectures.names():
        raise UserError(f"{path}: format {version}, architecture {architecture} (made by another version of "
                        "cuttle-data); make the file again")
    return record


def check_fit(weights, path):
    """UserError unless the tensors are those that the record's sizes call for, and the tokenizer is its own."""
    record = weights.record
    architectures.load(record["architecture"]).check_fit(record["sizes"], weights.tensors, path)
    tokenizer = record.get("tokenizer")
    if tokenizer and hashlib.sha256(weights.tokenizer or b"").hexdigest() != tokenizer["sha256"]:
        raise UserError(f"{path}: the tokenizer has not the hash that the record has (damaged); make the file again")
