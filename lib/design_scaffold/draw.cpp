#include "design_scaffold/draw.h"

#include <Eigen/Eigenvalues>
#include <Eigen/Geometry>

#include "mesh/measures.h"
#include "picture/render.h"

namespace osteo::design_scaffold {
namespace {

constexpr picture::Color kMetal{176, 186, 200}, kBone{232, 220, 196};

/// The scaffold's thinnest direction: the eigenvector of the smallest spread of its vertices.
Eigen::Matrix3d axesOf(const mesh::TriangleMesh& scaffold, const Eigen::Vector3d& centre) {
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const Eigen::Vector3d& vertex : scaffold.vertices) spread += (vertex - centre) * (vertex - centre).transpose();
  return Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(spread).eigenvectors();
}

}  // namespace

void draw(const mesh::TriangleMesh& scaffold, const levelset::LevelSet* host, const std::string& png_path) {
  Eigen::Vector3d centre = Eigen::Vector3d::Zero();
  for (const Eigen::Vector3d& vertex : scaffold.vertices) centre += vertex;
  centre /= static_cast<double>(std::max<std::size_t>(1, scaffold.vertices.size()));
  const Eigen::Matrix3d axes = axesOf(scaffold, centre);
  Eigen::Vector3d out = axes.col(0), along = axes.col(2);
  mesh::TriangleMesh bone;
  if (host) {
    bone = levelset::toMesh(*host);
    const mesh::Bounds box = mesh::bounds(bone);
    if (out.dot(centre - 0.5 * (box.min + box.max)) < 0) out = -out;
  }
  const Eigen::Vector3d up = std::abs(out.z()) < 0.9 ? Eigen::Vector3d::UnitZ() : Eigen::Vector3d::UnitY();
  picture::View view;
  view.up = up;
  view.from = (out + 0.5 * along).normalized();
  view.width_px = 640;
  view.height_px = 560;
  const picture::Actor metal{.mesh = &scaffold, .color = kMetal};
  std::vector<picture::Canvas> pictures{picture::render({metal}, view)};
  std::vector<std::string> captions{"scaffold from outside"};
  view.from = (0.35 * out + along).normalized();
  view.clip = Eigen::Vector4d(along.x(), along.y(), along.z(), -along.dot(centre));
  pictures.push_back(picture::render({metal}, view));
  captions.emplace_back("cut open");
  if (host) {
    view.from = (out + 0.3 * along).normalized();
    view.clip.reset();
    const picture::Actor around{.mesh = &bone, .color = kBone, .opacity = 0.35};
    pictures.push_back(picture::render({metal, around}, view));
    captions.emplace_back("in its host");
    const mesh::Bounds box = mesh::bounds(scaffold);
    view.focus_mm = 0.5 * (box.min + box.max);
    view.extent_mm = 1.3 * (box.max - box.min).maxCoeff();
    view.from = (out + 0.6 * along).normalized();
    pictures.push_back(picture::render({metal, around}, view));
    captions.emplace_back("fit at the rim");
  }
  picture::writePng(picture::tile(pictures, captions, 2), png_path);
}

}  // namespace osteo::design_scaffold
