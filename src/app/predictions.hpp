#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/core/span.hpp"
#include "cuttle/metrics/confusion_matrix.hpp"
#include "cuttle/task/task_kind.hpp"

namespace cuttle {

/// How answers are written: lines of columns between tabs, in which \\ \t \n \r stand for a
/// backslash, a tab and the ends of lines; CSV (RFC 4180) with a header; one JSON object a line.
enum class PredictionFormat { kTabs, kCsv, kJsonLines };

/// What a model says of one sample.
struct Answer {
  std::string sample;
  std::vector<float> outputs;  ///< probabilities of the classes or labels, or values; empty: the
                               ///< sample has nothing to look at, and no answer
  std::vector<std::vector<float>> beside = {};  ///< TaskKind::beside of the values; empty: none
  std::optional<double> known;  ///< Calibration::known, 0 where all classes are equally
                                ///< probable; none: nobody can tell
  bool rejected = false;        ///< it is said to belong to no class
};

/// Labels of a larger probability are told of a sample.
constexpr float kLabelFrom = 0.5f;

/// Answers as text, one after the other.
class PredictionText {
 public:
  /// `values`: names of the values that a sample has; empty: classes. `beside`: what answers have
  /// beside each. `labels`: whether values are probabilities of labels. `top`: how many of the
  /// classes are told, the most probable first; 0: between tabs and in CSV one, in JSON all.
  PredictionText(PredictionFormat format, std::vector<std::string> classes,
                 std::vector<std::string> values, std::vector<TaskKind::Beside> beside, bool labels,
                 std::int64_t top);

  /// What stands before the first answer.
  std::string header() const;
  /// Sample, class, probability, share of genuine samples that are as far (known), then the next
  /// classes; or sample and values, each followed by its deviation. What there is none of is "-"
  /// between tabs, an empty field, null.
  std::string line(const Answer& answer) const;

 private:
  std::vector<std::size_t> ranking(const Answer& answer) const;
  std::string json_of(const Answer& answer) const;
  std::vector<std::string> columns_of(const Answer& answer) const;

  PredictionFormat format_;
  std::vector<std::string> classes_;
  std::vector<std::string> values_;
  std::vector<TaskKind::Beside> beside_;
  bool labels_;
  std::size_t top_;
};

/// How far values are from known targets, summed; and, where there are deviations, how likely the
/// targets were and how many lay in their 90 % intervals; where there are two bounds, how many lay
/// between them.
struct ErrorOfValues {
  std::int64_t samples = 0, values = 0, judged = 0, bounded = 0, covered = 0;
  double squared = 0, absolute = 0, log_likelihood = 0;

  /// `targets`: as many as the answer has values. `deviations`: they are what is beside these; two
  /// numbers beside them are bounds.
  void add(const Answer& answer, Span<const float> targets, bool deviations);
  /// For people.
  std::string summary() const;
};

/// Labels told (of a probability above kLabelFrom) and there, by label: what F1 is made of.
struct FoundLabels {
  std::int64_t samples = 0;
  std::vector<std::int64_t> right, either;  ///< told and there; told, plus there

  /// `targets`: as many as the answer has labels, 0 or 1.
  void add(const Answer& answer, Span<const float> targets);
  /// For people.
  std::string summary() const;
};

/// Levels told beside true ones, summed: what quadratic kappa is made of, as `eval` tells it.
struct FoundLevels {
  struct Sums {
    double told = 0, truth = 0, squares = 0, off = 0, absolute = 0;
  };
  std::int64_t samples = 0, right = 0;
  std::vector<Sums> sums;  ///< of each value

  /// `targets`: as many as the answer has levels.
  void add(const Answer& answer, Span<const float> targets);
  /// For people.
  std::string summary() const;
};

/// How many labelled samples were answered rightly.
class LabelledAnswers {
 public:
  /// `confusion`: to_csv() will be called; UserError where the table would be too large.
  LabelledAnswers(std::vector<std::string> classes, bool confusion);

  /// `label`: of a class that the model may not know.
  void add(const Answer& answer, const std::string& label);
  bool empty() const { return known_ + foreign_ == 0; }
  /// Accuracy with its 95 % interval (Wilson 1927), the worst class, and what became of samples of
  /// other classes; for people.
  std::string summary() const;
  /// The confusion matrix as CSV; the last row and column are of no class.
  std::string to_csv() const;

 private:
  std::vector<std::string> classes_;  ///< and "(none of them)"
  ClassCounts counts_;
  std::optional<ConfusionMatrix> confusion_;
  std::map<std::string, std::int64_t> foreign_names_;
  std::int64_t known_ = 0, right_ = 0, silent_ = 0, foreign_ = 0, foreign_silent_ = 0;
};

}  // namespace cuttle
