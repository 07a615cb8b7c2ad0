#include "reconstruct/outputs.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/random.h"
#include "image/io.h"
#include "mesh/io.h"
#include "mesh/measures.h"
#include "mesh/simplify.h"
#include "reconstruct/cortex.h"
#include "reconstruct/report.h"

namespace osteo::reconstruct {

namespace {

/// Which vertices stay; empty where none must.
std::vector<char> keptOf(const mesh::TriangleMesh& mesh, const MeshOptions& options) {
  std::vector<char> kept;
  if (!options.kept) return kept;
  for (const Eigen::Vector3d& v : mesh.vertices) kept.push_back(options.kept(v) ? 1 : 0);
  return kept;
}

/// The voxels whose centres lie inside the surface, with their own label where that is one of `kept`, else a
/// neighbour's.
image::LabelVolume surfaceVoxels(const levelset::LevelSet& bone, const image::LabelVolume& labels,
                                 const std::set<int>& kept) {
  const image::CtVolume distance = levelset::sampleOnto(bone, labels.frame);
  image::LabelVolume out(labels.frame);
  const Eigen::Vector3i& size = labels.frame.size;
  const auto labelNear = [&](int i, int j, int k) -> std::uint16_t {
    if (kept.count(labels.at(i, j, k)) > 0) return labels.at(i, j, k);
    for (int n = 0; n < 27; ++n) {
      const int x = i + n % 3 - 1, y = j + n / 3 % 3 - 1, z = k + n / 9 - 1;
      if (labels.contains(x, y, z) && kept.count(labels.at(x, y, z)) > 0) return labels.at(x, y, z);
    }
    return image::Cortical;
  };
  for (int k = 0; k < size[2]; ++k) {
    for (int j = 0; j < size[1]; ++j) {
      for (int i = 0; i < size[0]; ++i)
        if (distance.at(i, j, k) < 0) out.at(i, j, k) = labelNear(i, j, k);
    }
  }
  return out;
}

}  // namespace

std::function<bool(const Eigen::Vector3d&)> nearPiece(const levelset::LevelSet& piece) {
  constexpr double kNear_voxels = 2;
  return [piece](const Eigen::Vector3d& p) {
    return std::abs(levelset::sample(piece, p)) < kNear_voxels * piece.voxel_mm();
  };
}

mesh::TriangleMesh lighter(const mesh::TriangleMesh& mesh, const MeshOptions& options, nlohmann::json& record) {
  if (!options.any()) return mesh;
  mesh::TriangleMesh out = mesh;
  mesh::MeshChange change, last;
  if (options.remesh_mm > 0) out = mesh::remesh(out, options.remesh_mm, change, keptOf(out, options));
  if (options.simplify_mm > 0) {  // what remeshing has cost already counts
    const auto left = static_cast<float>(std::max(0.0, options.simplify_mm - change.max_deviation_mm));
    mesh::SimplifyOptions simpler{.max_deviation_mm = left};
    for (const char kept : keptOf(out, options)) simpler.tolerance_mm.push_back(kept != 0 ? 0 : left);
    out = mesh::simplify(out, simpler, last);
  }
  double deviation = options.remesh_mm > 0 ? change.max_deviation_mm : last.max_deviation_mm;
  if (options.remesh_mm > 0 && options.simplify_mm > 0) deviation = mesh::maxDeviation_mm(out, mesh);
  record["mesh"] = {{"triangles_before", mesh.triangles.size()},
                    {"triangles", out.triangles.size()},
                    {"max_deviation_mm", deviation},
                    {"closed", mesh::topology(out).closed()}};
  return out;
}

mesh::PointCloud surfaceCloud(const mesh::TriangleMesh& mesh) {
  mesh::PointCloud cloud{.points = mesh.vertices, .frame_id = mesh.frame_id};
  cloud.normals.assign(mesh.vertices.size(), Eigen::Vector3d::Zero());
  for (const mesh::Triangle& t : mesh.triangles) {
    const Eigen::Vector3d a = mesh.vertices[t[0]], n = (mesh.vertices[t[1]] - a).cross(mesh.vertices[t[2]] - a);
    for (const std::uint32_t v : t) cloud.normals[v] += n;
  }
  for (Eigen::Vector3d& n : cloud.normals) n.normalize();
  return cloud;
}

mesh::PointCloud surfaceCloud(const mesh::TriangleMesh& mesh, const image::LabelVolume& labels,
                              const image::CtVolume* ct) {
  mesh::PointCloud cloud = surfaceCloud(mesh);
  const double inward = 0.5 * labels.frame.spacing_mm.minCoeff();
  for (std::size_t i = 0; i < cloud.points.size(); ++i) {
    const Eigen::Vector3d inside = cloud.points[i] - inward * cloud.normals[i];
    const Eigen::Vector3i at = labels.frame.toIndex(inside).array().round().cast<int>();
    cloud.labels.push_back(labels.contains(at[0], at[1], at[2]) ? labels.at(at[0], at[1], at[2]) : std::uint16_t{0});
    if (ct != nullptr) cloud.hu.push_back(image::sampleLinear(*ct, ct->frame.toIndex(cloud.points[i]), -1000));
  }
  return cloud;
}

void writeVoxels(const levelset::LevelSet& bone, const image::Segmentation& cropped, const Cropped& from,
                 const std::string& path) {
  image::Segmentation voxels{image::LabelVolume(from.whole), cropped.names};
  image::paste(surfaceVoxels(bone, cropped.labels, from.labels), from.box, voxels.labels);
  image::writeSegmentation(voxels, path);
}

nlohmann::json writeCortex(const levelset::LevelSet& bone, const Scan& scan, const SurfaceOptions& options,
                           double cortical_hu, const CortexFiles& files) {
  nlohmann::json record;
  levelset::LevelSet inner;
  if (scan.ct != nullptr) {
    const levelset::LevelSet whole = levelset::fillCavities(bone);
    const mesh::TriangleMesh outer = levelset::toMesh(whole);
    CortexReport report;
    const Cortex cortex = measureCortex({whole, outer, scan.labels, *scan.ct}, {.cortical_hu = cortical_hu}, report);
    record = describe(report);
    if (!files.thickness.empty()) mesh::writePly(outer, fields(cortex), files.thickness);
    if (!files.picture.empty() && !files.thickness.empty())
      picture::writePng(drawCortex(levelset::toMesh(bone), outer, cortex.thickness_mm), files.picture);
    if (files.inner.empty() && files.inner_mesh.empty()) return record;
    inner = innerSurface(whole, outer, cortex, options.dust_mm3);
  } else {
    inner = innerSurface(bone, scan.labels, options);
  }
  const mesh::TriangleMesh mesh = levelset::toMesh(inner);
  record["inner"] = describe(mesh);
  if (!files.inner.empty()) levelset::writeVdb(inner, files.inner, "inner");
  if (!files.inner_mesh.empty()) mesh::writeMesh(mesh, files.inner_mesh);
  return record;
}

void writePosterior(const std::optional<ShapeModel>& model, const std::optional<ShapePosterior>& posterior,
                    const Draws& draws, const PosteriorFiles& files) {
  if (files.whole.empty() && files.samples.empty()) return;
  if (!model || !posterior) {
    throw core::Error(core::Exit::DataError, {.what = "--whole and --samples need a shape model that fits",
                                              .hint = "give one with --prior bone.shape --complete shape"});
  }
  if (!files.whole.empty()) {
    mesh::VertexField sd{"sd_mm", {}}, missing{"missing", {}};
    for (const double value : posterior->sd_mm) sd.values.push_back(static_cast<float>(value));
    for (const char value : posterior->is_missing) missing.values.push_back(value);
    mesh::writePly(posterior->surface, {sd, missing}, files.whole);
  }
  if (files.samples.empty()) return;
  for (int draw = 0; draw < draws.count; ++draw) {
    const core::Random random(draws.seed, static_cast<std::uint64_t>(draw));
    Eigen::VectorXd numbers(posterior->spread.cols());
    for (Eigen::Index i = 0; i < numbers.size(); ++i) numbers[i] = random.normal(static_cast<std::uint64_t>(i));
    mesh::writeMesh(drawShape(*model, *posterior, numbers), fmt::format("{}/bone_{:03}.ply", files.samples, draw + 1));
  }
}

}  // namespace osteo::reconstruct
