#pragma once

#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

namespace cuttle {

/// Where a value was given: in the file (source 0) or in the n-th override (source n). Line 0:
/// nowhere in particular.
struct ConfigPlace {
  int source = 0;
  int line = 0;
  bool operator<(const ConfigPlace& other) const {
    return std::tie(source, line) < std::tie(other.source, other.line);
  }
};

/// Collects what is wrong with a configuration, so that one report names it all.
class ConfigProblems {
 public:
  explicit ConfigProblems(std::string origin) : origin_(std::move(origin)) {}

  /// `key` may be empty when no key is concerned.
  void add(ConfigPlace place, const std::string& key, const std::string& text);
  bool empty() const { return found_.empty(); }
  /// True once there are more than a person reads: finding advice for further ones is not worth the
  /// time.
  bool plenty() const;
  /// UserError with one line per problem, 'configs/x.yaml:12: key: text', the file's by line, then
  /// the overrides'.
  void throw_if_any() const;

 private:
  struct Problem {
    ConfigPlace place;
    std::string text;
  };
  std::string origin_;
  std::vector<Problem> found_;
  std::size_t dropped_ = 0;
};

}  // namespace cuttle
