#include <fmt/ranges.h>

#include <array>
#include <set>

#include "cuttle/core/error.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {

std::vector<std::string> RunData::own_sets() const {
  std::vector<std::string> lines;
  for (const Part& part : parts_)
    for (const Split split : {Split::kValidation, Split::kTest})
      if (const Dataset* own = part.of(split); own != part.data.get())
        lines.push_back(fmt::format(
            "{}{}: {} classes of {}", parts_.size() > 1 ? part.key + ", " : "", to_string(split),
            own->classes_of(split).size(), fmt::join(part.shards_of(split), ", ")));
  return lines;
}

std::vector<std::string> RunData::seen_classes() const {
  std::vector<std::string> lines;
  for (const Part& part : parts_)
    for (const Split split : {Split::kValidation, Split::kTest})
      if (const Dataset* own = part.of(split); own != part.data.get())
        if (auto line = seen_in_training(*part.data, *own, split); !line.empty())
          lines.push_back(std::move(line));
  return lines;
}

std::string seen_in_training(const Dataset& training, const Dataset& other, Split split) {
  constexpr std::size_t kNamed = 3;
  const auto name_in = [](const Dataset& data, std::int32_t id) {
    return data.class_names()[static_cast<std::size_t>(id)];
  };
  std::set<std::string> trained;
  for (const auto id : training.classes_of(Split::kTrain)) trained.insert(name_in(training, id));
  std::vector<std::string> some;
  std::size_t count = 0;
  for (const auto id : other.classes_of(split))
    if (const auto name = name_in(other, id); trained.count(name) > 0 && ++count <= kNamed)
      some.push_back(name);
  if (count == 0) return {};
  return fmt::format(
      "split {}: {} of its {} classes {} by name of training classes ('{}'{}), so what is measured "
      "is not all of unseen classes",
      to_string(split), count, other.classes_of(split).size(), count == 1 ? "is" : "are",
      fmt::join(some, "', '"), count > kNamed ? fmt::format(" and {} more", count - kNamed) : "");
}

std::vector<std::string> RunData::absent_senses() const {
  constexpr std::array<Split, 3> kSplits{Split::kTrain, Split::kValidation, Split::kTest};
  std::array<std::set<std::string>, 3> there;  // the senses of each split's samples
  std::array<bool, 3> any{};
  for (const Part& part : parts_) {
    if (!part.data) return {};  // drawn samples have what is drawn
    const auto names = names_of(part.data->modalities());
    for (const Split split : kSplits) {
      const auto at = static_cast<std::size_t>(split);
      std::uint32_t present = 0;
      for (const SampleInfo& sample : part.of(split)->samples()) {
        if (sample.split != split) continue;
        any[at] = true;
        present |= sample.present;
      }
      for (std::size_t m = 0; m < names.size(); ++m)
        if (present >> m & 1u) there[at].insert(names[m]);
    }
  }
  std::vector<std::string> lines;
  for (const std::string& name : names_of(inputs_.modalities)) {
    std::vector<std::string> without, with;
    for (const Split split : kSplits) {
      const auto at = static_cast<std::size_t>(split);
      if (any[at]) (there[at].count(name) > 0 ? with : without).push_back(to_string(split));
    }
    if (without.empty()) continue;
    const bool unlearned = without.front() == to_string(Split::kTrain);
    lines.push_back(fmt::format(
        "the sense {}: no sample of {} has it{}; add such samples, or choose the senses with "
        "data.modalities",
        name, fmt::join(without, ", "),
        !unlearned     ? " (what is learned of it is not measured there)"
        : with.empty() ? " (nothing is learned of it)"
                       : fmt::format(" (nothing is learned of it, and {} goes by it)",
                                     fmt::join(with, ", "))));
  }
  return lines;
}

}  // namespace cuttle
