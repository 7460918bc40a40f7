#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"

// An inner loop's fast set is a selection: a learner adds FastOptions to its keys and asks
// fast_set.
namespace cuttle {

/// The parameters that an inner loop moves, by index in the layout, ascending.
using FastSet = std::vector<std::int64_t>;
/// Learned parameters of the model itself, or of its head alone (what learners and objectives own
/// stands still).
FastSet whole_model(const ParameterLayout& layout);
FastSet head_alone(const ParameterLayout& layout);
/// What is learned, but not by an inner loop that moves these.
FastSet standing_still(const ParameterLayout& layout, const FastSet& fast);

/// The key that selects.
struct FastOptions {
  /// all, head, body, or names of parameters in which '*' stands for anything: their union, less
  /// what words that start with '-' name.
  std::vector<std::string> fast = {"all"};
  void keys(Keys& keys);
};

/// What the words select of the model. UserError for a word that selects nothing, for a set that is
/// empty, and for one that no inner objective could move.
FastSet fast_set(const LearnerRequest& request, const FastOptions& options);

}  // namespace cuttle
