#include "reconstruct/rim.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "core/statistics.h"
#include "reconstruct/point_grid.h"
#include "reconstruct/spline.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {
namespace {

constexpr float kFar = 1e3F;
constexpr double kRing_mm = 25;     ///< the host's surface that counts as rim
constexpr double kWall_mm = 2.5;    ///< nearer to the piece, its edges and walls begin
constexpr std::size_t kMost = 400;  ///< points a spline
/// How far a bending carries into the hole what the rim says. Of 5 to 40 mm, and of splines that don't fade, the best
/// on holes of 50 to 90 mm (scripts/bench/reconstruct_defects); thin plates run away across a hole.
constexpr double kReach_mm = 10;

/// A point of the host's surface near the hole and what the proposal says there.
struct RimPoint {
  Eigen::Vector3d position, normal;
  double to_piece_mm = 0, distance_mm = 0;
  bool outer = true;
};

double toPiece(const Candidate& piece, const Eigen::Vector3d& p) {
  return image::sampleLinear(piece.distance, piece.distance.frame.toIndex(p), kFar);
}

/// The host's surface points within reach of the piece that the proposal runs along: not the walls of the hole.
std::vector<RimPoint> rimPoints(const Host& host, const Whole& whole, const Candidate& piece, double reach_mm) {
  constexpr double kMost_mm = 5, fine_mm = 0.8;
  std::vector<RimPoint> out;
  for (const auto& point : host.points) {
    RimPoint r{point.position, point.normal};
    r.to_piece_mm = toPiece(piece, point.position);
    if (r.to_piece_mm < kWall_mm || r.to_piece_mm > reach_mm) continue;
    r.distance_mm = coarseAt(whole, point.position);
    if (std::abs(r.distance_mm) > kMost_mm) continue;
    if (std::abs(r.distance_mm) < fine_mm) r.distance_mm = whole.fine(point.position);
    const Eigen::Vector3d gradient = registration::gradientAt(whole.coarse, point.position, kFar);
    if (gradient.norm() < 0.3 || gradient.normalized().dot(point.normal) < 0.8) continue;
    r.outer = !whole.two_sided || facesOut(host, point.position, point.normal);
    out.push_back(r);
  }
  return out;
}

/// The correction of one side, or none where the rim has too few points.
std::unique_ptr<Spline> correction(const std::vector<RimPoint>& points, bool outer, double nearest_mm) {
  constexpr std::size_t kFewest = 12;
  constexpr double kSmoothing = 2e-2;
  std::vector<Eigen::Vector3d> positions;
  std::vector<double> values;
  for (const auto& p : points) {
    if (p.outer != outer || p.to_piece_mm < nearest_mm || p.to_piece_mm > nearest_mm + kRing_mm) continue;
    positions.push_back(p.position);
    values.push_back(p.distance_mm);
  }
  if (positions.size() < kFewest) return nullptr;
  // A vessel's groove or a suture is no part of the shell's course: what lies far off the others is left out.
  const double middle = core::quantile(values, 0.5);
  std::vector<double> deviations;
  for (const double v : values) deviations.push_back(std::abs(v - middle));
  const double most = 0.3 + 4 * core::quantile(deviations, 0.5);
  std::vector<Eigen::Vector3d> chosen;
  std::vector<double> chosen_values;
  for (const std::size_t i : farthestPoints(positions, kMost)) {
    if (std::abs(values[i] - middle) > most) continue;
    chosen.push_back(positions[i]);
    chosen_values.push_back(values[i]);
  }
  return std::make_unique<Spline>(Spline::Kernel::Fading, chosen, chosen_values, kSmoothing, kReach_mm);
}

/// A function on a grid around the piece, 0 beyond.
template <class Function>
image::CtVolume onGrid(const Candidate& piece, double margin_mm, double grid_mm, const Function& f) {
  image::CtVolume out;
  out.frame.spacing_mm = Eigen::Vector3d::Constant(grid_mm);
  out.frame.origin_mm = piece.min_mm - Eigen::Vector3d::Constant(margin_mm);
  out.frame.size = ((piece.max_mm - piece.min_mm).array() / grid_mm + 2 * margin_mm / grid_mm).ceil().cast<int>() + 1;
  out.voxels.resize(static_cast<std::size_t>(out.frame.voxelCount()));
  core::parallelFor(out.frame.size[2], [&](std::int64_t k) {
    for (int j = 0; j < out.frame.size[1]; ++j) {
      for (int i = 0; i < out.frame.size[0]; ++i)
        out.at(i, j, static_cast<int>(k)) =
            static_cast<float>(f(out.frame.toWorld(Eigen::Vector3d(i, j, static_cast<double>(k)))));
    }
  });
  return out;
}

/// The proposal less the correction of the side that a point lies on.
class Corrected {
 public:
  Corrected(const Whole& whole, Eigen::Vector3d centre, image::CtVolume outer, image::CtVolume inner,
            image::CtVolume thinning)
      : coarse_(whole.coarse),
        fine_(whole.fine),
        centre_(std::move(centre)),
        outer_(std::move(outer)),
        inner_(std::move(inner)),
        thinning_(std::move(thinning)) {}
  /// Both sides together take away half of the thickness at most, so that thin bone stays.
  double shift(const Eigen::Vector3d& p) const {
    if (inner_.voxels.empty()) return at(outer_, p);
    const double outer = at(outer_, p), inner = at(inner_, p);
    const double excess = std::max(0.0, -(outer + inner) - at(thinning_, p));
    const Eigen::Vector3d gradient = registration::gradientAt(coarse_, p, kFar);
    return (gradient.dot(p - centre_) > 0 ? outer : inner) + 0.5 * excess;
  }
  /// Level sets know no distance beyond their band, which the correction may exceed: there the coarse one counts.
  double fine(const Eigen::Vector3d& p) const {
    constexpr double kBeyondBand_mm = 0.5;
    const double near = fine_(p), far = image::sampleLinear(coarse_, coarse_.frame.toIndex(p), kFar);
    const bool beyond = near * far > 0 && std::abs(far) > std::abs(near) + kBeyondBand_mm;
    return (beyond ? far : near) - shift(p);
  }

