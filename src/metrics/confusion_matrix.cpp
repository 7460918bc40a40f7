#include "cuttle/metrics/confusion_matrix.hpp"

#include "cuttle/core/csv.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::size_t table_size(std::int64_t classes) {
  CUTTLE_VALIDATE(classes >= 1 && classes <= ConfusionMatrix::kMostClasses,
                  "a confusion matrix of {} classes was asked for (its table grows with their "
                  "square, and has room for 1 to {}); ask for fewer, or do without it",
                  classes, ConfusionMatrix::kMostClasses);
  return static_cast<std::size_t>(classes * classes);
}

/// Places of a class in ClassCounts.
enum Count { kTruths, kPredictions, kRight, kCounts };

}  // namespace

ClassCounts::ClassCounts(std::int64_t classes)
    : classes_(classes), counts_(static_cast<std::size_t>(classes) * kCounts, 0) {
  CUTTLE_EXPECT(classes >= 1);
}

void ClassCounts::add(std::int64_t truth, std::int64_t predicted) {
  CUTTLE_EXPECT(truth >= 0 && truth < classes_ && predicted >= 0 && predicted < classes_);
  ++counts_[static_cast<std::size_t>(truth * kCounts + kTruths)];
  ++counts_[static_cast<std::size_t>(predicted * kCounts + kPredictions)];
  if (truth == predicted) ++counts_[static_cast<std::size_t>(truth * kCounts + kRight)];
}

void ClassCounts::sum_over(Communicator& comm) {
  counts_ = comm.all_reduce("class counts", std::move(counts_), ReduceOp::kSum).wait();
}

std::vector<ClassScores> ClassCounts::class_scores() const {
  std::vector<ClassScores> scores;
  for (std::size_t at = 0; at < counts_.size(); at += kCounts) {
    const std::int64_t truths = counts_[at + kTruths], predictions = counts_[at + kPredictions],
                       right = counts_[at + kRight];
    scores.push_back({ratio(right, predictions), ratio(right, truths),
                      ratio(2 * right, predictions + truths), truths, predictions});
  }
  return scores;
}

ClassificationScores ClassCounts::scores() const {
  ClassificationScores result;
  std::int64_t right = 0, total = 0, present = 0;
  const std::vector<ClassScores> classes = class_scores();
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const ClassScores& score = classes[c];
    right += counts_[c * kCounts + kRight];
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
