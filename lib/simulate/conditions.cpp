#include "simulate/conditions.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <Eigen/Geometry>
#include <cmath>

#include "core/error.h"
#include "simulate/grid.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;

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

/// What is prescribed of a remote point's motion m.
std::optional<double> remoteValue(const Remote& remote, int m) {
  return m < 3 ? remote.displacement_mm[m] : remote.rotation_rad[m - 3];
}

/// Who holds a degree of freedom so far, to find contradictions.
struct Held {
  std::vector<double> value;
  explicit Held(const Operator& K) : value(static_cast<std::size_t>(3 * K.stride()), std::nan("")) {}
};

template <class Visit>
void forEachSelected(const VoxelModel& model, const Selection& selection, const Visit& visit) {
  forEachNode(model, [&](std::int64_t n, int i, int j, int k) {
    if (selection.nodes[n]) visit(n, model.nodePoint(i, j, k));
  });
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
  if (constraint.remote) {
    part.remote = constraint.remote;
    forEachSelected(model, selection, [&](std::int64_t n, const Vector3d& p) {
      Vector3d u = Vector3d::Zero();
      for (int m = 0; m < 6; ++m)
        u += remoteValue(*part.remote, m).value_or(0) * remoteMotion(model, *part.remote, m, p);
      for (int g = 0; g < 3; ++g) {
        if (!std::isnan(held.value[g * K.stride() + n]))
          throw core::Error(core::Exit::DataError,
                            {.what = "the rigid region of " + part.name + " shares nodes with another constraint",
                             .hint = "make the regions smaller, or one of them part of the other"});
        hold(n, g, u[g]);
      }
    });
    return part;
  }
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

/// Shares of a load on the nodes of the faces of a region, in order of the nodes.
struct Patch {
  std::vector<std::int64_t> node;
  std::vector<double> weight;  ///< sums to 1
  std::vector<Vector3d> point_mm;
  Vector3d centre_mm = Vector3d::Zero();
};

Patch patchOf(const VoxelModel& model, const std::vector<const Face*>& faces, double area_mm2) {
  Selection touched{std::vector<std::uint8_t>(static_cast<std::size_t>(model.nodes), 0)};
  std::vector<double> weight(static_cast<std::size_t>(model.nodes), 0.0);
  for (const Face* face : faces)
    for (auto n : face->nodes) {
      touched.nodes[n] = 1;
      weight[n] += faceArea(model, *face) / (4 * area_mm2);
    }
  Patch patch;
  forEachSelected(model, touched, [&](std::int64_t n, const Vector3d& p) {
    patch.node.push_back(n);
    patch.weight.push_back(weight[n]);
    patch.point_mm.push_back(p);
    patch.centre_mm += weight[n] * p;
  });
  return patch;
}

/// Nodal forces (LPS) with a given sum and moment about the patch's centre: the sum by weight, the moment as of a turn.
std::vector<Vector3d> spread(const Patch& patch, const Vector3d& force, const Vector3d& moment) {
  Eigen::Matrix3d inertia = Eigen::Matrix3d::Zero();
  for (std::size_t n = 0; n < patch.node.size(); ++n) {
    const Vector3d r = patch.point_mm[n] - patch.centre_mm;
    inertia += patch.weight[n] * (r.squaredNorm() * Eigen::Matrix3d::Identity() - r * r.transpose());
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> eigen(inertia);
  Vector3d turn = Vector3d::Zero();
  for (int m = 0; m < 3; ++m) {
    const double share = eigen.eigenvectors().col(m).dot(moment);
    if (eigen.eigenvalues()[m] > 1e-9 * eigen.eigenvalues()[2])
      turn += share / eigen.eigenvalues()[m] * eigen.eigenvectors().col(m);
    else if (std::abs(share) > 1e-9 * moment.norm())
      throw core::Error(core::Exit::DataError,
                        {.what = "a region is too slim to take a moment", .hint = "make it wider"});
  }
  std::vector<Vector3d> forces(patch.node.size());
  for (std::size_t n = 0; n < forces.size(); ++n)
    forces[n] = patch.weight[n] * (force + turn.cross(patch.point_mm[n] - patch.centre_mm));
  return forces;
}

/// Forces on nodes in LPS, added up in the part.
void push(const Operator& K, std::int64_t node, const Vector3d& force, Conditions::Part& part) {
  const Vector3d grid = K.model().frame.direction.transpose() * force;
  for (int g = 0; g < 3; ++g) part.forces.push_back({g * K.stride() + node, grid[g]});
}

/// Body forces on the elements whose nodes are all selected.
void accelerate(const Scene& scene, const Operator& K, const Load& load, const Selection& selection,
                Conditions::Part& part) {
  constexpr double kKilograms = 1e-6;  // per g/cm³ and mm³
  const VoxelModel& model = scene.model;
  std::vector<double> mass(static_cast<std::size_t>(model.nodes), 0.0);
  const double volume = model.frame.spacing_mm.prod();
  forEachElement(model, [&](std::int64_t e, int, int, int, const auto& nodes) {
    for (auto n : nodes)
      if (!selection.nodes[n]) return;
    const Filler& filler = scene.fillers->at(model.material[e]);
    if (!(filler.material.density_g_cm3 > 0))
      throw core::Error(core::Exit::Config, {.what = "a body force needs the density of " + filler.name(),
                                             .expected = "density_g_cm3 in the materials file"});
    const double kg = kKilograms * filler.material.density_g_cm3 * volume * filler.solidFraction(model.valueOf(e));
    for (auto n : nodes) mass[n] += kg / 8;
    part.mass_kg += kg;
  });
  for (std::int64_t n = 0; n < model.nodes; ++n)
    if (mass[n] > 0) push(K, n, mass[n] * *load.acceleration_m_s2, part), ++part.nodes;
  if (part.nodes == 0)
    throw core::Error(core::Exit::DataError, {.what = "the region of load " + load.name + " holds no whole element"});
}

Conditions::Part placeLoad(const Scene& scene, const Operator& K, const Load& load) {
  const VoxelModel& model = scene.model;
  Conditions::Part part{load.name};
  const Selection selection = select(scene, load.region, "load " + load.name);
  if (load.acceleration_m_s2) {
    accelerate(scene, K, load, selection, part);
    return part;
  }
  const auto faces = selectFaces(scene, selection);
  if (faces.empty())
    throw core::Error(core::Exit::DataError,
                      {.what = "the region of load " + load.name + " holds no outer face of the model",
                       .hint = "make it as large as a few elements"});
  for (const Face* face : faces) part.area_mm2 += faceArea(model, *face);
  const Patch patch = patchOf(model, faces, part.area_mm2);
  part.nodes = static_cast<std::int64_t>(patch.node.size());
  std::vector<Vector3d> forces;
  if (load.pressure_mpa) {
    std::vector<Vector3d> on_node(static_cast<std::size_t>(model.nodes), Vector3d::Zero());
    for (const Face* face : faces)
      for (auto n : face->nodes)
        on_node[n] -= *load.pressure_mpa * faceArea(model, *face) / 4 * faceNormal(model, *face);
    for (auto n : patch.node) forces.push_back(on_node[n]);
  } else {
    Vector3d force = Vector3d::Zero();
    if (load.force_n) force = *load.force_n;
    if (load.inward_force_n) force = -*load.inward_force_n * *selection.outward;
    if (load.pull_n) force = *load.pull_n * (load.toward_mm - patch.centre_mm).normalized();
    Vector3d moment = load.moment_n_mm.value_or(Vector3d::Zero());
    if (load.at_mm) moment += (*load.at_mm - patch.centre_mm).cross(force);
    forces = spread(patch, force, moment);
  }
  for (std::size_t n = 0; n < forces.size(); ++n) push(K, patch.node[n], forces[n], part);
  return part;
}

/// What remote points hold of the model's rigid motions.
std::vector<HeldPoint> heldPoints(const Conditions& conditions) {
  std::vector<HeldPoint> points;
  for (const auto& part : conditions.constraints)
    for (int m = 0; m < 6 && part.remote; ++m)
      if (remoteValue(*part.remote, m)) points.push_back({part.remote->point_mm, Vector3d::Unit(m % 3), m >= 3});
  return points;
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
  std::vector<FixedDof> direct;  // without the nodes that only a remote point holds
  std::vector<std::uint8_t> rigid(static_cast<std::size_t>(K.nodes()), 0);
  for (const auto& part : conditions.constraints) {
    if (!part.remote) direct.insert(direct.end(), part.fixed.begin(), part.fixed.end());
    if (part.remote)
      for (const auto& d : part.fixed) rigid[d.dof % K.stride()] = 1;
  }
  const auto points = heldPoints(conditions);
  const auto free = freeRigidMotions(K, direct, points);
  if (!free.empty() && !load_case.pin_rigid_motion)
    throw core::Error(core::Exit::DataError,
                      {.what = "case " + load_case.name + " leaves the model free to move as a rigid body",
                       .got = "free: " + joined(free),
                       .hint = "hold more components, or set pin_rigid_motion when the loads are in balance"});
  if (!free.empty()) {
    const std::size_t before = direct.size();
    pinRigidMotions(K, direct, points, rigid);
    conditions.fixed.insert(conditions.fixed.end(), direct.begin() + static_cast<std::ptrdiff_t>(before), direct.end());
  }
  conditions.pinned = free;
  bool acts = false;
  for (const auto& f : conditions.fixed) acts |= f.value_mm != 0;
  for (const double f : conditions.force) acts |= f != 0;
  for (const auto& part : conditions.constraints)
    acts |= part.remote && (part.remote->force_n.norm() > 0 || part.remote->moment_n_mm.norm() > 0);
  if (!acts)
    throw core::Error(core::Exit::DataError, {.what = "nothing acts on the model in case " + load_case.name,
                                              .expected = "a load, or a displacement that isn't zero"});
  return conditions;
}

Vector3d remoteMotion(const VoxelModel& model, const Remote& remote, int m, const Vector3d& point_mm) {
  const Vector3d unit = Vector3d::Unit(m % 3);
  return model.frame.direction.transpose() * (m < 3 ? unit : Vector3d(unit.cross(point_mm - remote.point_mm)));
}

Vector6d resultantAt(const Operator& K, const Field& values, const Conditions::Part& part) {
  const VoxelModel& model = K.model();
  Selection selection{std::vector<std::uint8_t>(static_cast<std::size_t>(model.nodes), 0)};
  for (const auto& d : part.fixed) selection.nodes[d.dof % K.stride()] = 1;
  Vector6d sum = Vector6d::Zero();
  forEachSelected(model, selection, [&](std::int64_t n, const Vector3d& p) {
    const Vector3d f(values[n], values[K.stride() + n], values[2 * K.stride() + n]);
    for (int m = 0; m < 6; ++m) sum[m] += f.dot(remoteMotion(model, *part.remote, m, p));
  });
  return sum;
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
