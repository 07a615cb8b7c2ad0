#include "reconstruct/job.h"

#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "mesh/io.h"
#include "reconstruct/report.h"
#include "reconstruct/tetra.h"

namespace osteo::reconstruct {
namespace {

/// The missing piece, written with what belongs to it; a flap is taken out of the bone.
levelset::LevelSet finishPiece(levelset::LevelSet& bone, mesh::TriangleMesh& surface, const image::Frame& seen,
                               const SurfaceJob& job, nlohmann::json& record) {
  CompletionReport report;
  levelset::LevelSet defect = complete(bone, seen, *job.completion, report);
  record.update(leaveOut(report.flap, bone, surface));
  record.update(describe(report));
  levelset::writeVdb(defect, job.files.defect, "defect");
  writePosterior(job.completion->prior, report.shape, job.draws, job.files.posterior);
  const mesh::TriangleMesh piece = levelset::toMesh(defect);
  if (!job.files.defect_mesh.empty()) mesh::writeMesh(piece, job.files.defect_mesh);
  if (!job.files.picture.empty()) picture::writePng(draw(surface, piece, report.piece.rim_mm), job.files.picture);
  return defect;
}

}  // namespace

void finishSurface(levelset::LevelSet& bone, mesh::TriangleMesh& surface, const image::Frame& seen,
                   const SurfaceJob& job, nlohmann::json& record) {
  const Files& files = job.files;
  MeshOptions lighterMesh = job.mesh;
  if (job.completion)
    lighterMesh.kept = nearPiece(finishPiece(bone, surface, seen, job, record));
  else if (!files.picture.empty())
    picture::writePng(draw(surface, {}), files.picture);
  if (!files.tetra.empty()) record.update(writeTetrahedra(bone, surface, job.tetra_mm, files.tetra));
  const bool is_lighter = !files.mesh.empty() && lighterMesh.any();
  const mesh::TriangleMesh fewer = is_lighter ? lighter(surface, lighterMesh, record) : mesh::TriangleMesh();
  core::parallelFor(2, [&](std::int64_t file) {  // side by side: the system copies most of the time
    if (file == 0) levelset::writeVdb(bone, files.bone, "bone");
    if (file == 1 && !files.mesh.empty()) mesh::writeMesh(is_lighter ? fewer : surface, files.mesh);
  });
}

void finishLabels(const LabelsInput& input, const LabelsJob& job, nlohmann::json& record) {
  const Scan scan{input.segmentation.labels, input.ct ? &*input.ct : nullptr};
  SurfaceReport report;
  levelset::LevelSet bone = boneSurface(scan.labels, scan.ct, job.options, report);
  mesh::TriangleMesh surface = levelset::toMesh(bone);
  record = describe(surface, report, job.options.voxel_mm);
  finishSurface(bone, surface, input.frame, job.surface, record);
  if (!job.cloud.empty()) mesh::writePointCloud(surfaceCloud(surface, scan.labels, scan.ct), job.cloud);
  if (!job.voxels.empty())
    writeVoxels(bone, input.segmentation, {input.frame, input.box, job.options.labels}, job.voxels);
  if (job.cortex.any()) record.update(writeCortex(bone, scan, job.options, job.cortical_hu, job.cortex));
}

void finishSolid(Solid& solid, const SurfaceJob& job, const std::string& cloud, nlohmann::json& record) {
  mesh::TriangleMesh surface = levelset::toMesh(solid.bone);
  record = describe(solid, surface);
  finishSurface(solid.bone, surface, solid.seen, job, record);
  if (!cloud.empty()) mesh::writePointCloud(surfaceCloud(surface), cloud);
}

void finishCloud(const mesh::PointCloud& cloud, const CloudJob& job, nlohmann::json& record) {
  CloudReport report;
  const levelset::LevelSet surface = cloudSurface(cloud, job.options, report);
  levelset::writeVdb(surface, job.files.bone, "bone");
  const mesh::TriangleMesh whole = levelset::toMesh(surface);
  record = describe(report);
  const auto distance = distancesToCloud(whole, cloud, 2 * report.gap_mm);
  const mesh::TriangleMesh seen = trimmed(whole, distance, report.gap_mm, report.guessed_share);
  const auto out = lighter(job.keep_guessed ? whole : seen, job.mesh, record);
  if (!job.files.mesh.empty()) mesh::writeMesh(out, job.files.mesh);
  if (!job.files.picture.empty()) picture::writePng(draw(whole, distance, report.gap_mm), job.files.picture);
}

ReassembleOptions readReassembly(const std::string& whole, const std::string& prior) {
  constexpr double kVoxel_mm = 1;
  ReassembleOptions options;
  if (!whole.empty()) options.whole = levelset::toMesh(levelset::readSolid(whole, kVoxel_mm));
  if (!prior.empty()) options.prior = readShapeModel(prior);
  return options;
}

void finishFragments(const image::Segmentation& labels, const image::CtVolume* ct, FragmentJob job,
                     nlohmann::json& record) {
  SurfaceReport report;
  const auto fragments = findFragments(labels, ct, job.surface, job.choice, report);
  job.options.reference = fragmentNamed(fragments, job.reference);
  const Reassembly result = reassemble(fragments, job.options);
  levelset::writeVdb(result.bone, job.files.bone, "bone");
  const mesh::TriangleMesh mesh = levelset::toMesh(result.bone);
  record = describe(mesh, report, job.surface.voxel_mm);
  record.update(describe(result, fragments));
  if (!job.files.mesh.empty()) mesh::writeMesh(lighter(mesh, job.mesh, record), job.files.mesh);
  if (!job.files.picture.empty()) picture::writePng(draw(result, fragments), job.files.picture);
  if (!job.files.moves.empty()) writeMoves(result, fragments, job.files.moves);
}

}  // namespace osteo::reconstruct
