#include <algorithm>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/json_guard.hpp"
#include "model/pretrained/byte_pair.hpp"
#include "model/pretrained/code_points.hpp"

namespace cuttle {
namespace {

constexpr int kJsonLevels = 12;
constexpr std::int64_t kNoPiece = -1;

using Json = nlohmann::json;
using Pieces = std::unordered_map<std::string, std::int64_t>;

/// Reads one tokenizer.json, part by part.
class BytePairFile {
 public:
  BytePairFile(std::string_view json, const std::string& source)
      : source_(source), json_(parse_json_object(json, kJsonLevels, source)) {}

  BytePairRules read() {
    try {
      const Json& model = part("model");
      check_model(model);
      read_pieces(model.at("vocab"));
      read_added();
      read_changes(part("normalizer"));
      read_words(part("pre_tokenizer"));
      read_bytes(model.value("byte_fallback", false));
      read_merges(model.at("merges"));
      read_around(part("post_processor"));
    } catch (const Json::exception& problem) {
      refuse(fmt::format("cannot be read: {}", problem.what()));
    }
    return std::move(rules_);
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const {
    throw UserError(fmt::format(
        "{}: the tokenizer {} (texts would not be read as they were in training); use another, "
        "byte-level as GPT-2's or with bytes for unknown characters as Llama's",
        source_, problem));
  }
  const Json& part(const char* name) const {
    static const Json kNone;
    const auto found = json_.find(name);
    return found == json_.end() ? kNone : *found;
  }
  /// The `type` of a part, whose further keys have to be known ones.
  std::string type_of(const Json& of, std::initializer_list<const char*> keys) const {
    for (const auto& [key, value] : of.items())
      if (key != "type" && std::find(keys.begin(), keys.end(), key) == keys.end())
        refuse(fmt::format("has {}: {}, which is not known", key, value.dump().substr(0, 100)));
    return of.at("type").get<std::string>();
  }

  void check_model(const Json& model) const {
    const auto type =
        type_of(model, {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                        "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
    if (type != "BPE") refuse(fmt::format("is {}, no byte-pair encoding", type));
    for (const char* name :
         {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"}) {
      const auto found = model.find(name);
      if (found != model.end() && !found->is_null() && *found != "" && *found != false &&
          *found != 0.0)
        refuse(fmt::format("has {}: {}, which is not known", name, found->dump()));
    }
  }

  std::int64_t id_of(const Json& number) const {
    const std::int64_t id = number.is_number_integer() ? number.get<std::int64_t>() : kNoPiece;
    if (id < 0 || id > std::numeric_limits<std::int32_t>::max())
      refuse(fmt::format("has {} as an id", number.dump().substr(0, 100)));
    return id;
  }

  void read_pieces(const Json& vocabulary) {
    for (const auto& [piece, id] : vocabulary.items()) {
      if (piece.empty()) refuse("has an empty piece");
      pieces_[piece] = id_of(id);
    }
  }

  void read_added() {
    for (const auto& token : part("added_tokens")) {
      const std::string text = token.at("content").get<std::string>();
      for (const char* name : {"single_word", "rstrip"})
        if (token.at(name).get<bool>()) refuse(fmt::format("has {} for {}", name, text));
      const std::int64_t id = id_of(token.at("id"));
      if (text.empty() || pieces_.emplace(text, id).first->second != id)
        refuse(fmt::format("has an added token '{}' with the id {}, which is another's", text, id));
      auto& added = token.at("normalized").get<bool>() ? rules_.as_changed : rules_.as_written;
      added.push_back({text, id, token.at("lstrip").get<bool>()});
    }
    // Each id is one piece's, so that no table is larger than the file says in so many words.
    rules_.size = static_cast<std::int64_t>(pieces_.size());
    std::vector<bool> seen(pieces_.size());
    for (const auto& [piece, id] : pieces_) {
      if (id >= rules_.size || seen[static_cast<std::size_t>(id)])
        refuse(fmt::format("has the id {} for '{}', and {} pieces are numbered 0, 1, 2 and so on",
                           id, piece, rules_.size));
      seen[static_cast<std::size_t>(id)] = true;
    }
  }

  void read_changes(const Json& normalizer) {
    if (normalizer.is_null()) return;
    const auto type = type_of(normalizer, {"normalizers", "prepend", "pattern", "content"});
    if (type == "Sequence") {
      for (const Json& one : normalizer.at("normalizers")) read_changes(one);
    } else if (type == "Prepend") {
      rules_.changes.push_back(
          {BytePairRules::Change::Kind::kPrepend, "", normalizer.at("prepend").get<std::string>()});
    } else if (type == "Replace" && normalizer.at("pattern").contains("String")) {
      rules_.changes.push_back({BytePairRules::Change::Kind::kReplace,
                                normalizer.at("pattern").at("String").get<std::string>(),
                                normalizer.at("content").get<std::string>()});
      if (rules_.changes.back().from.empty()) refuse("replaces nothing by something");
    } else if (type == "NFC") {
      rules_.changes.push_back({BytePairRules::Change::Kind::kCompose, "", ""});
    } else {
      refuse(fmt::format("has the normalizer {}, which is not known", normalizer.dump()));
    }
  }

  void read_words(const Json& splitter) {
    if (splitter.is_null()) return;
    const auto type = type_of(splitter, {"add_prefix_space", "trim_offsets", "use_regex"});
    if (type != "ByteLevel") refuse(fmt::format("has the pre-tokenizer {}, not known", type));
    rules_.words = splitter.value("use_regex", true);
    rules_.space_before = splitter.at("add_prefix_space").get<bool>();
    byte_level_ = true;
  }

  /// Sequences of the bytes in characters that can be seen: GPT-2's own alphabet.
  static std::string as_seen(int byte) {
    const auto is_seen = [](int b) {
      return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    };
    std::string seen;
    int before = 0;
    for (int b = 0; b < byte; ++b) before += is_seen(b) ? 0 : 1;
    append_code(seen, is_seen(byte) ? byte : 256 + before);
    return seen;
  }

  void read_bytes(bool byte_fallback) {
    if (!byte_level_ && !byte_fallback) refuse("does not know every character");
    for (int byte = 0; byte < 256; ++byte) {
      const std::string piece = byte_level_ ? as_seen(byte) : fmt::format("<0x{:02X}>", byte);
      const auto found = pieces_.find(piece);
      if (found == pieces_.end()) refuse(fmt::format("has no piece {}, of a byte", piece));
      rules_.bytes[static_cast<std::size_t>(byte)] = found->second;
    }
    if (byte_level_) return;
    for (const auto& [piece, id] : pieces_) {
      Code only = 0;
      int count = 0;
      if (piece.size() <= 4) for_each_code(piece, [&](Code c) { only = c, ++count; });
      if (count == 1) rules_.characters[only] = id;
    }
  }

  void read_merges(const Json& merges) {
    std::int64_t rank = 0;
    for (const Json& merge : merges) {
      std::string left, right;
      if (merge.is_array() && merge.size() == 2) {
        left = merge[0].get<std::string>();
        right = merge[1].get<std::string>();
      } else {
        const std::string both = merge.get<std::string>();
        const std::size_t blank = both.find(' ');
        if (blank != both.rfind(' ')) refuse(fmt::format("has '{}' as a merge", both));
        left = both.substr(0, blank);
        right = blank == std::string::npos ? "" : both.substr(blank + 1);
      }
      const auto id = [&](const std::string& piece) {
        const auto found = pieces_.find(piece);
        if (found == pieces_.end())
          refuse(fmt::format("merges '{}' and '{}', and '{}' is no piece", left, right, piece));
        return found->second;
      };
      rules_.merges[BytePairRules::pair_of(id(left), id(right))] = {rank++, id(left + right)};
    }
  }

  void read_around(const Json& processor) {
    if (processor.is_null()) return;
    const auto type = type_of(processor, {"processors", "single", "pair", "special_tokens", "sep",
                                          "cls", "trim_offsets", "add_prefix_space", "use_regex"});
    if (type == "ByteLevel") return;  // about places in the text
    if (type == "Sequence") {
      for (const Json& one : processor.at("processors")) read_around(one);
      return;
    }
    if (!rules_.before.empty() || !rules_.after.empty()) refuse("puts tokens around texts twice");
    if (type == "RobertaProcessing" || type == "BertProcessing") {
      rules_.before = {known(processor.at("cls").at(1))};
      rules_.after = {known(processor.at("sep").at(1))};
    } else if (type == "TemplateProcessing") {
      read_template(processor);
    } else {
      refuse(fmt::format("has the post-processor {}, which is not known", type));
    }
  }

  void read_template(const Json& processor) {
    bool behind = false;
    for (const Json& item : processor.at("single")) {
      const auto found = item.find("SpecialToken");
      if (found == item.end()) {
        if (behind || item.at("Sequence").at("id") != "A") refuse("repeats the text");
        behind = true;
        continue;
      }
      const auto name = found->at("id").get<std::string>();
      for (const Json& id : processor.at("special_tokens").at(name).at("ids"))
        (behind ? rules_.after : rules_.before).push_back(known(id));
    }
    if (!behind) refuse("leaves the text out");
  }

  std::int64_t known(const Json& number) const {
    const std::int64_t id = id_of(number);
    if (id >= rules_.size) refuse(fmt::format("puts {} around texts, which is no piece", id));
    return id;
  }

  std::string source_;
  Json json_;
  Pieces pieces_;
  bool byte_level_ = false;
  BytePairRules rules_;
};

}  // namespace

BytePairRules read_byte_pairs(std::string_view json, const std::string& source) {
  return BytePairFile(json, source).read();
}

}  // namespace cuttle
