#pragma once

#include <initializer_list>
#include <memory>

#include "cuttle/model/encoder.hpp"

// What the built-in encoders have in common, and those that fill a file of their own.
namespace cuttle {

/// Refuses a modality of another kind, by key.
void expect_kind(const EncoderRequest& request, std::initializer_list<ModalityKind> kinds);

/// The norm that the options ask for.
NormOptions norm_of(const EncoderRequest& request);

std::unique_ptr<const Encoder> make_resnet12(const EncoderRequest& request);
std::unique_ptr<const Encoder> make_transformer(const EncoderRequest& request);

}  // namespace cuttle
