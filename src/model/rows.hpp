#pragma once

#include "cuttle/model/completion.hpp"
#include "cuttle/model/encoder.hpp"
#include "cuttle/model/fusion.hpp"
#include "cuttle/model/head.hpp"
#include "cuttle/model/norm.hpp"

// The registry of this stage: one row a type. Its function stands at the end of the type's file.
#define CUTTLE_NORMS(row)                                                                   \
  row(batch) row(batch_per_step) row(group) row(instance) row(layer) row(none) row(running) \
      row(support) row(task)
#define CUTTLE_HEADS(row) row(cosine) row(linear)
#define CUTTLE_FUSIONS(row)                                                                       \
  row(bilinear) row(bottleneck) row(co_attention) row(concat) row(cross_attention) row(deep_sets) \
      row(film) row(gated) row(late) row(low_rank) row(product_of_experts) row(self_attention)    \
          row(sense_graph) row(tensor)
#define CUTTLE_COMPLETIONS(row) row(generated) row(predicted) row(retrieved)
#define CUTTLE_ENCODERS(row)                                                                       \
  row(average) row(bert) row(char_conv) row(columns) row(conv4) row(efficientnet_lite) row(frames) \
      row(graph_conv) row(gru) row(lstm_speaker) row(mel_conv) row(mlp) row(raw) row(resnet)       \
          row(resnet12) row(series_conv) row(table) row(token_table) row(transformer) row(vit)     \
              row(wav2vec2)

namespace cuttle {

#define CUTTLE_DECLARE(name) NormType row_of_##name();
CUTTLE_NORMS(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE
#define CUTTLE_DECLARE(name) HeadType row_of_##name();
CUTTLE_HEADS(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE
#define CUTTLE_DECLARE(name) FusionType row_of_##name();
CUTTLE_FUSIONS(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE
#define CUTTLE_DECLARE(name) CompletionType row_of_##name();
CUTTLE_COMPLETIONS(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE
#define CUTTLE_DECLARE(name) EncoderType row_of_##name();
CUTTLE_ENCODERS(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE

}  // namespace cuttle
