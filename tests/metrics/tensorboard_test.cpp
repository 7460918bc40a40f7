// Event files, taken apart again by code of this file alone: frames with check sums made bit by
// bit, and a walk over protobuf fields.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>

#include "cuttle/core/error.hpp"
#include "metrics/sink_support.hpp"

namespace cuttle {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// CRC-32C by its definition, the polynomial one bit at a time; then masked.
std::uint32_t crc32c(const std::string& bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool odd = (crc ^ static_cast<unsigned char>(byte) >> bit) & 1;
      crc >>= 1;
      if (odd) crc ^= 0x82f63b78;
    }
  return ~crc;
}
std::uint32_t masked(std::uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

template <class T>
T value_at(const std::string& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.substr(at).data(), sizeof value);  // this machine: lowest byte first
  return value;
}

/// A protobuf field; `text`: of one with a length.
struct Field {
  int number = 0;
  std::uint64_t bits = 0;
  std::string text;
};

std::uint64_t take_varint(const std::string& bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.at(at++));
    value |= std::uint64_t{byte & 127u} << shift;
    if (byte < 128) return value;
  }
}

std::vector<Field> fields_of(const std::string& message) {
  std::vector<Field> fields;
  for (std::size_t at = 0; at < message.size();) {
    const auto key = take_varint(message, at);
    Field field;
    field.number = static_cast<int>(key >> 3);
    const auto form = key & 7;
    if (form == 0) field.bits = take_varint(message, at);
    if (form == 1) field.bits = value_at<std::uint64_t>(message, at), at += 8;
    if (form == 5) field.bits = value_at<std::uint32_t>(message, at), at += 4;
    if (form == 2) {
      const auto size = take_varint(message, at);
      field.text = message.substr(at, size);
      EXPECT_EQ(field.text.size(), size);
      at += size;
    }
    EXPECT_TRUE(form == 0 || form == 1 || form == 2 || form == 5) << form;
    fields.push_back(field);
  }
  return fields;
}

struct Event {
  double wall_time = 0.0;
  std::int64_t step = 0;
  std::string version;
  std::optional<std::uint64_t> session;
  std::vector<std::pair<std::string, float>> scalars;
};

std::pair<std::string, float> scalar_of(const std::string& value) {
  const auto parts = fields_of(value);
  EXPECT_THAT(parts, SizeIs(2));
  EXPECT_EQ(parts.at(0).number, 1);  // tag
  EXPECT_EQ(parts.at(1).number, 2);  // simple_value
  const auto bits = static_cast<std::uint32_t>(parts.at(1).bits);
  float number;
  std::memcpy(&number, &bits, sizeof number);
  return {parts.at(0).text, number};
}

Event event_of(const std::string& message) {
  Event event;
  for (const Field& field : fields_of(message)) {
    if (field.number == 1) std::memcpy(&event.wall_time, &field.bits, 8);
    if (field.number == 2) event.step = static_cast<std::int64_t>(field.bits);
    if (field.number == 3) event.version = field.text;
    if (field.number == 7) event.session = fields_of(field.text).at(0).bits;
    if (field.number == 5)
      for (const Field& value : fields_of(field.text)) {
        EXPECT_EQ(value.number, 1);
        event.scalars.push_back(scalar_of(value.text));
      }
  }
  return event;
}

/// The whole records of a file; a torn one ends it.
std::vector<Event> events_in(const std::string& path) {
  const std::string bytes = read_text(path);
  std::vector<Event> events;
  for (std::size_t at = 0; bytes.size() - at >= 16;) {
    const auto size = value_at<std::uint64_t>(bytes, at);
    EXPECT_EQ(value_at<std::uint32_t>(bytes, at + 8), masked(crc32c(bytes.substr(at, 8))));
    if (bytes.size() - at < 16 + size) break;
    const std::string message = bytes.substr(at + 12, size);
    EXPECT_EQ(value_at<std::uint32_t>(bytes, at + 12 + size), masked(crc32c(message)));
    events.push_back(event_of(message));
    at += 16 + size;
  }
  return events;
}

