#include "design_scaffold/lattice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "design_scaffold/periodic_distance.h"
#include "design_scaffold/spinodoid.h"
#include "design_scaffold/struts.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr double kTwoPi = 2 * std::numbers::pi;
constexpr int kFoamNodes = 24;  // along an edge of one cell of a foam or a wave

// Fields that are only sampled have feet no better than these from farther away.
constexpr float kNearSurface = 4, kEverywhere = 1e9F;

/// Nodes along an edge of the period, a multiple of 24 to the cell, so that voxels of cell/24 fall on nodes. Surfaces
/// of twice the frequency take twice as many.
int nodesOf(LatticeType type) {
  switch (type) {
    case LatticeType::Gyroid:
    case LatticeType::Diamond:
    case LatticeType::Primitive:
      return 72;
    case LatticeType::Voronoi:
    case LatticeType::Spinodoid:
      return kWaves * kFoamNodes;
    default:
      return hasStruts(type) ? 96 : 144;
  }
}

/// A signed field over the nodes: the surface lies where it is t.
struct Leveled {
  PeriodicSamples field;
  double t;
  double operator()(const Vector3d& p, Vector3d& gradient) const { return field(p, gradient) - t; }
};

/// Distances in steps to the sheet or network of a function F at level t.
template <class Surface>
std::vector<float> table(PeriodicNodes nodes, Kind kind, double t, const Surface& surfaceAt, float refined_steps) {
  std::vector<float> distances = periodicDistances(nodes, surfaceAt(t), refined_steps);
  if (kind == Kind::Network) return distances;
  const std::vector<float> face = periodicDistances(nodes, surfaceAt(-t), refined_steps);
  for (std::size_t n = 0; n < distances.size(); ++n) distances[n] = std::max(distances[n], -face[n]);
  return distances;
}

/// The smallest thickness of a sheet in steps: twice the depth of the shallowest nodes beside its middle surface, F =
/// 0.
template <class F>
double thinnest(PeriodicNodes nodes, const std::vector<float>& distances, const F& f) {
  std::vector<double> depths;
  for (int k = 0; k < nodes.side; ++k)
    for (int j = 0; j < nodes.side; ++j)
      for (int i = 0; i < nodes.side; ++i) {
        Vector3d gradient;
        if (std::abs(f(Vector3d(i, j, k), gradient)) < 0.25 * gradient.norm())
          depths.push_back(-static_cast<double>(distances[nodes.at(i, j, k)]));
      }
  return depths.empty() ? 0 : 2 * *std::min_element(depths.begin(), depths.end());
}

void requireKind(const LatticeSpec& spec) {
  if (spec.kind == Kind::Network || !hasStruts(spec.type)) return;
  throw core::Error(core::Exit::Config,
                    {.what = fmt::format("{} is made of struts and has no sheet", nameOf(spec.type)),
                     .expected = "--kind network",
                     .got = "--kind sheet",
                     .hint = "plates between the struts would close every pore; sheets need a surface such as gyroid"});
}

void requireFraction(double volume_fraction) {
  if (volume_fraction >= kMinFraction && volume_fraction <= kMaxFraction) return;
  throw core::Error(
      core::Exit::Config,
      {.what = fmt::format("a solid share of {:.4g} (porosity {:.4g}) and connected walls contradict each other",
                           volume_fraction, 1 - volume_fraction),
       .expected = fmt::format("a volume fraction of {} to {}", kMinFraction, kMaxFraction),
       .hint = "below, walls fall apart whatever their thickness; above, pores close"});
}

}  // namespace

