#include "design_scaffold/stumps.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include "core/error.h"
#include "core/parallel.h"
#include "levelset/grid.h"
#include "mesh/closest.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr double kCell_mm = 2.0;  // touching points in neighbouring cells belong together
constexpr double kSame_mm =
    12.0;                       // so near, patches that face the same way are one cut (two cortices of a hollow bone)
constexpr double kSmall = 0.1;  // of the largest patch; smaller ones are no cut
constexpr double kWide = 1.5,
                 kWidest = 3.5;      // sections are looked for within so many radii of the cut, and where they widen
constexpr double kLeast = 0.3;       // of the cut's section; where less is left the bone ends
constexpr double kTurning = 0.2;     // of a step, by which the axis follows the sections
constexpr double kSection_mm = 1.0;  // between points of a section
const double kTouching_mm[] = {1.0, 2.0, 3.0};  // gap between defect and host; the first that finds two cuts

/// Where the defect touches the host: a patch of its surface.
struct Patch {
  Vector3d middle = Vector3d::Zero(), normal = Vector3d::Zero();
  double radius = 0;
  std::vector<Vector3d> points;
  void measure() {
    middle.setZero();
    for (const Vector3d& p : points) middle += p / static_cast<double>(points.size());
    for (const Vector3d& p : points) radius = std::max(radius, (p - middle).norm());
    normal.normalize();
  }
};

struct Touching {
  std::vector<Vector3d> points, normals;
};

/// Vertices of the defect nearer to the host than some gap, with the normals there.
Touching touching(const ScrewTrials& trials, const mesh::TriangleMesh& surface, double gap_mm) {
  std::vector<Vector3d> normals(surface.vertices.size(), Vector3d::Zero());
  for (const auto& t : surface.triangles) {
    const Vector3d &a = surface.vertices[t[0]], &b = surface.vertices[t[1]], &c = surface.vertices[t[2]];
    for (const auto v : t) normals[v] += (b - a).cross(c - a);
  }
  // A step along the normal into the stump meets bone; so does none from what only lies beside it.
  Touching out;
  std::vector<char> near(surface.vertices.size(), 0);
  core::parallelChunks(static_cast<std::int64_t>(near.size()), 4096, [&](std::int64_t first, std::int64_t last, auto) {
    for (auto v = static_cast<std::size_t>(first); v < static_cast<std::size_t>(last); ++v) {
      normals[v].normalize();
      for (double t = 0; t <= gap_mm + 1 && !near[v]; t += 0.25)
        near[v] = trials.bone(surface.vertices[v] + t * normals[v]) < 0 ? 1 : 0;
    }
  });
  for (std::size_t v = 0; v < near.size(); ++v)
    if (near[v]) out.points.push_back(surface.vertices[v]), out.normals.push_back(normals[v]);
  return out;
}

std::vector<Patch> patches(const Touching& touching) {
  using Cell = std::tuple<int, int, int>;
  std::map<Cell, int> cells;
  std::vector<int> parent, cell_of(touching.points.size());
  for (std::size_t n = 0; n < touching.points.size(); ++n) {
    const Eigen::Vector3i c = (touching.points[n] / kCell_mm).array().floor().cast<int>();
    const auto [place, added] = cells.try_emplace({c[0], c[1], c[2]}, static_cast<int>(parent.size()));
    if (added) parent.push_back(place->second);
    cell_of[n] = place->second;
  }
  const auto root = [&](int c) {
    while (parent[static_cast<std::size_t>(c)] != c) c = parent[static_cast<std::size_t>(c)];
    return c;
  };
  for (const auto& [cell, number] : cells)
    for (int n = 0; n < 27; ++n) {
      const auto [x, y, z] = cell;
      const auto other = cells.find({x + n % 3 - 1, y + n / 3 % 3 - 1, z + n / 9 - 1});
      if (other == cells.end()) continue;
      const int a = root(number), b = root(other->second);
      parent[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
    }
  std::map<int, Patch> found;
  for (std::size_t n = 0; n < touching.points.size(); ++n) {
    Patch& patch = found[root(cell_of[n])];
    patch.points.push_back(touching.points[n]);
    patch.normal += touching.normals[n];
  }
  std::vector<Patch> out;
  for (auto& [number, patch] : found) {
    patch.measure();
    out.push_back(patch);
  }
  return out;
}

/// Patches that face the same way and lie near each other become one; the largest first.
std::vector<Patch> cuts(std::vector<Patch> parts) {
  for (std::size_t a = 0; a < parts.size(); ++a)
    for (std::size_t b = a + 1; b < parts.size();) {
      const double gap = (parts[a].middle - parts[b].middle).norm() - 0.5 * (parts[a].radius + parts[b].radius);
      if (parts[a].normal.dot(parts[b].normal) < 0.5 || gap > kSame_mm) {
        ++b;
        continue;
      }
      parts[a].normal = static_cast<double>(parts[a].points.size()) * parts[a].normal +
                        static_cast<double>(parts[b].points.size()) * parts[b].normal;
      parts[a].points.insert(parts[a].points.end(), parts[b].points.begin(), parts[b].points.end());
      parts[a].measure();
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(b));
      b = a + 1;
    }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Patch& a, const Patch& b) { return a.points.size() > b.points.size(); });
  return parts;
}

