#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace osteo::simulate {

/// Tab-separated numbers of the record's cases: for each a row "all" and one for each material. Units stand in the
/// columns' names; what a row doesn't have is left empty. Reactions and loads, in LPS, stand in the rows of "all".
std::string tableOf(const nlohmann::json& cases);

}  // namespace osteo::simulate
