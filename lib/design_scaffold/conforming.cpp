#include "design_scaffold/conforming.h"

#include <Eigen/Eigenvalues>
#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/progress.h"
#include "levelset/grid.h"

namespace osteo::design_scaffold {

using Eigen::Matrix3d;
using Eigen::Vector2d;
using Eigen::Vector3d;

/// A voxel's worth of surface.
struct Conforming::Patch {
  Vector3d at_mm, normal;
};

namespace {

constexpr double kNodes = 48;                // along the longest side of the box
constexpr double kNearHost_voxels = 2.0;     // surfaces nearer than this to the host face it
constexpr double kHold = 4;                  // pull of a node full of surface towards its own normals, in neighbours
constexpr double kSide = 0.35, kEnd = 0.94;  // cosines to an axis below and above which a surface is side or end of it
constexpr double kMostSides = 0.2;           // of a cap: a plate's edge
constexpr double kMostOblique = 0.25;        // of a tube, between its sides and ends
constexpr int kSlices = 24;                  // of a tube, along its axis

NodeGrid gridAround(const levelset::LevelSet& body) {
  Eigen::Vector3i min, max;
  body.activeBox(min, max);
  const Vector3d low = min.cast<double>() * body.voxel_mm(), high = max.cast<double>() * body.voxel_mm();
  return {low, high, (high - low).maxCoeff() / kNodes};
}

template <class Patch>
std::vector<Patch> outerSurface(const levelset::LevelSet& body, const levelset::LevelSet* host) {
  const double voxel = body.voxel_mm();
  const double near = host ? kNearHost_voxels * std::max(voxel, host->voxel_mm()) : 0;
  const openvdb::FloatGrid& grid = *body.grid().vdb;
  auto access = grid.getConstAccessor();
  std::vector<Patch> patches;
  for (auto value = grid.cbeginValueOn(); value; ++value) {
    if (!value.isVoxelValue() || std::abs(*value) > 0.5 * voxel) continue;
    const openvdb::Coord ijk = value.getCoord();
    const Vector3d at = voxel * Vector3d(ijk.x(), ijk.y(), ijk.z());
    if (host && levelset::sample(*host, at) < near) continue;
    const auto slope = [&](int x, int y, int z) -> double {
      return access.getValue(ijk.offsetBy(x, y, z)) - access.getValue(ijk.offsetBy(-x, -y, -z));
    };
    const Vector3d normal(slope(1, 0, 0), slope(0, 1, 0), slope(0, 0, 1));
    if (normal.norm() > 0) patches.push_back({at, normal.normalized()});
  }
  if (!patches.empty()) return patches;
  throw core::Error(core::Exit::DataError, {.what = "the host leaves no outer surface for the cells to follow",
                                            .hint = "leave --conformal out, or check --host"});
}

template <class Patch>
double shareBetween(const std::vector<Patch>& patches, const Vector3d& axis, double low, double high) {
  const auto count = std::count_if(patches.begin(), patches.end(), [&](const Patch& patch) {
    const double along = std::abs(patch.normal.dot(axis));
    return along >= low && along < high;
  });
  return static_cast<double>(count) / static_cast<double>(patches.size());
}

/// Mean structure tensors of the surface, spread over the grid.
template <class Patch>
std::vector<Matrix3d> spreadTensors(const NodeGrid& grid, const std::vector<Patch>& patches, double voxel_mm) {
  std::vector<Matrix3d> tensors(grid.count(), Matrix3d::Zero()), spread(grid.count());
  std::vector<double> weight(grid.count(), 0.0);
  const double share = kHold * std::pow(voxel_mm / grid.step_mm, 2);
  for (const Patch& patch : patches) {
    const Eigen::Vector3i ijk = grid.nearest(patch.at_mm);
    const std::size_t n = grid.at(ijk[0], ijk[1], ijk[2]);
    weight[n] += share;
    tensors[n] += share * patch.normal * patch.normal.transpose();
  }
  for (int row = 0; row < 3; ++row)
    for (int column = row; column < 3; ++column) {
      std::vector<double> right(grid.count()), x(grid.count(), 0.0);
      for (std::size_t n = 0; n < right.size(); ++n) right[n] = tensors[n](row, column);
      grid.solve(weight, right, x);
      for (std::size_t n = 0; n < x.size(); ++n) spread[n](row, column) = spread[n](column, row) = x[n];
    }
  return spread;
}

}  // namespace

Conforming::Conforming(const levelset::LevelSet& body, const levelset::LevelSet* host) : grid_(gridAround(body)) {
  core::Progress progress("directions of the outer surface", 2);
  std::vector<Patch> patches = outerSurface<Patch>(body, host);
  Matrix3d sum = Matrix3d::Zero();
  for (const Patch& patch : patches) sum += patch.normal * patch.normal.transpose();
  const Matrix3d principal = Eigen::SelfAdjointEigenSolver<Matrix3d>(sum).eigenvectors();
  Eigen::Index largest = 0;
  Vector3d facing = principal.col(2);
  facing.cwiseAbs().maxCoeff(&largest);
  if (facing[largest] < 0) facing = -facing;
  at_rest_ = Eigen::Quaterniond::FromTwoVectors(Vector3d::UnitZ(), facing).toRotationMatrix().transpose();
  if (shareBetween(patches, facing, 0, kSide) > kMostSides) {
    const auto oblique = [&](int n) { return shareBetween(patches, principal.col(n), kSide, kEnd); };
    int best = 0;
    for (const int n : {1, 2})
      if (oblique(n) < oblique(best)) best = n;
    if (oblique(best) > kMostOblique)
      throw core::Error(core::Exit::DataError,
                        {.what = "the outer surface turns in all directions",
                         .expected = "a cap, like a piece of skull, or a tube, like a piece of shaft",
                         .hint = "leave --conformal out; --grade with a level set follows the depth below it"});
    const Vector3d axis = principal.col(best);
    std::erase_if(patches, [&](const Patch& patch) { return std::abs(patch.normal.dot(axis)) >= kEnd; });
    tube_ = tubeOf(patches, axis);
  } else {
    std::erase_if(patches, [&](const Patch& patch) { return std::abs(patch.normal.dot(facing)) < kSide; });
  }
  progress.advance();
  const std::vector<Matrix3d> tensors = spreadTensors(grid_, patches, body.voxel_mm());
  normals_.resize(grid_.count());
  grid_.forNodes([&](std::size_t n, const Eigen::Vector3i& ijk) {
    const Vector3d normal = Eigen::SelfAdjointEigenSolver<Matrix3d>(tensors[n]).eigenvectors().col(2);
    normals_[n] = normal.dot(outwards(grid_.point(ijk[0], ijk[1], ijk[2]))) < 0 ? Vector3d(-normal) : normal;
  });
}

/// The middle is where the normals' lines meet, slice by slice, each slice drawn to the middle of all.
Conforming::Tube Conforming::tubeOf(const std::vector<Patch>& patches, const Vector3d& axis) const {
  Tube tube;
  Eigen::Index largest = 0;
  axis.cwiseAbs().maxCoeff(&largest);
  tube.axis = axis[largest] < 0 ? Vector3d(-axis) : axis;
  tube.across = tube.axis.unitOrthogonal();
  tube.beyond = tube.axis.cross(tube.across);
  double high = -1e300;
  tube.low_mm = 1e300;
  for (const Patch& patch : patches) {
    tube.low_mm = std::min(tube.low_mm, tube.axis.dot(patch.at_mm));
    high = std::max(high, tube.axis.dot(patch.at_mm));
  }
  tube.step_mm = std::max((high - tube.low_mm) / kSlices, 1e-6);
  struct Lines {
    Eigen::Matrix2d left = Eigen::Matrix2d::Zero();
    Vector2d right = Vector2d::Zero();
  };
  std::vector<Lines> slices(kSlices + 1);
  Lines all;
  for (const Patch& patch : patches) {
    const Vector2d at(tube.across.dot(patch.at_mm), tube.beyond.dot(patch.at_mm));
    const Vector2d normal = Vector2d(tube.across.dot(patch.normal), tube.beyond.dot(patch.normal)).normalized();
    const Eigen::Matrix2d off = Eigen::Matrix2d::Identity() - normal * normal.transpose();
    const double u = (tube.axis.dot(patch.at_mm) - tube.low_mm) / tube.step_mm;
    for (int n = std::max(0, static_cast<int>(u) - 1); n <= std::min(kSlices, static_cast<int>(u) + 2); ++n) {
      const double weight = std::max(0.0, 1 - 0.5 * std::abs(u - n));
      slices[n].left += weight * off;
      slices[n].right += weight * off * at;
    }
    all.left += off;
    all.right += off * at;
  }
  constexpr double kDrawn = 0.2;  // in slices' worth of lines
  const Vector2d middle = all.left.ldlt().solve(all.right);
  const double draw = kDrawn * 0.5 * all.left.trace() / kSlices;
  for (const Lines& slice : slices) {
    const Eigen::Matrix2d left = slice.left + draw * Eigen::Matrix2d::Identity();
    tube.middle_mm.emplace_back(left.ldlt().solve(slice.right + draw * middle));
  }
  for (const Patch& patch : patches) tube.radius_mm += tube.fromMiddle(patch.at_mm).norm();
  tube.radius_mm /= static_cast<double>(std::max<std::size_t>(patches.size(), 1));
  return tube;
}

Vector2d Conforming::Tube::fromMiddle(const Vector3d& point_mm) const {
  const double u = std::clamp((axis.dot(point_mm) - low_mm) / step_mm, 0.0, static_cast<double>(kSlices));
  const int n = std::min(static_cast<int>(u), kSlices - 1);
  return Vector2d(across.dot(point_mm), beyond.dot(point_mm)) - (1 + n - u) * middle_mm[n] - (u - n) * middle_mm[n + 1];
}

/// Which of a layer's two normals is meant: away from a tube's middle, or the cap's way.
Vector3d Conforming::outwards(const Vector3d& point_mm) const {
  if (!tube_) return at_rest_.row(2);
  const Vector2d away = tube_->fromMiddle(point_mm);
  return away[0] * tube_->across + away[1] * tube_->beyond;
}

Matrix3d Conforming::axes(const Vector3d& point_mm) const {
  Vector3d normal = grid_.interpolate(normals_, point_mm);
  normal = normal.norm() > 1e-6 ? normal.normalized() : outwards(point_mm).normalized();
  if (!tube_) {
    const auto turn = Eigen::Quaterniond::FromTwoVectors(at_rest_.row(2).transpose(), normal);
    return at_rest_ * turn.toRotationMatrix().transpose();
  }
  Vector3d around = tube_->axis.cross(normal);
  around = around.norm() > 1e-6 ? around.normalized() : tube_->across;
  Matrix3d rows;
  rows << around.transpose(), normal.cross(around).transpose(), normal.transpose();
  return rows;
}

CellField Conforming::cells(const std::shared_ptr<const Conforming>& directions,
                            const std::function<double(const Vector3d&)>& cell_mm) {
  CellField field;
  field.frequency = [directions, cell_mm](const Vector3d& p) -> Matrix3d { return directions->axes(p) / cell_mm(p); };
  const NodeGrid& grid = directions->grid_;
  const Eigen::Vector3i half = grid.size / 2;
  const double usual = cell_mm(grid.point(half[0], half[1], half[2]));
  if (!directions->tube_) {
    field.base = [rows = Matrix3d(directions->at_rest_ / usual)](const Vector3d& p) -> Vector3d { return rows * p; };
    return field;
  }
  const double around = 2 * std::numbers::pi;
  field.turns = std::max(1.0, std::round(around * directions->tube_->radius_mm / usual));
  field.base = [directions, usual, per_radian = field.turns / around](const Vector3d& p) -> Vector3d {
    const Vector2d away = directions->tube_->fromMiddle(p);
    return {per_radian * std::atan2(away[1], away[0]), directions->tube_->axis.dot(p) / usual, 0};
  };
  return field;
}

}  // namespace osteo::design_scaffold
