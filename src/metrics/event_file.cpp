// TFRecords of the few fields of TensorBoard's messages that scalars need, written by hand
// (event.proto and summary.proto of tensorboard/compat/proto).
#include "metrics/event_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"

namespace cuttle {
namespace {

constexpr std::uint64_t kEventFileLimit = std::uint64_t{4} << 30;
constexpr std::size_t kBeforeEvent = 12, kAfterEvent = 4;  // of a record: length, check sums

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

/// A record of an Event: the time, and these fields.
std::string record_of(const std::string& fields) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string event = double_field(1, std::chrono::duration<double>(now).count()) + fields;
  const std::string length = little_endian(static_cast<std::uint64_t>(event.size()));
  return length + little_endian(masked_crc(length)) + event + little_endian(masked_crc(event));
}

/// The step of an event as record_of writes it: after the time, or not at all.
std::int64_t step_of_event(std::string_view event) {
  constexpr std::size_t kStepField = 9;
  std::uint64_t step = 0;
  if (event.size() <= kStepField || event[kStepField] != field_of(2, 0)[0]) return 0;
  for (std::size_t i = kStepField + 1, shift = 0; i < event.size() && shift < 64; ++i, shift += 7) {
    step |= static_cast<std::uint64_t>(event[i] & 127) << shift;
    if ((event[i] & 128) == 0) break;
  }
  return static_cast<std::int64_t>(step);
}

/// How many bytes of an event file come before the first event of a later step, or before a torn
/// one.
std::size_t size_up_to(std::int64_t step, std::string_view bytes) {
  std::size_t at = 0;
  while (bytes.size() - at >= kBeforeEvent + kAfterEvent) {
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < sizeof size; ++i)
      size |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << 8 * i;
    if (size > bytes.size() - at - kBeforeEvent - kAfterEvent) break;
    if (step_of_event(bytes.substr(at + kBeforeEvent, size)) > step) break;
    at += kBeforeEvent + size + kAfterEvent;
  }
  return at;
}

/// The number in "events.out.tfevents.NUMBER.cuttle", ten digits; -1: another program's file.
std::int64_t number_of(const std::string& name) {
  const std::string begin = "events.out.tfevents.", end = ".cuttle";
  if (name.size() != begin.size() + 10 + end.size()) return -1;
  const std::string number = name.substr(begin.size(), 10);
  if (number.find_first_not_of("0123456789") != number.npos) return -1;
  return name == begin + number + end ? std::atoll(number.c_str()) : -1;
}

/// Forgets later steps; returns the path of the next file. Readers take files in the order of their
/// names: the number is seconds since 1970 unless that would not be the last.
std::string next_after(std::int64_t step, const std::string& folder) {
  make_folders(folder);
  std::int64_t number = std::chrono::duration_cast<std::chrono::seconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count();
  std::error_code failure;
  const std::filesystem::directory_iterator entries(folder, failure);
  CUTTLE_REQUIRE(!failure, "{}: cannot be read ({})", folder, failure.message());
  for (const auto& entry : entries) {
    const std::int64_t earlier = number_of(entry.path().filename().string());
    if (earlier < 0) continue;
    number = std::max(number, earlier + 1);
    const std::string bytes = read_file(entry.path().string(), kEventFileLimit);
    AppendFile file(entry.path().string());
    file.cut(size_up_to(step, bytes));
    file.sync();
  }
  return fmt::format("{}/events.out.tfevents.{:010}.cuttle", folder, number);
}

}  // namespace

EventFile::EventFile(const std::string& folder, std::int64_t step)
    : file_(next_after(step, folder)) {
  file_.append(record_of(bytes_field(3, "brain.Event:2")));
  // SessionLog.START: a TensorBoard that has seen this step or later ones forgets them.
  file_.append(record_of(integer_field(2, step + 1) + bytes_field(7, integer_field(1, 1))));
  sync_path(folder);
}

void EventFile::append(std::int64_t step, const std::vector<NamedValue>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars)
    summary += bytes_field(1, bytes_field(1, tag) + float_field(2, static_cast<float>(value)));
  file_.append(record_of(integer_field(2, step) + bytes_field(5, summary)));
}

}  // namespace cuttle
