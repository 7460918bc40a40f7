
#include "cuttle/train/feature_bank.hpp"

#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <tuple>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/signals.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/sense/augment.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

/// Raised when an encoder's code, or that of augmentation, computes other features than before.
constexpr const char* kVersion = "2";
constexpr std::int64_t kTogether = 32;  ///< samples in one pass

/// The samples of one sense that a cache shall have the features of.
struct Wanted {
  const Dataset* data;
  SampleCache* cache;
  std::size_t modality;
  std::string fingerprint;            ///< of the data
  std::vector<std::int64_t> samples;  ///< that have the sense, ascending
  std::int64_t copy = 0;              ///< of each, augmented; 0: as recorded

  const ModalitySpec& spec() const { return data->modalities()[modality]; }
};

std::map<std::string, std::string> facts_of(const Wanted& wanted, const RunConfig& config) {
  const ModalitySpec& spec = wanted.spec();
  const Model& model = wanted.cache->model();
  auto facts = arithmetic_facts(config);
  facts["data"] = wanted.fingerprint;
  facts["sense"] = modalities_to_json({spec});
  facts["weights"] = model.encoder(wanted.modality).held();
  facts["device"] = config.device;
  facts["version"] = kVersion;
  const Section& section = config.model.encoders.at(spec.name).network;
  facts["encoder"] = section.type;
  for (const auto& [key, value] : section.values) {
    const std::string name = key.substr(key.rfind('.') + 1);  // in an encoder inside it, too
    if (name != kWeightsKey && name != "trained") facts["encoder." + key] = value;
  }
  if (wanted.copy > 0) {
    facts["copy"] = fmt::format("{} of seed {}", wanted.copy, config.seed);
    facts["augment"] = fmt::format("{}", fmt::join(strengths_on(config.augment, spec), " "));
  }
  return facts;
}

/// [n, width] of samples first .. first + n - 1 of those that are wanted; nothing when a stop is
/// asked for.
std::optional<torch::Tensor> computed(const Wanted& wanted, const RunConfig& config,
                                      std::int64_t first, std::int64_t n) {
  Tensors rows;
  for (const std::int64_t end = first + n; first < end; first += kTogether) {
    if (stop_requested()) return std::nullopt;
    RawModality raw;
    raw.offsets.push_back(0);
    for (std::int64_t i = first; i < std::min(end, first + kTogether); ++i) {
      const std::int64_t sample = wanted.samples[static_cast<std::size_t>(i)];
      std::vector<std::uint8_t> bytes;
      wanted.data->read(sample, wanted.modality, bytes);
      if (wanted.copy > 0)
        bytes =
            augmented_copy(bytes, wanted.spec(), config.augment, config.seed, sample, wanted.copy);
      raw.bytes.insert(raw.bytes.end(), bytes.begin(), bytes.end());
      raw.offsets.push_back(static_cast<std::int64_t>(raw.bytes.size()));
      raw.present.push_back(1);
    }
    rows.push_back(wanted.cache->features(wanted.modality, raw));
  }
  return torch::cat(rows).contiguous();
}

void take(const Wanted& wanted, const FeatureBank& bank, std::int64_t part,
          const torch::Tensor& features) {
  const auto begin = wanted.samples.begin() + bank.first(part);
  wanted.cache->take(wanted.modality, {begin, begin + bank.size(part)}, features, wanted.copy);
}

/// False: the bank does not have it.
bool take_kept(const Wanted& wanted, const FeatureBank& bank, std::int64_t part) {
  const auto values = bank.read(part);
  if (values) take(wanted, bank, part, torch::tensor(*values).view({bank.size(part), -1}));
  return values.has_value();
}

/// False: the features cannot be kept.
bool keep(const FeatureBank& bank, std::int64_t part, const torch::Tensor& features) {
  try {
    bank.write(part, {features.data_ptr<float>(), static_cast<std::size_t>(features.numel())});
  } catch (const std::exception& problem) {
    log_warning("features are not kept: {}; give data.feature_bank a folder with room",
                problem.what());
    return false;
  }
  return true;
}

