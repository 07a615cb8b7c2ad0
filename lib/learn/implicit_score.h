#pragma once
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "learn/weights.h"
#include "mesh/triangle_mesh.h"
#include "registration/rigid.h"

namespace osteo::learn {

/// The whole bone from points on a part of it; `about` tells where the bone lies, and nothing else may be taken from
/// it.
using Completer = std::function<mesh::TriangleMesh(const std::vector<registration::OrientedPoint>& points,
                                                   const mesh::TriangleMesh& about)>;

/// The network as a completer. Keeps a reference to the weights.
Completer implicitCompleter(const Weights& weights);

/// Median and 95 % distances in mm between completed bones and the true ones, which lie in the model's space: from the
/// whole surface, and from two thirds of it, then over the missing third. Their pose is first spoilt by 5° and 8 mm.
/// Bones that the completer refuses with a DataError are counted as `refused`.
nlohmann::json scoreCompleter(const Completer& completer, const std::vector<mesh::TriangleMesh>& bones,
                              std::uint64_t seed);

}  // namespace osteo::learn
