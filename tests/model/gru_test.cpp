// gru: LibTorch's own layers compute the same, and padding changes no bit.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <string>

#include "large_encoders.hpp"

namespace cuttle {
namespace {

TEST(Gru, AgreesWithLibTorchsAndHasItsNames) {
  for (const Sense& sense : {kGruText, kGruSeries}) {
    const auto model = model_of(sense);
    const auto list = ParameterList::initial(model->layout(), 1, torch::kFloat64);
    torch::manual_seed(8);
    for (const auto& value : list.tensors()) value.add_(0.2 * torch::randn_like(value));
    const auto p = list.tensors();
    const bool text = sense.kind == ModalityKind::kText;
    torch::nn::GRU gru(torch::nn::GRUOptions(text ? sense.width : kChannels, sense.width)
                           .num_layers(sense.depth)
                           .bidirectional(true)
                           .batch_first(true));
    gru->to(torch::kFloat64);
    const torch::NoGradGuard no_grad;
    std::map<std::string, torch::Tensor> ours;
    for (std::size_t i = 0; i < p.size(); ++i)
      ours[model->layout()->spec(static_cast<std::int64_t>(i)).name] = p[i];
    auto theirs = gru->named_parameters();
    EXPECT_EQ(ours.size(), theirs.size() + (text ? 1 : 0) + 2);  // a table, the head
    for (auto& value : theirs) value.value().copy_(ours.at("encoder.x.gru." + value.key()));
    const Task task = draw_task(*model, torch::kFloat64);
    const auto& input = task.query.modalities[0];
    const auto found = model->encoder(0).forward(p, input, {}, true);
    for (std::int64_t i = 0; i < task.query.size; ++i) {
      const auto length = input.mask[i].sum().item<std::int64_t>();
      const auto all = input.values.narrow(0, i, 1);
      const auto x = text ? torch::nn::functional::embedding(all, p[0]) : all.transpose(1, 2);
      const auto states = std::get<0>(gru(x.narrow(1, 0, length)))[0];
      EXPECT_TRUE(torch::allclose(found.tokens[i].narrow(0, 0, length), states, 1e-9, 1e-10));
      EXPECT_TRUE(torch::allclose(found.pooled[i], torch::cat({states.mean(0), states.amax(0)}),
                                  1e-9, 1e-10));
    }
  }
}

TEST(Gru, PaddingChangesNoBit) {
  torch::set_num_threads(1);
  for (const auto dtype : {torch::kFloat32, torch::kFloat64})
    for (const Sense& sense : {kGruText, kGruSeries, kGruAudio}) {
      const auto model = model_of(sense);
      const auto p = ParameterList::initial(model->layout(), 4, dtype).tensors();
      auto input = draw_task(*model, dtype).query.modalities[0];
      const auto expected = model->encoder(0).forward(p, input, {}, true);
      const std::int64_t steps = input.mask.size(1);
      for (const std::int64_t more : {1, 7, 60}) {
        ModalityInput padded = input;
        padded.values = torch::constant_pad_nd(input.values, {0, more});
        padded.mask = torch::constant_pad_nd(input.mask, {0, more});
        const auto found = model->encoder(0).forward(p, padded, {}, true);
        EXPECT_TRUE(torch::equal(found.pooled, expected.pooled)) << sense << " " << more;
        const auto real = expected.mask.unsqueeze(2);
        EXPECT_TRUE(torch::equal(found.tokens.narrow(1, 0, steps) * real, expected.tokens * real));
      }
    }
}

}  // namespace
}  // namespace cuttle