/// Parts that nobody has, ascending. The first of them are dealt out, equally many to every rank;
/// of the rest (as many as there are ranks, at most) each rank computes some passes, so that all
/// end at once.
struct Lacking {
  Lacking(Communicator& comm, std::vector<std::int64_t> lacks) {
    lacks = comm.all_reduce("features that are lacking", std::move(lacks), ReduceOp::kMax).wait();
    for (std::size_t part = 0; part < lacks.size(); ++part)
      if (lacks[part] > 0) parts.push_back(static_cast<std::int64_t>(part));
    const auto ranks = static_cast<std::size_t>(comm.size());
    dealt = parts.empty() ? 0 : (parts.size() - 1) / ranks * ranks;
  }
  std::vector<std::int64_t> parts;
  std::size_t dealt;
};

/// Of a part that is shared, the passes of a rank, one after the other.
std::vector<std::int64_t> passes_of(int rank, int ranks, std::int64_t size) {
  std::vector<std::int64_t> starts;
  for (std::int64_t i = rank; i * kTogether < size; i += ranks) starts.push_back(i * kTogether);
  return starts;
}

/// A part of which every rank computes some passes; undefined when a stop was asked for.
/// Collective.
torch::Tensor computed_together(Communicator& comm, const Wanted& wanted, const RunConfig& config,
                                const FeatureBank& bank, std::int64_t part) {
  const std::int64_t first = bank.first(part), size = bank.size(part);
  const auto count = [&](std::int64_t start) { return std::min(kTogether, size - start); };
  std::string own;
  together(comm, "computing features", [&] {
    for (const std::int64_t start : passes_of(comm.rank(), comm.size(), size)) {
      const auto rows = computed(wanted, config, first + start, count(start));
      if (!rows) return own.clear();
      own.append(static_cast<const char*>(rows->data_ptr()), rows->nbytes());
    }
  });
  const auto all = comm.all_gather("features", std::move(own)).wait();
  const std::int64_t width = wanted.cache->model().encoder(wanted.modality).width();
  const auto whole = torch::empty({size, width}, torch::kFloat32);
  for (int rank = 0; rank < comm.size(); ++rank) {
    const std::string& bytes = all[static_cast<std::size_t>(rank)];
    std::size_t at = 0;
    for (const std::int64_t start : passes_of(rank, comm.size(), size)) {
      const auto rows = whole.narrow(0, start, count(start));
      if (bytes.size() < at + rows.nbytes()) return {};
      std::memcpy(rows.data_ptr(), bytes.data() + at, rows.nbytes());
      at += rows.nbytes();
    }
  }
  return whole;
}

/// The parts that this rank took, of those that the bank has, and of those that were computed and
/// kept. Collective.
std::set<std::int64_t> fill(const Wanted& wanted, const RunConfig& config, const FeatureBank& bank,
                            Communicator& comm, const Console& console) {
  std::set<std::int64_t> taken;
  std::vector<std::int64_t> lacks(static_cast<std::size_t>(bank.parts()), 0);
  together(comm, "reading features", [&] {
    for (std::int64_t part = comm.rank(); part < bank.parts(); part += comm.size())
      if (take_kept(wanted, bank, part))
        taken.insert(part);
      else
        lacks[static_cast<std::size_t>(part)] = 1;
  });
  const Lacking lacking(comm, std::move(lacks));
  if (lacking.parts.empty()) return taken;
  log_info("features of {}{}: computing {} of {} parts of {} samples, kept in {}",
           wanted.spec().name, wanted.copy > 0 ? fmt::format(", copy {}", wanted.copy) : "",
           lacking.parts.size(), bank.parts(), FeatureBank::kPart, bank.folder());
  const std::size_t ranks = static_cast<std::size_t>(comm.size());
  Counter counter(console, static_cast<std::int64_t>(lacking.parts.size()), "parts of features");
  std::int64_t done = 0;
  together(comm, "computing features", [&] {
    for (std::size_t i = static_cast<std::size_t>(comm.rank()); i < lacking.dealt; i += ranks) {
      const std::int64_t part = lacking.parts[i];
      const auto features = computed(wanted, config, bank.first(part), bank.size(part));
      if (!features) break;
      take(wanted, bank, part, *features);
      taken.insert(part);
      if (!keep(bank, part, *features)) break;
      counter.update(done += comm.size());
    }
  });
  for (std::size_t i = lacking.dealt; i < lacking.parts.size(); ++i) {
    const std::int64_t part = lacking.parts[i];
    const auto features = computed_together(comm, wanted, config, bank, part);
    if (!features.defined()) break;
    take(wanted, bank, part, features);
    taken.insert(part);
    if (part % comm.size() == comm.rank()) keep(bank, part, features);
    counter.update(static_cast<std::int64_t>(i) + 1);
  }
  return taken;
}

