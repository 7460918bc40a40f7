"""GFLOP/s of PyTorch's best convolution on one thread: what a Conv4 could reach if it were convolutions alone."""

import time

import torch

# (channels, side, images): Conv4's second block on a query set, and shapes that suit processors better.
SHAPES = ((64, 14, 75), (64, 28, 16), (128, 14, 32), (256, 28, 4))


def gflops(channels, side, images, layout):
    x = torch.randn(images, channels, side, side).to(memory_format=layout)
    convolution = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(memory_format=layout)
    best = float("inf")
    with torch.no_grad():
        for _ in range(9):
            start = time.perf_counter()
            convolution(x)
            best = min(best, time.perf_counter() - start)
    return 2e-9 * images * side * side * 9 * channels * channels / best


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(max(gflops(*shape, layout) for shape in SHAPES for layout in (torch.channels_last, torch.contiguous_format)))
