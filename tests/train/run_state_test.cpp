// What a run carries, as arrays and checkpoints and back; which checkpoint a folder stands for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/train/run_state.hpp"
#include "support/temp_folder.hpp"
#include "train/start_state.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::shared_ptr<const ParameterLayout> layout_of(const std::vector<ParameterSpec>& specs) {
  auto layout = std::make_shared<ParameterLayout>();
  for (const auto& spec : specs) layout->add(spec);
  return layout;
}

/// Three parameters with gaps between them.
std::shared_ptr<const ParameterLayout> small_layout() {
  return layout_of({{"body.weight", {2, 5}}, {"body.bias", {3}}, {"head", {1, 2, 2}}});
}

/// Values of all sorts, gaps zero.
torch::Tensor values_of(const ParameterLayout& layout, float first) {
  Tensors values;
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    auto value = torch::arange(layout.elements(i), torch::kFloat32).mul(0.1f).add(first);
    value[1] = -0.0f;
    value[2] = std::numeric_limits<float>::denorm_min();
    values.push_back(value.reshape(layout.spec(i).shape));
  }
  return layout.flatten(values);
}

bool same_bits(const torch::Tensor& a, const torch::Tensor& b) {
  return torch::equal(a.view(torch::kInt32), b.view(torch::kInt32));
}

const std::vector<std::string> kMoments = {"first_moment", "second_moment"};  // Adam's

TrainState state_of(std::int64_t step) {
  const auto layout = small_layout();
  TrainState state(ParameterList(layout, values_of(*layout, 1.0f)), kMoments);
  state.slots[0].values = values_of(*layout, -2.0f);
  state.slots[1].values = values_of(*layout, 3e-7f);
  state.step = step;
  state.updates = step - 2;
  state.tasks = 4 * step - 1;
  state.skipped_tasks = 1;
  return state;
}

RunProgress progress_of(std::int64_t best_step) {
  RunProgress progress;
  progress.best_score = 0.1 + 0.2;
  progress.best_step = best_step;
  progress.validations_since_best = 3;
  progress.stopped_early = true;
  progress.world_sizes = {1, 6, 2};
  return progress;
}

std::string arrays_refusal(const std::vector<NamedArray>& arrays) {
  return refusal_of([&] { flat_from_arrays(*small_layout(), arrays, "the file"); });
}

std::vector<NamedArray> small_arrays() {
  return parameter_arrays(*small_layout(), values_of(*small_layout(), 1.0f));
}

TEST(ParameterArrays, AreTheParametersWithoutTheGaps) {
  const auto layout = small_layout();
  auto flat = values_of(*layout, 1.0f);
  const auto clean = flat.clone();
  flat[10] = 99.0f;  // between body.weight and body.bias
  const auto arrays = parameter_arrays(*layout, flat, "moment.");
  ASSERT_THAT(arrays, SizeIs(3));
  EXPECT_EQ(arrays[0].name, "moment.body.weight");
  EXPECT_THAT(arrays[0].shape, ElementsAre(2, 5));
  EXPECT_THAT(unpack_array<float>(arrays[0]), SizeIs(10));
  EXPECT_FLOAT_EQ(unpack_array<float>(arrays[0])[9], 1.9f);
  EXPECT_THAT(arrays[2].shape, ElementsAre(1, 2, 2));
  EXPECT_TRUE(same_bits(flat_from_arrays(*layout, arrays, "", "moment."), clean));
}

TEST(ParameterArrays, ComeBackInAnyOrderAndBesideOthersOfAnotherPrefix) {
  const auto layout = small_layout();
  const auto first = values_of(*layout, 1.0f), second = values_of(*layout, 50.0f);
  auto arrays = parameter_arrays(*layout, first, "first.");
  for (auto& array : parameter_arrays(*layout, second, "second.")) arrays.push_back(array);
  std::reverse(arrays.begin(), arrays.end());
  EXPECT_TRUE(same_bits(flat_from_arrays(*layout, arrays, "", "first."), first));
  EXPECT_TRUE(same_bits(flat_from_arrays(*layout, arrays, "", "second."), second));
}

