// Texts as pieces of a tokenizer.json: which tokens encoders get, and what is one of each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/hash.hpp"
#include "large_encoders.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

/// Bytes, a letter, and two letters: ids 0 to 258.
std::string file_of_pieces() {
  nlohmann::json vocabulary;
  for (int byte = 0; byte < 256; ++byte) vocabulary[fmt::format("<0x{:02X}>", byte)] = byte;
  vocabulary["a"] = 256;
  vocabulary["b"] = 257;
  vocabulary["ab"] = 258;
  return nlohmann::json{
      {"model",
       {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"a b"}}, {"byte_fallback", true}}}}
      .dump();
}

std::shared_ptr<Model> reading(const std::string& type, const std::string& pieces,
                               const std::string& max_length = "0",
                               ModalityKind kind = ModalityKind::kText) {
  ModelOptions options;
  options.encoders["x"] =
      Section(type, {{"width", "32"}, {"pieces", pieces}, {"max_length", max_length}});
  return std::make_shared<Model>(options, std::vector<ModalitySpec>{spec_of(kind)}, kWay, 2,
                                 ModelRegistry{});
}

std::vector<std::uint8_t> of_text(const std::string& text) {
  return {text.begin(), text.end()};
}

TEST(Pieces, AreTokensOfEveryEncoderOfTexts) {
  const TempFolder folder;
  const std::string path = folder / "pieces.json", json = file_of_pieces();
  write_file_atomically(path, json);
  for (const char* type : {"char_conv", "gru", "transformer"}) {
    const auto model = reading(type, path);
    EXPECT_EQ(model->layout()->spec(0).shape, (std::vector<std::int64_t>{260, 32}));
    EXPECT_EQ(model->encoder(0).held(), sha256(json));
    EXPECT_FALSE(model->encoder(0).fixed());
    const auto input = sequences(*model, {of_text("ab\xff"
                                                  "a\x07"),
                                          of_text(""), of_text("b")})
                           .modalities[0];
    EXPECT_TRUE(input.values.equal(torch::tensor({{259, 257, 8}, {0, 0, 0}, {258, 0, 0}})));
    EXPECT_TRUE(input.mask.equal(torch::tensor({{1., 1., 1.}, {1., 0., 0.}, {1., 0., 0.}})));
    const auto cut = sequences(*reading(type, path, "2"), {of_text("abab\x07")}).modalities[0];
    EXPECT_TRUE(cut.values.equal(torch::tensor({{259, 259}})));
    EXPECT_THAT([&] { reading(type, folder / "none.json"); },
                testing::ThrowsMessage<UserError>(HasSubstr("none.json is no file; make it with")));
  }
  EXPECT_THAT([&] { reading("gru", path, "0", ModalityKind::kSeries); },
              testing::ThrowsMessage<UserError>(HasSubstr("x.pieces: is about texts")));
}

}  // namespace
}  // namespace cuttle
