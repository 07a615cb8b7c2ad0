#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace osteo::core {

/// Notes the wall time of a named step; steps of the same name add up.
void noteStep(const std::string& step, double seconds);

/// The record's `execution` block: what may differ between two equal runs (start, steps, threads, memory, host).
nlohmann::json execution();

/// Largest resident memory of this process so far, in bytes.
long long peakMemoryBytes();

}  // namespace osteo::core
