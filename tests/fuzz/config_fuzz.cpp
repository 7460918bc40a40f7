#include <vector>

#include "cuttle/config/run_config.hpp"
#include "fuzz/fuzz.hpp"

// YAML, then overrides, with zero bytes between them. What is accepted reads back as itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cuttle;
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] == 0)
      parts.emplace_back();
    else
      parts.back() += static_cast<char>(data[i]);
  }
  const std::vector<std::string> overrides(parts.begin() + 1, parts.end());
  return fuzz::refused_or_fine([&] {
    const std::string dumped = dump_config(parse_config(parts[0], "fuzz", overrides));
    RunConfig again;
    try {
      again = parse_config(dumped, "again", {});
    } catch (const Error&) {
      CUTTLE_EXPECT(!"a config that was accepted is refused when it is read back");
    }
    CUTTLE_EXPECT(dump_config(again) == dumped);
  });
}
