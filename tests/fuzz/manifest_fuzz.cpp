#include <nlohmann/json.hpp>

#include "checkpoint/manifest.hpp"
#include "cuttle/core/json_guard.hpp"
#include "fuzz/fuzz.hpp"

// The JSON of a checkpoint: its manifest, and through the same guard facts and lock files.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cuttle;
  const std::string text = fuzz::text_of(data, size);
  fuzz::refused_or_fine([&] { parse_json_object(text, 1, "fuzz"); });
  return fuzz::refused_or_fine([&] {
    const Manifest manifest = Manifest::decode(text, "fuzz");
    const Manifest again = Manifest::decode(manifest.encode(), "again");
    CUTTLE_EXPECT(again.step == manifest.step && again.files.size() == manifest.files.size());
    for (const auto& [name, file] : manifest.files) {
      CUTTLE_EXPECT(name.find('/') == name.npos && name.front() != '.');
      CUTTLE_EXPECT(again.files.at(name).bytes == file.bytes);
    }
  });
}
