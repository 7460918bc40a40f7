#include "cuttle/metrics/confusion_matrix.hpp"

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kMaxClasses = 10000;

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::size_t table_size(std::int64_t classes) {
  CUTTLE_VALIDATE(classes >= 1 && classes <= kMaxClasses,
                  "a confusion matrix of {} classes was asked for (it has room for 1 to {})",
                  classes, kMaxClasses);
  return static_cast<std::size_t>(classes * classes);
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::int64_t classes)
    : classes_(classes), counts_(table_size(classes), 0) {}

void ConfusionMatrix::add(std::int64_t truth, std::int64_t predicted) {
  CUTTLE_EXPECT(truth >= 0 && truth < classes_ && predicted >= 0 && predicted < classes_);
  ++counts_[static_cast<std::size_t>(truth * classes_ + predicted)];
}

std::int64_t ConfusionMatrix::count(std::int64_t truth, std::int64_t predicted) const {
  CUTTLE_EXPECT(truth >= 0 && truth < classes_ && predicted >= 0 && predicted < classes_);
  return counts_[static_cast<std::size_t>(truth * classes_ + predicted)];
}

void ConfusionMatrix::sum_over(Communicator& comm) {
  counts_ = comm.all_reduce("confusion matrix", std::move(counts_), ReduceOp::kSum).wait();
}

std::vector<ClassScores> ConfusionMatrix::class_scores() const {
  std::vector<ClassScores> scores(static_cast<std::size_t>(classes_));
  for (std::int64_t truth = 0; truth < classes_; ++truth) {
    for (std::int64_t predicted = 0; predicted < classes_; ++predicted) {
      scores[static_cast<std::size_t>(truth)].truths += count(truth, predicted);
      scores[static_cast<std::size_t>(predicted)].predictions += count(truth, predicted);
    }
  }
  for (std::int64_t c = 0; c < classes_; ++c) {
    ClassScores& score = scores[static_cast<std::size_t>(c)];
    score.precision = ratio(count(c, c), score.predictions);
    score.recall = ratio(count(c, c), score.truths);
    score.f1 = ratio(2 * count(c, c), score.predictions + score.truths);
  }
  return scores;
}

ClassificationScores ConfusionMatrix::scores() const {
  ClassificationScores result;
  std::int64_t right = 0, total = 0, present = 0;
  const std::vector<ClassScores> classes = class_scores();
  for (std::int64_t c = 0; c < classes_; ++c) {
    const ClassScores& score = classes[static_cast<std::size_t>(c)];
    right += count(c, c);
    total += score.truths;
    if (score.truths + score.predictions == 0) continue;
    ++present;
    result.macro_precision += score.precision;
    result.macro_recall += score.recall;
    result.macro_f1 += score.f1;
  }
  if (present == 0) return result;
  result.accuracy = ratio(right, total);
  for (double* mean : {&result.macro_precision, &result.macro_recall, &result.macro_f1}) {
    *mean /= static_cast<double>(present);
  }
  return result;
}

std::string ConfusionMatrix::to_csv(const std::vector<std::string>& names) const {
  CUTTLE_EXPECT(names.size() == static_cast<std::size_t>(classes_));
  std::string text = "truth \\ predicted";
  for (const auto& name : names) text += "," + csv_field(name);
  text += "\n";
  for (std::int64_t truth = 0; truth < classes_; ++truth) {
    text += csv_field(names[static_cast<std::size_t>(truth)]);
    for (std::int64_t predicted = 0; predicted < classes_; ++predicted) {
      text += fmt::format(",{}", count(truth, predicted));
    }
    text += "\n";
  }
  return text;
}

}  // namespace cuttle
