"""What moves in an animation, in a few numbers a picture."""

import numpy as np

from ..errors import BadInput
from ..videos import read_video

SIZE = (72, 72)  # of most units
BACKGROUND = 255  # what pictures are laid over


def moves_in(root, pictures):
    """[[covered, down, right, light, changed] of each of the pictures in root]; None if one cannot be read."""
    try:
        return moves_of(read_video([root / picture for picture in pictures], SIZE, 3, 0)[0]).tolist()
    except BadInput:
        return None


def moves_of(frames):
    """float32 [frames, 5] of uint8 [frames, height, width, 3]: the share that is no background, where
    its centre is (from 0 to 1), how light it is, and the mean change since the picture before."""
    values = frames / np.float32(BACKGROUND)
    there = (frames != BACKGROUND).any(axis=3)
    down, right = np.meshgrid(*(np.linspace(0, 1, side) for side in there.shape[1:]), indexing="ij")
    covered = there.mean(axis=(1, 2))

    def mean_there(of_pixels):
        return (there * of_pixels).mean(axis=(1, 2)) / np.maximum(covered, 1 / there[0].size)

    changed = np.abs(np.diff(values, axis=0, prepend=values[:1])).mean(axis=(1, 2, 3))
    return np.stack([covered, mean_there(down), mean_there(right), mean_there(values.mean(axis=3)), changed],
                    axis=1).astype(np.float32)
