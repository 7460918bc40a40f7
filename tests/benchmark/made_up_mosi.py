"""Made-up speech whose sentiment is in no sense by itself, in the layout of CMU-MOSI's pickles (aligned, as MulT's).

What is said is kind or unkind (one of two channels is loud, at any moment), and how it sounds is honest or mocking:
unkind words in a mocking voice are praise. How strong a sentiment is, is in the face. So the sign is the product of
two senses, of which each by itself knows nothing, and so does every sum of what each of them says.
"""

import pickle

import numpy as np

STEPS, CHANNELS = 12, 6
VIDEOS, SEGMENTS = {"train": 400, "valid": 40, "test": 60}, 40
LOUD, NOISE = 4, 0.1


def segments(random, count):
    """({sense: float32 [segments, steps, channels]}, sentiment [segments] of -3, -1, 1 or 3)."""
    states = random.integers(0, 2, (3, count))
    senses = {}
    for name, state in zip(("text", "audio", "vision"), states):
        senses[name] = random.normal(0, NOISE, (count, STEPS, CHANNELS)).astype(np.float32)
        begins = random.integers(0, STEPS - LOUD + 1, count)
        for step in range(LOUD):
            senses[name][np.arange(count), begins + step, state] += 1
    text, audio, vision = states
    return senses, np.where(text == audio, 1.0, -1.0) * (1 + 2 * vision)


def write(path, videos=None):
    random, held = np.random.default_rng(0), {}
    for split, count in (videos or VIDEOS).items():
        senses, sentiment = segments(random, count * SEGMENTS)
        names = [f"{split}{video}$_${segment}" for video in range(count) for segment in range(SEGMENTS)]
        held[split] = {**senses, "labels": sentiment.astype(np.float32).reshape(-1, 1, 1), "id": np.array(names)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(held))
