#include <algorithm>
#include <cstring>
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

/// Rows of floats, each brought to another order.
void reorder(const std::vector<std::size_t>& order, std::uint8_t* first, std::size_t bytes) {
  constexpr std::size_t kBytes = sizeof(float);
  const std::vector<std::uint8_t> was(first, first + bytes);
  const std::size_t row = order.size() * kBytes;
  for (std::size_t at = 0; at + row <= bytes; at += row)
    for (std::size_t i = 0; i < order.size(); ++i)
      if (std::uint8_t* to = first + at + i * kBytes; order[i] == kNowhere)
        std::memset(to, 0, kBytes);
      else
        std::memcpy(to, was.data() + at + order[i] * kBytes, kBytes);
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
      orders_.push_back(place == nullptr ? std::vector<std::size_t>() : order_of(spec, *place));
    }
    for (SampleInfo& info : samples_) {
      const std::uint32_t there = std::exchange(info.present, 0);
      for (std::size_t m = 0; m < places_.size(); ++m)
        if (places_[m] != kNowhere && (there >> places_[m] & 1) != 0)
          info.present |= std::uint32_t{1} << m;
    }
  }

  const std::vector<ModalitySpec>& modalities() const override { return modalities_; }
  const std::vector<SampleInfo>& samples() const override { return samples_; }
  std::int64_t read(std::int64_t sample, std::size_t modality,
                    std::vector<std::uint8_t>& out) const override {
    CUTTLE_EXPECT(modality < places_.size() && places_[modality] != kNowhere);
    const std::size_t before = out.size();
    const std::int64_t bytes = data_->read(sample, places_[modality], out);
    const auto& order = orders_[modality];
    if (!order.empty()) reorder(order, out.data() + before, static_cast<std::size_t>(bytes));
    return bytes;
  }
  std::string fingerprint() const override {
    std::string text;
    for (const std::string& name : names_of(modalities_)) text += name + '\0';
    return sha256(text + data_->fingerprint());
  }

 private:
  std::vector<ModalitySpec> modalities_;
  std::vector<std::size_t> places_;               // of each modality in data_, or kNowhere
  std::vector<std::vector<std::size_t>> orders_;  // of each modality's columns in data_
  std::vector<SampleInfo> samples_;
};

}  // namespace

std::unique_ptr<Dataset> in_senses(std::unique_ptr<Dataset> data,
                                   std::vector<ModalitySpec> modalities) {
  CUTTLE_EXPECT(modalities.size() <= kMostModalities);
  const bool ordered = std::all_of(modalities.begin(), modalities.end(), [&](const auto& spec) {
    const ModalitySpec* own = find_modality(data->modalities(), spec.name);
    return own == nullptr || order_of(spec, *own).empty();
  });
  if (ordered && data->modalities() == modalities) return data;
  return std::make_unique<SensesView>(std::move(data), std::move(modalities));
}

}  // namespace cuttle
