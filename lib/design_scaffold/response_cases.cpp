#include "design_scaffold/response_cases.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "core/random.h"
#include "design_scaffold/coarse_body.h"
#include "design_scaffold/density_filter.h"
#include "simulate/element_energy.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using simulate::FixedDof;

constexpr int kVoxels = 32;                // along each axis, of a drawn shape
constexpr double kLeastBody = 0.1;         // of an element, as implant_grid.cpp
constexpr double kLow = 0.1, kHigh = 0.8;  // relative densities
constexpr int kAttempts = 50;

/// Numbers of a seed, one after the other.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t stream) : random_(seed, 6100 + stream) {}
  double between(double low, double high) { return low + (high - low) * random_.uniform(next_++); }
  bool chance(double share) { return between(0, 1) < share; }
  int one(int of) { return std::min(of - 1, static_cast<int>(between(0, of))); }
  Vector3d direction() {
    const Vector3d v(random_.normal(next_), random_.normal(next_ + 1), random_.normal(next_ + 2));
    next_ += 3;
    return v.normalized();
  }

 private:
  core::Random random_;
  std::uint64_t next_ = 0;
};

struct Body {
  std::unique_ptr<simulate::VoxelModel> model;
  std::vector<double> share, depth;  ///< of the elements: in the body; voxels below its surface
  std::vector<Vector3d> middle;      ///< from the middle of the grid, in voxels
};

Body bodyOf(const BodyShape& shape, int voxels) {
  simulate::Filling filling;
  filling.frame.size.setConstant(voxels);
  const Vector3d centre = Vector3d::Constant(0.5 * (voxels - 1));
  std::vector<double> depth;
  for (std::int64_t v = 0; v < filling.frame.voxelCount(); ++v) {
    depth.push_back(-shape(filling.frame.centre(v) - centre));
    filling.material.push_back(std::clamp(0.5 + depth.back(), 0.0, 1.0) >= kLeastBody ? 1 : 0);
  }
  Body out;
  out.model = std::make_unique<simulate::VoxelModel>(
      simulate::buildModel(filling, [](std::uint16_t, float, float) { return simulate::isotropic(1, 0.3); }));
  simulate::forEachElement(*out.model, [&](std::int64_t, int i, int j, int k, const auto&) {
    const double own = depth[static_cast<std::size_t>(i + voxels * (j + voxels * k))];
    out.depth.push_back(own), out.share.push_back(std::clamp(0.5 + own, 0.0, 1.0));
    out.middle.push_back(Vector3d(i, j, k) - centre);
  });
  return out;
}

/// Densities that are even, graded along an axis, or waves of a random field.
std::vector<double> densityOf(const Body& body, Draws& d) {
  const double mean = d.between(0.15, 0.65), spread = d.chance(0.25) ? 0 : d.between(0.05, 0.35);
  std::vector<std::pair<Vector3d, double>> waves;
  const bool is_graded = d.chance(0.3);
  for (int n = 0; n < 6; ++n) waves.emplace_back(d.direction() * d.between(0.1, 0.5), d.between(0, 6.28));
  std::vector<double> out;
  for (const Vector3d& p : body.middle) {
    double value = 0;
    if (is_graded) value = std::clamp(1.5 * waves[0].first.normalized().dot(p) / kVoxels, -1.0, 1.0);
    for (const auto& [wave, phase] : waves) value += is_graded ? 0 : std::cos(wave.dot(p) + phase) / 2.5;
    out.push_back(std::clamp(mean + spread * value, kLow, kHigh));
  }
  return out;
}

/// How densities become stiffness.
struct Law {
  double power, anisotropy;
  simulate::Elastic solid;
};

void setStiffness(Body& body, const std::vector<double>& density, double skin_voxels, const Law& law) {
  std::vector<std::array<double, 3>> entries;
  for (std::size_t e = 0; e < density.size(); ++e) {
    const double solid = std::clamp(skin_voxels - body.depth[e] + 0.5, 0.0, skin_voxels > 0 ? 1.0 : 0.0);
    const double lattice = std::pow(density[e], law.power), shear = 1 + (law.anisotropy - 1) * (1 - density[e]);
    const double axial = body.share[e] * (solid + (1 - solid) * lattice),
                 sheared = body.share[e] * (solid + (1 - solid) * lattice * shear);
    entries.push_back({law.solid.c11 * axial, law.solid.c12 * axial, law.solid.c44 * sheared});
  }
  simulate::setStiffness(*body.model, entries);
}

/// Nodes on the mesh that a test takes, as held degrees of freedom.
template <class Test>
std::vector<FixedDof> held(const simulate::Operator& K, const Test& test, const Vector3d& by, int components) {
  std::vector<FixedDof> out;
  simulate::forEachNode(K.model(), [&](std::int64_t n, int i, int j, int k) {
    if (!test(Vector3d(i, j, k) - Vector3d::Constant(0.5))) return;
    for (int c = 0; c < 3; ++c)
      if (components >> c & 1) out.push_back({c * K.stride() + n, by[c]});
  });
  return out;
}

