
#include "cuttle/train/feature_bank.hpp"

#include <torch/types.h>

#include <algorithm>
#include <optional>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/signals.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

/// Raised when an encoder's code computes other features than before.
constexpr const char* kVersion = "1";
constexpr std::int64_t kTogether = 32;  ///< samples in one pass

/// The samples of one sense that a cache shall have the features of.
struct Wanted {
  const Dataset* data;
  SampleCache* cache;
  std::size_t modality;
  std::vector<std::int64_t> samples;  ///< that have the sense, ascending
};

std::map<std::string, std::string> facts_of(const Wanted& wanted, const RunConfig& config) {
  const ModalitySpec& spec = wanted.data->modalities()[wanted.modality];
  const Model& model = wanted.cache->model();
  std::map<std::string, std::string> facts{{"data", wanted.data->content_fingerprint()},
                                           {"sense", modalities_to_json({spec})},
                                           {"weights", model.encoder(wanted.modality).held()},
                                           {"device", config.device},
                                           {"version", kVersion}};
  const Section& section = config.model.encoders.at(spec.name).network;
  facts["encoder"] = section.type;
  for (const auto& [key, value] : section.values)
    if (key != "weights" && key != "trained") facts["encoder." + key] = value;
  const auto here = environment_facts(config);
  for (const char* name : {"libtorch", "libc", "instruction_set", "kernels", "threads"})
    facts[name] = here.at(name);
  return facts;
}

/// [n, width] of samples first .. first + n - 1 of those that are wanted; nothing when a stop is
/// asked for.
std::optional<torch::Tensor> computed(const Wanted& wanted, std::int64_t first, std::int64_t n) {
  Tensors rows;
  for (const std::int64_t end = first + n; first < end; first += kTogether) {
    if (stop_requested()) return std::nullopt;
    RawModality raw;
    raw.offsets.push_back(0);
    for (std::int64_t i = first; i < std::min(end, first + kTogether); ++i) {
      wanted.data->read(wanted.samples[static_cast<std::size_t>(i)], wanted.modality, raw.bytes);
      raw.offsets.push_back(static_cast<std::int64_t>(raw.bytes.size()));
      raw.present.push_back(1);
    }
    rows.push_back(wanted.cache->features(wanted.modality, raw));
  }
  return torch::cat(rows).contiguous();
}

void take(const Wanted& wanted, const FeatureBank& bank, std::int64_t part,
          std::vector<float> values) {
  const auto begin = wanted.samples.begin() + bank.first(part);
  const std::int64_t n = bank.size(part);
  const auto kept = torch::tensor(values).view({n, -1});
  wanted.cache->take(wanted.modality, {begin, begin + n}, kept);
}

/// This rank's share of the parts that are not there.
void fill(const Wanted& wanted, const FeatureBank& bank, const Communicator& comm,
          const Console& console) {
  std::vector<std::int64_t> lacking;
  for (std::int64_t part = comm.rank(); part < bank.parts(); part += comm.size())
    if (!bank.read(part)) lacking.push_back(part);
  if (lacking.empty()) return;
  const std::string& sense = wanted.data->modalities()[wanted.modality].name;
  log_info("features of {}: computing {} of {} parts of {} samples, kept in {}", sense,
           lacking.size(), bank.parts(), FeatureBank::kPart, bank.folder());
  Counter counter(console, static_cast<std::int64_t>(lacking.size()), "parts of features");
  std::int64_t done = 0;
  for (const std::int64_t part : lacking) {
    const auto values = computed(wanted, bank.first(part), bank.size(part));
    if (!values) return;
    try {
      bank.write(part, {values->data_ptr<float>(), static_cast<std::size_t>(values->numel())});
    } catch (const std::exception& problem) {
      log_warning("features are not kept: {}; give data.feature_bank a folder with room",
                  problem.what());
      return;
    }
    counter.update(++done);
  }
}

/// What the bank has; where ranks see different disks, the rest is computed here.
void load(const Wanted& wanted, const FeatureBank& bank) {
  for (std::int64_t part = 0; part < bank.parts(); ++part) {
    auto values = bank.read(part);
    if (!values) {
      const auto made = computed(wanted, bank.first(part), bank.size(part));
      if (!made) return;
      values.emplace(made->data_ptr<float>(), made->data_ptr<float>() + made->numel());
    }
    take(wanted, bank, part, std::move(*values));
  }
  bank.touch();
}

}  // namespace

RunData::Kept keep_with_features(Communicator& comm, const RunConfig& config, const RunData& data,
                                 const Model& model, const ParameterList& parameters,
                                 const Console& console) {
  auto kept = data.keep(model, parameters, config.data.in_memory);
  const std::string root = FeatureBank::root(config.data.feature_bank);
  std::vector<Wanted> all;
  for (auto& [set, cache] : kept)
    for (std::size_t m = 0; m < set->modalities().size(); ++m) {
      if (root.empty() || !model.encoder(m).fixed() || !cache.keeps_features(m)) continue;
      Wanted wanted{set, &cache, m, {}};
      const auto& samples = set->samples();
      for (std::size_t i = 0; i < samples.size(); ++i)
        if (samples[i].present >> m & 1) wanted.samples.push_back(static_cast<std::int64_t>(i));
      if (!wanted.samples.empty()) all.push_back(std::move(wanted));
    }
  // The sets lie in memory in another order on every rank.
  std::sort(all.begin(), all.end(), [](const Wanted& a, const Wanted& b) {
    const auto one = a.data->content_fingerprint(), other = b.data->content_fingerprint();
    return std::tie(one, a.modality) < std::tie(other, b.modality);
  });
  for (const Wanted& wanted : all) {
    std::optional<FeatureBank> bank;
    together(comm, "computing features", [&] {
      try {
        bank.emplace(root, facts_of(wanted, config),
                     static_cast<std::int64_t>(wanted.samples.size()),
                     model.encoder(wanted.modality).width());
      } catch (const UserError& problem) {
        log_warning(
            "features are not kept: {}; give data.feature_bank a folder that can be "
            "written to, or none",
            problem.what());
        return;
      }
      fill(wanted, *bank, comm, console);
    });
    together(comm, "reading features", [&] {
      if (bank) load(wanted, *bank);
    });
  }
  return kept;
}

}  // namespace cuttle
