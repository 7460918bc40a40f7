"""Two hundred random interruptions."""

import soak


def test_two_hundred_random_interruptions():
    counts = soak.soak(200, seed=4)
    assert sum(counts.values()) >= 200 and len(counts) >= 20
