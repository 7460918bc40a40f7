"""A shard of vectors written without data_tools, as FORMAT.md shows, so that it can hold what converters refuse."""

import hashlib
import json
import zlib

import h5py
import numpy as np


def write(path, vectors, classes, splits, mean=(), stddev=()):
    """`vectors` [n, features]; `classes`: n rows; `splits`: n numbers, 0 train, 1 validation, 2 test; `mean` and
    `stddev` as the header declares them."""
    vectors, classes = np.asarray(vectors, "<f4"), np.asarray(classes, "<i4")
    count, names = len(vectors), [f"class {row}" for row in range(classes.max() + 1)]
    modality = {"name": "vector", "kind": "vector", "shape": [vectors.shape[1]], "sample_rate": 0,
                "mean": list(mean), "stddev": list(stddev)}
    header = json.dumps({"dataset": "hand", "source": "a test", "license": "CC0-1.0", "created_by": "a test",
                         "seed": 0, "shard": 0, "shards": 1, "modalities": [modality]})
    index = {**_strings("/classes", names), **_strings("/groups", ["all"]),
             **_strings("/samples", [f"sample {row}" for row in range(count)]),
             "/samples/class": classes, "/samples/group": np.zeros(count, "<i4"),
             "/samples/split": np.asarray(splits, "u1"), "/modalities/vector/present": np.ones(count, "u1"),
             "/modalities/vector/crc32": np.array([zlib.crc32(row.tobytes()) for row in vectors], "<u4")}
    digest = hashlib.sha256(header.encode())
    with h5py.File(path, "w", libver="latest") as file:
        for name in sorted(index):
            file[name] = index[name]
            digest.update(name.encode() + b"\0" + index[name].tobytes())
        file["/modalities/vector/data"] = vectors
        for name, text in (("format", "cuttle-shard"), ("header", header), ("index_sha256", digest.hexdigest())):
            file.attrs[name] = np.bytes_(text)
        file.attrs["version"] = np.int64(1)


def _strings(group, texts):
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)]).astype("<i8")
    return {f"{group}/names": np.frombuffer(b"".join(encoded), "u1"), f"{group}/offsets": offsets}
