// A data set in the senses of others.
#include <gtest/gtest.h>

#include "cuttle/data/raw_batch.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

class SensesView : public testing::Test {
 protected:
  void SetUp() override {
    SyntheticOptions options;
    options.modalities = {"image", "text", "vector"};
    options.missing_rate = 0.4;
    options.targets = 2;
    write_synthetic_shards(folder_.path(), options);
    plain_ = open();
    other_.name = "sound";
    other_.kind = ModalityKind::kAudio;
    const auto& own = plain_->modalities();
    view_ = in_senses(open(), {other_, own[2], own[0]});
  }
  std::unique_ptr<Dataset> open() const {
    DataOptions options;
    options.shards = {folder_ / "*.h5"};
    return Dataset::open(options);
  }

  TempFolder folder_;
  ModalitySpec other_;
  std::unique_ptr<Dataset> plain_, view_;
};

TEST_F(SensesView, HasTheSamplesInOtherPlaces) {
  ASSERT_EQ(view_->modalities().size(), 3u);
  EXPECT_EQ(view_->modalities()[0].name, "sound");
  EXPECT_EQ(view_->modalities()[1].name, "vector");
  ASSERT_EQ(view_->samples().size(), plain_->samples().size());
  int with = 0;
  for (std::size_t i = 0; i < view_->samples().size(); ++i) {
    const SampleInfo &seen = view_->samples()[i], &own = plain_->samples()[i];
    EXPECT_EQ(seen.present & 1u, 0u);
    EXPECT_EQ(seen.present >> 1 & 1, own.present >> 2 & 1);
    EXPECT_EQ(seen.present >> 2 & 1, own.present & 1);
    EXPECT_EQ(seen.complete, own.complete);
    EXPECT_EQ(seen.class_id, own.class_id);
    if ((own.present & 1u) == 0) continue;
    ++with;
    std::vector<std::uint8_t> here, there;
    view_->read(static_cast<std::int64_t>(i), 2, here);
    plain_->read(static_cast<std::int64_t>(i), 0, there);
    EXPECT_EQ(here, there);
  }
  EXPECT_GT(with, 50);
  EXPECT_EQ(view_->target(3)[1], plain_->target(3)[1]);
  EXPECT_EQ(view_->sample_name(3), plain_->sample_name(3));
  EXPECT_EQ(view_->classes_of(Split::kTest), plain_->classes_of(Split::kTest));
}

TEST_F(SensesView, BatchesLackTheSenseThatIsNotThere) {
  const RawBatch batch = read_batch(*view_, {0, 1, 2, 3});
  ASSERT_EQ(batch.modalities.size(), 3u);
  EXPECT_EQ(batch.modalities[0].present, (std::vector<std::uint8_t>{0, 0, 0, 0}));
  EXPECT_TRUE(batch.modalities[0].bytes.empty());
}

TEST_F(SensesView, ItsFingerprintIsOfBothDataAndSenses) {
  const auto& own = plain_->modalities();
  EXPECT_EQ(in_senses(open(), {other_, own[2], own[0]})->fingerprint(), view_->fingerprint());
  EXPECT_NE(in_senses(open(), {own[2], own[0]})->fingerprint(), view_->fingerprint());
  EXPECT_NE(plain_->fingerprint(), view_->fingerprint());
}

}  // namespace
}  // namespace cuttle
