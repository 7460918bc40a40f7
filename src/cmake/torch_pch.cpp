// Compiled once; every target that uses LibTorch shares its precompiled header.
