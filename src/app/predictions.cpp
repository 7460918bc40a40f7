#include "app/predictions.hpp"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "cuttle/core/csv.hpp"

namespace cuttle {
namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\')
      result += "\\\\";
    else if (c == '\t')
      result += "\\t";
    else if (c == '\n')
      result += "\\n";
    else if (c == '\r')
      result += "\\r";
    else
      result += c;
  }
  return result;
}

}  // namespace

std::string PredictionText::header() const {
  if (format_ != PredictionFormat::kCsv) return {};
  if (!classes_.empty()) return "sample,class,probability\n";
  std::string names = "sample";
  for (std::int64_t i = 1; i <= values_; ++i) names += fmt::format(",value_{}", i);
  return names + "\n";
}

std::string PredictionText::line(const std::string& sample, const torch::Tensor& outputs) const {
  return (classes_.empty() ? of_values(sample, outputs) : of_class(sample, outputs)) + "\n";
}

std::string PredictionText::no_answer(const std::string& sample) const {
  const std::int64_t columns = classes_.empty() ? values_ : 2;
  std::string text = format_ == PredictionFormat::kCsv ? csv_field(sample) : escaped(sample);
  if (format_ == PredictionFormat::kJsonLines)
    return (classes_.empty()
                ? nlohmann::json{{"sample", sample}, {"values", nullptr}}
                : nlohmann::json{{"sample", sample}, {"class", nullptr}, {"probability", nullptr}})
               .dump() +
           "\n";
  for (std::int64_t i = 0; i < columns; ++i)
    text += format_ == PredictionFormat::kCsv ? "," : "\t-";
  return text + "\n";
}

std::string PredictionText::of_class(const std::string& sample, const torch::Tensor& logits) const {
  const auto probability = torch::softmax(logits, 0);
  const auto best = probability.argmax().item<std::int64_t>();
  const float sure = probability[best].item<float>();
  const std::string& name = classes_[static_cast<std::size_t>(best)];
  if (format_ == PredictionFormat::kTabs)
    return fmt::format("{}\t{}\t{:.4f}", escaped(sample), escaped(name), sure);
  if (format_ == PredictionFormat::kCsv)
    return fmt::format("{},{},{}", csv_field(sample), csv_field(name), sure);
  return nlohmann::json{
      {"sample", sample}, {"class", name}, {"probability", static_cast<double>(sure)}}
      .dump();
}

std::string PredictionText::of_values(const std::string& sample,
                                      const torch::Tensor& outputs) const {
  const auto row = outputs.contiguous();
  const std::vector<float> values(row.data_ptr<float>(), row.data_ptr<float>() + row.numel());
  if (format_ == PredictionFormat::kTabs)
    return fmt::format("{}\t{:.6g}", escaped(sample), fmt::join(values, "\t"));
  if (format_ == PredictionFormat::kCsv)
    return fmt::format("{},{}", csv_field(sample), fmt::join(values, ","));
  return nlohmann::json{{"sample", sample}, {"values", values}}.dump();
}

}  // namespace cuttle
