"""Errors in kernels that are tested by themselves; see mutants.py."""

KERNELS = {"kernels_test": {
    "src/kernels/held_conv.cpp": [
        ("row * shape.stride - place.top + ky", "row * shape.stride + ky"),
        ("column * shape.stride - place.left", "column * shape.stride"),
        ("std::clamp(place.width - at, first, shape.kernel)", "shape.kernel"),
        ("std::fill_n(to, run, 0.0F);", ""),
        ("shape_.kernel == 1 && shape_.stride == 1", "shape_.kernel == 1"),
        ("std::min(2 * lanes, padded - panel)", "2 * lanes"),
        ("at < 0 || at >= place.height ? nullptr", "at < 0 ? nullptr"),
    ],
    "src/kernels/held_steps.hpp": [
        ("x <= 0 ? Vec{} : x", "x > 0 ? x : Vec{}"),
        ("Vec{} + gate.most", "x"),
        ("at < 0 ? -at : 0", "0"),
        ("job.width - at < job.kernel ? job.width - at : job.kernel", "job.kernel"),
        ("job.kernel <= job.width;", "job.kernel <= job.width + 1;"),
    ],
}}
