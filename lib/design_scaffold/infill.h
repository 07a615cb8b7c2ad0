#pragma once
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "design_scaffold/conforming.h"
#include "design_scaffold/lattice.h"
#include "image/volume.h"

namespace osteo::design_scaffold {

/// How a lattice changes over space: with the value of a scalar field, linearly from `low` to `high` and not beyond.
/// Beyond the field's grid its border counts.
struct Grading {
  image::CtVolume field;
  double low = 0, high = 1;                              ///< of the field
  std::optional<std::array<double, 2>> volume_fraction;  ///< at low and at high
  std::optional<std::array<double, 2>> cell_mm;          ///< at low and at high
  std::optional<LatticeType> towards;                    ///< the type at high; blended between

  /// 0 at low, 1 at high.
  double share(const Eigen::Vector3d& point_mm) const;
};

/// What fills a body: one lattice, or one that is graded. Distances of a graded lattice are those of the lattice that
/// it is at that point (density interpolated between lattices 0.05 apart, types blended by distance, phases from
/// phase_map.h); they are true only where nothing changes, so that the composed level set is swept once more.
class Infill {
 public:
  Infill(const Lattice& lattice);  // NOLINT(google-explicit-constructor): a lattice is an infill
  /// Over the box low…high in mm; a grading without a field changes nothing. With directions the cells follow them.
  /// Throws as Lattice does, for every lattice that the grading asks for.
  Infill(const LatticeSpec& spec, Grading grading, const Eigen::Vector3d& low_mm, const Eigen::Vector3d& high_mm,
         std::shared_ptr<const Conforming> directions = nullptr);

  /// Solid members where a density field is above one half, none of them thinner than `feature_mm`. Counts as graded:
  /// distances are right in sign alone.
  static Infill ofShape(std::shared_ptr<const image::CtVolume> density, double feature_mm);

  double distance_mm(const Eigen::Vector3d& point_mm) const;
  /// The volume fraction that is wanted at a point.
  double fraction(const Eigen::Vector3d& point_mm) const;
  double cell_mm(const Eigen::Vector3d& point_mm) const;

  /// With the surface moved outwards.
  Infill grown(double outward_mm) const;

  bool isGraded() const { return graded_ != nullptr; }
  bool isShape() const;
  /// The lattice itself, or that at the low end of the grading.
  const Lattice& lattice() const { return lattice_; }
  const LatticeSpec& spec() const { return lattice_.spec(); }
  /// The smallest cell and wall anywhere, mm; the largest surface per volume, 1/mm.
  double smallestCell_mm() const;
  double thinnestWall_mm() const;
  double most_area_per_mm() const;
  const Conforming* directions() const;  ///< null when cells lie along the axes of space
  /// Largest relative misfit of graded or turned cells (phase_map.h); 0 when they aren't.
  double cellMisfit() const;

 private:
  struct Graded;
  Lattice lattice_;
  double outward_mm_ = 0;
  std::shared_ptr<const Graded> graded_;
};

}  // namespace osteo::design_scaffold
