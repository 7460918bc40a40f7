#include "cuttle/sense/raw.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace cuttle {
namespace {

/// One code point and how many bytes it took; a malformed start or tail is one byte standing for
/// itself.
std::pair<std::uint32_t, std::int64_t> decode_utf8(const std::uint8_t* s, std::int64_t left) {
  const std::uint32_t first = s[0];
  const int length = first < 0x80       ? 1
                     : first >> 5 == 6  ? 2
                     : first >> 4 == 14 ? 3
                     : first >> 3 == 30 ? 4
                                        : 0;
  if (length <= 1 || length > left) return {first, 1};
  std::uint32_t code = first & (0xFFu >> (length + 1));
  for (int i = 1; i < length; ++i) {
    if ((s[i] & 0xC0) != 0x80) return {first, 1};
    code = code << 6 | (s[i] & 0x3Fu);
  }
  return {code, length};
}

/// Latin, Greek and Cyrillic keep a row each; the rest share the upper half by a multiplicative
/// hash.
std::int64_t token_of(std::uint32_t code) {
  if (code < kTextTokens / 2) return std::max<std::int64_t>(1, code);
  return kTextTokens / 2 + static_cast<std::int64_t>((code * 2654435761u) >> 23);
}

/// A series [steps, C] as irregular_input has it, [3C, steps].
torch::Tensor irregular_row(const torch::Tensor& series, const ModalitySpec& spec) {
  const std::int64_t steps = series.size(0), channels = series.size(1), clock = spec.clock();
  const auto standard = standardise(series, spec).contiguous();
  const auto row = torch::empty({3, channels, steps});
  const auto raw = series.accessor<float, 2>(), value = standard.accessor<float, 2>();
  auto out = row.accessor<float, 3>();
  const double unit =
      clock < 0 || spec.stddev.empty() ? 1.0 : spec.stddev[static_cast<std::size_t>(clock)];
  double now = 0;
  std::vector<double> since(static_cast<std::size_t>(channels), 0.0);
  for (std::int64_t t = 0; t < steps; ++t) {
    double passed = 1;
    if (clock >= 0) {  // a step whose time is a hole comes with the one before
      const double time = std::isnan(raw[t][clock]) ? now : raw[t][clock];
      passed = std::max(0.0, time - now) / unit;
      now = time;
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      double& d = since[static_cast<std::size_t>(c)];
      const bool seen = !std::isnan(value[t][c]);
      d = t == 0 ? 0 : passed + (out[1][c][t - 1] > 0 ? 0 : d);
      out[0][c][t] = seen ? value[t][c] : t == 0 ? 0 : out[0][c][t - 1];
      out[1][c][t] = seen ? 1 : 0;
      out[2][c][t] = static_cast<float>(std::log1p(d));
    }
  }
  return row.view({3 * channels, steps});
}

/// The padded batch of what `row_of` makes of each series [steps, C].
ModalityInput each_series(const RawModality& raw, const ModalitySpec& spec, std::int64_t max_length,
                          const std::function<torch::Tensor(const torch::Tensor&)>& row_of) {
  return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
    const auto x = from_bytes(bytes, size / 4, torch::kFloat32).view({-1, spec.shape[0]});
    return row_of(max_length > 0 ? x.slice(0, 0, max_length) : x);
  });
}

}  // namespace

torch::Tensor from_bytes(const std::uint8_t* bytes, std::int64_t elements, torch::Dtype dtype) {
  auto tensor = torch::empty({elements}, dtype);
  if (elements > 0) std::memcpy(tensor.data_ptr(), bytes, tensor.nbytes());
  return tensor;
}

torch::Tensor raw_tensor(const RawModality& raw, torch::Dtype dtype) {
  const auto size = static_cast<std::int64_t>(torch::elementSize(dtype));
  return from_bytes(raw.bytes.data(), static_cast<std::int64_t>(raw.bytes.size()) / size, dtype);
}

void for_each_present(const RawModality& raw,
                      const std::function<void(const std::uint8_t*, std::int64_t)>& visit) {
  for (std::size_t i = 0; i < raw.present.size(); ++i)
    if (raw.present[i])
      visit(raw.bytes.data() + raw.offsets[i], raw.offsets[i + 1] - raw.offsets[i]);
}

torch::Tensor text_tokens(const std::uint8_t* bytes, std::int64_t size, std::int64_t max_length) {
  std::vector<std::int64_t> tokens;
  for (std::int64_t i = 0; i < size;) {
    const auto [code, length] = decode_utf8(bytes + i, size - i);
    tokens.push_back(token_of(code));
    i += length;
    if (max_length > 0 && static_cast<std::int64_t>(tokens.size()) == max_length) break;
  }
  if (tokens.empty()) tokens.push_back(1);
  return torch::tensor(tokens, torch::kInt64);
}

