#include "train/other_data.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"

namespace cuttle {
namespace {

/// "a, b, c", cut off where they are many.
std::string some_of(std::vector<std::string> names) {
  constexpr std::size_t kTold = 10;
  if (names.size() > kTold) {
    names[kTold] = fmt::format("{} more", names.size() - kTold);
    names.resize(kTold + 1);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

bool fills_holes(const ModalitySpec& spec, const Extensions& extensions) {
  return std::any_of(spec.fitted.begin(), spec.fitted.end(), [&](const FittedStep& step) {
    const auto type = extensions.fitted.find(step.type);
    return type != extensions.fitted.end() && type->second.fills_holes;
  });
}

}  // namespace

void warn_of_lacking(const std::string& where, const std::vector<ModalitySpec>& has,
                     const std::vector<ModalitySpec>& takes) {
  std::vector<std::string> lacking;
  for (const ModalitySpec& spec : takes)
    if (find_modality(has, spec.name) == nullptr) lacking.push_back(spec.name);
  log_warning("{}: no sample has {}; the model answers without", where, fmt::join(lacking, ", "));
}

void check_columns(const ModalitySpec& takes, const ModalitySpec& has, const std::string& where) {
  if (takes.columns.size() < 2 || has.columns.size() < 2) return;
  std::vector<std::string> wanted, missing, there;
  for (const std::string& column : takes.columns)
    if (!column.empty()) wanted.push_back(column);
  for (const std::string& column : has.columns)
    if (!column.empty()) there.push_back(column);
  for (const std::string& column : wanted)
    if (std::find(there.begin(), there.end(), column) == there.end()) missing.push_back(column);
  CUTTLE_VALIDATE(missing.empty() || missing.size() == wanted.size(),
                  "{}: its {} has no column {} (the model's is of {}); it has {}; name the columns "
                  "alike, or leave none out",
                  where, takes.name, some_of(missing), some_of(wanted), some_of(there));
  if (!missing.empty())
    log_warning(
        "{}: its {} is of the columns {}, of which the model knows none ({}): they are taken by "
        "their order (right only if they mean the same)",
        where, takes.name, some_of(there), some_of(wanted));
}

void warn_of_holes(const ModalitySpec& takes, const ModalitySpec& has, const std::string& where,
                   const Extensions& extensions) {
  if (!has.holes || takes.holes || fills_holes(takes, extensions)) return;
  log_warning(
      "{}: its {} may have holes (NaN), of which the model knows nothing: samples with some "
      "are no help and get no answer",
      where, takes.name);
}

}  // namespace cuttle