TEST(ParameterArrays, OfMoreRowsThatStandForThemselvesTheFirstServe) {
  const auto few = layout_of({{"body", {2, 3}}, rows_of("head", {2, 3}, Init::kFanIn)});
  const auto many = layout_of({{"body", {2, 3}}, rows_of("head", {5, 3}, Init::kFanIn)});
  const auto values = values_of(*many, 1.0f);
  const auto cut = flat_from_arrays(*few, parameter_arrays(*many, values, "m."), "the file", "m.");
  EXPECT_TRUE(same_bits(few->views(cut)[0], many->views(values)[0]));
  EXPECT_TRUE(same_bits(few->views(cut)[1], many->views(values)[1].narrow(0, 0, 2)));
  const auto refusal = [&](const ParameterLayout& has, const ParameterLayout& wants) {
    return refusal_of([&] {
      flat_from_arrays(wants, parameter_arrays(has, values_of(has, 1.0f), ""), "the file");
    });
  };
  EXPECT_THAT(refusal(*few, *many), HasSubstr("'head' has another shape"));
  EXPECT_THAT(refusal(*layout_of({{"head", {5, 3}}}), *layout_of({{"head", {2, 3}}})),
              HasSubstr("'head' has another shape"));
  EXPECT_THAT(
      refusal(*layout_of({{"head", {5, 4}}}), *layout_of({rows_of("head", {2, 3}, Init::kFanIn)})),
      HasSubstr("'head' has another shape"));
}

TEST(ParameterArrays, RefusalsNameTheFirstParameterThatDiffers) {
  EXPECT_EQ(arrays_refusal(small_arrays()), "");
  auto arrays = small_arrays();
  arrays.pop_back();
  EXPECT_THAT(arrays_refusal(arrays),
              AllOf(HasSubstr("the file"), HasSubstr("no parameter 'head'")));
  arrays.erase(arrays.begin() + 1);
  EXPECT_THAT(arrays_refusal(arrays), HasSubstr("no parameter 'body.bias'"));
  arrays = small_arrays();
  arrays[0].shape = {5, 2};  // as many elements
  arrays[1].shape = {3, 1};
  EXPECT_THAT(arrays_refusal(arrays), HasSubstr("'body.weight' has another shape"));
  arrays = small_arrays();
  arrays.push_back(pack_array<float>("tail", {1}, std::vector<float>{1.0f}));
  EXPECT_THAT(arrays_refusal(arrays), HasSubstr("the model has no parameter 'tail'"));
  arrays = small_arrays();
  arrays[1] = pack_array<double>("body.bias", {3}, std::vector<double>{1.0, 2.0, 3.0});
  EXPECT_THAT(arrays_refusal(arrays), HasSubstr("body.bias"));
}

TEST(RunState, ComesBackFromACheckpointBitForBit) {
  const TempFolder run;
  const TrainState saved = state_of(12);
  save_checkpoint(run.path(), to_checkpoint(saved, progress_of(8)), 1, std::nullopt);
  TrainState state(ParameterList::initial(small_layout(), 1), kMoments);
  RunProgress progress;
  from_checkpoint(*load_latest(run.path()).content, run.path(), state, progress);
  EXPECT_TRUE(same_bits(state.parameters.flat(), saved.parameters.flat()));
  EXPECT_TRUE(same_bits(state.parameters.tensors()[1], saved.parameters.tensors()[1]));
  for (std::size_t i = 0; i < kMoments.size(); ++i)
    EXPECT_TRUE(same_bits(state.slots[i].values, saved.slots[i].values)) << kMoments[i];
  EXPECT_EQ(state.step, 12);
  EXPECT_EQ(state.updates, 10);
  EXPECT_EQ(state.tasks, 47);
  EXPECT_EQ(state.skipped_tasks, 1);
  EXPECT_EQ(progress.best_score, 0.1 + 0.2);
  EXPECT_EQ(progress.best_step, 8);
  EXPECT_EQ(progress.validations_since_best, 3);
  EXPECT_TRUE(progress.stopped_early);
  EXPECT_THAT(progress.world_sizes, ElementsAre(1, 6, 2));
}

