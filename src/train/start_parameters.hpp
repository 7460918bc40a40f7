#pragma once

#include <map>
#include <string>
#include <vector>

#include "cuttle/config/run_config.hpp"
#include "cuttle/data/sample.hpp"
#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// UserError if one of the runs that a new one starts from has no checkpoint that can be used.
/// Reads folders.
void check_sources(const RunConfig& config);

/// What a new run starts from: the initial values and, over them, those of train.init_from that fit
/// by name and shape, then the whole encoders of model.encoders.*.frozen_from and what the layout
/// copies of runs. Says what was taken of init_from, and what was left there or here, and why;
/// warns of senses that are other inputs than they were there. `facts`: of this run, its modalities
/// and data_fingerprint among them. UserError if nothing fits, if with `strict` anything is left,
/// if an encoder is not there or does not fit, or a copied run is not like this one. Reads folders:
/// rank 0.
ParameterList start_parameters(const RunConfig& config, const Catalog& catalog,
                               const ParameterList& initial,
                               const std::map<std::string, std::string>& facts, bool strict);

/// The senses of the runs that a new one starts from, as they are standardised there, where the
/// config has train.init_statistics: source; else none. Reads folders: rank 0.
std::vector<ModalitySpec> source_statistics(const RunConfig& config);

}  // namespace cuttle
