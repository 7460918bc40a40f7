#pragma once

#include <map>
#include <string>
#include <vector>

#include "cuttle/data/dataset.hpp"

namespace cuttle {

/// How likely classes are drawn, beside each other, by name; 0: never. Empty: all alike.
using SamplingWeights = std::map<std::string, double>;

/// Of a CSV file whose first line names its columns, "class" and "weight" among them. UserError
/// naming what of it is no weight of a class.
SamplingWeights read_sampling_weights(const std::string& path);

/// The bytes of such a file as a hash, which tells whether two are the same.
std::string sampling_weights_sha256(const std::string& path);

/// The weights of a split's classes, in their order. UserError unless the weights are of these
/// classes, all of them and no others, and one is above 0.
std::vector<double> weights_of_classes(const SamplingWeights& weights, const Dataset& data,
                                       Split split);

}  // namespace cuttle
