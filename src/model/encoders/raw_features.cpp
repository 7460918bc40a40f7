#include "model/encoders/raw_features.hpp"

#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "cuttle/sense/log_mel.hpp"
#include "cuttle/sense/raw.hpp"

namespace cuttle {
namespace {

/// [to, from]: each row the mean over the pixels whose middle lies in its share of a side.
torch::Tensor mean_of_areas(std::int64_t from, std::int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  auto weights = torch::zeros({to, from});
  auto values = weights.accessor<float, 2>();
  for (std::int64_t i = 0; i < to; ++i)
    for (std::int64_t j = 0; j < from; ++j) {
      const double middle = static_cast<double>(j) + 0.5 - static_cast<double>(i) * scale;
      values[i][j] = middle > 0 && middle <= scale ? 1.0f : 0.0f;
    }
  return weights / weights.sum(1, true);
}

/// The CRC-32 of zlib as it goes on over these bytes; it begins with ones and ends inverted.
std::uint32_t crc32_with(std::uint32_t crc, std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      made[i] = i;
      for (int bit = 0; bit < 8; ++bit)
        made[i] = made[i] >> 1 ^ ((made[i] & 1) != 0 ? 0xedb88320u : 0);
    }
    return made;
  }();
  for (const char byte : bytes)
    crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(byte)) & 255];
  return crc;
}

/// How many bytes the character that begins with this one has.
std::size_t length_of(char byte) {
  const auto first = static_cast<unsigned char>(byte);
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}

/// A code point of two bytes in lower case.
std::uint32_t lower_of(std::uint32_t code) {
  const auto in = [code](std::uint32_t first, std::uint32_t last) {
    return code >= first && code <= last;
  };
  const bool odd = code % 2 == 1;
  if ((in(0xc0, 0xde) && code != 0xd7) || (in(0x391, 0x3ab) && code != 0x3a2) || in(0x410, 0x42f))
    return code + 32;
  if (in(0x400, 0x40f)) return code + 80;
  if ((in(0x100, 0x12f) || in(0x132, 0x137) || in(0x14a, 0x177) || in(0x460, 0x481) ||
       in(0x48a, 0x4bf) || in(0x4d0, 0x52f)) &&
      !odd)
    return code + 1;
  if ((in(0x139, 0x148) || in(0x179, 0x17e)) && odd) return code + 1;
  if (code == 0x178) return 0xff;
  if (code == 0x386) return 0x3ac;
  if (in(0x388, 0x38a)) return code + 37;
  if (code == 0x38c) return 0x3cc;
  if (in(0x38e, 0x38f)) return code + 63;
  return code;
}

}  // namespace

std::string lower_case(const std::string& text) {
  std::string lower = text;
  for (std::size_t i = 0; i < lower.size(); i += length_of(text[i])) {
    if (lower[i] >= 'A' && lower[i] <= 'Z') lower[i] = static_cast<char>(lower[i] - 'A' + 'a');
    if (length_of(text[i]) != 2 || i + 1 == lower.size()) continue;
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const std::uint32_t code = lower_of((byte(i) & 0x1fu) << 6 | (byte(i + 1) & 0x3fu));
    lower[i] = static_cast<char>(0xc0 | code >> 6);
    lower[i + 1] = static_cast<char>(0x80 | (code & 0x3f));
  }
  return lower;
}

torch::Tensor raw_images(const RawModality& raw, const ModalitySpec& spec, std::int64_t side) {
  const std::int64_t height = spec.shape[0], width = spec.shape[1];
  auto x = raw_tensor(raw, torch::kUInt8).view({-1, height, width, spec.shape[2]}) / 255.0;
  if (height > side)
    x = torch::tensordot(x, mean_of_areas(height, side), {1}, {1}).permute({0, 3, 1, 2});
  if (width > side)
    x = torch::tensordot(x, mean_of_areas(width, side), {2}, {1}).permute({0, 1, 3, 2});
  return x.flatten(1);
}

torch::Tensor raw_text(const std::uint8_t* bytes, std::int64_t size, std::int64_t buckets) {
  const std::string text =
      " " + lower_case({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)}) +
      " ";
  std::vector<std::string_view> characters;
  for (std::size_t i = 0; i < text.size(); i += characters.back().size())
    characters.push_back(std::string_view(text).substr(i, length_of(text[i])));
  auto counts = torch::zeros({buckets});
  float* count = counts.data_ptr<float>();
  for (std::size_t first = 0; first < characters.size(); ++first) {
    std::uint32_t crc = ~0u;
    for (std::size_t i = first; i < std::min(first + 3, characters.size()); ++i) {
      crc = crc32_with(crc, characters[i]);
      count[~crc % static_cast<std::uint32_t>(buckets)] += 1;
    }
  }
  return counts;
}

torch::Tensor raw_series(const torch::Tensor& series, std::int64_t steps) {
  const std::int64_t length = series.size(0), channels = series.size(1);
  auto made = torch::empty({channels, steps});
  auto to = made.accessor<float, 2>();
  const auto from = series.accessor<float, 2>();
  for (std::int64_t i = 0; i < steps; ++i) {
    const double place = steps == 1 ? 0.0
                                    : static_cast<double>(i) * static_cast<double>(length - 1) /
                                          static_cast<double>(steps - 1);
    const auto before = std::min(static_cast<std::int64_t>(place), length - 1);
    const auto after = std::min(before + 1, length - 1);
    const double part = place - static_cast<double>(before);
    for (std::int64_t c = 0; c < channels; ++c)
      to[c][i] = static_cast<float>((1 - part) * from[before][c] + part * from[after][c]);
  }
  return made.flatten();
}

torch::Tensor raw_graph(const torch::Tensor& features, const GraphView& graph) {
  std::vector<std::int64_t> ends(static_cast<std::size_t>(graph.nodes));
  for (std::int64_t i = 0; i < graph.edges; ++i)
    for (const std::int32_t node : graph.edge(i)) ++ends[static_cast<std::size_t>(node)];
  const auto degrees = torch::tensor(ends, torch::kInt64).clamp_max(kDegrees - 1);
  const auto shares = degrees.bincount({}, kDegrees).to(torch::kFloat32) / graph.nodes;
  return torch::cat({features.mean(0), features.std(0, /*unbiased=*/false), shares});
}

RawSound::RawSound(double sample_rate)
    : window_(std::max<std::int64_t>(2, static_cast<std::int64_t>(0.025 * sample_rate))),
      hop_(std::max<std::int64_t>(1, static_cast<std::int64_t>(0.010 * sample_rate))),
      hann_(torch::hann_window(window_, /*periodic=*/false, torch::kFloat64)),
      filters_(mel_triangles(sample_rate, window_, kBands)) {}

torch::Tensor RawSound::operator()(const torch::Tensor& samples) const {
  auto wave = samples.to(torch::kFloat64) / 32768.0;
  if (wave.numel() < window_) wave = torch::constant_pad_nd(wave, {0, window_ - wave.numel()});
  const auto power = power_spectra(wave.unfold(0, window_, hop_) * hann_);
  const auto bands = (power.matmul(filters_) + 1e-6).log();
  return torch::cat({bands.mean(0), bands.std(0, /*unbiased=*/false)}).to(torch::kFloat32);
}

}  // namespace cuttle