/// Where the last whole record ends.
std::size_t whole_size(const std::string& path) {
  const std::string bytes = read_text(path);
  std::size_t at = 0;
  while (bytes.size() - at >= 16 && bytes.size() - at - 16 >= value_at<std::uint64_t>(bytes, at))
    at += 16 + value_at<std::uint64_t>(bytes, at);
  return at;
}

std::vector<std::string> event_files(const TempFolder& run) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(run / "tensorboard"))
    paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());  // as readers take them
  return paths;
}

/// What a reader of the folder ends with, by its rules: (step, value) of a tag.
std::vector<std::pair<std::int64_t, float>> curve(const TempFolder& run, const std::string& tag) {
  std::vector<std::pair<std::int64_t, float>> points;
  for (const auto& path : event_files(run))
    for (const Event& event : events_in(path)) {
      if (event.session == 1u)
        points.erase(std::remove_if(points.begin(), points.end(),
                                    [&](const auto& point) { return point.first >= event.step; }),
                     points.end());
      for (const auto& [name, value] : event.scalars)
        if (name == tag) points.emplace_back(event.step, value);
    }
  return points;
}

std::unique_ptr<Sink> board(const TempFolder& run, std::int64_t step,
                            std::map<std::string, std::string> keys = {}) {
  auto sink = make_sink(Section("tensorboard", std::move(keys)), run.path());
  sink->begin(step);
  return sink;
}

TEST(Tensorboard, TheCheckSumIsCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);  // RFC 3720's polynomial, the usual check value
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
}

TEST(Tensorboard, AFileBeginsWithItsVersionAndTheStart) {
  const TempFolder run;
  const double before =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  board(run, 0);
  const auto files = event_files(run);
  ASSERT_THAT(files, SizeIs(1));
  EXPECT_THAT(files[0], HasSubstr("/tensorboard/events.out.tfevents."));
  const auto events = events_in(files[0]);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_EQ(events[1].session, 1u);  // START
  EXPECT_EQ(events[1].step, 1);
  EXPECT_GE(events[0].wall_time, before);
  EXPECT_LT(events[1].wall_time, before + 60);
}

TEST(Tensorboard, ValuesStandUnderTheirKindAndName) {
  const TempFolder run;
  const auto sink = board(run, 0);
  sink->step(report_of(300, 2.0));  // a step of two varint bytes
  sink->record("validation", 300, {{"accuracy", 0.25}, {"objective.calm", -1e-3}});
  sink->ranks(300, 300, {{"n0", 1.0}});
  const auto events = events_in(event_files(run).at(0));
  ASSERT_THAT(events, SizeIs(4));
  EXPECT_EQ(events[2].step, 300);
  EXPECT_THAT(
      events[2].scalars,
      ElementsAre(std::pair("train/loss", float(1.0 / 300)), std::pair("train/accuracy", 0.5f),
                  std::pair("train/gradient_norm", 0.1f), std::pair("train/outer_lr", 1e-3f),
                  std::pair("time/tasks_per_second", 8.0f)));
  EXPECT_EQ(events[3].step, 300);
  EXPECT_THAT(events[3].scalars, ElementsAre(std::pair("validation/accuracy", 0.25f),
                                             std::pair("validation/objective.calm", -1e-3f)));
}

TEST(Tensorboard, LongNamesAndValuesThatAreNotFinite) {
  const TempFolder run;
  const std::string name(1000, 'n');
  board(run, 0)->record("test", std::int64_t{1} << 40,
                        {{name, std::numeric_limits<double>::quiet_NaN()},
                         {"b", std::numeric_limits<double>::infinity()}});
  const Event event = events_in(event_files(run).at(0)).at(2);
  EXPECT_EQ(event.step, std::int64_t{1} << 40);
  ASSERT_THAT(event.scalars, SizeIs(2));
  EXPECT_EQ(event.scalars[0].first, "test/" + name);
  EXPECT_TRUE(std::isnan(event.scalars[0].second));
  EXPECT_TRUE(std::isinf(event.scalars[1].second));
}

