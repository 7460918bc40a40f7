#include "data/class_folds.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/log.hpp"
#include "data/draw_by_name.hpp"
#include "data/training_moments.hpp"

namespace cuttle {
namespace {

struct Fold {
  std::size_t number = 0, of = 0;
};

Fold fold_of(const std::string& text) {
  Fold fold;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, fold.number);
  const bool slash = first.ptr != end && *first.ptr == '/';
  const auto second = slash ? std::from_chars(first.ptr + 1, end, fold.of) : first;
  CUTTLE_VALIDATE(slash && second.ec == std::errc() && second.ptr == end && fold.of >= 2 &&
                      fold.number >= 1 && fold.number <= fold.of,
                  "data.fold: '{}' is no fold of two or more, such as 1/5, the first of five",
                  text);
  return fold;
}

/// Classes that are dealt, some of them joined.
class Sets {
 public:
  explicit Sets(std::size_t classes) : above_(classes) {
    std::iota(above_.begin(), above_.end(), std::size_t{0});
  }
  std::size_t of(std::size_t c) const {
    while (above_[c] != c) c = above_[c];
    return c;
  }
  void join(std::size_t a, std::size_t b) { above_[of(a)] = of(b); }

 private:
  std::vector<std::size_t> above_;
};

/// Joins classes that share a word, unless classes of two splits share one.
class Words {
 public:
  /// False where a class of another split has it.
  bool add(const std::string& word, std::size_t class_id, Split split) {
    const auto [entry, added] = first_.try_emplace(word, class_id, split);
    if (!added) pairs_.emplace_back(entry->second.first, class_id);
    return entry->second.second == split;
  }
  void join(Sets& sets) const {
    for (const auto& [a, b] : pairs_) sets.join(a, b);
  }

 private:
  std::map<std::string, std::pair<std::size_t, Split>> first_;
  std::vector<std::pair<std::size_t, std::size_t>> pairs_;
};

/// The first `parts` parts of a name, or all that it has.
std::string beginning(const std::string& name, std::size_t parts) {
  std::size_t end = name.find('/');
  for (; parts > 1 && end != name.npos; --parts) end = name.find('/', end + 1);
  return name.substr(0, end);
}

/// A group in two splits says that they were not made by groups; where most are in one the user
/// may think otherwise.
void join_by_groups(const Dataset& data, Sets& sets) {
  Words groups;
  std::set<std::int32_t> all, astray;
  for (const SampleInfo& info : data.samples()) {
    if (info.class_id < 0) continue;
    all.insert(info.group_id);
    if (!groups.add(std::to_string(info.group_id), static_cast<std::size_t>(info.class_id),
                    info.split))
      astray.insert(info.group_id);
  }
  if (astray.empty()) return groups.join(sets);
  if (2 * astray.size() < all.size())
    log_warning(
        "data.fold: classes that share a group are dealt apart, since the shards' splits do not "
        "keep groups together ({} of {} are in two, such as '{}')",
        astray.size(), all.size(), data.group_names()[static_cast<std::size_t>(*astray.begin())]);
}

void join_by_names(const Dataset& data, Sets& sets) {
  const auto keeps = [&](std::size_t parts, Words& names) {
    for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest})
      for (const std::int32_t id : data.classes_of(split)) {
        const auto c = static_cast<std::size_t>(id);
        if (!names.add(beginning(data.class_names()[c], parts), c, split)) return false;
      }
    return true;
  };
  for (std::size_t parts = 1;; ++parts) {  // as a whole names are different
    Words names;
    if (keeps(parts, names)) return names.join(sets);
  }
}