Lattice::Lattice(const LatticeSpec& spec) : spec_(spec), nodes_(nodesOf(spec.type)) {
  requireKind(spec);
  requireFraction(spec.volume_fraction);
  const PeriodicNodes nodes{nodes_};
  std::vector<float> steps;
  double wall_steps = 0;
  if (isTpms(spec.type)) {
    const Tpms tpms = tpmsOf(spec.type);
    iso_ = isoValue(tpms, spec.kind, spec.volume_fraction);
    const double step = kTwoPi / nodes_;
    const auto surfaceAt = [tpms, step](double t) {
      return [tpms, step, t](const Vector3d& p, Vector3d& gradient) {
        const double value = nodal(tpms, step * p, gradient) - t;
        gradient *= step;
        return value;
      };
    };
    steps = table(nodes, spec.kind, iso_, surfaceAt, kEverywhere);
    if (spec.kind == Kind::Sheet) wall_steps = thinnest(nodes, steps, surfaceAt(0));
  } else if (spec.type == LatticeType::Spinodoid) {
    cells_ = kWaves;
    const std::vector<float> field = spinodoidField(nodes, spec.cone_deg, spec.seed);
    iso_ = spinodoidLevel(field, spec.kind == Kind::Sheet, spec.volume_fraction);
    const PeriodicSamples samples(nodes, field);
    steps = table(
        nodes, spec.kind, iso_,
        [&](double t) {
          return Leveled{samples, t};
        },
        kNearSurface);
  } else {
    const StrutNetwork network = spec.type == LatticeType::Voronoi ? voronoiFoam(spec.seed) : unitCell(spec.type);
    cells_ = network.cells;
    const StrutField field = strutField(network, nodes, spec.volume_fraction, spec.fillet);
    iso_ = field.radius_cells;
    steps = periodicDistances(nodes, PeriodicSamples(nodes, field.values), kNearSurface);
    wall_steps = 2 * iso_ * nodes_ / cells_;
  }
  const double step = static_cast<double>(cells_) / nodes_;
  const auto [low, high] = std::minmax_element(steps.begin(), steps.end());
  pore_cells_ = 2 * *high * step;
  wall_cells_ = (wall_steps > 0 ? wall_steps : -2 * *low) * step;
  for (float& distance : steps) distance *= static_cast<float>(step);
  table_ = std::make_shared<const std::vector<float>>(std::move(steps));
  if (!isTpms(spec.type)) outward_cells_ = missingOutward();
  if (spec.type == LatticeType::Spinodoid)  // twice the volume per surface: the mean thickness of sheets, less of bars
    wall_cells_ = 2 * spec.volume_fraction / (area_per_mm() * spec.cell_mm);
}

double Lattice::missingOutward() const {
  const double step = static_cast<double>(cells_) / nodes_;
  const PeriodicNodes nodes{nodes_};
  std::vector<float> between(nodes.size());
  core::parallelFor(nodes_, [&](std::int64_t k) {
    for (int j = 0; j < nodes_; ++j)
      for (int i = 0; i < nodes_; ++i)
        between[nodes.at(i, j, static_cast<int>(k))] = static_cast<float>(
            distanceAt(step * Eigen::Vector3d(i + 0.5, j + 0.5, static_cast<double>(k) + 0.5)) / step);
  });
  double low = -1, high = 1;  // steps
  for (int round = 0; round < 24; ++round) {
    const double middle = 0.5 * (low + high);
    (negativeShare(between, middle) < spec_.volume_fraction ? low : high) = middle;
  }
  return 0.5 * (low + high) * step;
}

Lattice Lattice::grown(double outward_mm) const {
  Lattice copy = *this;
  copy.outward_cells_ += outward_mm / spec_.cell_mm;
  return copy;
}

Lattice Lattice::scaled(double cell_mm) const {
  Lattice copy = *this;
  copy.spec_.cell_mm = cell_mm;
  return copy;
}

double Lattice::area_per_mm() const {
  const double shell = 0.02;  // of a cell, on either side
  const auto near = std::count_if(table_->begin(), table_->end(), [&](float d) { return std::abs(d) < shell; });
  return static_cast<double>(near) / static_cast<double>(table_->size()) / (2 * shell * spec_.cell_mm);
}

double Lattice::distanceAt(const Eigen::Vector3d& cells) const {
  const double periods = 1.0 / cells_;
  std::array<int, 3> a{}, b{};
  std::array<float, 3> f{};
  for (int axis = 0; axis < 3; ++axis) {
    const double t = cells[axis] * periods, u = (t - std::floor(t)) * nodes_;
    const int node = std::min(static_cast<int>(u), nodes_ - 1);
    a[axis] = node;
    b[axis] = node + 1 == nodes_ ? 0 : node + 1;
    f[axis] = static_cast<float>(u - node);
  }
  const float* table = table_->data();
  const auto row = [&](int j, int k) {
    const float* values = table + (k * nodes_ + j) * nodes_;
    return values[a[0]] + f[0] * (values[b[0]] - values[a[0]]);
  };
  const float y0 = row(a[1], a[2]), y1 = row(b[1], a[2]), z0 = row(a[1], b[2]), z1 = row(b[1], b[2]);
  const float near = y0 + f[1] * (y1 - y0), far = z0 + f[1] * (z1 - z0);
  return static_cast<double>(near + f[2] * (far - near)) - outward_cells_;
}

std::string latticeName(const LatticeSpec& spec) {
  return nameOf(spec.type) + (spec.kind == Kind::Network ? "_network" : "_sheet");
}

}  // namespace osteo::design_scaffold
