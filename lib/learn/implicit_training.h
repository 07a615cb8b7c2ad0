#pragma once
#include <functional>
#include <string>
#include <vector>

#include "learn/implicit_score.h"
#include "learn/training.h"
#include "mesh/triangle_mesh.h"

namespace osteo::learn {

/// A bone of the training folder.
struct NamedMesh {
  std::string name;
  mesh::TriangleMesh mesh;
};

struct ImplicitTraining {
  TrainingOptions loop;
  int latent = 24;       ///< numbers in a shape's code
  int width = 128;       ///< features of a layer
  int layers = 5;        ///< hidden ones
  int frequencies = 4;   ///< Fourier features of a point, from half a turn over the box upwards
  int variants = 3;      ///< bent copies of each bone that are learnt besides it
  double clamp_mm = 10;  ///< distances count up to this
  bool mirror = false;   ///< left and right are one kind
  /// Learns a linear model from the same bones: its measures on the held-out ones stand beside the network's.
  std::function<Completer(const std::vector<NamedMesh>&)> linear_model = {};
};

/// The meshes of a folder in the order of their names. Throws DataError unless all are closed, but for one edge in a
/// thousand, and there are at least two; NoInput.
std::vector<NamedMesh> readMeshes(const std::string& folder);

/// Trains the implicit network on meshes, laid onto the first by similarities, and judges it by the bones whose names
/// start with one of `held_out`: their code is found from the whole surface, and with a third missing at either end of
/// the longest side, from a pose that is off by 5° and 8 mm. `training` tells median and 95 % distances in mm between
/// found and true surfaces; for the partial ones over the missing third.
Weights trainImplicit(const std::vector<NamedMesh>& meshes, const std::vector<std::string>& held_out,
                      const ImplicitTraining& options);

}  // namespace osteo::learn
