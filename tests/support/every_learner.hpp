#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"

/// Tests over all learners take them from the registry, so that none is forgotten.
namespace cuttle {

/// Those whose training tasks have one of these forms; `values`: that need no classes.
inline std::vector<std::string> learners_for(const std::vector<TaskForm>& forms,
                                             bool values = false) {
  std::vector<std::string> names;
  for (const auto& [name, type] : builtin_learners()) {
    const Demands demands = type.demands(Section(name));
    for (const TaskForm form : forms)
      if (demands.form == form && !(values && demands.classes)) names.push_back(name);
  }
  return names;
}

/// Names a test after its learner.
inline std::string learner_name(const testing::TestParamInfo<std::string>& info) {
  return info.param;
}

}  // namespace cuttle