/// Tractions on the outer faces that a test takes.
template <class Test>
simulate::Field pushed(const simulate::Operator& K, const Test& test,
                       const std::function<Vector3d(const Vector3d&, const Vector3d&)>& traction) {
  simulate::Field out = K.zeros();
  std::vector<Vector3d> node(static_cast<std::size_t>(K.nodes()));
  simulate::forEachNode(K.model(), [&](std::int64_t n, int i, int j, int k) {
    node[static_cast<std::size_t>(n)] = Vector3d(i, j, k) - Vector3d::Constant(0.5);
  });
  for (const simulate::Face& face : simulate::exposedFaces(K.model())) {
    Vector3d middle = Vector3d::Zero();
    for (const std::int64_t n : face.nodes) middle += 0.25 * node[static_cast<std::size_t>(n)];
    Vector3d normal = Vector3d::Zero();
    normal[face.axis] = face.sign;
    if (!test(middle, normal)) continue;
    const Vector3d force = 0.25 * traction(middle, normal);
    for (const std::int64_t n : face.nodes)
      for (int c = 0; c < 3; ++c) out[static_cast<std::size_t>(c * K.stride() + n)] += force[c];
  }
  return out;
}

/// Two places that a case holds and acts on: ends along an axis, the rim around one, or patches.
struct Places {
  std::function<bool(const Vector3d&)> held;
  std::function<bool(const Vector3d&, const Vector3d&)> loaded;
  Vector3d axis, loaded_middle;
};

Places placesOf(const Body& body, Draws& d) {
  Vector3d low = body.middle[0], high = body.middle[0], lean = Vector3d::Zero();
  const Vector3d centre = Vector3d::Constant(0.5 * (body.model->frame.size[0] - 1));
  for (const Vector3d& p : body.middle) low = low.cwiseMin(p), high = high.cwiseMax(p), lean += p;
  low += centre, high += centre;
  lean = lean / static_cast<double>(body.middle.size()) + centre;
  int axis = d.one(3);
  if (d.chance(0.6)) (high - low).maxCoeff(&axis);
  const bool up = d.chance(0.5);
  // As deep as holds a share of the body: corners of a slanted one would be points.
  std::vector<double> along;
  for (const Vector3d& p : body.middle) along.push_back((up ? 1 : -1) * (p[axis] + centre[axis]));
  std::sort(along.begin(), along.end());
  const auto quantile = [&](double share) {
    return along[static_cast<std::size_t>(share * static_cast<double>(along.size() - 1))];
  };
  const double from = quantile(d.between(0.03, 0.12)) + 0.5, to = quantile(1 - d.between(0.05, 0.2)) - 0.5;
  Places out;
  out.axis = Vector3d::Unit(axis);
  out.loaded_middle = lean;
  const int way = d.one(4);
  const double sign = up ? 1 : -1;
  out.held = [=](const Vector3d& p) { return sign * p[axis] < from; };
  if (way <= 1) {  // at the other end
    out.loaded = [=](const Vector3d& p, const Vector3d& n) { return sign * p[axis] > to && sign * n[axis] > 0.5; };
    out.loaded_middle[axis] = sign * along.back();
    return out;
  }
  // A patch about a point of the surface, or a whole side.
  const std::size_t at = static_cast<std::size_t>(d.between(0, static_cast<double>(body.middle.size())));
  const Vector3d patch = body.middle[at] + centre;
  const double radius = d.between(5, 12);
  const bool is_rim = d.chance(0.5);
  const Vector3d side = d.direction();
  out.loaded_middle = patch;
  out.loaded = [=](const Vector3d& p, const Vector3d& n) { return (p - patch).norm() < radius && n.dot(side) > 0.2; };
  if (is_rim) {
    const double low = quantile(0.06) + 0.5, high = quantile(0.94) - 0.5;
    out.held = [=](const Vector3d& p) { return sign * p[axis] < low || sign * p[axis] > high; };
  }
  return out;
}

