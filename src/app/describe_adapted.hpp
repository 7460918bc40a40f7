#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "app/adapted_file.hpp"

namespace cuttle {

/// A sense of a data set or a model.
nlohmann::ordered_json told(const ModalitySpec& spec);

/// What an adapted file holds; `parts`: as in use.
nlohmann::ordered_json describe_adapted(const std::string& path, const AdaptedTo& to,
                                        const Assembly& parts);

}  // namespace cuttle
