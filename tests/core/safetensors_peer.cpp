// One side of safetensors_python.py: reads the file of the first argument, writes the same arrays
// to the second.

#include <cstdio>
#include <exception>

#include "cuttle/core/files.hpp"
#include "cuttle/core/safetensors.hpp"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const cuttle::ArrayFile file = cuttle::read_safetensors(argv[1]);
    cuttle::write_file_atomically(argv[2], cuttle::encode_safetensors(file.arrays, file.metadata));
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
  return 0;
}
