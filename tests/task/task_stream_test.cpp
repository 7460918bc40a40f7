// A task is what its seed, step and slot say, whoever draws it, however far ahead it was read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <map>
#include <set>

#include "cuttle/core/hash.hpp"
#include "step/tiny_steps.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

void add(Sha256& hash, const torch::Tensor& tensor) {
  if (!tensor.defined()) return hash.update("none", 4);
  const auto values = tensor.contiguous();
  for (const std::int64_t size : values.sizes()) hash.update(&size, sizeof size);
  hash.update(values.data_ptr(), values.nbytes());
}

/// Hash of all that a task holds.
std::string hash_of(const Task& task) {
  Sha256 hash;
  for (const Batch* batch : {&task.support, &task.query}) {
    add(hash, batch->labels);
    for (const auto& modality : batch->modalities)
      for (const auto* tensor : {&modality.rows, &modality.values, &modality.mask})
        add(hash, *tensor);
  }
  return hash.hex();
}

using StepAndSlot = std::pair<std::uint64_t, std::uint32_t>;
using Tasks = std::map<StepAndSlot, std::string>;

class Streams : public testing::Test {
 protected:
  static void SetUpTestSuite() { tiny_ = std::make_unique<TinySteps>(); }
  static void TearDownTestSuite() {
    sources_.clear();
    tiny_.reset();
  }

  static double cost(const EpisodeSize& size) { return learner_->cost(size); }
  static TaskStream stream_of(const TaskStream::Place& place, int prefetch = 0,
                              double dropout = kDropout) {
    auto& source = sources_[dropout];
    if (!source) source = tiny_->source(learner_->model(), dropout);
    return {*source, cost, tiny_->episode, prefetch, place, torch::kCPU};
  }
  /// Draws all tasks of a rank from the place's first step up to step 4; no task may come twice.
  static void draw(const TaskStream::Place& place, int prefetch, Tasks& tasks) {
    TaskStream stream = stream_of(place, prefetch);
    for (std::int64_t step = place.first_step; step < 4; ++step)
      for (std::int64_t i = 0; i < stream.micro_batches_in(step); ++i)
        for (const Task& task : stream.next()) {
          EXPECT_EQ(task.key.step, step);
          EXPECT_TRUE(
              tasks.emplace(StepAndSlot{task.key.step, task.key.slot}, hash_of(task)).second);
        }
  }
  static Tasks drawn_alone(std::int64_t first_step = 0, int prefetch = 0) {
    Tasks tasks;
    draw({TinySteps::kSeed, first_step, 0, 1}, prefetch, tasks);
    return tasks;
  }

  static constexpr double kDropout = 0.3;
  static std::unique_ptr<TinySteps> tiny_;
  static std::unique_ptr<const Learner> learner_;
  static std::map<double, std::unique_ptr<const TaskSource>> sources_;  ///< by dropout
};

std::unique_ptr<TinySteps> Streams::tiny_;
std::unique_ptr<const Learner> Streams::learner_ = tiny_learner({});
std::map<double, std::unique_ptr<const TaskSource>> Streams::sources_;

TEST_F(Streams, ATaskIsMadeFromSeedStepAndSlotAlone) {
  const Tasks tasks = drawn_alone();
  ASSERT_THAT(tasks, SizeIs(20));
  std::set<std::string> different;
  for (const auto& [name, hash] : tasks) {
    EXPECT_EQ(hash, hash_of(tiny_->task(learner_->model(), name.first, name.second, kDropout)));
    different.insert(hash);
  }
  EXPECT_THAT(different, SizeIs(20));
  Tasks other_seed;
  draw({TinySteps::kSeed + 1, 0, 0, 1}, 0, other_seed);
  for (const auto& [name, hash] : tasks) EXPECT_NE(other_seed.at(name), hash);
}

TEST_F(Streams, RanksShareOutTheSameTasks) {
  const Tasks alone = drawn_alone();
  for (const int size : {2, 3, 4, 7}) {
    Tasks together;
    for (int rank = 0; rank < size; ++rank) draw({TinySteps::kSeed, 0, rank, size}, 0, together);
    EXPECT_EQ(together, alone) << size << " ranks";
  }
}

TEST_F(Streams, ReadingAheadChangesNothing) {
  const Tasks alone = drawn_alone();
  for (const int prefetch : {1, 4}) EXPECT_EQ(drawn_alone(0, prefetch), alone) << prefetch;
}

