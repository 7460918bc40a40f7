#include "cuttle/metrics/confusion_matrix.hpp"

#include <gtest/gtest.h>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

// truth     0 0 0 0 1 1 1 2 2 3
// predicted 0 0 1 2 1 1 0 2 1 1   class 3 is never predicted, class 4 does not occur
const std::vector<int> kTruth{0, 0, 0, 0, 1, 1, 1, 2, 2, 3};
const std::vector<int> kPredicted{0, 0, 1, 2, 1, 1, 0, 2, 1, 1};

TEST(ClassCounts, KnownScores) {
  ClassCounts counts(5);
  for (std::size_t i = 0; i < kTruth.size(); ++i) counts.add(kTruth[i], kPredicted[i]);
  const ClassificationScores scores = counts.scores();
  // By hand: precision 2/3 2/5 1/2 0, recall 2/4 2/3 1/2 0, F1 4/7 1/2 1/2 0; the mean of four
  // classes.
  EXPECT_DOUBLE_EQ(scores.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(scores.macro_precision, (2.0 / 3 + 2.0 / 5 + 1.0 / 2) / 4);
  EXPECT_DOUBLE_EQ(scores.macro_recall, (2.0 / 4 + 2.0 / 3 + 1.0 / 2) / 4);
  EXPECT_DOUBLE_EQ(scores.macro_f1, (4.0 / 7 + 1.0 / 2 + 1.0 / 2) / 4);
  const ClassScores one = counts.class_scores()[1];
  EXPECT_EQ(one.truths, 3);
  EXPECT_EQ(one.predictions, 5);
  EXPECT_DOUBLE_EQ(one.precision, 2.0 / 5);
  EXPECT_DOUBLE_EQ(one.recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(one.f1, 0.5);
}

TEST(ClassCounts, EmptyIsZero) {
  const ClassificationScores scores = ClassCounts(3).scores();
  EXPECT_EQ(scores.accuracy, 0.0);
  EXPECT_EQ(scores.macro_f1, 0.0);
}

TEST(ClassCounts, AMillionClassesAreNoTrouble) {
  constexpr std::int64_t kMany = 1000000;
  ClassCounts counts(kMany);
  counts.add(0, 0);
  counts.add(kMany - 1, kMany - 1);
  counts.add(kMany - 1, 7);
  const ClassificationScores scores = counts.scores();
  EXPECT_DOUBLE_EQ(scores.accuracy, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores.macro_recall, (1.0 + 1.0 / 2 + 0.0) / 3);
}

TEST(ClassCounts, SumsOverRanks) {
  run_thread_ranks(3, {}, [](Communicator& comm) {
    ClassCounts counts(5);
    ConfusionMatrix matrix(5);
    for (std::size_t i = 0; i < kTruth.size(); ++i) {
      if (static_cast<int>(i) % 3 != comm.rank()) continue;
      counts.add(kTruth[i], kPredicted[i]);
      matrix.add(kTruth[i], kPredicted[i]);
    }
    counts.sum_over(comm);
    matrix.sum_over(comm);
    EXPECT_DOUBLE_EQ(counts.scores().accuracy, 0.5);
    EXPECT_EQ(counts.class_scores()[1].predictions, 5);
    EXPECT_EQ(matrix.count(0, 0), 2);
    EXPECT_EQ(matrix.count(0, 1), 1);
    EXPECT_EQ(matrix.count(1, 0), 1);
  });
}

TEST(ConfusionMatrix, CsvQuotesWhatNeedsIt) {
  ConfusionMatrix matrix(3);
  matrix.add(0, 1);
  matrix.add(2, 2);
  matrix.add(2, 2);
  EXPECT_EQ(matrix.to_csv({"cat", "dog, \"big\"", "red fox"}),
            "truth \\ predicted,cat,\"dog, \"\"big\"\"\",red fox\n"
            "cat,0,1,0\n"
            "\"dog, \"\"big\"\"\",0,0,0\n"
            "red fox,0,0,2\n");
}

TEST(ConfusionMatrix, SizesThatMakeNoSenseAreRefused) {
  EXPECT_THROW(ConfusionMatrix(0), UserError);
  EXPECT_THROW(ConfusionMatrix(-5), UserError);
  EXPECT_THROW(ConfusionMatrix(ConfusionMatrix::kMostClasses + 1), UserError);
}

}  // namespace
}  // namespace cuttle
