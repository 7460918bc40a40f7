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

/// Counts of (true class, predicted class). What is undefined (0 / 0) counts as 0, as in
/// scikit-learn.
class ConfusionMatrix {
 public:
  /// 1 to 10,000 classes (a table of 8 bytes * classes^2), else UserError.
  explicit ConfusionMatrix(std::int64_t classes);

  std::int64_t classes() const { return classes_; }
  void add(std::int64_t truth, std::int64_t predicted);  ///< both in [0, classes)
  std::int64_t count(std::int64_t truth, std::int64_t predicted) const;
  /// Collective: afterwards every rank has the counts of all.
  void sum_over(Communicator& comm);

  std::vector<ClassScores> class_scores() const;
  ClassificationScores scores() const;
  /// One row per true class, one column per predicted class, names in the first row and column.
  std::string to_csv(const std::vector<std::string>& names) const;

 private:
  std::int64_t classes_;
  std::vector<std::int64_t> counts_;  // row-major, truth first
};

}  // namespace cuttle
