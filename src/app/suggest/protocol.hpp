#pragma once

#include "app/suggest/page.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/task/options.hpp"

namespace cuttle {

/// Which episodes the classes of a data set allow.
struct Protocol {
  EpisodeOptions train;
  std::int64_t evaluation_way = 0;  ///< where tasks are of classes
  bool validates = false;           ///< the validation split can give episodes
  std::string why_way, why_shot, why_groups, why_evaluation, why_not_validated;
  std::string why_not_tested;  ///< the test split cannot, and what can be evaluated instead
};

/// UserError, with the reason and what to do, if the data set cannot give a task to train on.
Protocol choose_protocol(const Dataset& data);

}  // namespace cuttle
