#pragma once

#include <cstdint>
#include <string>

namespace cuttle {

struct StepOptions {
  std::string optimizer = "adam";  ///< adam | sgd
  double outer_lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  ///< adam
  double momentum = 0.0;                              ///< sgd
  double weight_decay = 0.0;                          ///< decoupled, times the learning rate
  std::string schedule = "constant";  ///< constant | cosine (to min_lr over train.steps) | step
                                      ///< (times `decay` every `decay_every`)
  double min_lr = 0.0;
  std::int64_t warmup = 0;  ///< steps of linear warm-up
  double decay = 0.5;
  std::int64_t decay_every = 2000;
  std::string clip = "none";  ///< none | norm (global L2) | value (element-wise)
  double clip_at = 10.0;
};

}  // namespace cuttle