 private:
  static double at(const image::CtVolume& v, const Eigen::Vector3d& p) {
    return v.voxels.empty() ? 0 : image::sampleLinear(v, v.frame.toIndex(p), 0);
  }
  image::CtVolume coarse_;
  std::function<double(const Eigen::Vector3d&)> fine_;
  Eigen::Vector3d centre_;
  image::CtVolume outer_, inner_, thinning_;
};

/// Half the proposal's thickness about each point: its depth at the deepest place nearby.
double halfThickness(const Whole& whole, const Eigen::Vector3d& p) {
  constexpr int kReach = 2;
  constexpr double kStep_mm = 2;
  double deepest = 0;
  for (int n = 0; n < 125; ++n) {
    const Eigen::Vector3d by(n % 5 - kReach, n / 5 % 5 - kReach, n / 25 - kReach);
    deepest = std::max(deepest, -coarseAt(whole, p + kStep_mm * by));
  }
  return deepest;
}

Whole corrected(const Host& host, const Whole& whole, const Candidate& piece, const Spline* outer,
                const Spline* inner) {
  constexpr double kMargin_mm = 10, kGrid_mm = 2, kMostShift_mm = 2.5;
  const auto sampled = [&](const Spline* spline) {
    if (spline == nullptr) return image::CtVolume{};
    return onGrid(piece, kMargin_mm, kGrid_mm, [&](const Eigen::Vector3d& p) {
      // Fades out beyond the rim, where the host itself is.
      const double away = toPiece(piece, p), fade = std::clamp((kMargin_mm - away) / 5, 0.0, 1.0);
      return fade <= 0 ? 0 : fade * std::clamp((*spline)(p), -kMostShift_mm, kMostShift_mm);
    });
  };
  const auto bent = std::make_shared<Corrected>(
      whole, host.centre_mm, sampled(outer), sampled(inner),
      inner == nullptr ? image::CtVolume{} : onGrid(piece, kMargin_mm, kGrid_mm, [&](const Eigen::Vector3d& p) {
        return halfThickness(whole, p);
      }));
  Whole out = whole;
  core::parallelFor(out.coarse.frame.size[2], [&](std::int64_t k) {
    for (int j = 0; j < out.coarse.frame.size[1]; ++j) {
      for (int i = 0; i < out.coarse.frame.size[0]; ++i) {
        const Eigen::Vector3d p = out.coarse.frame.toWorld(Eigen::Vector3d(i, j, static_cast<double>(k)));
        if (toPiece(piece, p) < kMargin_mm)
          out.coarse.at(i, j, static_cast<int>(k)) -= static_cast<float>(bent->shift(p));
      }
    }
  });
  out.fine = [bent](const Eigen::Vector3d& p) { return bent->fine(p); };
  return out;
}

void setErrors(std::vector<double> errors, double width_mm, RimFit& fit) {
  double sum = 0;
  for (const double e : errors) sum += e * e;
  fit.hidden_width_mm = width_mm;
  fit.hidden_points = static_cast<int>(errors.size());
  fit.hidden_error_mm = errors.empty() ? 1e3 : std::sqrt(sum / static_cast<double>(errors.size()));
  fit.hidden_p95_mm = core::quantile(std::move(errors), 0.95);
}

/// What the bending leaves on the ring next to the hole that it has not seen.
std::vector<double> hiddenErrors(const std::vector<RimPoint>& points, double width_mm) {
  std::vector<double> errors;
  for (const bool outer : {true, false}) {
    const auto spline = correction(points, outer, width_mm);
    for (const auto& p : points) {
      if (p.outer != outer || p.to_piece_mm >= width_mm) continue;
      errors.push_back(std::abs(p.distance_mm - (spline ? (*spline)(p.position) : 0)));
    }
  }
  return errors;
}

/// The middle of the sphere nearest to the points in the least-squares sense.
Eigen::Vector3d sphereCentre(const std::vector<Eigen::Vector3d>& points) {
  Eigen::MatrixXd rows(static_cast<Eigen::Index>(points.size()), 4);
  Eigen::VectorXd right(rows.rows());
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    rows.row(i) << 2 * points[i].transpose(), 1;
    right[i] = points[i].squaredNorm();
  }
  return (rows.transpose() * rows).ldlt().solve(rows.transpose() * right).head<3>();
}

