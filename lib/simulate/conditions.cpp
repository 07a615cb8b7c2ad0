#include "simulate/conditions.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <cmath>

#include "core/error.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
constexpr double kAligned = 1 - 1e-9;  // cosine above which a grid axis is an LPS axis

/// Grid axis that an LPS axis runs along, −1 when the grid is oblique.
int gridAxis(const Eigen::Matrix3d& direction, int axis) {
  for (int g = 0; g < 3; ++g)
    if (std::abs(direction(axis, g)) > kAligned) return g;
  return -1;
}

/// Prescribed components on the grid's axes.
std::array<std::optional<double>, 3> onGrid(const Eigen::Matrix3d& direction, const Conditions::Part& part) {
  std::array<std::optional<double>, 3> result;
  const auto& u = part.displacement_mm;
  if (u[0] && u[1] && u[2]) {
    const Vector3d grid = direction.transpose() * Vector3d(*u[0], *u[1], *u[2]);
    for (int g = 0; g < 3; ++g) result[g] = grid[g];
    return result;
  }
  for (int c = 0; c < 3; ++c) {
    if (!u[c]) continue;
    const int g = gridAxis(direction, c);
    if (g < 0)
      throw core::Error(core::Exit::Config,
                        {.what = part.name + " holds single components, but the model's grid is oblique to LPS",
                         .expected = "all three components, or a grid along the axes",
                         .hint = "resample the volume to an axis-aligned grid"});
    result[g] = direction(c, g) * *u[c];
  }
  return result;
}

/// Who holds a degree of freedom so far, to find contradictions.
struct Held {
  std::vector<double> value;
  explicit Held(const Operator& K) : value(static_cast<std::size_t>(3 * K.stride()), std::nan("")) {}
};

template <class Visit>
void forEachSelected(const VoxelModel& model, const Selection& selection, const Visit& visit) {
  for (const auto& run : model.node_runs)
    for (int x = 0; x < run.count; ++x)
      if (selection.nodes[run.node + x]) visit(run.node + x, model.nodePoint(run.i + x, run.j, run.k));
}

Vector3d middleOf(const VoxelModel& model, const Selection& selection) {
  Vector3d low = Vector3d::Constant(1e300), high = -low;
  forEachSelected(model, selection, [&](std::int64_t, const Vector3d& p) {
    low = low.cwiseMin(p);
    high = high.cwiseMax(p);
  });
  return 0.5 * (low + high);
}

Conditions::Part placeConstraint(const Scene& scene, const Operator& K, const Constraint& constraint, Held& held) {
  const VoxelModel& model = scene.model;
  const ModelBox box = modelBox(model);
  Conditions::Part part{constraint.name};
  part.displacement_mm = constraint.displacement_mm;
  for (int c = 0; c < 3; ++c)
    if (constraint.strain[c]) part.displacement_mm[c] = *constraint.strain[c] * (box.max_mm[c] - box.min_mm[c]);
  const Selection selection = select(scene, constraint.region, "constraint " + constraint.name);
  part.nodes = selection.count();
  const auto hold = [&](std::int64_t n, int g, double value) {
    const std::int64_t dof = g * K.stride() + n;
    const double before = held.value[dof];
    if (std::isnan(before)) {
      part.fixed.push_back({dof, value});
      held.value[dof] = value;
    } else if (std::abs(before - value) > 1e-12 * (1 + std::abs(before))) {
      throw core::Error(core::Exit::DataError,
                        {.what = "a node is held at two different displacements by " + part.name});
    }
  };
  if (constraint.rotation) {
    part.rotation = constraint.rotation;
    if (!part.rotation->centre_mm) part.rotation->centre_mm = middleOf(model, selection);
    const Vector3d spin = part.rotation->angle_rad * part.rotation->axis;
    forEachSelected(model, selection, [&](std::int64_t n, const Vector3d& p) {
      const Vector3d u = model.frame.direction.transpose() * spin.cross(p - *part.rotation->centre_mm);
      for (int g = 0; g < 3; ++g) hold(n, g, u[g]);
    });
    return part;
  }
  const auto components = onGrid(model.frame.direction, part);
  for (int g = 0; g < 3; ++g)
    for (std::int64_t n = 0; components[g] && n < model.nodes; ++n)
      if (selection.nodes[n]) hold(n, g, *components[g]);
  return part;
}

