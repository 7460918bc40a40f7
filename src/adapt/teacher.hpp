#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/config/section.hpp"
#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// The keys of learners that may have one.
struct TeacherOptions {
  std::string teacher;
  double teacher_weight = 0.5, temperature = 4.0;
  void keys(Keys& keys);
};

/// Another run with a model and learner like this one's. Its parameters are here as they are there,
/// frozen, and travel with this run's: only a new run needs its folder.
class Teacher {
 public:
  /// Copies what the layout has so far of the model's body and of the learner, as
  /// learner.teacher.NAME; none if the options name no run. `alike`: keys of the config, beside the
  /// model's, that must be as they are there.
  static std::optional<Teacher> of(const TeacherOptions& options, ParameterLayout& layout,
                                   std::vector<std::string> alike);
  /// `parameters` with the teacher's values in place of this run's.
  Tensors in_place(Tensors parameters) const;
  /// With b = teacher_weight and T = temperature, (1 - b) by_labels +
  /// b T^2 KL(softmax(taught / T) || softmax(outputs / T)), the mean over samples; T^2 keeps its
  /// gradients as large as without T (Hinton, Vinyals, Dean 2015).
  torch::Tensor loss(const torch::Tensor& by_labels, const torch::Tensor& outputs,
                     const torch::Tensor& taught) const;

 private:
  explicit Teacher(const TeacherOptions& options) : options_(options) {}

  TeacherOptions options_;
  std::vector<std::pair<std::int64_t, std::int64_t>> places_;  ///< of this run's, of the teacher's
};

}  // namespace cuttle
