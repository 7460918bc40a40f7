#include "cuttle/core/error.hpp"
#include "cuttle/model/model.hpp"
#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

std::string default_encoder(const ModalitySpec& spec) {
  switch (spec.kind) {
    case ModalityKind::kImage:
      return "conv4";
    case ModalityKind::kText:
      return "char_conv";
    case ModalityKind::kAudio:
      return "mel_conv";
    case ModalityKind::kSeries:
      return "series_conv";
    case ModalityKind::kVideo:
      return "frames";
    case ModalityKind::kGraph:
      return "graph_conv";
    case ModalityKind::kVector:
      break;
  }
  return spec.holes ? "columns" : "mlp";
}

/// The keys that the encoders used by default have between them.
struct AutoOptions : SequenceOptions {
  bool irregular = false;
  void keys(Keys& keys) {
    SequenceOptions::keys(keys);
    tell_irregular(keys, irregular);
  }
};

/// `auto`: the usual encoder of the modality's kind, holes or none. A key that this one has not
/// must not have been changed: it would do nothing.
std::unique_ptr<const Encoder> make_default_encoder(const EncoderRequest& request) {
  const std::string name = default_encoder(request.spec);
  const EncoderType& type =
      find_type(request.registry.encoders, "model.encoders." + request.spec.name + ".type", name);
  const auto common = options_of<AutoOptions>(request.section);
  const auto refuse = [&](const char* key, bool changed) {
    CUTTLE_VALIDATE(!changed || has_key(type, key),
                    "model.encoders.{}.{}: {}, the usual encoder of {}, has no such key; remove it",
                    request.spec.name, key, name, to_string(request.spec.kind));
  };
  refuse("max_length", common.max_length != 0);
  refuse("irregular", common.irregular);
  for (const char* key : {"width", "depth", "norm", "fused"})
    CUTTLE_VALIDATE(
        request.spec.kind != ModalityKind::kVideo || request.section.values.count(key) == 0,
        "model.encoders.{0}.{1}: {2}, the usual encoder of video, has no such key; give "
        "type: {2} and write frame: {{{1}: ..}}",
        request.spec.name, key, name);
  return type.make(request);
}

}  // namespace

#define CUTTLE_ROW(name) {#name, row_of_##name()},

std::map<std::string, NormType> builtin_norms() {
  return {CUTTLE_NORMS(CUTTLE_ROW)};
}
std::map<std::string, HeadType> builtin_heads() {
  return {CUTTLE_HEADS(CUTTLE_ROW)};
}
std::map<std::string, FusionType> builtin_fusions() {
  return {CUTTLE_FUSIONS(CUTTLE_ROW)};
}
std::map<std::string, CompletionType> builtin_completions() {
  std::map<std::string, CompletionType> types{CUTTLE_COMPLETIONS(CUTTLE_ROW)};
  CompletionType none;
  none.summary = "senses that a sample lacks are left to the fusion";
  none.make = [](const CompletionRequest&) { return std::unique_ptr<const Completion>(); };
  types["none"] = none;
  return types;
}
std::map<std::string, EncoderType> builtin_encoders() {
  std::map<std::string, EncoderType> types{CUTTLE_ENCODERS(CUTTLE_ROW)};
  EncoderType usual;
  usual.summary = "the usual one for the kind of the modality";
  usual.keys = keys_of<AutoOptions>();
  usual.make = make_default_encoder;
  types["auto"] = usual;
  return types;
}

#undef CUTTLE_ROW

}  // namespace cuttle