TEST(RunState, CheckpointsThatLackAPartOrAreOfAnotherModelAreRefused) {
  const auto refusal = [](const CheckpointContent& content,
                          const std::shared_ptr<const ParameterLayout>& layout) {
    TrainState state(ParameterList::initial(layout, 1), kMoments);
    RunProgress progress;
    return refusal_of([&] { from_checkpoint(content, "the run", state, progress); });
  };
  const auto good = to_checkpoint(state_of(12), progress_of(8));
  EXPECT_EQ(refusal(good, small_layout()), "");
  EXPECT_THAT(refusal(good, layout_of({{"body.weight", {2, 5}}, {"body.bias", {3}}})),
              AllOf(HasSubstr("the run"), HasSubstr("no parameter 'head'")));
  for (const std::string file : {"parameters", "optimizer"}) {
    auto content = good;
    content.files.erase(file);
    EXPECT_THAT(refusal(content, small_layout()), HasSubstr("no " + file + ".safetensors"));
  }
  auto content = good;
  content.files["optimizer"].pop_back();
  EXPECT_THAT(refusal(content, small_layout()), HasSubstr("no parameter 'second_moment.head'"));
}

TEST(RunState, SlotsAreSavedByNameInTheirOrder) {
  const auto layout = small_layout();
  TrainState state(ParameterList(layout, values_of(*layout, 1.0f)), {"third", "a"});
  state.slots[0].values = values_of(*layout, 5.0f);
  const auto content = to_checkpoint(state, progress_of(8));
  std::vector<std::string> names;
  for (const auto& array : content.files.at("optimizer")) names.push_back(array.name);
  EXPECT_THAT(names, ElementsAre("third.body.weight", "third.body.bias", "third.head",
                                 "a.body.weight", "a.body.bias", "a.head"));
  TrainState other(ParameterList::initial(layout, 1), {"a", "third"});  // found by name
  RunProgress progress;
  from_checkpoint(content, "", other, progress);
  EXPECT_TRUE(same_bits(other.slots[1].values, state.slots[0].values));
  EXPECT_FALSE(other.slots[0].values.any().item<bool>());
}

TEST(RunState, AnOptimizerWithoutSlotsHasAFileWithoutArrays) {
  const TempFolder run;
  const auto layout = small_layout();
  const TrainState saved(ParameterList(layout, values_of(*layout, 1.0f)), {});
  save_checkpoint(run.path(), to_checkpoint(saved, progress_of(8)), 1, std::nullopt);
  const auto content = *load_latest(run.path()).content;
  EXPECT_THAT(content.files.at("optimizer"), IsEmpty());
  TrainState state(ParameterList::initial(layout, 1), {});
  RunProgress progress;
  from_checkpoint(content, "", state, progress);
  EXPECT_TRUE(same_bits(state.parameters.flat(), saved.parameters.flat()));
  EXPECT_THAT(state.slots, IsEmpty());
}

/// It had Adam's second moment beside its own, zeros.
TEST(RunState, OldCheckpointsOfSgdHaveOneSlotTooMany) {
  const TrainState saved = state_of(12);
  TrainState state(ParameterList::initial(small_layout(), 1), {"first_moment"});
  RunProgress progress;
  from_checkpoint(to_checkpoint(saved, progress_of(8)), "", state, progress);
  EXPECT_THAT(state.slots, SizeIs(1));
  EXPECT_TRUE(same_bits(state.slots[0].values, saved.slots[0].values));
  EXPECT_EQ(state.updates, 10);
}

TEST(RunState, RanksMustAgreeOnEverySlot) {
  const std::map<std::string, std::string> facts = {{"data_fingerprint", "none"}};
  for (const std::string& differs : {std::string(), kMoments[0], kMoments[1]}) {
    std::vector<std::string> said(2);
    run_thread_ranks(2, CommOptions{}, [&](Communicator& comm) {
      TrainState state = state_of(12);
      for (auto& slot : state.slots)
        if (comm.rank() == 1 && slot.name == differs) slot.values[0] += 1;
      said[static_cast<std::size_t>(comm.rank())] =
          refusal_of([&] { agree_on_start(comm, facts, state); });
    });
    for (const std::string& text : said) {
      if (differs.empty())
        EXPECT_EQ(text, "");
      else
        EXPECT_THAT(text, HasSubstr("the ranks differ in optimizer." + differs + " ("));
    }
  }
}

