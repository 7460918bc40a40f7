// What callers may ask for: instruction sets that exist, blocks that are possible.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "kernels/kernel_parts.hpp"
#include "kernels/paths.hpp"

namespace cuttle::kernels {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr InstructionSet kNone = static_cast<InstructionSet>(17);
const InstructionSet kDefault = instruction_set();  ///< before any test selects another

TEST(KernelInstructionSets, AreListedFromGenericToTheBestWhichIsTheDefault) {
  const auto sets = available_instruction_sets();
  ASSERT_FALSE(sets.empty());
  EXPECT_EQ(sets.front(), InstructionSet::kGeneric);
  EXPECT_TRUE(std::is_sorted(sets.begin(), sets.end(), std::less_equal<>()));
  EXPECT_EQ(kDefault, sets.back());
}

TEST(KernelInstructionSets, WhatTheProcessorLacksIsRefusedAndChangesNothing) {
  const auto sets = available_instruction_sets();
  for (const auto set :
       {InstructionSet::kGeneric, InstructionSet::kAvx2, InstructionSet::kAvx512, kNone}) {
    if (std::find(sets.begin(), sets.end(), set) != sets.end()) continue;
    select_instruction_set(InstructionSet::kGeneric);
    EXPECT_THAT([&] { select_instruction_set(set); },
                ThrowsMessage<std::invalid_argument>(HasSubstr("lacks this instruction set")));
    EXPECT_EQ(instruction_set(), InstructionSet::kGeneric);
  }
  select_instruction_set(sets.back());
}

TEST(KernelInstructionSets, TheSelectedOneRuns) {
  parts::on_every_instruction_set([] {
    const int bytes = instruction_set() == InstructionSet::kAvx512 ? 64
                      : instruction_set() == InstructionSet::kAvx2 ? 32
                                                                   : 16;
    EXPECT_EQ(isa<float>().lanes * 4, bytes);
    EXPECT_EQ(isa<double>().lanes * 8, bytes);
    for (const int rows : {isa<float>().rows, isa<double>().rows})
      EXPECT_TRUE(rows >= 1 && rows <= kMaxRows) << rows;
  });
}

/// What the passes say to a shape; nothing of what they are given is read.
struct Passes {
  ConvBlockShape shape;
  double number = 0;
  BlockInputs<double> inputs{};

  explicit Passes(const ConvBlockShape& of) : shape(of) { inputs.moments = &number; }
  void forward() const { kernels::forward<double>(shape, inputs, {}, nullptr); }
  void backward(const BlockGradients<double>& wanted) const {
    kernels::backward<double>(shape, inputs, {}, nullptr, wanted);
  }
  void double_backward(const BlockCotangents<double>& given,
                       const BlockSecondGradients<double>& wanted) const {
    kernels::double_backward<double>(shape, inputs, {}, nullptr, given, wanted);
  }
  void expect_refused(const std::string& why) const {
    const auto refused = ThrowsMessage<std::invalid_argument>(HasSubstr(why));
    EXPECT_THAT([this] { forward(); }, refused);
    EXPECT_THAT([this] { backward({}); }, refused);
    EXPECT_THAT([this] { double_backward({}, {}); }, refused);
  }
};

TEST(KernelRefusals, ImpossibleShapes) {
  const ConvBlockShape sound{1, 4, 4, 1, 2};
  const auto refused = [&](std::int64_t ConvBlockShape::* member, std::int64_t value) {
    ConvBlockShape shape = sound;
    shape.*member = value;
    for (const bool input_gradient : {true, false}) {
      SCOPED_TRACE(value);
      shape.input_gradient = input_gradient;
      Passes(shape).expect_refused("impossible shape");
    }
  };
  for (const auto member : {&ConvBlockShape::images, &ConvBlockShape::height,
                            &ConvBlockShape::width, &ConvBlockShape::in, &ConvBlockShape::out}) {
    refused(member, 0);
    refused(member, -3);
  }
  for (const std::int64_t kernel_height : {0, 2, 5})
    refused(&ConvBlockShape::kernel_height, kernel_height);
  for (const std::int64_t kernel_width : {0, 1, 2, 5})  // 3 x 1 is no kernel of ours
    refused(&ConvBlockShape::kernel_width, kernel_width);
  for (const std::int64_t window : {0, 3}) {
    refused(&ConvBlockShape::pool_height, window);
    refused(&ConvBlockShape::pool_width, window);
  }
  refused(&ConvBlockShape::height, 1);  // no window fits
  refused(&ConvBlockShape::width, 1);
}

TEST(KernelRefusals, ImagesWhosePixelsHaveNoNumber) {
  Passes({1, 1 << 15, (1 << 15) + 1, 64, 1}).expect_refused("image too large");
}

TEST(KernelRefusals, PatchesWithoutMoments) {
  Passes passes({1, 4, 4, 1, 2, 3, 2, 2, false, false});
  passes.inputs.moments = nullptr;
  passes.expect_refused("needs patch_moments");
}

TEST(KernelRefusals, TheGradientOfXWhereTheShapeHasNone) {
  const auto refused =
      ThrowsMessage<std::invalid_argument>(HasSubstr("gradient of x wanted, but the shape says"));
  double x = 0;
  BlockGradients<double> gradient;
  BlockSecondGradients<double> second_gradient;
  BlockCotangents<double> cotangent;
  gradient.x = second_gradient.x = &x;
  cotangent.x = &x;
  for (const std::int64_t in : {1, 64}) {  // by patches, and with the output stored
    const Passes passes({1, 4, 4, in, 2, 3, 2, 2, false, false});
    EXPECT_THAT([&] { passes.backward(gradient); }, refused);
    EXPECT_THAT([&] { passes.double_backward(cotangent, {}); }, refused);
    EXPECT_THAT([&] { passes.double_backward({}, second_gradient); }, refused);
  }
}

}  // namespace
}  // namespace cuttle::kernels
