#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <vector>

namespace osteo::mesh {

/// Gives bitwise equal points one index, in order of first appearance; O(1) per point by open addressing.
class Welder {
 public:
  explicit Welder(std::size_t expected_vertices = 0);
  /// Index of the point, new or known; −0 counts as +0. Throws DataError beyond 2³² − 2 vertices.
  std::uint32_t add(const Eigen::Vector3d& point);
  const std::vector<Eigen::Vector3d>& vertices() const { return vertices_; }
  std::vector<Eigen::Vector3d> takeVertices() { return std::move(vertices_); }

 private:
  void grow(std::size_t slots);

  std::vector<Eigen::Vector3d> vertices_;
  std::vector<std::uint64_t> slots_;  ///< high half: hash, low half: index + 1; 0 is free
};

}  // namespace osteo::mesh