TEST_F(Streams, AResumedRunGoesOnWithTheTasksThatWouldHaveCome) {
  const Tasks all = drawn_alone();
  for (const std::int64_t first : {1, 3}) {
    const Tasks rest(all.lower_bound({static_cast<std::uint64_t>(first), 0}), all.end());
    EXPECT_THAT(rest, SizeIs(5 * (4 - first)));
    for (const int prefetch : {0, 4}) EXPECT_EQ(drawn_alone(first, prefetch), rest) << first;
  }
}

TEST_F(Streams, AStepComesInMicroBatchesInTheOrderOfItsSlots) {
  TaskStream stream = stream_of({TinySteps::kSeed, 0, 0, 1});
  ASSERT_EQ(stream.micro_batches_in(0), 3);
  for (const std::uint64_t step : {0, 1}) {
    std::vector<std::size_t> sizes;
    std::vector<std::uint32_t> slots;
    for (int i = 0; i < 3; ++i) {
      const auto tasks = stream.next();
      sizes.push_back(tasks.size());
      for (const Task& task : tasks) {
        EXPECT_EQ(task.key.step, step);
        slots.push_back(task.key.slot);
      }
    }
    EXPECT_THAT(sizes, ElementsAre(2, 2, 1));
    EXPECT_THAT(slots, ElementsAre(0, 1, 2, 3, 4));
  }
}

TEST_F(Streams, ARankBeyondTheMicroBatchesIsIdle) {
  EXPECT_EQ(stream_of({TinySteps::kSeed, 0, 2, 4}).micro_batches_in(0), 1);
  for (const int prefetch : {0, 4}) {
    TaskStream idle = stream_of({TinySteps::kSeed, 0, 3, 4}, prefetch);
    EXPECT_EQ(idle.micro_batches_in(0), 0);
    EXPECT_THAT(idle.next(), SizeIs(0));
  }
}

/// Tasks of 2 or 3 ways and 1 to 3 shots: each rank's share differs from step to step.
TEST_F(Streams, UnequalTasksAreSharedOutByCostAndAllOfThem) {
  EpisodeOptions episode = tiny_->episode;
  episode.way_min = 2;
  episode.shot = 3;
  episode.shot_min = 1;
  episode.meta_batch_size = 12;
  episode.micro_batch = 1;
  const auto source = tiny_->source(learner_->model(), 0.0, episode);
  for (const int size : {1, 3, 5, 13}) {
    std::set<StepAndSlot> seen;
    double worst = 0;
    for (std::int64_t step = 0; step < 3; ++step) {
      double most = 0, sum = 0;
      for (int rank = 0; rank < size; ++rank) {
        TaskStream stream(*source, cost, episode, rank % 2 * 2,
                          {TinySteps::kSeed, step, rank, size}, torch::kCPU);
        double mine = 0;
        for (std::int64_t i = stream.micro_batches_in(step); i > 0; --i)
          for (const Task& task : stream.next()) {
            EXPECT_EQ(task.key.step, step);
            EXPECT_TRUE(seen.insert({task.key.step, task.key.slot}).second);
            const std::int64_t way = task.support.way, samples = task.support.size;
            mine += cost({way, samples / way, samples, task.query.size});
          }
        most = std::max(most, mine);
        sum += mine;
      }
      worst = std::max(worst, most * size / sum);
    }
    EXPECT_THAT(seen, SizeIs(36)) << size;
    if (size <= 5) {
      EXPECT_LT(worst, 1.25) << size;
    }
  }
}

/// How many of the samples have none of the senses, and how many senses all of them have.
std::pair<std::int64_t, std::int64_t> senseless_and_senses(const Batch& batch) {
  auto senses = torch::zeros({batch.size}, torch::kInt64);
  for (const auto& modality : batch.modalities)
    senses.index_add_(0, modality.rows, torch::ones_like(modality.rows));
  return {senses.eq(0).sum().item<std::int64_t>(), senses.sum().item<std::int64_t>()};
}

TEST_F(Streams, DropoutHidesSensesOfSupportAndQueryButNeverTheLast) {
  const TaskStream::Place place{TinySteps::kSeed, 0, 0, 1};
  TaskStream whole = stream_of(place, 0, 0.0), thinned = stream_of(place, 0, 1.0);
  for (std::int64_t i = 0; i < 6; ++i) {
    const auto full = whole.next(), thin = thinned.next();
    for (std::size_t t = 0; t < full.size(); ++t)
      for (const auto part : {&Task::support, &Task::query}) {
        const Batch& batch = full[t].*part;
        EXPECT_GT(senseless_and_senses(batch).second, batch.size);
        EXPECT_EQ(senseless_and_senses(thin[t].*part), std::make_pair(std::int64_t{0}, batch.size));
        EXPECT_TRUE(torch::equal((thin[t].*part).labels, batch.labels));
      }
  }
}

}  // namespace
}  // namespace cuttle
