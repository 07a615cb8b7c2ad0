#pragma once
#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace osteo::mesh {

using Triangle = std::array<std::uint32_t, 3>;

/// An indexed triangle mesh in LPS, mm; counter-clockwise seen from outside.
struct TriangleMesh {
  std::vector<Eigen::Vector3d> vertices;
  std::vector<Triangle> triangles;
  std::string frame_id = {};
};

/// Points in LPS, mm; every attribute is empty or as long as `points`.
struct PointCloud {
  std::vector<Eigen::Vector3d> points;
  std::vector<Eigen::Vector3d> normals = {};
  std::vector<std::uint16_t> labels = {};
  std::vector<float> hu = {};
  std::string frame_id = {};
};

}  // namespace osteo::mesh
