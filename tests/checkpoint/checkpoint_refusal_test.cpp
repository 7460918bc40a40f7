// Checkpoints that do not verify: each is refused by file and reason, and an older one takes its
// place.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "checkpoint/manifest.hpp"
#include "checkpoint/sample_content.hpp"
#include "cuttle/core/error.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using namespace testing_checkpoint;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Damages step 2 of a run with steps 1 and 2 and returns why step 2 was refused; step 1 must have
/// been loaded.
std::string refusal(const std::function<void(const std::string& folder)>& damage) {
  const TempFolder run;
  save_checkpoint(run.path(), sample_content(1), 2, {});
  const std::string folder = save_checkpoint(run.path(), sample_content(2), 2, {});
  damage(folder);
  EXPECT_THROW(load_checkpoint(folder), UserError);
  const LatestCheckpoint latest = load_latest(run.path());
  EXPECT_TRUE(latest.content && equal(*latest.content, sample_content(1)));
  EXPECT_EQ(latest.refused.size(), 1u);
  if (latest.refused.size() != 1) return "";
  EXPECT_THAT(latest.refused[0], HasSubstr("step-00000002"));
  return latest.refused[0];
}

std::string refused_manifest(const std::function<std::string(std::string)>& change) {
  return refusal([&](const std::string& folder) {
    const std::string path = folder + "/manifest.json";
    const std::string before = read_text(path);
    const std::string after = change(before);
    EXPECT_NE(before, after);
    write_text(path, after);
  });
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(CheckpointRefusal, TruncatedGrownDamagedOrMissingFiles) {
  for (const std::string file : {"parameters.safetensors", "optimizer.safetensors", "state.json",
                                 "config.yaml", "facts.json"}) {
    const auto path = [&](const std::string& folder) { return folder + "/" + file; };
    EXPECT_THAT(refusal([&](const std::string& folder) {
                  const std::string text = read_text(path(folder));
                  write_text(path(folder), text.substr(0, text.size() - 1));
                }),
                AllOf(HasSubstr(file), HasSubstr("truncated")));
    EXPECT_THAT(refusal([&](const std::string& folder) {
                  write_text(path(folder), read_text(path(folder)) + "x");
                }),
                AllOf(HasSubstr(file), HasSubstr("at most")));
    EXPECT_THAT(refusal([&](const std::string& folder) {
                  std::string text = read_text(path(folder));
                  text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
                  write_text(path(folder), text);
                }),
                AllOf(HasSubstr(file), HasSubstr("SHA-256")));
    EXPECT_THAT(refusal([&](const std::string& folder) { std::filesystem::remove(path(folder)); }),
                AllOf(HasSubstr(file), HasSubstr("missing")));
  }
}

TEST(CheckpointRefusal, NoManifestOrABrokenOne) {
  EXPECT_THAT(refusal([](const std::string& folder) {
                std::filesystem::remove(folder + "/manifest.json");
              }),
              HasSubstr("manifest.json"));
  EXPECT_THAT(
      refused_manifest([](const std::string& text) { return text.substr(0, text.size() / 2); }),
      HasSubstr("cannot be read"));
  EXPECT_THAT(refused_manifest([](const std::string&) { return std::string("[]"); }),
              HasSubstr("not an object"));
  EXPECT_THAT(refused_manifest([](const std::string&) { return std::string("{}"); }),
              HasSubstr("not the manifest"));
  EXPECT_THAT(refused_manifest([](const std::string& text) {
                return replaced(text, "\"version\": 1", "\"version\": 2");
              }),
              HasSubstr("checkpoint version 2"));
}

TEST(CheckpointRefusal, ManifestNamesCannotLeaveTheFolder) {
  for (const std::string name :
       {"../step-00000001/parameters.safetensors", "/etc/passwd", "..", "a/b", ".hidden", ""}) {
    EXPECT_FALSE(is_plain_name(name)) << name;
    EXPECT_THAT(refused_manifest([&](const std::string& text) {
                  return replaced(text, "parameters.safetensors", name);
                }),
                HasSubstr("not the name of a file in this folder"));
  }
  EXPECT_THAT(refusal([](const std::string& folder) {  // same bytes, but elsewhere
                const std::string path = folder + "/config.yaml";
                std::filesystem::rename(path, folder + "/../outside.yaml");
                std::filesystem::create_symlink("../outside.yaml", path);
              }),
              HasSubstr("not a regular file"));
}

TEST(CheckpointRefusal, ManifestsThatLeaveOutOrAddFiles) {
  EXPECT_THAT(refused_manifest([](const std::string& text) {
                return replaced(text, "state.json", "other.json");
              }),
              HasSubstr("does not list state.json"));
  EXPECT_THAT(refused_manifest([](const std::string& text) {
                return replaced(text, "\"sha256\": \"", "\"sha256\": \"../");
              }),
              HasSubstr("needs bytes and sha256"));
  EXPECT_THAT(refused_manifest([](const std::string& text) {
                return replaced(text, "\"bytes\": ", "\"bytes\": -");
              }),
              HasSubstr("needs bytes and sha256"));
}

TEST(CheckpointRefusal, AllDamagedMeansNoneWithAllReasons) {
  const TempFolder run;
  for (const std::int64_t step : {1, 2, 3}) {
    write_text(save_checkpoint(run.path(), sample_content(step), 3, {}) + "/state.json", "{}");
  }
  const LatestCheckpoint latest = load_latest(run.path());
  EXPECT_FALSE(latest.content);
  ASSERT_EQ(latest.refused.size(), 3u);
  EXPECT_THAT(latest.refused[0], HasSubstr("step-00000003"));
  EXPECT_THAT(latest.refused[2], HasSubstr("step-00000001"));
}

TEST(CheckpointRefusal, AFolderUnderAnotherStepsName) {
  const TempFolder run;
  save_checkpoint(run.path(), sample_content(7), 2, {});
  std::filesystem::copy(run / "checkpoints/step-00000007", run / "checkpoints/step-00000008");
  const LatestCheckpoint latest = load_latest(run.path());
  EXPECT_EQ(latest.content->step, 7);
  ASSERT_EQ(latest.refused.size(), 1u);
  EXPECT_THAT(latest.refused[0], HasSubstr("its manifest says step 7"));
}

TEST(CheckpointRefusal, OtherNamesInTheFolderAreNoCheckpoints) {
  const TempFolder run;
  save_checkpoint(run.path(), sample_content(7), 2, {});
  for (const std::string name :
       {"step-8", "step-000000009", "step-0000000x", "step--0000001", "step-", "best"}) {
    std::filesystem::copy(run / "checkpoints/step-00000007", run / ("checkpoints/" + name));
  }
  EXPECT_EQ(steps_of(run.path()), std::vector<std::int64_t>{7});
}

}  // namespace
}  // namespace cuttle