Conditions::Part placeLoad(const Scene& scene, const Operator& K, const Load& load) {
  const VoxelModel& model = scene.model;
  Conditions::Part part{load.name};
  const Selection selection = select(scene, load.region, "load " + load.name);
  const auto faces = selectFaces(scene, selection);
  if (faces.empty())
    throw core::Error(core::Exit::DataError,
                      {.what = "the region of load " + load.name + " holds no outer face of the model",
                       .hint = "make it as large as a few elements"});
  Field force = K.zeros();
  std::vector<std::uint8_t> touched(static_cast<std::size_t>(model.nodes), 0);
  for (const Face* face : faces) part.area_mm2 += faceArea(model, *face);
  for (const Face* face : faces) {
    Vector3d on_face;  // LPS
    if (load.pressure_mpa)
      on_face = -*load.pressure_mpa * faceArea(model, *face) * faceNormal(model, *face);
    else
      on_face = faceArea(model, *face) / part.area_mm2 *
                (load.force_n ? *load.force_n : Vector3d(-*load.inward_force_n * *selection.outward));
    const Vector3d on_node = model.frame.direction.transpose() * on_face / 4;
    for (auto n : face->nodes) {
      touched[n] = 1;
      for (int g = 0; g < 3; ++g) force[g * K.stride() + n] += on_node[g];
    }
  }
  for (std::int64_t n = 0; n < model.nodes; ++n) {
    part.nodes += touched[n];
    for (int g = 0; g < 3 && touched[n]; ++g) part.forces.push_back({g * K.stride() + n, force[g * K.stride() + n]});
  }
  return part;
}

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

}  // namespace

Conditions place(const Scene& scene, const Operator& K, const LoadCase& load_case) {
  Conditions conditions;
  Held held(K);
  for (const auto& c : load_case.constraints) {
    conditions.constraints.push_back(placeConstraint(scene, K, c, held));
    const auto& fixed = conditions.constraints.back().fixed;
    conditions.fixed.insert(conditions.fixed.end(), fixed.begin(), fixed.end());
  }
  if (!load_case.loads.empty()) conditions.force = K.zeros();
  for (const auto& l : load_case.loads) {
    conditions.loads.push_back(placeLoad(scene, K, l));
    for (const auto& f : conditions.loads.back().forces) conditions.force[f.dof] += f.value_mm;
  }
  const auto free = freeRigidMotions(K, conditions.fixed);
  if (!free.empty() && !load_case.pin_rigid_motion)
    throw core::Error(core::Exit::DataError,
                      {.what = "case " + load_case.name + " leaves the model free to move as a rigid body",
                       .got = "free: " + joined(free),
                       .hint = "hold more components, or set pin_rigid_motion when the loads are in balance"});
  if (!free.empty()) pinRigidMotions(K, conditions.fixed);
  conditions.pinned = free;
  bool acts = false;
  for (const auto& f : conditions.fixed) acts |= f.value_mm != 0;
  for (const double f : conditions.force) acts |= f != 0;
  if (!acts)
    throw core::Error(core::Exit::DataError, {.what = "nothing acts on the model in case " + load_case.name,
                                              .expected = "a load, or a displacement that isn't zero"});
  return conditions;
}

double momentAbout(const Operator& K, const Field& values, const std::vector<FixedDof>& dofs,
                   const Rotation& rotation) {
  const VoxelModel& model = K.model();
  Selection selection{std::vector<std::uint8_t>(static_cast<std::size_t>(model.nodes), 0)};
  for (const auto& d : dofs) selection.nodes[d.dof % K.stride()] = 1;
  double moment = 0;
  forEachSelected(model, selection, [&](std::int64_t n, const Vector3d& p) {
    const Vector3d f(values[n], values[K.stride() + n], values[2 * K.stride() + n]);
    moment += rotation.axis.dot((p - *rotation.centre_mm).cross(model.frame.direction * f));
  });
  return moment;
}

Vector3d sumInLps(const Operator& K, const Field& values, const std::vector<FixedDof>& dofs) {
  Vector3d sum = Vector3d::Zero();
  for (const auto& d : dofs) sum[d.dof / K.stride()] += values[d.dof];
  return K.model().frame.direction * sum;
}

}  // namespace osteo::simulate