/// The host's outer [0] and inner [1] surface about the piece, without the walls of the hole, which stand across the
/// shell.
std::array<std::vector<Eigen::Vector3d>, 2> shellPoints(const Host& host, const Candidate& piece, double nearest_mm) {
  constexpr double kWalls = 0.85;
  constexpr std::size_t kFewest = 40;
  std::array<std::vector<Eigen::Vector3d>, 2> out;
  for (const auto& point : host.points) {
    const double away = toPiece(piece, point.position);
    const Eigen::Vector3d radial = (point.position - host.centre_mm).normalized();
    if (away < std::max(kWall_mm, nearest_mm) || away > nearest_mm + kRing_mm) continue;
    if (std::abs(radial.dot(point.normal)) < kWalls) continue;
    out[facesOut(host, point.position, point.normal) ? 0 : 1].push_back(point.position);
  }
  for (int side = 0; side < 2; ++side) {
    if (out[side].size() >= kFewest) continue;
    throw core::Error(core::Exit::DataError, {.what = "the rim of the hole shows too little of the shell to go on from",
                                              .got = fmt::format("{} points on its {} side", out[side].size(),
                                                                 side == 0 ? "outer" : "inner")});
  }
  return out;
}

/// Outer and inner radius over directions from the centre: the outer one goes on as a thin plate does; the thickness,
/// which ridges on the inside disturb, has its outliers left out and stays within what the rim shows.
std::function<Eigen::Vector2d(const Eigen::Vector3d&)> shellRadii(
    const std::array<std::vector<Eigen::Vector3d>, 2>& surface, const Eigen::Vector3d& centre) {
  constexpr double kSmoothing = 1e-4, kThicknessSmoothing = 1e-2;
  std::vector<Eigen::Vector3d> directions;
  std::vector<double> values;
  for (const std::size_t i : farthestPoints(surface[0], kMost)) {
    directions.push_back((surface[0][i] - centre).normalized());
    values.push_back((surface[0][i] - centre).norm());
  }
  const Spline outer(Spline::Kernel::ThinPlate, directions, values, kSmoothing);
  directions.clear();
  values.clear();
  std::vector<double> thickness, deviations;
  for (const auto& p : surface[1]) thickness.push_back(outer((p - centre).normalized()) - (p - centre).norm());
  const double middle = core::quantile(thickness, 0.5);
  for (const double t : thickness) deviations.push_back(std::abs(t - middle));
  const double most = 0.3 + 4 * core::quantile(deviations, 0.5);
  for (const std::size_t i : farthestPoints(surface[1], kMost)) {
    if (std::abs(thickness[i] - middle) > most) continue;
    directions.push_back((surface[1][i] - centre).normalized());
    values.push_back(thickness[i]);
  }
  const double low = core::quantile(values, 0.05), high = core::quantile(values, 0.95);
  const Spline inner(Spline::Kernel::Biharmonic, directions, values, kThicknessSmoothing);
  return [=](const Eigen::Vector3d& direction) -> Eigen::Vector2d {
    const double radius = outer(direction);
    return {radius, radius - std::clamp(inner(direction), low, high)};
  };
}

}  // namespace