RawModality frames_of(const std::uint8_t* bytes, std::int64_t size, const ModalitySpec& spec,
                      std::int64_t most) {
  const std::int64_t each = spec.shape[0] * spec.shape[1] * spec.shape[2];
  const std::int64_t count = most > 0 ? std::min(size / each, most) : size / each;
  RawModality frames;
  frames.bytes.assign(bytes, bytes + count * each);
  for (std::int64_t i = 0; i <= count; ++i) frames.offsets.push_back(i * each);
  frames.present.assign(static_cast<std::size_t>(count), 1);
  return frames;
}

torch::Tensor standardise(const torch::Tensor& x, const ModalitySpec& spec) {
  if (spec.mean.empty()) return x;
  return (x - torch::tensor(spec.mean)) / torch::tensor(spec.stddev).clamp_min(1e-6);
}

ModalityInput pad_rows(const std::vector<torch::Tensor>& rows) {
  const auto count = static_cast<std::int64_t>(rows.size());
  std::int64_t longest = 1, lines = 1;
  for (const auto& row : rows) longest = std::max(longest, row.size(-1));
  for (std::int64_t d = 0; d + 1 < rows[0].dim(); ++d) lines *= rows[0].size(d);
  auto shape = rows[0].sizes().vec();
  shape.back() = longest;
  shape.insert(shape.begin(), count);
  ModalityInput input;
  input.values = torch::zeros(shape, rows[0].options());
  input.mask = torch::zeros({count, longest}, torch::kFloat32);
  // By hand: a few operations of LibTorch for each row would take longer than the copying.
  const auto bytes = static_cast<std::size_t>(rows[0].element_size());
  auto* to = static_cast<char*>(input.values.data_ptr());
  float* real = input.mask.data_ptr<float>();
  for (const auto& row : rows) {
    const auto line = static_cast<std::size_t>(row.size(-1)) * bytes;
    const auto* from = static_cast<const char*>(row.const_data_ptr());
    for (std::int64_t i = 0; i < lines;
         ++i, from += line, to += static_cast<std::size_t>(longest) * bytes)
      std::memcpy(to, from, line);
    std::fill_n(real, row.size(-1), 1.0f);
    real += longest;
  }
  return input;
}

ModalityInput pad_each(
    const RawModality& raw,
    const std::function<torch::Tensor(const std::uint8_t*, std::int64_t)>& row_of) {
  std::vector<torch::Tensor> rows;
  for_each_present(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
    rows.push_back(row_of(bytes, size));
  });
  return pad_rows(rows);
}

ModalityInput image_input(const RawModality& raw, const ModalitySpec& spec) {
  const auto& shape = spec.shape;
  const auto bytes = static_cast<std::int64_t>(raw.bytes.size());
  // Before anything is written: the view refuses bytes that are no whole images.
  auto x = torch::empty({bytes}).view({-1, shape[0], shape[1], shape[2]});
  const std::int64_t channels = shape[2];
  // A byte has 256 values: standardised once per channel and looked up, in one pass over the pixels
  // instead of four.
  const auto levels = torch::arange(256, torch::kFloat32).unsqueeze(1).expand({256, channels});
  const auto table = standardise(levels / 255.0, spec).contiguous();
  const float* value = table.const_data_ptr<float>();
  float* to = x.data_ptr<float>();
  for (std::int64_t i = 0; i < bytes; i += channels)
    for (std::int64_t c = 0; c < channels; ++c) to[i + c] = value[raw.bytes[i + c] * channels + c];
  ModalityInput input;
  input.values = x.permute({0, 3, 1, 2});  // a view: NHWC in memory, which is what channels-last is
  return input;
}

ModalityInput text_input(const RawModality& raw, std::int64_t max_length) {
  return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
    return text_tokens(bytes, size, max_length);
  });
}

ModalityInput series_input(const RawModality& raw, const ModalitySpec& spec,
                           std::int64_t max_length) {
  return each_series(raw, spec, max_length,
                     [&](const torch::Tensor& x) { return standardise(x, spec).t().contiguous(); });
}

ModalityInput graph_input(const RawModality& raw, const ModalitySpec& spec) {
  return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
    const GraphView graph = view_graph(bytes, size, spec);
    const std::int64_t width = spec.shape[0], steps = graph.nodes + graph.edges;
    const auto features = from_bytes(graph.features, graph.nodes * width, torch::kFloat32);
    const auto row = torch::zeros({width + 3, steps});
    row.narrow(0, 0, width)
        .narrow(1, 0, graph.nodes)
        .copy_(standardise(features.view({graph.nodes, width}), spec).t());
    row.select(0, width).narrow(0, 0, graph.nodes).fill_(1);
    float* from = row.data_ptr<float>() + (width + 1) * steps + graph.nodes;
    for (std::int64_t i = 0; i < graph.edges; ++i, ++from) {
      const auto edge = graph.edge(i);
      from[0] = static_cast<float>(edge[0]);  // exact: graphs have fewer than 2^24 nodes
      from[steps] = static_cast<float>(edge[1]);
    }
    return row;
  });
}

ModalityInput irregular_input(const RawModality& raw, const ModalitySpec& spec,
                              std::int64_t max_length) {
  return each_series(raw, spec, max_length,
                     [&](const torch::Tensor& x) { return irregular_row(x, spec); });
}

}  // namespace cuttle
