#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/data/dataset.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kNowhere = ~std::size_t{0};

/// For each feature or channel of `wanted`, its place among those of `own`, by the names of their
/// columns, or kNowhere; empty: as they are.
std::vector<std::size_t> order_of(const ModalitySpec& wanted, const ModalitySpec& own) {
  if (wanted.columns == own.columns || wanted.columns.size() < 2 || own.columns.size() < 2)
    return {};
  std::vector<std::size_t> order;
  bool any = false;
  for (const std::string& column : wanted.columns) {
    const auto found = std::find(own.columns.begin(), own.columns.end(), column);
    const bool there = !column.empty() && found != own.columns.end();
    any = any || there;
    order.push_back(there ? static_cast<std::size_t>(found - own.columns.begin()) : kNowhere);
  }
  return any ? order : std::vector<std::size_t>();
}

/// How rows of one sense's columns become those of another, of as many.
struct ColumnsChange {
  std::vector<std::size_t> order;  ///< of each its place before, or kNowhere; empty: as they are
  std::vector<std::vector<float>> numbers;  ///< of each category of a column its number after, or
                                            ///< NaN; by its number before. Empty: as they are
  bool none() const { return order.empty() && numbers.empty(); }
};

ColumnsChange change_of(const ModalitySpec& wanted, const ModalitySpec& own) {
  ColumnsChange change{order_of(wanted, own), {}};
  if (wanted.categories.empty() && own.categories.empty()) return change;
  if (change.order.empty() && wanted.categories == own.categories) return change;
  const std::vector<std::string> none;
  for (std::size_t i = 0; i < static_cast<std::size_t>(wanted.shape[0]); ++i) {
    const std::size_t place = change.order.empty() ? i : change.order[i];
    const auto& here = wanted.categories.empty() ? none : wanted.categories[i];
    const auto& there = own.categories.empty() || place == kNowhere ? none : own.categories[place];
    CUTTLE_VALIDATE(place == kNowhere || here.empty() == there.empty(),
                    "column {} of {} holds numbers in one data set and categories in another (the "
                    "same value would mean something else in each); make both in the same way",
                    i < wanted.columns.size() ? wanted.columns[i] : std::to_string(i), wanted.name);
    change.numbers.emplace_back();
    for (const std::string& category : there) {
      const auto found = std::find(here.begin(), here.end(), category);
      change.numbers.back().push_back(
          found == here.end() ? std::nanf("") : static_cast<float>(found - here.begin()));
    }
  }
  return change;
}

/// Of rows of floats.
void apply(const ColumnsChange& change, std::size_t columns, std::uint8_t* first,
           std::size_t bytes) {
  std::vector<float> was(bytes / sizeof(float));
  std::memcpy(was.data(), first, bytes);
  std::vector<float> now = was;
  for (std::size_t at = 0; at + columns <= was.size(); at += columns)
    for (std::size_t i = 0; i < columns; ++i) {
      const std::size_t place = change.order.empty() ? i : change.order[i];
      float& value = now[at + i];
      value = place == kNowhere ? 0.0f : was[at + place];
      if (change.numbers.empty() || change.numbers[i].empty()) continue;
      const auto& numbers = change.numbers[i];
      const bool known = value >= 0 && value < static_cast<float>(numbers.size());
      value = known ? numbers[static_cast<std::size_t>(value)] : std::nanf("");
    }
  std::memcpy(first, now.data(), bytes);
}

/// A data set in other senses: some of its own, in another order, and some that none of its samples
/// has.
class SensesView final : public DatasetView {
 public:
  SensesView(std::unique_ptr<Dataset> data, std::vector<ModalitySpec> modalities)
      : DatasetView(std::move(data)),
        modalities_(std::move(modalities)),
        samples_(data_->samples()) {
    const auto& own = data_->modalities();
    for (const ModalitySpec& spec : modalities_) {
      const ModalitySpec* place = find_modality(own, spec.name);
      places_.push_back(place == nullptr ? kNowhere : static_cast<std::size_t>(place - own.data()));
      changes_.push_back(place == nullptr ? ColumnsChange() : change_of(spec, *place));
    }
    for (SampleInfo& info : samples_) info.present = in_places(info.present);
  }

  const std::vector<ModalitySpec>& modalities() const override { return modalities_; }
  const std::vector<SampleInfo>& samples() const override { return samples_; }
  std::int64_t read(std::int64_t sample, std::size_t modality,
                    std::vector<std::uint8_t>& out) const override {
    CUTTLE_EXPECT(modality < places_.size() && places_[modality] != kNowhere);
    const std::size_t before = out.size();
    const std::int64_t bytes = data_->read(sample, places_[modality], out);
    if (const auto& change = changes_[modality]; !change.none())
      apply(change, static_cast<std::size_t>(modalities_[modality].shape[0]), out.data() + before,
            static_cast<std::size_t>(bytes));
    return bytes;
  }
  std::uint32_t hidden_in(Split split, const RandomKey& task) const override {
    return in_places(data_->hidden_in(split, task));
  }
  std::string fingerprint() const override {
    std::string text;
    for (const std::string& name : names_of(modalities_)) text += name + '\0';
    return sha256(text + data_->fingerprint());
  }

 private:
  /// Bits by the senses of data_, as bits by these.
  std::uint32_t in_places(std::uint32_t there) const {
    std::uint32_t here = 0;
    for (std::size_t m = 0; m < places_.size(); ++m)
      if (places_[m] != kNowhere && (there >> places_[m] & 1) != 0) here |= std::uint32_t{1} << m;
    return here;
  }

  std::vector<ModalitySpec> modalities_;
  std::vector<std::size_t> places_;     // of each modality in data_, or kNowhere
  std::vector<ColumnsChange> changes_;  // of each modality's columns in data_
  std::vector<SampleInfo> samples_;
};

}  // namespace

std::unique_ptr<Dataset> in_senses(std::unique_ptr<Dataset> data,
                                   std::vector<ModalitySpec> modalities) {
  CUTTLE_EXPECT(modalities.size() <= kMostModalities);
  const bool ordered = std::all_of(modalities.begin(), modalities.end(), [&](const auto& spec) {
    const ModalitySpec* own = find_modality(data->modalities(), spec.name);
    return own == nullptr || change_of(spec, *own).none();
  });
  if (ordered && data->modalities() == modalities) return data;
  return std::make_unique<SensesView>(std::move(data), std::move(modalities));
}

}  // namespace cuttle
