"""Randomness as a function of names: nothing that is drawn depends on what was drawn before."""

import numpy as np


def generator(seed, *key):
    """A random generator for these whole numbers alone (Philox: Salmon et al. 2011)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *key])))
