#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace osteo::design_scaffold {

/// Adds what a loop tried to the picture of its implant: compliances of the steps, numbers of the designs by volume
/// fraction, and the front. Throws as picture::readPng and writePng do.
void addHistory(const nlohmann::json& results, const std::string& png_path);

}  // namespace osteo::design_scaffold
