"""Python's safetensors writes a file, cuttle reads it and writes it anew, Python reads that: all must be equal."""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file


def main() -> None:
    peer = sys.argv[1]
    rng = np.random.default_rng(0)
    arrays = {
        "encoder.image.0.weight": rng.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "flags": np.array([1, 2, 3], dtype=np.uint8),
        "step": np.array(12, dtype=np.int64),
        "moments": rng.normal(size=5),
        "half": rng.normal(size=(2, 3)).astype(np.float16),
        "empty": np.zeros((0, 4), dtype=np.float32),
        "mask": np.array([True, False]),
        "größe \"quoted\"": np.array([np.nan, np.inf], dtype=np.float32),
    }
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = Path(folder) / "theirs.safetensors", Path(folder) / "ours.safetensors"
        save_file(arrays, theirs, metadata={"made by": "python", "ключ": "значение"})
        subprocess.run([peer, theirs, ours], check=True)
        with safe_open(ours, framework="numpy") as read:
            assert read.metadata() == {"made by": "python", "ключ": "значение"}, read.metadata()
            assert set(read.keys()) == set(arrays)
            for name, expected in arrays.items():
                found = read.get_tensor(name)
                assert found.dtype == expected.dtype and found.shape == expected.shape, name
                assert np.array_equal(found, expected, equal_nan=found.dtype.kind == "f"), name
        broken = Path(folder) / "broken.safetensors"
        broken.write_bytes(theirs.read_bytes()[:-1])
        refused = subprocess.run([peer, broken, ours], capture_output=True, text=True)
        assert refused.returncode == 1 and "truncated" in refused.stderr, refused.stderr


main()
