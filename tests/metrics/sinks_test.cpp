// Which sinks go together, and what all of them have in common.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cuttle/core/error.hpp"
#include "metrics/sink_support.hpp"

namespace cuttle {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Wanted = std::map<std::string, SinkOptions>;

std::string refusal_of(const Wanted& wanted,
                       const std::map<std::string, SinkType>& types = builtin_sinks()) {
  try {
    check_sinks(wanted, types);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

/// Notes the events it is told of.
class Notes final : public Sink {
 public:
  explicit Notes(std::vector<std::string>& told) : told_(told) {}
  void begin(std::int64_t) override { told_.push_back("begin"); }

 private:
  std::vector<std::string>& told_;
};

TEST(Sinks, TheUsualOnesAndABoardGoTogether) {
  Wanted wanted = usual_sinks();
  EXPECT_EQ(refusal_of(wanted), "");
  wanted["board"];
  EXPECT_EQ(wanted["board"].sink.type, "tensorboard");
  EXPECT_EQ(refusal_of(wanted), "");
}

TEST(Sinks, ARunWithoutRecordsIsRefused) {
  Wanted wanted = usual_sinks();
  wanted["records"].sink.type = "tensorboard";
  EXPECT_THAT(refusal_of(wanted),
              AllOf(HasSubstr("metrics.jsonl"), HasSubstr("--resume"), HasSubstr("type: jsonl")));
  wanted["mine"].sink.type = "jsonl";  // whatever its name
  EXPECT_EQ(refusal_of(wanted), "");
}

TEST(Sinks, TwoThatWouldWriteTheSameAreRefused) {
  for (const std::string type : {"jsonl", "console", "tensorboard"}) {
    Wanted wanted = usual_sinks();
    wanted["board"].sink.type = "tensorboard";
    wanted["other"].sink.type = type;
    EXPECT_THAT(refusal_of(wanted), AllOf(HasSubstr("sinks.other"), HasSubstr("remove one")))
        << type;
  }
}

TEST(Sinks, TypesOfOtherProgramsMayStandBesideOneAnotherOrWriteTheRecords) {
  auto types = builtin_sinks();
  types["lab"];
  Wanted wanted = usual_sinks();
  wanted["a"].sink.type = wanted["b"].sink.type = "lab";
  EXPECT_EQ(refusal_of(wanted, types), "");
  EXPECT_THAT(refusal_of(wanted), HasSubstr("sinks.a.type: 'lab' is unknown; there are console"));
  types["lab"].writes = kRecordsFile;
  EXPECT_EQ(refusal_of({{"a", SinkOptions{"lab"}}}, types), "");
}

TEST(Sinks, AreMadeInTheOrderOfTheirNamesAndNeedNotTakeAnything) {
  std::vector<std::string> told, folders;
  std::map<std::string, SinkType> types;
  for (const std::string name : {"first", "second"})
    types[name].make = [&, name](const SinkRequest& request) {
      told.push_back(name + " of " + std::to_string(request.steps));
      folders.push_back(request.run_folder + " " + request.section.values.at("key"));
      return std::make_unique<Notes>(told);
    };
  const Wanted wanted{{"b", SinkOptions{Section("first", {{"key", "1"}})}},
                      {"a", SinkOptions{Section("second", {{"key", "2"}})}}};
  const auto sinks = make_sinks(wanted, types, "run", 7, {});
  EXPECT_THAT(told, ElementsAre("second of 7", "first of 7"));
  EXPECT_THAT(folders, ElementsAre("run 2", "run 1"));
  for (const auto& sink : sinks) {
    sink->begin(0);
    run_steps(*sink, 1, 2);
    sink->ranks(2, 2, {{"n0", 1.0}});
    sink->sync();
  }
  EXPECT_THAT(told, ElementsAre("second of 7", "first of 7", "begin", "begin"));
}

}  // namespace
}  // namespace cuttle
