#pragma once

#include "cuttle/adapt/learner.hpp"

// The registry of this stage: one row a type. Its function stands at the end of the type's file.
#define CUTTLE_LEARNERS(row)                                                                    \
  row(anil) row(caml) row(cavia) row(floor) row(fomaml) row(imaml) row(leo) row(lstm) row(maml) \
      row(maml_clusters) row(maml_pp) row(maml_rl) row(mann) row(matching) row(meta_curvature)  \
          row(meta_networks) row(meta_sgd) row(metaoptnet) row(neural_process) row(pretrain)    \
              row(protonet) row(r2d2) row(relation) row(reptile) row(rl2) row(siamese) row(snail)

namespace cuttle {

#define CUTTLE_DECLARE(name) LearnerType row_of_##name();
CUTTLE_LEARNERS(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE

}  // namespace cuttle
