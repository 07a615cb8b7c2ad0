#pragma once
#include <cstdint>
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::mesh {

/// A manifold mesh whose edges can be collapsed, split and flipped; every operation keeps it an oriented manifold.
/// Vertices on a border are never removed. For this folder's .cpp files.
class EditableMesh {
 public:
  explicit EditableMesh(const TriangleMesh& mesh);

  std::size_t vertexCount() const { return points_.size(); }
  bool alive(std::uint32_t vertex) const { return !around_[vertex].empty(); }
  bool onBorder(std::uint32_t vertex) const { return border_[vertex] != 0; }
  const Eigen::Vector3d& point(std::uint32_t vertex) const { return points_[vertex]; }
  void move(std::uint32_t vertex, const Eigen::Vector3d& to) { points_[vertex] = to; }
  const std::vector<std::uint32_t>& around(std::uint32_t vertex) const { return around_[vertex]; }  ///< triangles
  const Triangle& triangle(std::uint32_t t) const { return triangles_[t]; }
  /// Vertices that share an edge with this one, ascending.
  std::vector<std::uint32_t> neighbours(std::uint32_t vertex) const;
  /// All edges as pairs of ascending vertices, in ascending order.
  std::vector<std::array<std::uint32_t, 2>> edges() const;

  /// Whether the edge may shrink to one vertex: the link condition (Dey et al. 1999) away from borders.
  bool canCollapse(std::uint32_t a, std::uint32_t b) const;
  /// Whether `vertex` at `to` turns or squeezes one of its triangles, those with `gone` left out: normals turn by more
  /// than 60 degrees, or the height over the longest side falls below a twentieth of it and falls at all.
  bool spoils(std::uint32_t vertex, std::uint32_t gone, const Eigen::Vector3d& to) const;
  /// Removes b; a comes to lie at `to`.
  void collapse(std::uint32_t a, std::uint32_t b, const Eigen::Vector3d& to);
  /// Puts a new vertex on the edge; returns it.
  std::uint32_t split(std::uint32_t a, std::uint32_t b, const Eigen::Vector3d& at);
  /// The two vertices opposite an edge of two triangles; false at a border.
  bool wings(std::uint32_t a, std::uint32_t b, std::array<std::uint32_t, 2>& opposite) const;
  /// Turns the edge a-b into the one between its wings; false where that edge exists or a triangle would turn over.
  bool flip(std::uint32_t a, std::uint32_t b);
  Eigen::Vector3d normal(std::uint32_t vertex) const;  ///< of length 1, triangles weighted by area

  /// What is left, vertices in their order.
  TriangleMesh compact() const;

 private:
  void replace(std::uint32_t t, std::uint32_t from, std::uint32_t to);
  void forget(std::uint32_t vertex, std::uint32_t t);
  /// The triangles of an edge and how many there are.
  int trianglesAt(std::uint32_t a, std::uint32_t b, std::array<std::uint32_t, 2>& found) const;

  std::vector<Eigen::Vector3d> points_;
  std::vector<Triangle> triangles_;
  std::vector<char> dead_, border_;
  std::vector<std::vector<std::uint32_t>> around_;
  std::string frame_id_;
};

}  // namespace osteo::mesh
