#include "design_scaffold/infill.h"

#include <algorithm>
#include <cmath>

#include "core/progress.h"
#include "design_scaffold/phase_map.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr double kLevel = 0.05;  // of volume fraction between two tables

/// Lattices of one type over a range of volume fractions.
class Family {
 public:
  Family(LatticeSpec spec, LatticeType type, double least, double most) : least_(least) {
    spec.type = type;
    const int steps = std::max(0, static_cast<int>(std::ceil((most - least) / kLevel - 1e-9)));
    step_ = steps > 0 ? (most - least) / steps : 1;
    for (int n = 0; n <= steps; ++n) {
      spec.volume_fraction = least + n * (steps > 0 ? step_ : 0);
      lattices_.emplace_back(spec);
    }
  }
  /// In cells.
  double distance(const Vector3d& phase, double fraction) const {
    const double at = std::clamp((fraction - least_) / step_, 0.0, static_cast<double>(lattices_.size() - 1));
    const auto n = std::min(static_cast<std::size_t>(at), lattices_.size() - 1);
    const double d = lattices_[n].distanceAt(phase), t = at - static_cast<double>(n);
    return t < 1e-9 ? d : d + t * (lattices_[n + 1].distanceAt(phase) - d);
  }
  const std::vector<Lattice>& lattices() const { return lattices_; }

 private:
  double least_, step_ = 1;
  std::vector<Lattice> lattices_;
};

/// Cells along the axes of space.
CellField alongAxes(const NodeGrid& nodes, const std::function<double(const Vector3d&)>& cell_mm) {
  const Eigen::Vector3i half = nodes.size / 2;
  const double usual = cell_mm(nodes.point(half[0], half[1], half[2]));
  return {[cell_mm](const Vector3d& p) -> Eigen::Matrix3d { return Eigen::Matrix3d::Identity() / cell_mm(p); },
          [usual](const Vector3d& p) -> Vector3d { return p / usual; }};
}

double between(const std::array<double, 2>& ends, double share) { return ends[0] + share * (ends[1] - ends[0]); }

}  // namespace

double Grading::share(const Vector3d& point_mm) const {
  if (field.voxels.empty()) return 0;
  const image::Frame& frame = field.frame;
  const Vector3d most = (frame.size.array() - 1).cast<double>();
  const Vector3d index = frame.toIndex(point_mm).cwiseMax(0.0).cwiseMin(most);
  const double value = image::sampleLinear(field, index, field.voxels.front());
  return high == low ? 0 : std::clamp((value - low) / (high - low), 0.0, 1.0);
}

struct Infill::Graded {
  LatticeSpec spec;
  Grading grading;
  std::vector<Family> families;  ///< the type, and the one it goes towards
  std::shared_ptr<const Conforming> directions;
  std::unique_ptr<PhaseMap> phases;
  std::shared_ptr<const image::CtVolume> shape;  ///< instead of all else: a density field

  double shapeDistance_mm(const Vector3d& point_mm) const {
    const image::Frame& frame = shape->frame;
    const Vector3d most = (frame.size.array() - 1).cast<double>();
    const Vector3d index = frame.toIndex(point_mm).cwiseMax(0.0).cwiseMin(most);
    const double density = static_cast<double>(image::sampleLinear(*shape, index, 0.0F));
    return 2 * frame.spacing_mm[0] * (0.5 - density);  // from empty to full it takes about two elements
  }
  double fraction(double share) const {
    return grading.volume_fraction ? between(*grading.volume_fraction, share) : spec.volume_fraction;
  }
  double wantedCell_mm(double share) const { return grading.cell_mm ? between(*grading.cell_mm, share) : spec.cell_mm; }
};

Infill::Infill(const Lattice& lattice) : lattice_(lattice) {}

