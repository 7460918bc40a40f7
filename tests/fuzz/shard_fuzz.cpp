#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <iterator>

#include "cuttle/data/dataset.hpp"
#include "fuzz/fuzz.hpp"
#include "support/shard_writer.hpp"

namespace cuttle::fuzz {
namespace {

ShardArray& any_array(ShardContent& content, Choices& choices) {
  return std::next(content.arrays.begin(),
                   static_cast<std::ptrdiff_t>(choices.below(content.arrays.size())))
      ->second;
}

std::size_t width_of(ElementType type) {
  switch (type) {
    case ElementType::kU8:
      return 1;
    case ElementType::kI16:
      return 2;
    case ElementType::kI64:
      return 8;
    default:
      return 4;
  }
}

/// HDF5 writes as many bytes as the dimensions say.
void fit_bytes(ShardArray& array) {
  std::uint64_t elements = 1;
  for (auto& size : array.dims) elements *= size = size % 64;
  array.bytes.resize(elements * width_of(array.type));
}

void replace_in(std::string& text, Choices& choices) {
  const std::size_t at = choices.below(text.size() + 1);
  const std::size_t count = choices.below(40);
  text.replace(at, count, choices.text(40));
}

/// One change that a hostile or careless writer of shards could make, the file still being HDF5.
void change(ShardContent& content, Choices& choices) {
  if (content.arrays.empty()) return;
  ShardArray& array = any_array(content, choices);
  switch (choices.byte() % 10) {
    case 0:
      replace_in(content.header, choices);
      break;
    case 1:
      content.header = choices.text(2000);
      break;
    case 2:
      content.version = static_cast<std::int64_t>(choices.number(8));
      break;
    case 3:
      content.format = choices.text(20);
      break;
    case 4: {
      const auto found =
          std::next(content.arrays.begin(),
                    static_cast<std::ptrdiff_t>(choices.below(content.arrays.size())));
      content.arrays.erase(found);
      break;
    }
    case 5:
      array.dims.resize(1 + choices.byte() % 4, choices.byte());
      fit_bytes(array);
      break;
    case 6:
      array.type = static_cast<ElementType>(choices.byte() % 6);
      fit_bytes(array);
      break;
    case 8: {  // deep nesting, long names: more than fits into an input
      const std::string repeated = choices.text(4);
      const std::size_t at = choices.below(content.header.size() + 1);
      std::string inserted;
      for (std::size_t n = choices.number(3) % 300000; n > 0; --n) inserted += repeated;
      content.header.insert(at, inserted);
      break;
    }
    default:  // the usual attack: numbers that others rely on
      if (!array.bytes.empty())
        for (std::size_t n = 1 + choices.byte() % 8; n > 0; --n)
          array.bytes[choices.below(array.bytes.size())] = choices.byte();
  }
}

const std::string& scratch_file() {
  static const std::string path = [] {
    struct stat status{};
    const bool memory = ::stat("/dev/shm", &status) == 0;
    return fmt::format("{}/cuttle-fuzz-{}.h5", memory ? "/dev/shm" : "/tmp", ::getpid());
  }();
  return path;
}

ShardContent plain_shard() {
  SyntheticOptions options;
  options.classes = {2, 1, 1};
  options.samples_per_class = 2;
  options.groups = 2;
  options.image_side = 4;
  options.shards = 1;
  options.missing_rate = 0.2;
  options.targets = 2;
  options.modalities.push_back("video");
  options.modalities.push_back("graph");
  return synthetic_shard(options, 0);
}

void open_and_read(const std::string& path) {
  DataOptions options;
  options.shards = {path};
  const auto data = Dataset::open(options);
  std::vector<std::uint8_t> bytes;
  for (std::size_t s = 0; s < data->samples().size(); ++s)
    for (std::size_t m = 0; m < data->modalities().size(); ++m)
      if (data->samples()[s].present >> m & 1u)
        refused_or_fine([&] { data->read(static_cast<std::int64_t>(s), m, bytes); });
}

}  // namespace
}  // namespace cuttle::fuzz

// Valid HDF5 with hostile content: everything that cuttle itself has to check. (Raw bytes would
// find the defects of the HDF5 library, which are known and not ours to mend.)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cuttle;
  static const ShardContent original = fuzz::plain_shard();
  fuzz::Choices choices(data, size);
  ShardContent content = original;
  for (int changes = 0; changes < 8 && !choices.empty(); ++changes) fuzz::change(content, choices);
  try {
    write_shard(fuzz::scratch_file(), content);
  } catch (const std::exception&) {
    return 0;  // not even the HDF5 library would write that
  }
  fuzz::refused_or_fine([] { fuzz::open_and_read(fuzz::scratch_file()); });
  ::unlink(fuzz::scratch_file().c_str());
  return 0;
}
