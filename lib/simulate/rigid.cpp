#include <Eigen/Eigenvalues>
#include <algorithm>

#include "simulate/solver.h"

namespace osteo::simulate {
namespace {

using Index = std::int64_t;
using Modes6 = Eigen::Matrix<double, 6, 6>;
constexpr double kRankTolerance = 1e-9;  // of the squared motion at the fixed components, per unit of the model's size

/// Positions of nodes relative to the middle of the grid, in units of its diagonal; grid axes.
struct Positions {
  std::vector<Eigen::Vector3f> at;
  explicit Positions(const VoxelModel& model) : at(static_cast<std::size_t>(model.nodes)) {
    const Eigen::Vector3d middle = 0.5 * model.frame.size.cast<double>().cwiseProduct(model.frame.spacing_mm);
    forEachNode(model, [&](Index n, int i, int j, int k) {
      const Eigen::Vector3d p = Eigen::Vector3d(i, j, k).cwiseProduct(model.frame.spacing_mm) - middle;
      at[n] = (p / middle.norm()).cast<float>();
    });
  }
  /// Displacement of component c at a node under the six unit rigid motions.
  Vector6d motion(Index node, Index c) const { return motionAt(at[node].cast<double>(), c); }
  static Vector6d motionAt(const Eigen::Vector3d& p, Index c) {
    Vector6d row = Vector6d::Zero();
    row[c] = 1;
    row[3 + (c + 1) % 3] = p[(c + 2) % 3];  // ω × p
    row[3 + (c + 2) % 3] = -p[(c + 1) % 3];
    return row;
  }
};

/// What a held point says of the six unit rigid motions.
Vector6d rowOf(const VoxelModel& model, const HeldPoint& held) {
  const auto& frame = model.frame;
  const Eigen::Vector3d half = 0.5 * frame.size.cast<double>();
  const Eigen::Vector3d middle = half.cwiseProduct(frame.spacing_mm);
  const Eigen::Vector3d p =
      ((frame.toIndex(held.point_mm) + Eigen::Vector3d::Constant(0.5) - half).cwiseProduct(frame.spacing_mm)) /
      middle.norm();
  const Eigen::Vector3d direction = frame.direction.transpose() * held.direction;
  Vector6d row = Vector6d::Zero();
  if (held.is_rotation)
    row.tail<3>() = direction;
  else
    for (int c = 0; c < 3; ++c) row += direction[c] * Positions::motionAt(p, c);
  return row;
}

Modes6 gramOf(const VoxelModel& model, const std::vector<HeldPoint>& points) {
  Modes6 gram = Modes6::Zero();
  for (const auto& held : points) {
    const Vector6d row = rowOf(model, held);
    gram += row * row.transpose();
  }
  return gram;
}

Eigen::SelfAdjointEigenSolver<Modes6> spectrum(const Positions& positions, Index stride,
                                               const std::vector<FixedDof>& fixed, const Modes6& start) {
  Modes6 gram = start;
  for (const auto& f : fixed) {
    const Vector6d row = positions.motion(f.dof % stride, f.dof / stride);
    gram += row * row.transpose();
  }
  return Eigen::SelfAdjointEigenSolver<Modes6>(gram);
}

}  // namespace

std::vector<std::string> freeRigidMotions(const Operator& K, const std::vector<FixedDof>& fixed,
                                          const std::vector<HeldPoint>& points) {
  static const std::array<std::string, 6> kNames = {"translation along x", "translation along y", "translation along z",
                                                    "rotation about x",    "rotation about y",    "rotation about z"};
  const auto modes = spectrum(Positions(K.model()), K.stride(), fixed, gramOf(K.model(), points));
  std::array<bool, 6> is_free = {};
  for (int m = 0; m < 6; ++m) {
    if (modes.eigenvalues()[m] > kRankTolerance) continue;
    for (int c = 0; c < 6; ++c) is_free[c] |= std::abs(modes.eigenvectors()(c, m)) > 0.3;
  }
  std::vector<std::string> names;
  for (int c = 0; c < 6; ++c)
    if (is_free[c]) names.push_back(kNames[c]);
  return names;
}

void pinRigidMotions(const Operator& K, std::vector<FixedDof>& fixed, const std::vector<HeldPoint>& points,
                     const std::vector<std::uint8_t>& blocked) {
  const Positions positions(K.model());
  const Modes6 start = gramOf(K.model(), points);
  for (int pins = 0; pins < 6; ++pins) {
    const auto modes = spectrum(positions, K.stride(), fixed, start);
    if (modes.eigenvalues()[0] > kRankTolerance) return;
    // The component that the free motion moves most; a margin keeps rounding from choosing among equals.
    double most = 0;
    FixedDof pin{0, 0};
    for (Index c = 0; c < 3; ++c)
      for (Index n = 0; n < K.nodes(); ++n) {
        if (!blocked.empty() && blocked[n]) continue;
        const double moved = std::abs(positions.motion(n, c).dot(modes.eigenvectors().col(0)));
        if (moved > most * (1 + 1e-6)) most = moved, pin.dof = c * K.stride() + n;
      }
    fixed.push_back(pin);
  }
}

}  // namespace osteo::simulate