struct Section {
  Vector3d middle = Vector3d::Zero();
  double area_mm2 = 0, radius_mm = 0;
};

/// The host's section across an axis, within a radius.
Section sectionAt(const ScrewTrials& trials, const Vector3d& centre, const Vector3d& axis, double radius) {
  const Vector3d a = axis.unitOrthogonal(), b = axis.cross(a);
  std::vector<Vector3d> points;
  Section section;
  const int reach = static_cast<int>(radius / kSection_mm);
  for (int i = -reach; i <= reach; ++i)
    for (int j = -reach; j <= reach; ++j) {
      const Vector3d p = centre + kSection_mm * (i * a + j * b);
      if (i * i + j * j > reach * reach || trials.bone(p) >= 0) continue;
      points.push_back(p);
      section.middle += p;
    }
  if (points.empty()) return section;
  section.middle /= static_cast<double>(points.size());
  section.area_mm2 = static_cast<double>(points.size()) * kSection_mm * kSection_mm;
  for (const Vector3d& p : points) section.radius_mm = std::max(section.radius_mm, (p - section.middle).norm());
  return section;
}

Stump follow(const ScrewTrials& trials, const Patch& cut, const Vector3d& onward, double length_mm) {
  Stump stump;
  stump.face_mm = cut.middle;
  Vector3d at = cut.middle, along = onward;
  double usual = 0, radius = kWide * cut.radius;
  for (double gone = kAxisStep_mm; gone <= length_mm; gone += kAxisStep_mm) {
    const Vector3d next = at + kAxisStep_mm * along, before = at;
    const Section section = sectionAt(trials, next, along, radius);
    stump.ends = section.area_mm2 <= kLeast * usual;
    if (stump.ends) break;
    usual = std::max(usual, gone < 5 * kAxisStep_mm ? section.area_mm2 : 0.0);
    // The section's middle counts in part, so that bumps of the bone don't bend its axis.
    at = next + 0.5 * (section.middle - next);
    along = ((1 - kTurning) * along + kTurning * (at - before).normalized()).normalized();
    stump.axis.push_back(at);
    stump.onward.push_back(along);
    stump.radius_mm.push_back(radius);
    radius = std::clamp(kWide * section.radius_mm, kWide * cut.radius,
                        std::min(kWidest * cut.radius, radius + kAxisStep_mm));
  }
  return stump;
}

}  // namespace

std::array<Stump, 2> findStumps(const ScrewTrials& trials, double length_mm) {
  const mesh::TriangleMesh surface = levelset::toMesh(trials.site().defect);
  std::vector<Patch> found;
  for (const double gap : kTouching_mm) {
    found = cuts(patches(touching(trials, surface, gap)));
    if (found.size() > 1 &&
        static_cast<double>(found[1].points.size()) > kSmall * static_cast<double>(found[0].points.size()))
      break;
    found.resize(std::min<std::size_t>(found.size(), 1));
  }
  if (found.size() < 2)
    throw core::Error(
        core::Exit::DataError,
        {.what = "the defect doesn't part the bone in two",
         .expected = "a defect that meets its host on two sides, for a plate or nail from one to the other",
         .got = found.empty() ? "no place where it meets the host" : "one side where it meets the host",
         .hint = "flanges hold an implant in a hole"});
  const Vector3d chord = (found[1].middle - found[0].middle).normalized();
  const auto onward = [&](const Patch& cut, const Vector3d& away) {
    const Vector3d both = cut.normal + away;
    return both.norm() > 0.5 ? Vector3d(both.normalized()) : cut.normal;
  };
  return {follow(trials, found[0], onward(found[0], -chord), length_mm),
          follow(trials, found[1], onward(found[1], chord), length_mm)};
}

std::optional<Vector3d> sideOf(const Vector3d& axis, const Vector3d& wish) {
  const Vector3d side = wish - wish.dot(axis) * axis;
  if (side.norm() < 0.5) return std::nullopt;
  return side.normalized();
}

}  // namespace osteo::design_scaffold
