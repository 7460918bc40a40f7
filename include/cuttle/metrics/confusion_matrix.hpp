#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/comm/communicator.hpp"

namespace cuttle {

struct ClassScores {
  double precision = 0.0;
  double recall = 0.0;
  double f1 = 0.0;
  std::int64_t truths = 0;       ///< samples of this class
  std::int64_t predictions = 0;  ///< samples taken for it
};

/// Over all samples; macro means are over the classes that occur as a truth or as a prediction.
struct ClassificationScores {
  double accuracy = 0.0;
  double macro_precision = 0.0;
  double macro_recall = 0.0;
  double macro_f1 = 0.0;
};

/// How many samples are of each class, are taken for it, and both: all that precision, recall and
/// F1 need, in memory that grows with the classes alone. What is undefined (0 / 0) counts as 0, as
/// in scikit-learn.
class ClassCounts {
 public:
  /// One class or more.
  explicit ClassCounts(std::int64_t classes);

  std::int64_t classes() const { return classes_; }
  void add(std::int64_t truth, std::int64_t predicted);  ///< both in [0, classes)
  /// Collective: afterwards every rank has the counts of all.
  void sum_over(Communicator& comm);

  std::vector<ClassScores> class_scores() const;
  ClassificationScores scores() const;

 private:
  std::int64_t classes_;
  std::vector<std::int64_t> counts_;  // of truths, predictions, right ones: class after class
};

/// Counts of (true class, predicted class), for those who ask for all of them.
class ConfusionMatrix {
 public:
  static constexpr std::int64_t kMostClasses = 4000;  ///< a table of 128 MB

  /// 1 to kMostClasses, else UserError.
  explicit ConfusionMatrix(std::int64_t classes);

  std::int64_t classes() const { return classes_; }
  void add(std::int64_t truth, std::int64_t predicted);  ///< both in [0, classes)
  std::int64_t count(std::int64_t truth, std::int64_t predicted) const;
  /// Collective: afterwards every rank has the counts of all.
  void sum_over(Communicator& comm);
  /// One row per true class, one column per predicted class, names in the first row and column.
  std::string to_csv(const std::vector<std::string>& names) const;

 private:
  std::int64_t classes_;
  std::vector<std::int64_t> counts_;  // row-major, truth first
};

}  // namespace cuttle
