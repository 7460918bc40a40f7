#pragma once

#include "cuttle/task/objective.hpp"
#include "cuttle/task/task.hpp"
#include "cuttle/task/task_kind.hpp"

// The registry of this stage: one row a type. Its function stands at the end of the type's file.
#define CUTTLE_TASK_KINDS(row)                                                             \
  row(class) row(gaussian) row(labels) row(ordinal) row(quantile) row(ranking) row(return) \
      row(value)
#define CUTTLE_SOURCES(row)                                                               \
  row(augmented) row(bandits) row(causal_tables) row(clustered) row(episodes) row(groups) \
      row(minibatches) row(navigation) row(sinusoids) row(tabular_mdp)
#define CUTTLE_OBJECTIVES(row)                                                        \
  row(adversarial) row(autoencoder) row(co_learning) row(completion) row(contrastive) \
      row(correlation) row(generative) row(mixup) row(smote) row(temporal)

namespace cuttle {

#define CUTTLE_DECLARE(name) TaskKindType row_of_##name();
CUTTLE_TASK_KINDS(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE
#define CUTTLE_DECLARE(name) SourceType row_of_##name();
CUTTLE_SOURCES(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE
#define CUTTLE_DECLARE(name) ObjectiveType row_of_##name();
CUTTLE_OBJECTIVES(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE

}  // namespace cuttle
