#pragma once

#include <string>
#include <vector>

#include "cuttle/data/sample.hpp"
#include "cuttle/train/assembly.hpp"

// What is said of data, at `where`, that a model was not made for.
namespace cuttle {

/// UserError where the columns of a table are some of those of the model's sense; a warning where
/// they are none. In which order they are is no matter.
void check_columns(const ModalitySpec& takes, const ModalitySpec& has, const std::string& where);
void warn_of_holes(const ModalitySpec& takes, const ModalitySpec& has, const std::string& where,
                   const Extensions& extensions);
/// Of senses that the data do not have.
void warn_of_lacking(const std::string& where, const std::vector<ModalitySpec>& has,
                     const std::vector<ModalitySpec>& takes);

}  // namespace cuttle
