#include <vector>

#include "config/config_support.hpp"
#include "fuzz/fuzz.hpp"

namespace cuttle {
namespace {

/// For what cuttle wrote itself.
template <class Read>
RunConfig accepted(const Read& read) {
  try {
    return read();
  } catch (const UserError&) {
    CUTTLE_EXPECT(!"a config that was accepted is refused when it is read back");
  }
  return {};
}

}  // namespace
}  // namespace cuttle

// YAML, then overrides, with zero bytes between them. What is accepted reads back as itself, also
// where the text is taken for an older program's, which may hold more.
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
  const auto reads_back = [](const RunConfig& config) {
    const std::string dumped = dump(config);
    const RunConfig again = accepted([&] { return read(dumped); });
    CUTTLE_EXPECT(dump(again) == dumped);
    CUTTLE_EXPECT(compare(config, again).empty());
  };
  return fuzz::refused_or_fine([&] {
    const RunConfig saved = read_saved(parts[0], overrides);
    reads_back(saved);
    const RunConfig config = read(parts[0], overrides);
    CUTTLE_EXPECT(dump(config) == dump(saved));
    CUTTLE_EXPECT(compare(config, accepted([&] { return read(dump(config, true)); })).empty());
  });
}
