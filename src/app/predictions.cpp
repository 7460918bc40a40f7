#include "app/predictions.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

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

PredictionText::PredictionText(PredictionFormat format, std::vector<std::string> classes,
                               std::vector<std::string> values,
                               std::vector<TaskKind::Beside> beside, bool labels, std::int64_t top)
    : format_(format),
      classes_(std::move(classes)),
      values_(std::move(values)),
      beside_(std::move(beside)),
      labels_(labels) {
  const std::size_t usual = format == PredictionFormat::kJsonLines ? classes_.size() : 1;
  top_ = std::min(classes_.size(), top > 0 ? static_cast<std::size_t>(top) : usual);
}

std::string PredictionText::header() const {
  if (format_ == PredictionFormat::kJsonLines) return {};
  const bool csv = format_ == PredictionFormat::kCsv;
  std::string names = "sample";
  if (classes_.empty()) {
    const auto add = [&](const std::string& name) {
      names += csv ? "," + csv_field(name) : "\t" + escaped(name);
    };
    for (const auto& value : values_) {
      add(value);
      for (const auto& [column, record] : beside_) add(value + column);
    }
    return names + "\n";
  }
  if (!csv) return {};  // a line is a sample's class, and says what it is
  names += ",class,probability,known";
  for (std::size_t i = 2; i <= top_; ++i) names += fmt::format(",class_{0},probability_{0}", i);
  return names + "\n";
}

std::string PredictionText::line(const Answer& answer) const {
  if (format_ == PredictionFormat::kJsonLines) return json_of(answer) + "\n";
  const auto columns = columns_of(answer);
  return fmt::format("{}\n", fmt::join(columns, format_ == PredictionFormat::kCsv ? "," : "\t"));
}

/// The classes that are told, the most probable first; of equals the first.
std::vector<std::size_t> PredictionText::ranking(const Answer& answer) const {
  std::vector<std::size_t> order(classes_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return answer.outputs[a] > answer.outputs[b];
  });
  order.resize(top_);
  return order;
}

std::string PredictionText::json_of(const Answer& answer) const {
  using nlohmann::ordered_json;
  ordered_json json{{"sample", answer.sample}};
  const bool blank = answer.outputs.empty();
  if (labels_) {
    json["labels"] = blank ? ordered_json() : ordered_json::array();
    json["probabilities"] = ordered_json::object();
    for (std::size_t i = 0; i < answer.outputs.size(); ++i) {
      if (answer.outputs[i] > kLabelFrom) json["labels"].push_back(values_[i]);
      json["probabilities"][values_[i]] = answer.outputs[i];
    }
    return json.dump();
  }
  if (classes_.empty()) {
    json["values"] = blank ? ordered_json() : ordered_json(answer.outputs);
    for (std::size_t b = 0; b < beside_.size(); ++b)
      json[beside_[b].record] = blank ? ordered_json() : ordered_json(answer.beside[b]);
    return json.dump();
  }
  const auto order = blank ? std::vector<std::size_t>() : ranking(answer);
  const bool says = !blank && !answer.rejected;
  const auto probability = [&](std::size_t c) { return static_cast<double>(answer.outputs[c]); };
  json["class"] = says ? ordered_json(classes_[order[0]]) : ordered_json();
  json["probability"] = says ? ordered_json(probability(order[0])) : ordered_json();
  json["known"] = answer.known ? ordered_json(*answer.known) : ordered_json();
  if (answer.rejected) json["rejected"] = true;
  json["probabilities"] = ordered_json::object();
  for (const std::size_t c : order) json["probabilities"][classes_[c]] = probability(c);
  return json.dump();
}

std::vector<std::string> PredictionText::columns_of(const Answer& answer) const {
  const bool csv = format_ == PredictionFormat::kCsv, blank = answer.outputs.empty();
  const auto text = [&](const std::string& name) { return csv ? csv_field(name) : escaped(name); };
  const auto number = [&](double value, const char* digits) {
    return csv ? fmt::format("{}", static_cast<float>(value))
               : fmt::format(fmt::runtime(digits), value);
  };
  const std::string none = csv ? "" : "-";
  std::vector<std::string> columns{text(answer.sample)};
  if (classes_.empty()) {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      columns.push_back(blank ? none : number(answer.outputs[i], "{:.6g}"));
      for (std::size_t b = 0; b < beside_.size(); ++b)
        columns.push_back(blank ? none : number(answer.beside[b][i], "{:.6g}"));
    }
    return columns;
  }
  const auto order = blank ? std::vector<std::size_t>() : ranking(answer);
  for (std::size_t i = 0; i < top_; ++i) {
    const bool says = !blank && !(answer.rejected && i == 0);
    columns.push_back(says ? text(classes_[order[i]]) : none);
    columns.push_back(says ? number(answer.outputs[order[i]], "{:.4f}") : none);
    if (i == 0) columns.push_back(answer.known ? number(*answer.known, "{:.4f}") : none);
  }
  return columns;
}

}  // namespace cuttle