/// Sets of training and validation classes that stay together.
std::vector<std::vector<std::int32_t>> sets_of(const Dataset& data) {
  Sets sets(data.class_names().size());
  int splits = 0;
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest})
    splits += !data.classes_of(split).empty();
  if (splits > 1) {  // one alone keeps nothing together
    join_by_groups(data, sets);
    join_by_names(data, sets);
  }
  std::map<std::size_t, std::vector<std::int32_t>> members;
  for (const Split split : {Split::kTrain, Split::kValidation})
    for (const std::int32_t id : data.classes_of(split))
      members[sets.of(static_cast<std::size_t>(id))].push_back(id);
  std::vector<std::vector<std::int32_t>> all;
  for (auto& entry : members) all.push_back(std::move(entry.second));
  return all;
}

/// The classes of a fold. The largest sets are dealt first, each to the smallest fold, so that
/// folds of single classes differ by one at most; equals in an order that names and seed draw.
std::vector<std::int32_t> classes_in(const Dataset& data, const Fold& fold, std::uint64_t seed) {
  const auto sets = sets_of(data);
  CUTTLE_VALIDATE(fold.of <= sets.size(),
                  "data.fold: {} folds of {} {} (each needs one at least); use fewer, or more data",
                  fold.of, sets.size(),
                  sets.size() < data.classes_of(Split::kTrain).size() +
                                    data.classes_of(Split::kValidation).size()
                      ? "sets of classes that the shards' splits keep together"
                      : "training and validation classes");
  using Place = std::tuple<std::ptrdiff_t, double, std::string, std::size_t>;
  std::vector<Place> order;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    std::vector<std::string> names;
    for (const std::int32_t id : sets[i])
      names.push_back(data.class_names()[static_cast<std::size_t>(id)]);
    const std::string first = *std::min_element(names.begin(), names.end());
    order.emplace_back(-static_cast<std::ptrdiff_t>(names.size()),
                       draw_by_name(first, {seed, Stream::kFolds}), first, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::vector<std::int32_t>> folds(fold.of);
  for (const Place& place : order) {
    auto& smallest =
        *std::min_element(folds.begin(), folds.end(),
                          [](const auto& a, const auto& b) { return a.size() < b.size(); });
    const auto& set = sets[std::get<3>(place)];
    smallest.insert(smallest.end(), set.begin(), set.end());
  }
  return folds[fold.number - 1];
}

class InFold final : public DatasetView {
 public:
  InFold(std::unique_ptr<Dataset> data, const DataOptions& options)
      : DatasetView(std::move(data)),
        samples_(data_->samples()),
        text_(fmt::format("{} {}", options.fold, options.fold_seed)) {
    std::vector<Split> split_of(class_names().size(), Split::kTrain);
    for (const std::int32_t id : data_->classes_of(Split::kTest))
      split_of[static_cast<std::size_t>(id)] = Split::kTest;
    for (const std::int32_t id : classes_in(*data_, fold_of(options.fold), options.fold_seed))
      split_of[static_cast<std::size_t>(id)] = Split::kValidation;
    for (const std::int32_t id : data_->classes_of(Split::kAll))
      classes_[static_cast<std::size_t>(split_of[static_cast<std::size_t>(id)])].push_back(id);
    for (SampleInfo& info : samples_)
      if (info.class_id >= 0) info.split = split_of[static_cast<std::size_t>(info.class_id)];
    modalities_ = with_training_moments(*data_, samples_);
  }
  const std::vector<ModalitySpec>& modalities() const override { return modalities_; }
  const std::vector<SampleInfo>& samples() const override { return samples_; }
  const std::vector<std::int32_t>& classes_of(Split split) const override {
    return split == Split::kAll ? data_->classes_of(split)
                                : classes_[static_cast<std::size_t>(split)];
  }
  std::string fingerprint() const override { return sha256(text_ + data_->fingerprint()); }

 private:
  std::vector<SampleInfo> samples_;
  std::string text_;
  std::array<std::vector<std::int32_t>, 3> classes_;
  std::vector<ModalitySpec> modalities_;
};

}  // namespace

std::unique_ptr<Dataset> in_fold(std::unique_ptr<Dataset> data, const DataOptions& options) {
  if (options.fold.empty()) return data;
  return std::make_unique<InFold>(std::move(data), options);
}

}  // namespace cuttle
