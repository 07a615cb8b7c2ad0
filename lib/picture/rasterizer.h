#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <optional>
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::picture {

/// An orthographic camera over a raster of samples; x to the right, y down, depth grows towards the eye.
struct Camera {
  Eigen::Matrix3d axes = Eigen::Matrix3d::Identity();  ///< rows: right, up, towards the eye
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  double samples_per_mm = 1;
  int width = 0, height = 0;  ///< samples
};

/// What a mesh's vertices become on the raster.
struct Projection {
  std::vector<Eigen::Vector3f> points;  ///< x, y in samples, depth in mm
  std::vector<float> beyond_clip;       ///< signed distance to the clip plane, > 0 is cut away; empty without one
};
Projection project(const mesh::TriangleMesh& mesh, const Camera& camera, const std::optional<Eigen::Vector4d>& clip);

/// For each sample the nearest triangle of the meshes drawn so far.
struct VisibilityBuffer {
  static constexpr std::uint32_t kNone = 0xffffffff;
  int width, height;
  std::vector<float> depth;
  std::vector<std::uint32_t> triangle;
  std::vector<std::uint8_t> actor;
  VisibilityBuffer(int w, int h);
  std::size_t at(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
  }
};

/// Draws one mesh into the buffer on all threads. Exact fixed-point edge functions with the top-left rule: no cracks,
/// and the earlier triangle wins a tie, so the result doesn't depend on the thread count. Pineda (1988).
void rasterize(const mesh::TriangleMesh& mesh, const Projection& projection, std::uint8_t actor,
               VisibilityBuffer& buffer);

/// Barycentric weights of a sample's centre in a triangle of the projection, clamped to the triangle.
Eigen::Vector3f weightsAt(const Projection& projection, const mesh::Triangle& triangle, int x, int y);

}  // namespace osteo::picture
