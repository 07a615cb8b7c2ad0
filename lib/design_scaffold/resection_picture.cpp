#include "design_scaffold/resection_picture.h"

#include <Eigen/Geometry>

#include "picture/render.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr picture::Color kBone{232, 220, 196}, kPiece{196, 88, 74}, kGuide{92, 140, 190};

/// From the host's middle to the piece's.
Vector3d outOf(const mesh::Bounds& piece, const mesh::Bounds& host) {
  const Vector3d out = 0.5 * (piece.min + piece.max - host.min - host.max);
  return out.norm() > 1e-6 ? out.normalized() : Vector3d::UnitX();
}

}  // namespace

void draw(const Resected& resected, const Guide* guide, const std::string& png_path) {
  // Drawn a little smaller, so that its cut does not lie in the host's.
  const levelset::LevelSet within = levelset::offset(resected.piece, -0.3 * resected.piece.voxel_mm());
  const mesh::TriangleMesh host = levelset::toMesh(resected.host), piece = levelset::toMesh(within);
  const mesh::Bounds around = mesh::bounds(piece), all = mesh::bounds(host);
  const Vector3d middle = 0.5 * (around.min + around.max), out = guide ? guide->access : outOf(around, all);
  Eigen::Index longest = 0;
  (all.max - all.min).maxCoeff(&longest);
  const Vector3d axis = Vector3d::Unit(longest);
  const Vector3d up = std::abs(out.dot(axis)) < 0.9 ? axis : Vector3d(out.unitOrthogonal());
  const Vector3d side = up.cross(out).normalized();
  const double extent = 1.6 * (around.max - around.min).norm();
  const picture::Actor bone{.mesh = &host, .color = kBone}, cut{.mesh = &piece, .color = kPiece};
  std::vector<picture::Canvas> pictures;
  std::vector<std::string> captions;
  const auto add = [&](const std::string& caption, std::vector<picture::Actor> actors, const Vector3d& from,
                       double visible_mm, bool open) {
    picture::View view;
    view.from = from.normalized();
    view.up = up;
    view.width_px = 520;
    view.height_px = 480;
    view.extent_mm = visible_mm;
    if (visible_mm > 0) view.focus_mm = middle;
    if (open) view.clip = Eigen::Vector4d(side.x(), side.y(), side.z(), -side.dot(middle));
    if (guide) actors.push_back({.mesh = &guide->mesh, .color = kGuide});
    pictures.push_back(picture::render(actors, view));
    captions.push_back(caption);
  };
  add("piece in its bone", {bone, cut}, out + 0.5 * side, 0, false);
  add(guide ? "from the way the guide comes" : "from outside", {bone, cut}, out, extent, false);
  add("from the side", {bone, cut}, side + 0.2 * out, extent, false);
  add("without the piece", {bone}, out + 0.6 * side + 0.4 * up, extent, false);
  add("cut open", {bone, cut}, side + 0.25 * out, extent, true);
  add("cut open, without the piece", {bone}, side + 0.25 * out, extent, true);
  picture::writePng(picture::tile(pictures, captions, 3), png_path);
}

}  // namespace osteo::design_scaffold
