#include "mesh/beams.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace osteo::mesh {
namespace {

/// A profile turned around an axis: circles of these radii at these positions; a radius of 0 is a tip.
struct Circle {
  double along_mm, radius_mm;
};

class Lathe {
 public:
  Lathe(TriangleMesh& mesh, int sides)
      : mesh_(mesh), sides_(static_cast<std::uint32_t>(sides)), widening_(wideningOf(sides)) {}

  /// The profile runs along the axis; its ends are closed by tips.
  void turn(const Eigen::Vector3d& from, const Eigen::Vector3d& axis, const std::vector<Circle>& profile) {
    const Eigen::Vector3d u = axis.unitOrthogonal(), v = axis.cross(u);
    std::uint32_t before = 0;
    bool before_is_tip = true;
    for (std::size_t n = 0; n < profile.size(); ++n) {
      const bool tip = n == 0 || n + 1 == profile.size();
      const auto here = static_cast<std::uint32_t>(mesh_.vertices.size());
      const Eigen::Vector3d centre = from + profile[n].along_mm * axis;
      if (tip) {
        mesh_.vertices.push_back(centre);
      } else {
        for (std::uint32_t s = 0; s < sides_; ++s) {
          const double angle = 2 * M_PI * s / sides_;
          mesh_.vertices.push_back(centre +
                                   widening_ * profile[n].radius_mm * (std::cos(angle) * u + std::sin(angle) * v));
        }
      }
      if (n > 0) join(before, before_is_tip, here, tip);
      before = here, before_is_tip = tip;
    }
  }

 private:
  /// From the radius of a circle to the one of the polygon's corners with the same area.
  static double wideningOf(int sides) { return std::sqrt(2 * M_PI / (sides * std::sin(2 * M_PI / sides))); }

  void join(std::uint32_t low, bool low_is_tip, std::uint32_t high, bool high_is_tip) {
    for (std::uint32_t s = 0; s < sides_; ++s) {
      const std::uint32_t t = (s + 1) % sides_;
      if (!high_is_tip) mesh_.triangles.push_back({low_is_tip ? low : low + s, high + t, high + s});
      if (!low_is_tip) mesh_.triangles.push_back({low + s, low + t, high_is_tip ? high : high + t});
    }
  }

  TriangleMesh& mesh_;
  std::uint32_t sides_;
  double widening_;
};

void addArc(std::vector<Circle>& profile, double centre_mm, double radius_mm, double from, double to, int steps) {
  for (int s = 0; s <= steps; ++s) {
    const double angle = from + (to - from) * s / steps;
    profile.push_back({centre_mm + radius_mm * std::sin(angle), std::max(0.0, radius_mm * std::cos(angle))});
  }
}

std::vector<Circle> profileOf(const Beam& beam, double length_mm, int steps) {
  std::vector<Circle> profile;
  if (beam.cap[0] == BeamCap::Hemisphere) {
    addArc(profile, 0, beam.radius_mm[0], -M_PI / 2, 0, steps);
  } else {
    profile = {{0, 0}, {0, beam.radius_mm[0]}};
  }
  if (beam.cap[1] == BeamCap::Hemisphere) {
    addArc(profile, length_mm, beam.radius_mm[1], 0, M_PI / 2, steps);
  } else {
    profile.push_back({length_mm, beam.radius_mm[1]});
    profile.push_back({length_mm, 0});
  }
  return profile;
}

void check(const BeamLattice& lattice) {
  for (const Beam& beam : lattice.beams) {
    for (int end = 0; end < 2; ++end) {
      const bool there = beam.node[end] < lattice.nodes.size();
      if (there && beam.radius_mm[end] > 0 && std::isfinite(beam.radius_mm[end])) continue;
      throw core::Error(core::Exit::DataError,
                        {.what = "a beam of the lattice is unfit",
                         .expected = fmt::format("a node below {} and a radius above 0", lattice.nodes.size()),
                         .got = fmt::format("node {}, radius {} mm", beam.node[end], beam.radius_mm[end])});
    }
  }
}

}  // namespace

TriangleMesh triangulated(const BeamLattice& lattice, int sides) {
  check(lattice);
  TriangleMesh mesh;
  Lathe lathe(mesh, sides);
  const int steps = std::max(2, sides / 4);
  std::vector<double> ball_mm(lattice.nodes.size(), 0);
  for (const Beam& beam : lattice.beams) {
    const Eigen::Vector3d along = lattice.nodes[beam.node[1]] - lattice.nodes[beam.node[0]];
    for (int end = 0; end < 2; ++end) {
      double& ball = ball_mm[beam.node[end]];
      if (beam.cap[end] == BeamCap::Sphere) ball = std::max(ball, beam.radius_mm[end]);
    }
    if (along.norm() > 0)
      lathe.turn(lattice.nodes[beam.node[0]], along.normalized(), profileOf(beam, along.norm(), steps));
  }
  for (std::size_t n = 0; n < ball_mm.size(); ++n) {
    if (!(ball_mm[n] > 0)) continue;
    std::vector<Circle> profile;
    addArc(profile, 0, ball_mm[n], -M_PI / 2, M_PI / 2, 2 * steps);
    lathe.turn(lattice.nodes[n], Eigen::Vector3d::UnitZ(), profile);
  }
  return mesh;
}

}  // namespace osteo::mesh
