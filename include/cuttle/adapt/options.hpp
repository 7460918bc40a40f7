#pragma once

#include <cstdint>
#include <string>

namespace cuttle {

struct AdaptOptions {
  std::string algorithm = "maml";     ///< maml | fomaml | anil | reptile | protonet
  std::int64_t inner_steps = 1;       ///< adaptation steps in training
  std::int64_t eval_inner_steps = 0;  ///< adaptation steps in evaluation and use; 0: as in training
  double inner_lr = 0.4;  ///< on the MEAN cross-entropy (the MAML paper's 0.4 on its summed loss
                          ///< is 2.0 here for 5-way)
  std::string inner_optimizer =
      "sgd";                        ///< sgd | adam (reptile only: beta1 = 0, fresh for every task)
  std::string keep = "parameters";  ///< maml: what the inner loop keeps for the way back;
                                    ///< parameters (one step's graph at a time) | all (every step's
                                    ///< graph: least time) | sqrt (parameters of every
                                    ///< sqrt(inner_steps)-th step: least memory). Same bits
  double part_loss = 0.0;  ///< protonet with late fusion: weight of the mean loss that each sense
                           ///< has alone, beside the loss of all; no sense then rests on the others
  std::int64_t refine = 0;   ///< protonet, in use: times the unlabelled query refines prototypes
  bool diagnostics = false;  ///< record loss and accuracy before and after every inner step
};

}  // namespace cuttle
