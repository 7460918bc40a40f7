#pragma once

#include <cstdint>
#include <vector>

#include "cuttle/core/random.hpp"
#include "cuttle/data/raw_batch.hpp"
#include "cuttle/sense/options.hpp"

namespace cuttle {

/// Turns samples into other versions of them, raw as they are: each sense of each sample by draws
/// of its own, a pure function of (key, place of the sample, place of the sense). Labels and
/// targets, and what is absent, stay. A text keeps a character at least, a series a step. Vectors
/// mix with recorded ones of their label, where there are no targets. Senses whose strengths are
/// all 0 stay as recorded; the others are marked as changed. `tasks` is the caller's to look at.
/// With `copies` the draws choose one of the sample's augmented_copy(); the key's seed is theirs.
void augment(RawBatch& batch, const std::vector<ModalitySpec>& modalities,
             const AugmentOptions& how, const RandomKey& key);

/// The same for the source `augmented`: by one stream of draws through all senses and samples, but
/// for those (by sample) that stay `as_recorded`. Nothing is mixed.
void augment_in_turn(RawBatch& batch, const std::vector<ModalitySpec>& modalities,
                     const AugmentOptions& how, const RandomKey& key,
                     const std::vector<bool>& as_recorded);

/// Version `copy` (from 1) of one sense of one sample of a data set: a pure function of what was
/// recorded, the options, the seed and these two numbers, whichever senses are in use. Senses of
/// one kind are changed alike. Nothing is mixed.
std::vector<std::uint8_t> augmented_copy(const std::vector<std::uint8_t>& recorded,
                                         const ModalitySpec& spec, const AugmentOptions& how,
                                         std::uint64_t seed, std::int64_t sample,
                                         std::int64_t copy);

/// All strengths that act on a sense of this kind and shape.
std::vector<double> strengths_on(const AugmentOptions& how, const ModalitySpec& spec);
/// Whether the options change anything in such a sense.
bool changes(const AugmentOptions& how, const ModalitySpec& spec);

}  // namespace cuttle