TEST(Progress, DamagedTextIsRefused) {
  const std::string good = to_checkpoint(state_of(12), progress_of(8)).state_json;
  const auto refusal = [](const std::string& text) {
    return refusal_of([&] { progress_from_json(text); });
  };
  EXPECT_EQ(refusal(good), "");
  for (const std::string& bad : {std::string(), std::string("[]"), good.substr(0, good.size() / 2)})
    EXPECT_THAT(refusal(bad), HasSubstr("state.json of the checkpoint cannot be used")) << bad;
  for (const char* key :
       {"best_score", "best_step", "validations_since_best", "stopped_early", "world_sizes"}) {
    json state = json::parse(good);
    state[key] = "many";
    EXPECT_THAT(refusal(state.dump()), HasSubstr("cannot be used")) << key;
    state.erase(key);
    EXPECT_THAT(refusal(state.dump()), AllOf(HasSubstr("cannot be used"), HasSubstr(key)));
  }
}

/// A run with checkpoints of steps 10, 20 and 30 that says which was best.
class FindCheckpoint : public testing::Test {
 protected:
  void write(std::int64_t best_step) {
    for (const std::int64_t step : {10, 20, 30})
      folders_[step] = save_checkpoint(
          run_.path(), to_checkpoint(state_of(step), progress_of(best_step)), 3, std::nullopt);
  }
  void damage(std::int64_t step) {
    const std::string path = folders_.at(step) + "/parameters.safetensors";
    std::string bytes = read_file(path, 1 << 20);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_file_atomically(path, bytes);
  }

  const TempFolder run_;
  std::map<std::int64_t, std::string> folders_;
};

TEST_F(FindCheckpoint, TheBestIfAskedForElseTheNewest) {
  write(10);
  const auto best = find_checkpoint(run_.path(), true),
             newest = find_checkpoint(run_.path(), false);
  EXPECT_EQ(best.content->step, 10);
  EXPECT_EQ(best.folder, folders_[10]);
  EXPECT_EQ(newest.content->step, 30);
  EXPECT_EQ(newest.folder, folders_[30]);
  EXPECT_THAT(best.refused, IsEmpty());
  EXPECT_THAT(newest.refused, IsEmpty());
}

TEST_F(FindCheckpoint, TheNewestIfNothingWasValidatedOrTheBestIsGone) {
  write(-1);
  EXPECT_EQ(find_checkpoint(run_.path(), true).content->step, 30);
  write(20);
  EXPECT_EQ(find_checkpoint(run_.path(), true).content->step, 20);
  std::filesystem::remove_all(folders_[20]);
  EXPECT_EQ(find_checkpoint(run_.path(), true).content->step, 30);
}

TEST_F(FindCheckpoint, ADamagedBestIsPassedOverWithTheReason) {
  write(10);
  damage(10);
  const auto found = find_checkpoint(run_.path(), true);
  EXPECT_EQ(found.content->step, 30);
  EXPECT_EQ(found.folder, folders_[30]);
  EXPECT_THAT(found.refused, ElementsAre(AllOf(HasSubstr(folders_[10]), HasSubstr("SHA-256"),
                                               HasSubstr("the newest is used, not the best"))));
}

TEST_F(FindCheckpoint, ADamagedNewestIsPassedOverWithTheReason) {
  write(10);
  damage(30);
  const auto newest = find_checkpoint(run_.path(), false),
             best = find_checkpoint(run_.path(), true);
  EXPECT_EQ(newest.content->step, 20);
  EXPECT_THAT(newest.refused, ElementsAre(HasSubstr(folders_[30])));
  EXPECT_EQ(best.content->step, 10);
  EXPECT_THAT(best.refused, ElementsAre(HasSubstr(folders_[30])));
}

TEST_F(FindCheckpoint, ACheckpointFolderStandsForItself) {
  write(10);
  EXPECT_EQ(find_checkpoint(folders_[20], true).content->step, 20);
  damage(20);
  EXPECT_THAT(refusal_of([&] { find_checkpoint(folders_[20], true); }), HasSubstr(folders_[20]));
}

TEST_F(FindCheckpoint, FoldersWithoutAUsableOneAreRefused) {
  const auto refusal = [&](const std::string& folder) {
    return refusal_of([&] { find_checkpoint(folder, true); });
  };
  EXPECT_THAT(refusal(run_ / "nowhere"), HasSubstr("no such folder"));
  EXPECT_THAT(refusal(run_.path()), HasSubstr("no checkpoint that can be used; train it first"));
  write(10);
  for (const std::int64_t step : {10, 20, 30}) damage(step);
  EXPECT_THAT(refusal(run_.path()),
              AllOf(HasSubstr("no checkpoint that can be used"), HasSubstr(folders_[30])));
}

}  // namespace
}  // namespace cuttle
