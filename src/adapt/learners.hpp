#pragma once

#include "cuttle/adapt/learner.hpp"

namespace cuttle {

std::unique_ptr<const Learner> make_maml(std::shared_ptr<const Model> model,
                                         const AdaptOptions& options, bool second_order);
std::unique_ptr<const Learner> make_anil(std::shared_ptr<const Model> model,
                                         const AdaptOptions& options);
std::unique_ptr<const Learner> make_reptile(std::shared_ptr<const Model> model,
                                            const AdaptOptions& options);
std::unique_ptr<const Learner> make_protonet(std::shared_ptr<const Model> model,
                                             const AdaptOptions& options);

}  // namespace cuttle
