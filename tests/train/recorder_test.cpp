// What a run writes while it trains: its sinks, from the start over a resume to a failure.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <sstream>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "support/temp_folder.hpp"
#include "train/tiny_run.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> names;
  if (std::filesystem::exists(folder))
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Notes what it is told, and fails after a step if that is wanted.
class Notes final : public Sink {
 public:
  Notes(std::vector<std::string>& told, std::int64_t fails_at) : told_(told), fails_at_(fails_at) {}
  void begin(std::int64_t step) override { note("begin", step); }
  void step(const StepReport& report) override {
    note("step", report.step);
    CUTTLE_REQUIRE(report.step != fails_at_, "cannot write 'notes'");
  }
  void record(std::string_view kind, std::int64_t step, const std::vector<NamedValue>&) override {
    note(std::string(kind), step);
  }
  void ranks(std::int64_t step, std::int64_t steps, const std::vector<RankTime>& ranks) override {
    note(std::to_string(ranks.size()) + " ranks in " + std::to_string(steps), step);
  }
  void sync() override { told_.push_back("sync"); }

 private:
  void note(const std::string& what, std::int64_t step) {
    told_.push_back(what + " " + std::to_string(step));
  }

  std::vector<std::string>& told_;
  std::int64_t fails_at_;
};

class RecorderTest : public TinyShardsTest {
 protected:
  /// Six steps, checkpoints after each second, validation after the fourth.
  static RunConfig config() {
    RunConfig config = tiny_config(shards_->path(), "protonet");
    config.train.steps = 6;
    config.train.validate_every = 4;
    config.train.checkpoint_every = 2;
    return config;
  }

  /// Trains on thread ranks; what rank 0 shows.
  std::string train(const RunConfig& config, bool resume = false, int ranks = 1) {
    SignalWatch signals;
    std::ostringstream shown;
    run_thread_ranks(ranks, CommOptions{}, [&](Communicator& comm) {
      prepare_process(config, 0);
      Trainer(config, comm, extensions_, {run_, resume}, {&shown, false}).run(signals);
    });
    return shown.str();
  }
  std::string records() const { return read_file(run_ + "/metrics.jsonl", 1 << 20); }
  /// A type of an outside program.
  void register_notes(std::int64_t fails_at = -1) {
    extensions_.sinks["notes"].make = [this, fails_at](const SinkRequest&) {
      ++made_;
      return std::make_unique<Notes>(told_, fails_at);
    };
  }

  const TempFolder runs_;
  std::string run_ = runs_ / "run";
  Extensions extensions_;
  std::vector<std::string> told_;
  std::atomic<int> made_{0};
};

TEST_F(RecorderTest, AllSinksWriteAndAResumedRunGoesOnWhereItsCheckpointWas) {
  RunConfig asked = config();
  train(asked);
  const std::string whole = records();
  EXPECT_THAT(files_below(run_), Not(Contains("tensorboard")));

  run_ = runs_ / "resumed";
  asked.train.steps = 5;
  asked.sinks["board"];
  const std::string shown = train(asked);
  EXPECT_THAT(shown, AllOf(HasSubstr("step 1/5  loss "), HasSubstr("step 5/5  loss ")));
  EXPECT_THAT(files_below(run_),
              ElementsAre("checkpoints", "config.yaml", "heartbeat.json", "metrics.jsonl",
                          "ranks.jsonl", "run.lock", "tensorboard", "timing.jsonl"));
  const std::string later = records();
  std::filesystem::remove_all(run_ + "/checkpoints/step-00000005");  // step 5 has to come again

  asked.train.steps = 6;
  asked.sinks["console"].sink.values["every_s"] = "0";  // every step has its line
  const std::string again = train(asked, true, 2);
  EXPECT_THAT(again, AllOf(HasSubstr("step 5/6  loss "), HasSubstr("step 6/6  loss "),
                           Not(HasSubstr("step 4/6"))));
  EXPECT_EQ(records(), whole);
  EXPECT_NE(records(), later);
  const auto boards = files_below(run_ + "/tensorboard");
  ASSERT_THAT(boards, SizeIs(2));
  for (const auto& name : boards)
    EXPECT_THAT(read_file(run_ + "/tensorboard/" + name, 1 << 20),
                AllOf(HasSubstr("brain.Event:2"), HasSubstr("train/loss"),
                      HasSubstr("train/gradient_norm"), HasSubstr("time/tasks_per_second")));
  EXPECT_THAT(read_file(run_ + "/tensorboard/" + boards[0], 1 << 20),
              HasSubstr("validation/accuracy"));
}

TEST_F(RecorderTest, ASinkMayGoWhenARunIsResumed) {
  RunConfig asked = config();
  asked.train.steps = 2;
  asked.sinks["board"];
  train(asked);
  asked.train.steps = 6;
  asked.sinks.erase("board");
  EXPECT_NO_THROW(train(asked, true));
  EXPECT_THAT(files_below(run_ + "/tensorboard"), SizeIs(1));
}

TEST_F(RecorderTest, RankZeroAloneMakesThemAndSyncsThemBeforeEachCheckpoint) {
  register_notes();
  RunConfig asked = config();
  asked.sinks["mine"].sink.type = "notes";
  train(asked, false, 3);
  EXPECT_EQ(made_, 1);
  EXPECT_THAT(told_, ElementsAre("begin 0", "step 1", "step 2", "3 ranks in 2 2", "sync", "step 3",
                                 "step 4", "validation 4", "3 ranks in 2 4", "sync", "step 5",
                                 "step 6", "validation 6", "3 ranks in 2 6", "sync"));
}

TEST_F(RecorderTest, ASinkThatCannotWriteEndsTheRunAndItsResumeGoesOn) {
  register_notes(3);
  RunConfig asked = config();
  asked.sinks["mine"].sink.type = "notes";
  try {
    train(asked);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot write 'notes'"));
  }
  register_notes();
  told_.clear();
  train(asked, true);
  EXPECT_THAT(told_.front(), "begin 2");
  EXPECT_EQ(told_.at(1), "step 3");
}

TEST_F(RecorderTest, AStartThatFailedMayBeTriedAgainButNoRunIsOverwritten) {
  RunConfig asked = config();
  asked.sinks["mine"].sink.type = "notes";
  extensions_.sinks["notes"].make = [](const SinkRequest&) -> std::unique_ptr<Sink> {
    throw UserError("cannot make the folder");
  };
  EXPECT_THROW(train(asked), UserError);
  EXPECT_THAT(files_below(run_), Contains("config.yaml"));
  train(config());
  const std::string written = records();
  EXPECT_THROW(train(config()), UserError);
  EXPECT_EQ(records(), written);
}

TEST_F(RecorderTest, SinksThatDoNotGoTogetherAreRefusedBeforeAnythingIsWritten) {
  RunConfig without = config(), twice = config(), unknown = config();
  without.sinks["records"].sink.type = "tensorboard";
  twice.sinks["more"].sink.type = "jsonl";
  unknown.sinks["mine"].sink.type = "notes";
  const auto refusal = [&](const RunConfig& asked) -> std::string {
    try {
      train(asked, false, 2);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal(without), AllOf(HasSubstr("metrics.jsonl"), HasSubstr("type: jsonl")));
  EXPECT_THAT(refusal(twice), AllOf(HasSubstr("sinks.more"), HasSubstr("sinks.records")));
  EXPECT_THAT(refusal(unknown), HasSubstr("sinks.mine.type: 'notes' is unknown"));
  EXPECT_THAT(files_below(run_), IsEmpty());
}

}  // namespace
}  // namespace cuttle
