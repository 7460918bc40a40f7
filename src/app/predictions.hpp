#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cuttle {

/// How answers are written: lines of columns between tabs, in which \\ \t \n \r stand for a
/// backslash, a tab and the ends of lines; CSV (RFC 4180) with a header; one JSON object a line.
enum class PredictionFormat { kTabs, kCsv, kJsonLines };

/// The answers to samples as text, one after the other: sample, class and how sure that is, or
/// sample and values.
class PredictionText {
 public:
  /// `classes`: empty for `values` values a sample.
  PredictionText(PredictionFormat format, std::vector<std::string> classes, std::int64_t values)
      : format_(format), classes_(std::move(classes)), values_(values) {}

  /// What stands before the first answer.
  std::string header() const;
  /// `outputs`: logits or values of one sample.
  std::string line(const std::string& sample, const torch::Tensor& outputs) const;
  /// Of a sample that has nothing to look at: no class and no numbers ("-" between tabs, empty
  /// fields, null).
  std::string no_answer(const std::string& sample) const;

 private:
  std::string of_class(const std::string& sample, const torch::Tensor& logits) const;
  std::string of_values(const std::string& sample, const torch::Tensor& outputs) const;

  PredictionFormat format_;
  std::vector<std::string> classes_;
  std::int64_t values_;
};

}  // namespace cuttle
