#include "cuttle/core/safetensors.hpp"
#include "fuzz/fuzz.hpp"

// What is read must come out of a file of our own again, whoever wrote it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cuttle;
  return fuzz::refused_or_fine([&] {
    const ArrayFile file = decode_safetensors(fuzz::text_of(data, size), "fuzz");
    const ArrayFile again =
        decode_safetensors(encode_safetensors(file.arrays, file.metadata), "again");
    CUTTLE_EXPECT(again.arrays.size() == file.arrays.size() && again.metadata == file.metadata);
    for (const auto& array : file.arrays) {
      if (array.dtype == "F32") unpack_array<float>(array);
      if (array.dtype == "I64") unpack_array<std::int64_t>(array);
    }
  });
}