/// The parts of the other ranks; where ranks see different disks, they are computed here too.
void load(const Wanted& wanted, const RunConfig& config, const FeatureBank& bank,
          const std::set<std::int64_t>& taken) {
  for (std::int64_t part = 0; part < bank.parts(); ++part) {
    if (taken.count(part) > 0 || take_kept(wanted, bank, part)) continue;
    const auto features = computed(wanted, config, bank.first(part), bank.size(part));
    if (!features) return;
    take(wanted, bank, part, *features);
  }
  bank.touch();
}

}  // namespace

RunData::Kept keep_with_features(Communicator& comm, const RunConfig& config, const RunData& data,
                                 const Model& model, const ParameterList& parameters, bool training,
                                 const Console& console) {
  auto kept = data.keep(model, parameters, config.data.in_memory);
  const std::string root = FeatureBank::root(config.data.feature_bank);
  std::vector<Wanted> all;
  for (auto& [set, cache] : kept)
    for (std::size_t m = 0; m < set->modalities().size(); ++m) {
      if (root.empty() || !model.encoder(m).fixed() || !cache.keeps_features(m)) continue;
      const bool copied = training && changes(config.augment, set->modalities()[m]);
      const auto& samples = set->samples();
      for (std::int64_t copy = 0; copy <= (copied ? config.augment.copies : 0); ++copy) {
        Wanted wanted{set, &cache, m, set->content_fingerprint(), {}, copy};
        for (std::size_t i = 0; i < samples.size(); ++i)
          if (samples[i].present >> m & 1 && (copy == 0 || samples[i].split == Split::kTrain))
            wanted.samples.push_back(static_cast<std::int64_t>(i));
        if (!wanted.samples.empty()) all.push_back(std::move(wanted));
      }
    }
  // The sets lie in memory in another order on every rank.
  std::sort(all.begin(), all.end(), [](const Wanted& a, const Wanted& b) {
    return std::tie(a.fingerprint, a.modality, a.copy) <
           std::tie(b.fingerprint, b.modality, b.copy);
  });
  for (const Wanted& wanted : all) {
    std::optional<FeatureBank> bank;
    std::set<std::int64_t> taken;
    together(comm, "opening features", [&] {
      try {
        bank.emplace(root, facts_of(wanted, config),
                     static_cast<std::int64_t>(wanted.samples.size()),
                     model.encoder(wanted.modality).width());
      } catch (const UserError& problem) {
        log_warning(
            "features are not kept: {}; give data.feature_bank a folder that can be "
            "written to, or none",
            problem.what());
      }
    });
    if (comm.all_reduce("banks", {bank ? 1 : 0}, ReduceOp::kMin).wait()[0] == 0) continue;
    taken = fill(wanted, config, *bank, comm, console);
    together(comm, "reading features", [&] { load(wanted, config, *bank, taken); });
  }
  return kept;
}

}  // namespace cuttle