Infill::Infill(const LatticeSpec& spec, Grading grading, const Vector3d& low_mm, const Vector3d& high_mm,
               std::shared_ptr<const Conforming> directions)
    : lattice_([&] {
        LatticeSpec at_low = spec;
        if (grading.volume_fraction) at_low.volume_fraction = (*grading.volume_fraction)[0];
        if (grading.cell_mm) at_low.cell_mm = (*grading.cell_mm)[0];
        return Lattice(at_low);
      }()) {
  constexpr double kNodes = 64;  // along the longest side of the box
  auto graded = std::make_shared<Graded>();
  graded->spec = spec;
  graded->grading = std::move(grading);
  const Grading& by = graded->grading;
  const std::array<double, 2> ends =
      by.volume_fraction.value_or(std::array{spec.volume_fraction, spec.volume_fraction});
  core::Progress progress("lattices of the grading", 3);
  graded->families.emplace_back(spec, spec.type, std::min(ends[0], ends[1]), std::max(ends[0], ends[1]));
  progress.advance();
  if (by.towards)
    graded->families.emplace_back(spec, *by.towards, std::min(ends[0], ends[1]), std::max(ends[0], ends[1]));
  progress.advance();
  graded->directions = std::move(directions);
  if (by.cell_mm || graded->directions) {
    const auto cell = [&own = *graded](const Vector3d& p) { return own.wantedCell_mm(own.grading.share(p)); };
    const NodeGrid nodes(low_mm, high_mm, (high_mm - low_mm).maxCoeff() / kNodes);
    graded->phases = std::make_unique<PhaseMap>(
        nodes, graded->directions ? Conforming::cells(graded->directions, cell) : alongAxes(nodes, cell),
        spec.origin_mm);
  }
  graded_ = graded;
}

Infill Infill::ofShape(std::shared_ptr<const image::CtVolume> density, double feature_mm) {
  LatticeSpec spec;  // says how large what has to fit in is
  spec.cell_mm = feature_mm;
  spec.volume_fraction = 0.5;
  Infill infill{Lattice(spec)};
  auto graded = std::make_shared<Graded>();
  graded->spec = spec;
  graded->shape = std::move(density);
  infill.graded_ = graded;
  return infill;
}

bool Infill::isShape() const { return graded_ && graded_->shape; }

double Infill::distance_mm(const Vector3d& point_mm) const {
  if (!graded_) return lattice_.distance_mm(point_mm);
  if (graded_->shape) return graded_->shapeDistance_mm(point_mm) - outward_mm_;
  const Graded& graded = *graded_;
  const double share = graded.grading.share(point_mm), wanted = graded.fraction(share);
  const Vector3d phase = graded.phases ? graded.phases->phase(point_mm) : lattice_.phaseOf(point_mm);
  double d = graded.families[0].distance(phase, wanted);
  if (graded.families.size() > 1) d += share * (graded.families[1].distance(phase, wanted) - d);
  return d * cell_mm(point_mm) - outward_mm_;
}

double Infill::fraction(const Vector3d& point_mm) const {
  if (isShape()) return distance_mm(point_mm) < 0 ? 1 : 0;
  return graded_ ? graded_->fraction(graded_->grading.share(point_mm)) : lattice_.spec().volume_fraction;
}

double Infill::cell_mm(const Vector3d& point_mm) const {
  return graded_ && graded_->phases ? graded_->phases->cell_mm(point_mm) : lattice_.spec().cell_mm;
}

Infill Infill::grown(double outward_mm) const {
  Infill copy = *this;
  copy.lattice_ = lattice_.grown(outward_mm);
  copy.outward_mm_ += outward_mm;
  return copy;
}

double Infill::smallestCell_mm() const {
  if (!graded_ || !graded_->grading.cell_mm) return lattice_.spec().cell_mm;
  return std::min((*graded_->grading.cell_mm)[0], (*graded_->grading.cell_mm)[1]);
}

double Infill::thinnestWall_mm() const {
  double wall = lattice_.wall_mm() / lattice_.spec().cell_mm;
  if (graded_)
    for (const Family& family : graded_->families)
      for (const Lattice& lattice : family.lattices())
        wall = std::min(wall, lattice.wall_mm() / lattice.spec().cell_mm);
  return wall * smallestCell_mm();
}

double Infill::most_area_per_mm() const {
  double area = lattice_.area_per_mm() * lattice_.spec().cell_mm;
  if (graded_)
    for (const Family& family : graded_->families)
      for (const Lattice& lattice : family.lattices())
        area = std::max(area, lattice.area_per_mm() * lattice.spec().cell_mm);
  return area / smallestCell_mm();
}

const Conforming* Infill::directions() const { return graded_ ? graded_->directions.get() : nullptr; }

double Infill::cellMisfit() const { return graded_ && graded_->phases ? graded_->phases->misfit() : 0; }

}  // namespace osteo::design_scaffold
