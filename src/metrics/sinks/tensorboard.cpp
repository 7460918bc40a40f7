// Event files as TensorBoard reads them: TFRecords of the few fields of its Event message
// (tensorboard/compat/proto/event.proto and summary.proto) that scalars need, written by hand.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cuttle/core/files.hpp"
#include "metrics/append_file.hpp"
#include "metrics/rows.hpp"

namespace cuttle {
namespace {

constexpr const char* kBoardFolder = "tensorboard";
constexpr const char* kEventFile = "events.out.tfevents.";
constexpr std::int64_t kLastNumber = 9'999'999'999;  // ten digits

/// CRC-32C (Castagnoli), masked as TFRecords have it.
std::uint32_t masked_crc(std::string_view bytes) {
  static const auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
      std::uint32_t rest = i;
      for (int bit = 0; bit < 8; ++bit) rest = rest >> 1 ^ (rest & 1 ? 0x82f63b78u : 0u);
      table[i] = rest;
    }
    return table;
  }();
  std::uint32_t crc = ~0u;
  for (const char byte : bytes)
    crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 255];
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/// The value's bytes, the lowest first.
template <class Number>
std::string little_endian(Number value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  std::string bytes;
  for (std::size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>(bits >> 8 * i & 255);
  return bytes;
}

/// Protobuf: each field is its number and the form of what follows, then that.
std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>((value & 127) | 128);
  return bytes + static_cast<char>(value);
}
std::string field_of(int number, int form) {
  return varint(static_cast<std::uint64_t>(number << 3 | form));
}
std::string integer_field(int number, std::int64_t value) {
  return field_of(number, 0) + varint(static_cast<std::uint64_t>(value));
}
std::string double_field(int number, double value) {
  return field_of(number, 1) + little_endian(value);
}
std::string bytes_field(int number, std::string_view bytes) {
  return field_of(number, 2) + varint(bytes.size()) + std::string(bytes);
}
std::string float_field(int number, float value) {
  return field_of(number, 5) + little_endian(value);
}

std::string scalar(const std::string& tag, double value) {  // a Summary.Value in a Summary
  return bytes_field(1, bytes_field(1, tag) + float_field(2, static_cast<float>(value)));
}

/// A name that comes after those of the files that are there: readers take them in this order, and
/// clocks of several hosts may disagree. The number is seconds since 1970 where it can be.
std::string next_event_file(const std::string& folder, double now_s) {
  auto number = static_cast<std::int64_t>(now_s);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kEventFile, 0) != 0) continue;
    const std::int64_t last = std::strtoll(name.c_str() + std::strlen(kEventFile), nullptr, 10);
    if (last < kLastNumber) number = std::max(number, last + 1);  // others have their own order
  }
  return fmt::format("{}/{}{:010}.cuttle", folder, kEventFile, number);
}

/// RUN/tensorboard: an event file for each time that the run was started. What a killed one left
/// torn ends its file, which readers pass by.
class TensorboardSink final : public Sink {
 public:
  struct Options {
    std::int64_t every = 1;
    void keys(Keys& keys) {
      keys.add("every", every, at_least(1), "outer steps between the points of training");
    }
  };
  TensorboardSink(const SinkRequest& request, const Options& options)
      : folder_(request.run_folder + "/" + kBoardFolder), every_(options.every) {}

  void begin(std::int64_t step) override {
    make_folders(folder_);
    file_ = std::make_unique<AppendFile>(next_event_file(folder_, now_s()));
    write(bytes_field(3, "brain.Event:2"));
    // SessionLog.START: TensorBoard forgets this step of earlier files and all after it.
    write(integer_field(2, step + 1) + bytes_field(7, integer_field(1, 1)));
    sync_path(folder_);
  }
  void step(const StepReport& report) override {
    if (report.step % every_ != 0) return;
    std::string values;
    for (const auto& [name, value] : report.values) values += scalar("train/" + name, value);
    values += scalar("train/gradient_norm", report.gradient_norm);
    values += scalar("train/outer_lr", report.outer_lr);
    values +=
        scalar("time/tasks_per_second", static_cast<double>(report.tasks) / report.time.total_s);
    write_values(report.step, values);
  }
  void record(std::string_view kind, std::int64_t step,
              const std::vector<NamedValue>& numbers) override {
    std::string values;
    for (const auto& [name, value] : numbers)
      values += scalar(fmt::format("{}/{}", kind, name), value);
    write_values(step, values);
  }
  void sync() override { file_->sync(); }

 private:
  static double now_s() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  void write_values(std::int64_t step, const std::string& values) {
    write(integer_field(2, step) + bytes_field(5, values));
  }
  /// An Event: the time, and these fields.
  void write(const std::string& fields) {
    const std::string event = double_field(1, now_s()) + fields;
    const std::string length = little_endian(static_cast<std::uint64_t>(event.size()));
    file_->append(length + little_endian(masked_crc(length)) + event +
                  little_endian(masked_crc(event)));
  }

  std::string folder_;
  std::int64_t every_;
  std::unique_ptr<AppendFile> file_;
};

}  // namespace

SinkType row_of_tensorboard() {
  auto row = type_of<TensorboardSink, SinkType>(
      "event files in RUN/tensorboard: tensorboard --logdir RUN draws the curves", "");
  row.writes = kBoardFolder;
  return row;
}

}  // namespace cuttle
