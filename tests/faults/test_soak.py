"""A short soak; tests/faults/soak.py runs for as long as one likes."""

import soak


def test_ten_random_interruptions():
    counts = soak.soak(10, seed=3)
    assert sum(counts.values()) == 10 and len(counts) >= 5
