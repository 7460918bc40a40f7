#include "cuttle/metrics/confusion_matrix.hpp"

#include <gtest/gtest.h>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

// truth     0 0 0 0 1 1 1 2 2 3
// predicted 0 0 1 2 1 1 0 2 1 1   class 3 is never predicted, class 4 does not occur
const std::vector<int> kTruth{0, 0, 0, 0, 1, 1, 1, 2, 2, 3};
const std::vector<int> kPredicted{0, 0, 1, 2, 1, 1, 0, 2, 1, 1};

TEST(ConfusionMatrix, KnownScores) {
  ConfusionMatrix matrix(5);
  for (std::size_t i = 0; i < kTruth.size(); ++i) matrix.add(kTruth[i], kPredicted[i]);
  EXPECT_EQ(matrix.count(0, 1), 1);
  EXPECT_EQ(matrix.count(1, 0), 1);
  const ClassificationScores scores = matrix.scores();
  // By hand: precision 2/3 2/5 1/2 0, recall 2/4 2/3 1/2 0, F1 4/7 1/2 1/2 0; the mean of four
  // classes.
  EXPECT_DOUBLE_EQ(scores.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(scores.macro_precision, (2.0 / 3 + 2.0 / 5 + 1.0 / 2) / 4);
  EXPECT_DOUBLE_EQ(scores.macro_recall, (2.0 / 4 + 2.0 / 3 + 1.0 / 2) / 4);
  EXPECT_DOUBLE_EQ(scores.macro_f1, (4.0 / 7 + 1.0 / 2 + 1.0 / 2) / 4);
  const ClassScores one = matrix.class_scores()[1];
  EXPECT_EQ(one.truths, 3);
  EXPECT_EQ(one.predictions, 5);
  EXPECT_DOUBLE_EQ(one.precision, 2.0 / 5);
  EXPECT_DOUBLE_EQ(one.recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(one.f1, 0.5);
}

TEST(ConfusionMatrix, EmptyIsZero) {
  const ClassificationScores scores = ConfusionMatrix(3).scores();
  EXPECT_EQ(scores.accuracy, 0.0);
  EXPECT_EQ(scores.macro_f1, 0.0);
}

TEST(ConfusionMatrix, SumsOverRanks) {
  run_thread_ranks(3, {}, [](Communicator& comm) {
    ConfusionMatrix matrix(5);
    for (std::size_t i = 0; i < kTruth.size(); ++i) {
      if (static_cast<int>(i) % 3 == comm.rank()) matrix.add(kTruth[i], kPredicted[i]);
    }
    matrix.sum_over(comm);
    EXPECT_EQ(matrix.count(0, 0), 2);
    EXPECT_DOUBLE_EQ(matrix.scores().accuracy, 0.5);
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
  EXPECT_THROW(ConfusionMatrix(10001), UserError);
}

}  // namespace
}  // namespace cuttle
