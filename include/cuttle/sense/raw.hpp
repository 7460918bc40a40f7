#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "cuttle/data/raw_batch.hpp"
#include "cuttle/data/sample.hpp"
#include "cuttle/sense/batch.hpp"

namespace cuttle {

/// Rows of the character table; code points beyond are hashed into it, 0 is padding.
constexpr std::int64_t kTextTokens = 1024;

/// A copy of raw little-endian elements.
torch::Tensor from_bytes(const std::uint8_t* bytes, std::int64_t elements, torch::Dtype dtype);
/// All bytes of a modality as one flat tensor.
torch::Tensor raw_tensor(const RawModality& raw, torch::Dtype dtype);
/// Calls `visit(bytes, size)` for each present sample, in order.
void for_each_present(const RawModality& raw,
                      const std::function<void(const std::uint8_t*, std::int64_t)>& visit);

/// UTF-8 to int64 tokens [T], T >= 1, at most max_length (0: all). Malformed bytes count as one
/// character each.
torch::Tensor text_tokens(const std::uint8_t* bytes, std::int64_t size, std::int64_t max_length);

/// The frames of a video as pictures, the first `most` of them (0: all).
RawModality frames_of(const std::uint8_t* bytes, std::int64_t size, const ModalitySpec& spec,
                      std::int64_t most = 0);

/// (x - mean) / stddev over the last dimension where the shards declare statistics; x elsewhere.
torch::Tensor standardise(const torch::Tensor& x, const ModalitySpec& spec);

/// Dense rows [..., T_i], one or more, to one padded tensor [m, ..., T] and its mask [m, T].
ModalityInput pad_rows(const std::vector<torch::Tensor>& rows);
/// The same of the rows that `row_of(bytes, size)` makes of each present sample.
ModalityInput pad_each(
    const RawModality& raw,
    const std::function<torch::Tensor(const std::uint8_t*, std::int64_t)>& row_of);

/// Images [m, C, H, W], channels-last in memory, standardised.
ModalityInput image_input(const RawModality& raw, const ModalitySpec& spec);
/// Tokens [m, T] of texts, at most max_length each (0: all).
ModalityInput text_input(const RawModality& raw, std::int64_t max_length);
/// Series [m, C, T], standardised, at most max_length steps each (0: all).
ModalityInput series_input(const RawModality& raw, const ModalitySpec& spec,
                           std::int64_t max_length);
/// The same of series with holes (NaN), at steps of any distance: [m, 3C, T] of each channel the
/// standardised value that was last seen (0 before there was one), whether it was seen at this
/// step, and log(1 + d), d the time since the step at which it was last seen before (Che et al.
/// 2018, "Notations": d_t = s_t - s_(t-1), and d_(t-1) more if it was not seen then; d_1 = 0), or
/// since the first. The time s is that of ModalitySpec::clock(), in units of its deviation; where
/// there is no clock, steps are counted.
ModalityInput irregular_input(const RawModality& raw, const ModalitySpec& spec,
                              std::int64_t max_length);
/// Graphs as steps [m, F + 3, T], their nodes and then their edges: of a node its F features,
/// standardised, and a one; of an edge zeros, and the numbers of its two nodes in the last rows.
/// UserError if one is none (view_graph).
ModalityInput graph_input(const RawModality& raw, const ModalitySpec& spec);

}  // namespace cuttle