double hiddenWidth(const Candidate& piece) {
  const Eigen::Vector3d extent = piece.max_mm - piece.min_mm;
  const double radius = 0.5 * core::quantile({extent[0], extent[1], extent[2]}, 0.5);
  return std::clamp(0.5 * radius, 5.0, 20.0);
}

RimFit fitRim(const Host& host, const Whole& whole, const Candidate& piece) {
  RimFit fit;
  const double width = hiddenWidth(piece);
  const auto points = rimPoints(host, whole, piece, kRing_mm + width);
  fit.points = static_cast<int>(points.size());
  std::vector<double> offsets;
  for (const auto& p : points) offsets.push_back(std::abs(p.distance_mm));
  fit.before_mm = core::quantile(offsets, 0.5);
  setErrors(hiddenErrors(points, width), width, fit);
  const auto outer = correction(points, true, 0), inner = correction(points, false, 0);
  fit.corrected = corrected(host, whole, piece, outer.get(), inner.get());
  return fit;
}

void judgeHidden(const Host& host, const Whole& unseen, const Candidate& piece, RimFit& fit) {
  const double width = hiddenWidth(piece);
  std::vector<double> errors;
  for (const auto& p : rimPoints(host, unseen, piece, width)) errors.push_back(std::abs(p.distance_mm));
  setErrors(std::move(errors), width, fit);
}

Whole wholeOfRim(const Host& host, const Candidate& piece, double nearest_mm) {
  constexpr double kMargin_mm = 30, kGrid_mm = 4;  // radii change slowly
  const auto surface = shellPoints(host, piece, nearest_mm);
  const Eigen::Vector3d centre = sphereCentre(surface[0]);
  const auto radii = shellRadii(surface, centre);
  Whole whole;
  const auto outer = std::make_shared<image::CtVolume>(onGrid(
      piece, kMargin_mm, kGrid_mm, [&](const Eigen::Vector3d& p) { return radii((p - centre).normalized())[0]; }));
  const auto inner = std::make_shared<image::CtVolume>(onGrid(
      piece, kMargin_mm, kGrid_mm, [&](const Eigen::Vector3d& p) { return radii((p - centre).normalized())[1]; }));
  whole.fine = [outer, inner, centre](const Eigen::Vector3d& p) -> double {
    const Eigen::Vector3d at = outer->frame.toIndex(p);
    const double r = (p - centre).norm();
    return std::max(r - image::sampleLinear(*outer, at, -kFar), image::sampleLinear(*inner, at, kFar) - r);
  };
  whole.coarse = image::CtVolume(around(host.closed.frame, piece, kMargin_mm));
  core::parallelFor(whole.coarse.frame.size[2], [&](std::int64_t k) {
    for (int j = 0; j < whole.coarse.frame.size[1]; ++j) {
      for (int i = 0; i < whole.coarse.frame.size[0]; ++i)
        whole.coarse.at(i, j, static_cast<int>(k)) =
            static_cast<float>(whole.fine(whole.coarse.frame.toWorld(Eigen::Vector3d(i, j, static_cast<double>(k)))));
    }
  });
  return whole;
}

}  // namespace osteo::reconstruct
