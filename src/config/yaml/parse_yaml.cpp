#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <utility>

#include "config/yaml/config_node.hpp"

namespace cuttle {
namespace {

/// model.encoders.image.key, and a little.
constexpr std::size_t kDeepest = 8;
constexpr const char* kNoAnchors =
    "anchors (&) and aliases (*) are not used in a configuration; quote text that starts with one, "
    "e.g. \"*.h5\"";

/// Builds ConfigNodes from the parser's events, which arrive before the parser goes deeper: so what
/// is refused here costs neither memory nor stack.
class TreeBuilder : public YAML::EventHandler {
 public:
  /// `text` is what the parser reads: marks point into it.
  explicit TreeBuilder(const std::string& text) : text_(text) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      throw ConfigSyntaxError(mark.line + 1,
                              "a second document begins here; a configuration is one set of keys");
    }
  }
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    throw ConfigSyntaxError(mark.line + 1, kNoAnchors);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw ConfigSyntaxError(mark.line + 1, kNoAnchors);
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    add_leaf(make(ConfigNode::Kind::kNull, mark));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    refuse_tag(mark, tag);
    refuse_open_quote(mark);
    ConfigNode node = make(ConfigNode::Kind::kScalar, mark);
    node.text = value;
    node.quoted = tag == "!";
    add_leaf(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::kList, mark, tag);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::kMap, mark, tag);
  }
  void OnMapEnd() override { close(); }

  ConfigNode take_root() { return std::move(root_); }

 private:
  struct Level {
    ConfigNode node;
    bool has_key = false;  ///< a map's key was read and its value comes next
    std::string key;
    int key_line = 0;
  };

  static ConfigNode make(ConfigNode::Kind kind, const YAML::Mark& mark) {
    ConfigNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }
  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw ConfigSyntaxError(
        mark.line + 1,
        "tags (!name) are not used in a configuration; quote text that starts with !");
  }
  /// yaml-cpp takes a quote that is never closed as text up to the end of the file, keys included.
  void refuse_open_quote(const YAML::Mark& mark) const {
    const auto begin = static_cast<std::size_t>(mark.pos);
    const char quote = begin < text_.size() ? text_[begin] : '\0';
    if (quote != '"' && quote != '\'') return;
    for (std::size_t i = begin + 1; i < text_.size() && text_[i] != '\n'; ++i) {
      if (text_[i] == quote) return;
      if (text_[i] == '\\' && quote == '"') ++i;
    }
    throw ConfigSyntaxError(
        mark.line + 1,
        "a quote is not closed on its line; close it, or write the text on one line");
  }

  bool expects_key() const {
    return !levels_.empty() && levels_.back().node.kind == ConfigNode::Kind::kMap &&
           !levels_.back().has_key;
  }
  void add_leaf(ConfigNode node) {
    if (!expects_key()) return attach(std::move(node));
    if (node.kind == ConfigNode::Kind::kNull) {
      throw ConfigSyntaxError(node.line, "a value without a key; write key: value");
    }
    Level& level = levels_.back();
    level.has_key = true;
    level.key = std::move(node.text);
    level.key_line = node.line;
  }
  void open(ConfigNode::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    refuse_tag(mark, tag);
    if (expects_key()) {
      throw ConfigSyntaxError(
          mark.line + 1, "a list or map as a key (is a bracket left open?); keys are plain words");
    }
    if (levels_.size() == kDeepest) {
      throw ConfigSyntaxError(mark.line + 1,
                              fmt::format("nested deeper than {} levels; a configuration "
                                          "is flatter than that",
                                          kDeepest));
    }
    levels_.push_back({make(kind, mark), false, {}, 0});
  }
  void close() {
    ConfigNode node = std::move(levels_.back().node);
    levels_.pop_back();
    attach(std::move(node));
  }
  void attach(ConfigNode node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& parent = levels_.back();
    if (parent.node.kind == ConfigNode::Kind::kMap) {
      node.key = std::move(parent.key);
      node.line = parent.key_line;
      parent.has_key = false;
    }
    parent.node.children.push_back(std::move(node));
  }

  const std::string& text_;
  int documents_ = 0;
  std::vector<Level> levels_;
  ConfigNode root_;
};

[[noreturn]] void rethrow(const YAML::Exception& error) {
  const int line = error.mark.is_null() ? 0 : error.mark.line + 1;
  const bool anchor =
      error.msg.find("anchor") != std::string::npos || error.msg.find("alias") != std::string::npos;
  if (anchor) throw ConfigSyntaxError(line, kNoAnchors);
  throw ConfigSyntaxError(
      line,
      fmt::format("not valid YAML: {}; check indentation, colons, quotes and brackets", error.msg));
}

}  // namespace

ConfigNode parse_yaml(const std::string& text) {
  scan_config_text(text);
  const std::string bare = text.compare(0, 3, "\xEF\xBB\xBF") == 0 ? text.substr(3) : text;
  std::istringstream stream(bare);
  TreeBuilder builder(bare);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    rethrow(error);
  }
  return builder.take_root();
}

}  // namespace cuttle
