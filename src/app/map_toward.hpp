#pragma once

#include "app/commands.hpp"

namespace cuttle {

/// Writes how near each training class of a run's data is to the task of some samples, as weights
/// that `episode.sampling_weights` takes. One process.
ExitCode map_toward(const MapArguments& arguments, const Extensions& extensions);

}  // namespace cuttle
