#pragma once

#include <cstdint>
#include <string>

#include "cuttle/config/section.hpp"

namespace cuttle {

struct StepOptions {
  Section optimizer{"adam"};  ///< the rule of the update (step/optimizers)
  double outer_lr = 1e-3;
  double weight_decay = 0.0;          ///< decoupled, times the learning rate
  double l1 = 0.0;                    ///< shrinks towards 0, by the learning rate times this
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
