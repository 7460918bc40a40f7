#include "data/missing_senses.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "data/draw_by_name.hpp"

namespace cuttle {
namespace {

/// Of which share of samples, classes or tasks a sense is missing.
struct Share {
  std::size_t modality;
  double share;
};

std::vector<Share> shares_of(const std::vector<std::string>& missing,
                             const std::vector<ModalitySpec>& senses) {
  std::vector<Share> shares;
  double sum = 0;
  for (const std::string& text : missing) {
    const std::size_t is = text.find('=');
    const ModalitySpec* sense = find_modality(senses, text.substr(0, is));
    CUTTLE_VALIDATE(sense != nullptr && is != text.npos,
                    "data.missing: '{}' is no SENSE=SHARE, such as {}=0.7; the senses are {}", text,
                    senses.front().name, fmt::join(names_of(senses), ", "));
    char* end = nullptr;
    const double share = std::strtod(text.c_str() + is + 1, &end);
    CUTTLE_VALIDATE(end != text.c_str() + is + 1 && *end == 0 && share >= 0 && share <= 1,
                    "data.missing: '{}' of '{}' is no share; give 0 to 1", text.substr(is + 1),
                    text);
    shares.push_back({static_cast<std::size_t>(sense - senses.data()), share});
    sum += share;
  }
  CUTTLE_VALIDATE(
      sum <= 1 + 1e-9,
      "data.missing: the shares make {} together (no sample loses two senses); give 1 at "
      "most, such as 0.35 and 0.35 for 70 % that lack one of two",
      sum);
  return shares;
}

class MissingSenses final : public DatasetView {
 public:
  MissingSenses(std::unique_ptr<Dataset> data, const DataOptions& options)
      : DatasetView(std::move(data)),
        options_(options),
        shares_(shares_of(options.missing, data_->modalities())),
        samples_(data_->samples()) {
    const bool by_class = options.missing_by == "class";
    std::array<bool, 3> asked{};
    for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest})
      asked[static_cast<std::size_t>(split)] = has_missing(options, split);
    for (std::size_t i = 0; i < samples_.size() && !by_task(); ++i) {
      SampleInfo& info = samples_[i];
      if (!asked[static_cast<std::size_t>(info.split)] || (by_class && info.class_id < 0)) continue;
      const std::uint32_t rest =
          info.present & ~hidden(by_class ? class_names()[static_cast<std::size_t>(info.class_id)]
                                          : sample_name(static_cast<std::int64_t>(i)));
      if (rest != 0) info.present = rest;
    }
    pattern_ = fmt::format("{} {} {} {}", fmt::join(options.missing, " "), options.missing_by,
                           fmt::join(options.missing_splits, " "), options.missing_seed);
  }
  const std::vector<SampleInfo>& samples() const override { return samples_; }
  std::uint32_t hidden_in(Split split, const RandomKey& task) const override {
    if (!by_task() || !has_missing(options_, split)) return 0;
    return hidden(
        fmt::format("{} {} {} {}", task.seed, static_cast<int>(task.stream), task.step, task.slot));
  }
  std::string fingerprint() const override { return sha256(pattern_ + data_->fingerprint()); }

 private:
  bool by_task() const { return options_.missing_by == "task"; }
  /// The sense that what is called so loses, as a bit; 0: none.
  std::uint32_t hidden(const std::string& name) const {
    double left = draw_by_name(name, {options_.missing_seed, Stream::kMissing});
    for (const Share& share : shares_) {
      left -= share.share;
      if (left < 0) return std::uint32_t{1} << share.modality;
    }
    return 0;
  }

  DataOptions options_;
  std::vector<Share> shares_;
  std::vector<SampleInfo> samples_;
  std::string pattern_;
};

}  // namespace

bool has_missing(const DataOptions& options, Split split) {
  return !options.missing.empty() &&
         std::any_of(options.missing_splits.begin(), options.missing_splits.end(),
                     [&](const std::string& name) {
                       return split_from(name) == Split::kAll || split_from(name) == split;
                     });
}

std::unique_ptr<Dataset> without_missing(std::unique_ptr<Dataset> data,
                                         const DataOptions& options) {
  if (options.missing.empty()) return data;
  return std::make_unique<MissingSenses>(std::move(data), options);
}

}  // namespace cuttle
