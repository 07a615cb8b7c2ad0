#pragma once
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "learn/weights.h"
#include "mesh/triangle_mesh.h"

namespace osteo::learn {

/// Median and 95 % distances in mm between bones found by the network and the true ones, which lie in the model's
/// space: from the whole surface, and from two thirds of it, then over the missing third. Their pose is first spoilt by
/// 5° and 8 mm.
nlohmann::json scoreImplicit(const Weights& weights, const std::vector<mesh::TriangleMesh>& bones, std::uint64_t seed);

}  // namespace osteo::learn
