#pragma once
#include <vector>

#include "simulate/voxel_model.h"

namespace osteo::design_scaffold {

/// Where the elements of a model lie on its grid.
struct ElementGrid {
  explicit ElementGrid(const simulate::VoxelModel& model);
  Eigen::Vector3i size;
  std::vector<Eigen::Vector3i> place;    ///< of each element
  std::vector<std::int64_t> element_at;  ///< of each voxel, x fastest; −1: none
  std::int64_t at(const Eigen::Vector3i& p) const {
    return element_at[static_cast<std::size_t>(p[0] + std::int64_t{size[0]} * (p[1] + std::int64_t{size[1]} * p[2]))];
  }
  bool holds(const Eigen::Vector3i& p) const { return (p.array() >= 0).all() && (p.array() < size.array()).all(); }
};

/// What lies beyond the grid's sides: its mirror image, or nothing. Voxels without an element never count.
enum class Border { Mirrored, Nothing };

/// The mean over a ball with weights radius − distance (Bruns, Tortorelli, Comput Methods Appl Mech Eng 190 (2001)
/// 3443-3459): no member of a design becomes thinner than about the radius, and no checkerboard pays.
class DensityFilter {
 public:
  DensityFilter(const ElementGrid& grid, double radius_elements, Border border);
  std::vector<double> apply(const std::vector<double>& density) const;
  /// The derivative by the unfiltered densities of what has the given one by the filtered densities.
  std::vector<double> transposed(const std::vector<double>& derivative) const;

 private:
  struct Offset {
    Eigen::Vector3i by;
    double weight;
  };
  const ElementGrid& grid_;
  Border border_;
  std::vector<Offset> offsets_;
  std::vector<double> sum_;  ///< of the weights of each element
  std::vector<double> gathered(const std::vector<double>& values) const;
};

}  // namespace osteo::design_scaffold
