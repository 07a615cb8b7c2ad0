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
