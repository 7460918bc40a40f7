"""Speech by libespeak-ng, made ahead of its use."""

import json
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from . import media
from .errors import BadInput, UserError

WORDS_PER_MINUTE = 200
BATCH = 64  # utterances per process
SILENCE = 100  # of 32767: an utterance that never gets louder counts as silent
WORKER = Path(__file__).with_name("espeak_worker.py")


def speak_all(texts, sample_rate, longest):
    """[int16 [n], or None where nothing could be spoken] for [(text, voice)], cut after
    `longest` seconds. The same list gives the same bytes (espeak_worker.py says why not the same
    text). UserError if espeak-ng cannot be run."""
    lines = "".join(json.dumps([text, voice, WORDS_PER_MINUTE]) + "\n" for text, voice in texts)
    done = subprocess.run([sys.executable, "-I", str(WORKER)], input=lines.encode(),
                          capture_output=True)
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        detail = lines[-1] if lines else f"exit code {done.returncode}"
        raise UserError(f"espeak-ng cannot speak: {detail} (the audio is made with it); reinstall "
                        "espeak-ng")
    utterances, at = [], 0
    for _ in texts:
        rate, count = struct.unpack_from("=ii", done.stdout, at)
        samples = np.frombuffer(done.stdout, "<i2", count, at + 8)
        at += 8 + 2 * count
        if count and np.abs(samples.astype(int)).max() >= SILENCE:
            samples = media.resample(samples, rate, sample_rate)
            utterances.append(samples[:round(longest * sample_rate)])
        else:
            utterances.append(None)
    return utterances


class Speaker:
    """The utterances of a data set, made by one process per core while the main thread writes; to
    be fetched in order, though some may be left out."""

    def __init__(self, texts, sample_rate, longest):
        """texts: [(text, voice)]; the caller may extend it until the first fetch."""
        self.texts_, self.settings_ = texts, (sample_rate, longest)
        self.workers_ = os.cpu_count() or 1
        self.pool_ = ThreadPoolExecutor(self.workers_)
        self.batches_ = {}  # number -> Future of its utterances; the current one and those ahead

    def fetch(self, index):
        """Utterance `index`; BadInput if espeak-ng cannot speak it."""
        number, place = divmod(index, BATCH)
        self.batches_ = {ahead: self.batches_.get(ahead) or self._start(ahead)
                         for ahead in range(number, number + 1 + self.workers_)}
        samples = self.batches_[number].result()[place]
        if samples is None:
            raise BadInput("espeak-ng gives no sound")
        return samples

    def _start(self, number):
        texts = self.texts_[number * BATCH:(number + 1) * BATCH]
        return self.pool_.submit(speak_all, texts, *self.settings_) if texts else None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.pool_.shutdown(cancel_futures=True)
