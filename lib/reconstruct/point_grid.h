#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace osteo::reconstruct {

/// Points sorted into cubic cells, for the points around a place in a fixed order. Keeps a reference to the points.
class PointGrid {
 public:
  PointGrid(const std::vector<Eigen::Vector3d>& points, double cell_mm);
  double cell_mm() const { return cell_mm_; }

  /// Calls body(index, squared distance) for all points nearer than the radius.
  template <class Body>
  void visit(const Eigen::Vector3d& at, double radius_mm, const Body& body) const {
    const Eigen::Vector3i low = cellOf(at.array() - radius_mm), high = cellOf(at.array() + radius_mm);
    for (int x = low[0]; x <= high[0]; ++x) {
      for (int y = low[1]; y <= high[1]; ++y) {
        for (int z = low[2]; z <= high[2]; ++z) {
          const auto found = cells_.find(key({x, y, z}));
          if (found == cells_.end()) continue;
          for (std::uint32_t i = found->second.first; i < found->second.second; ++i) {
            const double d2 = (points_[order_[i]] - at).squaredNorm();
            if (d2 < radius_mm * radius_mm) body(order_[i], d2);
          }
        }
      }
    }
  }

  /// The k nearest points (squared distance, index), nearest first; the point itself is one of them.
  std::vector<std::pair<double, std::uint32_t>> nearest(const Eigen::Vector3d& at, std::size_t k) const;
  /// Distance to the nearest point, at most `most_mm`.
  double distance(const Eigen::Vector3d& at, double most_mm) const;

 private:
  Eigen::Vector3i cellOf(const Eigen::Array3d& at) const { return (at / cell_mm_).floor().cast<int>(); }
  static std::int64_t key(const Eigen::Vector3i& c) {
    constexpr std::int64_t kHalf = 1 << 20;
    return ((c[0] + kHalf) << 42) ^ ((c[1] + kHalf) << 21) ^ (c[2] + kHalf);
  }

  const std::vector<Eigen::Vector3d>& points_;
  double cell_mm_;
  std::vector<std::uint32_t> order_;
  std::unordered_map<std::int64_t, std::pair<std::uint32_t, std::uint32_t>> cells_;
};

/// Unit normals by principal components of the 12 nearest points, turned alike along the tree of least turns (Hoppe et
/// al. 1992) and outwards. Throws DataError where more than a twentieth of the neighbours disagree: no one side is out.
std::vector<Eigen::Vector3d> estimateNormals(const std::vector<Eigen::Vector3d>& points, const PointGrid& grid);

/// Indices of at most `count` points that lie far from one another, greedily from the first on (Gonzalez 1985).
std::vector<std::size_t> farthestPoints(const std::vector<Eigen::Vector3d>& points, std::size_t count);

}  // namespace osteo::reconstruct