/// What acts there: a force, a moment, a pressure; or the place is moved.
void act(const simulate::Operator& K, const Places& places, Draws& d, simulate::Conditions& out) {
  out.fixed = held(K, places.held, Vector3d::Zero(), 7);
  const int way = d.one(5);
  const Vector3d direction = d.chance(0.5) ? (d.chance(0.5) ? 1 : -1) * places.axis : d.direction();
  if (way == 4) {
    const int components = d.chance(0.5) ? 7 : static_cast<int>(places.axis.dot(Vector3d(1, 2, 4)));
    const Vector3d by = components == 7 ? direction : places.axis;
    std::vector<bool> is_taken(static_cast<std::size_t>(3 * K.stride()), false);
    for (const FixedDof& f : out.fixed) is_taken[static_cast<std::size_t>(f.dof)] = true;
    const simulate::Field marks = pushed(K, places.loaded, [](const auto&, const auto&) { return Vector3d::Ones(); });
    for (std::int64_t n = 0; n < K.nodes(); ++n)
      for (int c = 0; c < 3; ++c) {
        const auto dof = static_cast<std::size_t>(c * K.stride() + n);
        if ((components >> c & 1) && marks[dof] != 0 && !is_taken[dof])
          out.fixed.push_back({c * K.stride() + n, 1e-2 * by[c]});
      }
    return;
  }
  const Vector3d middle = places.loaded_middle;
  out.force = pushed(K, places.loaded, [&](const Vector3d& p, const Vector3d& n) -> Vector3d {
    if (way == 3) return -n;
    if (way == 2) return direction.cross(p - middle) / 8;
    return direction;
  });
}

/// Whether something moves or pushes the body, and it can't leave, on its own elements and on larger ones.
bool isSound(const Body& body, const simulate::Conditions& conditions) {
  const simulate::Operator K(*body.model);
  double most = 0;
  for (const double f : conditions.force) most = std::max(most, std::abs(f));
  for (const FixedDof& f : conditions.fixed) most = std::max(most, std::abs(f.value_mm));
  std::vector<bool> is_held(static_cast<std::size_t>(3 * K.stride()), false);
  for (const FixedDof& f : conditions.fixed) is_held[static_cast<std::size_t>(f.dof)] = true;
  constexpr std::int64_t kLeastNodes = 40;
  std::int64_t still = 0, pushed = 0;
  for (const FixedDof& f : conditions.fixed) (f.value_mm == 0 ? still : pushed) += 1;
  for (std::size_t dof = 0; dof < conditions.force.size(); ++dof)
    if (!is_held[dof] && conditions.force[dof] != 0) ++pushed;
  if (!(most > 0) || still < 3 * kLeastNodes || pushed < kLeastNodes ||
      !simulate::freeRigidMotions(K, conditions.fixed).empty())
    return false;
  const CoarseBody coarse(*body.model);
  return coarse.placedOf(K, conditions).has_value();
}

/// Two rounds of more where the energy is, as optimality criteria would.
std::vector<double> levelled(Body& body, std::vector<double> density, double skin, const Law& law,
                             const simulate::Conditions& conditions) {
  const simulate::Operator K(*body.model);
  CoarseBody coarse(*body.model);
  const auto own = coarse.placedOf(K, conditions);
  const ElementGrid grid(*body.model);
  const DensityFilter filter(grid, 2.5, Border::Nothing);
  for (int round = 0; round < 3; ++round) {
    setStiffness(body, density, skin, law);
    coarse.follow();
    const CoarseAnswer answer = coarse.solve(*own);
    double mean = 0;
    std::vector<double> pays(density.size());
    for (std::size_t e = 0; e < density.size(); ++e) {
      pays[e] = std::sqrt(std::max(0.0, answer.energy_n_mm[e] / density[e]));
      mean += pays[e] / static_cast<double>(density.size());
    }
    for (std::size_t e = 0; e < density.size(); ++e)
      density[e] = std::clamp(density[e] * std::clamp(pays[e] / std::max(1e-300, mean), 0.5, 2.0), kLow, kHigh);
    density = filter.apply(density);
  }
  return density;
}

}  // namespace

ResponseCase responseCase(const std::string& kind, const BodyShape& shape, int most_voxels, std::uint64_t seed) {
  Body body = bodyOf(shape, most_voxels);
  ResponseCase out;
  out.kind = kind;
  for (std::uint64_t attempt = 0;; ++attempt) {
    if (attempt == kAttempts)
      throw core::Error(core::Exit::Software, {.what = "no case was found for a body", .got = kind});
    Draws d(seed, 1 + attempt);
    out.conditions = {};
    const Places places = placesOf(body, d);
    act(simulate::Operator(*body.model), places, d, out.conditions);
    if (isSound(body, out.conditions)) break;
  }
  Draws d(seed, 0);
  const Law law = {d.between(1.3, 3), d.between(0.6, 1.6), simulate::isotropic(1, d.between(0.25, 0.35))};
  const double skin = d.chance(0.3) ? d.between(0.5, 1.5) * most_voxels / kVoxels : 0;
  std::vector<double> density = densityOf(body, d);
  if (d.chance(0.4)) density = levelled(body, std::move(density), skin, law, out.conditions);
  setStiffness(body, density, skin, law);
  out.model = std::move(body.model);
  return out;
}

ResponseCase drawnResponseCase(const std::string& kind, std::uint64_t seed, double scale) {
  const BodyShape shape = drawnBody(kind, seed);
  return responseCase(
      kind, [&](const Vector3d& p) { return scale * shape(p / scale); }, static_cast<int>(std::lround(kVoxels * scale)),
      seed);
}

}  // namespace osteo::design_scaffold
