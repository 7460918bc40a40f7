#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/task/options.hpp"

namespace cuttle {

inline EpisodeOptions episodes_of(std::int64_t way, std::int64_t shot, std::int64_t query) {
  EpisodeOptions options;
  options.way = way;
  options.shot = shot;
  options.query = query;
  return options;
}

/// A data set in memory with any classes and groups: modalities "a" and "b"; the data of sample i
/// in modality m are m + 1 bytes of value i.
class FakeDataset : public Dataset {
 public:
  explicit FakeDataset(std::size_t modalities = 2) {
    for (std::size_t m = 0; m < modalities; ++m) {
      modalities_.push_back(
          {std::string(1, static_cast<char>('a' + m)), ModalityKind::kText, {}, 0.0, {}, {}});
    }
  }

  /// Adds a class whose samples have these groups and modalities (all, unless given).
  void add_class(Split split, const std::vector<std::int32_t>& groups,
                 std::vector<std::uint32_t> present = {}) {
    const auto id = static_cast<std::int32_t>(class_names_.size());
    class_names_.push_back("class " + std::to_string(id));
    by_split_[static_cast<std::size_t>(split)].push_back(id);
    by_class_.emplace_back();
    present.resize(groups.size(), (1u << modalities_.size()) - 1);
    for (const std::int32_t group : groups)
      while (group_names_.size() <= static_cast<std::size_t>(group))
        group_names_.push_back("group " + std::to_string(group_names_.size()));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      by_class_.back().push_back(static_cast<std::int64_t>(samples_.size()));
      const bool complete = present[i] + 1 == 1u << modalities_.size();
      samples_.push_back({id, groups[i], split, present[i], complete});
    }
  }
  void add_classes(int count, Split split, const std::vector<std::int32_t>& groups) {
    for (int i = 0; i < count; ++i) add_class(split, groups);
  }
  /// Samples have `width` targets: target t of sample i is i + t / 8.
  void add_targets(std::int64_t width) {
    target_width_ = width;
    targets_.clear();
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      for (std::int64_t t = 0; t < width; ++t)
        targets_.push_back(static_cast<float>(i) + static_cast<float>(t) / 8);
    }
  }
  /// Reading this sample fails.
  void spoil(std::int64_t sample) { spoilt_ = sample; }

  const std::vector<ModalitySpec>& modalities() const override { return modalities_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  const std::vector<std::string>& group_names() const override { return group_names_; }
  const std::vector<SampleInfo>& samples() const override { return samples_; }
  const std::vector<std::int32_t>& classes_of(Split split) const override {
    return by_split_[static_cast<std::size_t>(split)];
  }
  Span<const std::int64_t> samples_of(std::int32_t class_id) const override {
    return by_class_[class_id];
  }
  std::int64_t target_width() const override { return target_width_; }
  Span<const float> target(std::int64_t sample) const override {
    return {targets_.data() + sample * target_width_, static_cast<std::size_t>(target_width_)};
  }
  std::string sample_name(std::int64_t sample) const override { return std::to_string(sample); }
  std::int64_t read(std::int64_t sample, std::size_t modality,
                    std::vector<std::uint8_t>& out) const override {
    CUTTLE_REQUIRE(sample != spoilt_, "sample {} is spoilt", sample);
    CUTTLE_EXPECT(samples_[sample].present >> modality & 1);
    out.insert(out.end(), modality + 1, static_cast<std::uint8_t>(sample));
    return static_cast<std::int64_t>(modality) + 1;
  }
  std::string fingerprint() const override { return "fake"; }
  std::string content_fingerprint() const override { return "fake"; }

 private:
  std::vector<ModalitySpec> modalities_;
  std::vector<std::string> class_names_, group_names_;
  std::vector<SampleInfo> samples_;
  std::array<std::vector<std::int32_t>, 3> by_split_;
  std::vector<std::vector<std::int64_t>> by_class_;
  std::int64_t spoilt_ = -1, target_width_ = 0;
  std::vector<float> targets_;
};

}  // namespace cuttle
