#include "cuttle/core/random.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr std::uint64_t kStepLimit = std::uint64_t{1} << 48;
constexpr std::uint64_t kBlockLimit = std::uint64_t{1} << 32;

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

RandomKey RandomKey::with(Stream other, std::uint8_t other_use) const {
  RandomKey key = *this;
  key.stream = other;
  key.use = other_use;
  return key;
}

void Random::refill() {
  CUTTLE_EXPECT(key_.step < kStepLimit);
  CUTTLE_EXPECT(block_ < kBlockLimit);
  const auto high = static_cast<std::uint32_t>(key_.step >> 32) |
                    static_cast<std::uint32_t>(key_.stream) << 16 |
                    static_cast<std::uint32_t>(key_.use) << 24;
  buffer_ = philox4x32(
      {static_cast<std::uint32_t>(block_), key_.slot, static_cast<std::uint32_t>(key_.step), high},
      {static_cast<std::uint32_t>(key_.seed), static_cast<std::uint32_t>(key_.seed >> 32)});
  ++block_;
  used_ = 0;
}

// Lemire, "Fast random integer generation in an interval" (2019): the high half of bits * n,
// rejecting the few low halves that would favour some results.
std::uint64_t Random::below(std::uint64_t n) {
  CUTTLE_EXPECT(n > 0);
  if (n < kBlockLimit) {
    const auto small = static_cast<std::uint32_t>(n);
    std::uint64_t product = std::uint64_t{bits()} * small;
    if (static_cast<std::uint32_t>(product) < small) {
      const std::uint32_t biased = (0u - small) % small;
      while (static_cast<std::uint32_t>(product) < biased) product = std::uint64_t{bits()} * small;
    }
    return product >> 32;
  }
  using Wide = unsigned __int128;
  const std::uint64_t biased = (std::uint64_t{0} - n) % n;
  for (;;) {
    const std::uint64_t low = bits();
    const Wide product = static_cast<Wide>(std::uint64_t{bits()} << 32 | low) * n;
    if (static_cast<std::uint64_t>(product) >= biased)
      return static_cast<std::uint64_t>(product >> 64);
  }
}

double Random::uniform() {
  const std::uint64_t low = bits();
  const std::uint64_t all = std::uint64_t{bits()} << 32 | low;
  return static_cast<double>(all >> 11) * 0x1p-53;
}

double Random::normal() {
  constexpr double kTwoPi = 6.283185307179586476925;
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));  // 1 - u is in (0, 1]
  return radius * std::cos(kTwoPi * uniform());
}

// Fisher-Yates on a virtual identity permutation of which only the displaced entries are stored.
std::vector<std::int64_t> Random::sample(std::int64_t n, std::int64_t count) {
  CUTTLE_EXPECT(0 <= count && count <= n);
  std::vector<std::int64_t> chosen;
  chosen.reserve(static_cast<std::size_t>(count));
  std::unordered_map<std::int64_t, std::int64_t> displaced;
  displaced.reserve(static_cast<std::size_t>(count));
  const auto at = [&](std::int64_t i) {
    const auto found = displaced.find(i);
    return found == displaced.end() ? i : found->second;
  };
  for (std::int64_t i = 0; i < count; ++i) {
    const auto j = i + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(n - i)));
    chosen.push_back(at(j));
    displaced[j] = at(i);
  }
  return chosen;
}

// The largest of the keys u^(1/w) are the least of -log(u) / w, which underflow for no weight.
std::vector<std::int64_t> Random::sample(const std::vector<double>& weights, std::int64_t count) {
  CUTTLE_EXPECT(0 <= count && count <= static_cast<std::int64_t>(weights.size()));
  std::vector<std::pair<double, std::int64_t>> keys;
  keys.reserve(weights.size());
  for (const double weight : weights) {
    CUTTLE_EXPECT(weight > 0);
    keys.emplace_back(-std::log(1.0 - uniform()) / weight, keys.size());  // 1 - u is in (0, 1]
  }
  std::partial_sort(keys.begin(), keys.begin() + count, keys.end());
  std::vector<std::int64_t> chosen;
  for (std::int64_t i = 0; i < count; ++i)
    chosen.push_back(keys[static_cast<std::size_t>(i)].second);
  return chosen;
}

}  // namespace cuttle