TEST(Tensorboard, PointsOfTrainingComeEverySoManySteps) {
  const TempFolder run;
  const auto sink = board(run, 0, {{"every", "3"}});
  run_steps(*sink, 1, 7);
  EXPECT_THAT(curve(run, "train/accuracy"), ElementsAre(std::pair(3, 0.5f), std::pair(6, 0.5f)));
  EXPECT_THAT(curve(run, "validation/accuracy"), SizeIs(3));
}

TEST(Tensorboard, AResumedRunHasTheCurvesOfAnUninterruptedOne) {
  const TempFolder whole, resumed;
  run_steps(*board(whole, 0), 1, 12);
  run_steps(*board(resumed, 0), 1, 9);  // killed in step 10; checkpoint of step 6
  append_text(event_files(resumed).at(0), std::string("\x40\0\0\0\0\0\0\0torn", 12));
  run_steps(*board(resumed, 6), 7, 8);  // and again at once
  run_steps(*board(resumed, 6), 7, 12);
  const auto files = event_files(resumed);
  ASSERT_THAT(files, SizeIs(3));
  for (const std::string tag : {"train/loss", "validation/accuracy"}) {
    EXPECT_THAT(curve(whole, tag), Not(IsEmpty()));
    EXPECT_EQ(curve(resumed, tag), curve(whole, tag)) << tag;
  }
  // Later steps are gone from the files, too: not every reader knows of starts.
  EXPECT_EQ(events_in(files[0]).back().step, 6);
  EXPECT_EQ(whole_size(files[0]), std::filesystem::file_size(files[0]));
  EXPECT_THAT(events_in(files[1]), SizeIs(1));  // its version
  EXPECT_EQ(events_in(files[2]).back().step, 12);
}

TEST(Tensorboard, ATornRecordGoesWhereverItEnds) {
  const TempFolder run;
  run_steps(*board(run, 0), 1, 3);
  const std::string path = event_files(run).at(0), whole = read_text(path);
  for (std::size_t size = 0; size <= whole.size(); size += 5) {
    std::filesystem::remove_all(run / "tensorboard");
    std::filesystem::create_directory(run / "tensorboard");
    append_text(path, whole.substr(0, size));
    const std::size_t expected = whole_size(path);
    board(run, 1000);
    ASSERT_EQ(read_text(path), whole.substr(0, expected)) << size;
  }
}

TEST(Tensorboard, AFileOfAClockThatWasAheadStaysBefore) {
  const TempFolder run;
  std::filesystem::create_directory(run / "tensorboard");
  const std::string ahead = run / "tensorboard/events.out.tfevents.9000000000.cuttle";
  const std::string foreign = run / "tensorboard/events.out.tfevents.9999999999.host.cuttle";
  append_text(ahead, "");
  append_text(foreign, "of another program");
  board(run, 0);
  EXPECT_THAT(
      event_files(run),
      ElementsAre(ahead, run / "tensorboard/events.out.tfevents.9000000001.cuttle", foreign));
  EXPECT_EQ(read_text(foreign), "of another program");
}

TEST(Tensorboard, AFullDiskIsAnErrorNamingTheFile) {
  const TempFolder run;
  const auto sink = board(run, 0);
  const std::string path = event_files(run).at(0);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{std::filesystem::file_size(path) + 10, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  std::string problem;
  try {
    sink->step(report_of(1));
  } catch (const Error& error) {
    problem = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_THAT(problem, HasSubstr("cannot append to '" + path + "'"));
  EXPECT_THAT(events_in(path), SizeIs(2));  // the torn one ends it
  sink->sync();
}

TEST(Tensorboard, AFolderThatCannotBeMadeIsNamed) {
  const TempFolder run;
  append_text(run / "tensorboard", "a file");
  try {
    board(run, 0);
    ADD_FAILURE();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr(run / "tensorboard"));
  }
}

}  // namespace
}  // namespace cuttle
