"""Errors in kernels that are tested by themselves; see mutants.py."""

KERNELS = {"kernels_test": {
    "src/kernels/held_conv.cpp": [
        ("row * shape.stride - place.top + ky", "row * shape.stride + ky"),
        ("column * shape.stride - place.left", "column * shape.stride"),
        ("std::clamp(place.width - at, first, shape.kernel)", "shape.kernel"),
        ("std::fill_n(to, run, 0.0F);", ""),
        ("shape_.kernel == 1 && shape_.stride == 1", "shape_.kernel == 1"),
        ("weights_[static_cast<std::size_t>(k * shape.out + o)]", "weights_[static_cast<std::size_t>(o * taps + k)]"),
        ("at < 0 || at >= place.height ? nullptr", "at < 0 ? nullptr"),
    ],
    "src/kernels/weights.cpp": [
        ("return rows + (first + o) * depth;", "return rows + (first + o) * depth / 2;"),
    ],
    "src/kernels/held_steps.hpp": [
        ("x <= 0 ? Vec{} : x", "x > 0 ? x : Vec{}"),
        ("Vec{} + gate.most", "x"),
        ("at < 0 ? -at : 0", "0"),
        ("job.width - at < job.kernel ? job.width - at : job.kernel", "job.kernel"),
        ("job.kernel <= job.width;", "job.kernel <= job.width + 1;"),
    ],
}}
