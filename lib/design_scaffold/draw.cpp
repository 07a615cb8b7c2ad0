#include "design_scaffold/draw.h"

#include <Eigen/Eigenvalues>
#include <Eigen/Geometry>
#include <cmath>
#include <numbers>

#include "mesh/measures.h"
#include "picture/render.h"

namespace osteo::design_scaffold {
namespace {

constexpr picture::Color kMetal{176, 186, 200}, kBone{232, 220, 196}, kBarred{200, 60, 50}, kScrew{70, 90, 120};

/// The scaffold's thinnest direction: the eigenvector of the smallest spread of its vertices.
Eigen::Matrix3d axesOf(const mesh::TriangleMesh& scaffold, const Eigen::Vector3d& centre) {
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const Eigen::Vector3d& vertex : scaffold.vertices) spread += (vertex - centre) * (vertex - centre).transpose();
  return Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(spread).eigenvectors();
}

/// Screws as slender cylinders.
mesh::TriangleMesh shapeOf(const std::vector<Screw>& screws) {
  constexpr int kSides = 16;
  mesh::TriangleMesh shape;
  for (const Screw& screw : screws) {
    const auto first = static_cast<std::uint32_t>(shape.vertices.size());
    const Eigen::Vector3d side = screw.direction.unitOrthogonal(), other = screw.direction.cross(side);
    for (int n = 0; n < 2 * kSides; ++n) {
      const double angle = n / 2 * 2 * std::numbers::pi / kSides;
      shape.vertices.push_back(screw.head() + (n % 2) * screw.length_mm * screw.direction +
                               0.5 * screw.diameter_mm * (std::cos(angle) * side + std::sin(angle) * other));
    }
    for (std::uint32_t n = 0; n < 2 * kSides; n += 2) {
      const std::uint32_t next = (n + 2) % (2 * kSides);
      shape.triangles.push_back({first + n, first + next, first + n + 1});
      shape.triangles.push_back({first + n + 1, first + next, first + next + 1});
    }
  }
  return shape;
}

}  // namespace

void draw(const Design& made, const levelset::LevelSet* host, const Seated& seated, const std::string& png_path) {
  const mesh::TriangleMesh& scaffold = made.mesh;
  Eigen::Vector3d centre = Eigen::Vector3d::Zero();
  for (const Eigen::Vector3d& vertex : scaffold.vertices) centre += vertex;
  centre /= static_cast<double>(std::max<std::size_t>(1, scaffold.vertices.size()));
  const Eigen::Matrix3d axes = axesOf(scaffold, centre);
  Eigen::Vector3d out = axes.col(0);
  Eigen::Vector3d along = axes.col(2);
  mesh::TriangleMesh bone;
  if (host) {
    bone = levelset::toMesh(*host);
    const mesh::Bounds box = mesh::bounds(bone);
    if (out.dot(centre - 0.5 * (box.min + box.max)) < 0) out = -out;
  }
  if (seated.insertion) {
    out = -seated.insertion->direction;
    along -= along.dot(out) * out;
    along = along.norm() > 0.1 ? Eigen::Vector3d(along.normalized()) : out.unitOrthogonal();
  }
  const mesh::TriangleMesh off = seated.insertion ? levelset::toMesh(seated.insertion->blocked) : mesh::TriangleMesh(),
                           held = shapeOf(seated.screws());
  // A cap is cut across its length, what bridges a gap along it.
  const Eigen::Vector3d across = seated.bridges ? Eigen::Vector3d(out.cross(along).normalized()) : along;
  const picture::Actor metal{.mesh = &scaffold, .color = kMetal}, barred{.mesh = &off, .color = kBarred},
      screws{.mesh = &held, .color = kScrew};
  const picture::Actor around{.mesh = &bone, .color = kBone, .opacity = 0.35};
  const mesh::Bounds own = mesh::bounds(scaffold);
  const double extent = 1.25 * (own.max - own.min).maxCoeff();
  std::vector<picture::Canvas> pictures;
  std::vector<std::string> captions;
  const auto add = [&](const std::string& caption, const std::vector<picture::Actor>& actors,
                       const Eigen::Vector3d& from, bool cut, double visible_mm) {
    picture::View view;
    view.from = from.normalized();
    view.up = std::abs(view.from.z()) < 0.9 ? Eigen::Vector3d::UnitZ() : Eigen::Vector3d::UnitY();
    view.width_px = 520;
    view.height_px = 480;
    view.extent_mm = visible_mm;
    if (visible_mm > 0) view.focus_mm = 0.5 * (own.min + own.max);
    if (cut) view.clip = Eigen::Vector4d(across.x(), across.y(), across.z(), -across.dot(centre));
    pictures.push_back(picture::render(actors, view));
    captions.push_back(caption);
  };
  add(host ? "from outside" : "from one side", {metal}, out + 0.4 * along, false, extent);
  add(host ? "from inside" : "from the other", {metal}, -out + 0.4 * along, false, extent);
  add("cut open", {metal}, 0.35 * out + across, true, 0);
  if (host) {
    const std::vector<picture::Actor> all{metal, screws, barred, around};
    add("in its host", all, out + 0.3 * along, false, 0);
    add(!seated.insertion || seated.insertion->blocked_mm3 < 1 ? "fit at the rim" : "red: trimmed for the way in", all,
        out + 0.4 * along, false, extent);
    add("in its host, from inside", all, -out + 0.4 * along, false, extent);
    add("from the side", {metal, screws, barred}, out.cross(along) + 0.2 * out, false, extent);
    add("cut open in its host", {metal, screws, {.mesh = &bone, .color = kBone}}, 0.35 * out + across, true, extent);
  }
  picture::writePng(picture::tile(pictures, captions, host ? 4 : 3), png_path);
}

}  // namespace osteo::design_scaffold
