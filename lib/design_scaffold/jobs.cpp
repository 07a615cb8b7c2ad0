#include "design_scaffold/jobs.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "design_scaffold/drawn_out.h"
#include "design_scaffold/resection_picture.h"
#include "mesh/io.h"

namespace osteo::design_scaffold {
namespace {

/// The region that is taken out.
Region regionFor(const ResectionInputs& inputs, const ResectionJob& job) {
  if (!job.planes.empty()) {
    const PlanesFile planes = readPlanes(job.planes);
    image::requireSameFrame(inputs.bone.frameId(), "the bone", planes.frame_id, "the planes");
    return regionOf(planes.cuts, inputs.bone);
  }
  const Lesion& lesion = *inputs.lesion;
  if (job.cut == LesionCut::Across)
    return regionOf({planesAcross(inputs.bone, lesion.surface, job.margin_mm)}, inputs.bone);
  if (job.cut == LesionCut::Around) return regionAround(lesion, job.margin_mm);
  const Eigen::Vector3d access =
      job.access ? job.access->normalized() : leastBoneWayOut(lesion, job.margin_mm, inputs.bone);
  return regionDrawnOut(lesion, job.margin_mm, inputs.bone, access);
}

mesh::TriangleMesh meshOf(const levelset::LevelSet& part) {
  mesh::TriangleMesh out = levelset::toMesh(part);
  out.frame_id = part.frameId();
  return out;
}

}  // namespace

ResectionInputs readInputs(const ResectionJob& job) {
  if (job.lesion.empty() && job.planes.empty())
    throw core::Error(core::Exit::Usage, {.what = "nothing says what to resect", .expected = "--lesion or --planes"});
  if (job.access && job.access->norm() < 1e-6)
    throw core::Error(core::Exit::Usage, {.what = "--access-mm has no length"});
  ResectionInputs inputs{levelset::readSolid(job.bone, job.voxel_mm), {}};
  if (!job.lesion.empty()) inputs.lesion = readLesion(job.lesion, job.lesion_label, inputs.bone.voxel_mm());
  return inputs;
}

void finish(const ResectionInputs& inputs, const ResectionJob& job, nlohmann::json& results) {
  const Lesion* lesion = inputs.lesion ? &*inputs.lesion : nullptr;
  const Region region = regionFor(inputs, job);
  const Resected made = resect(inputs.bone, lesion, region, job.kerf_mm);
  report(made, inputs.bone, lesion, region, job.margin_mm - 0.5 * job.kerf_mm, results);
  std::optional<Guide> guide;
  if (job.guide) {
    GuideShape shape = *job.guide;
    shape.access = job.access ? job.access : region.access;
    guide = makeGuide(inputs.bone, region, shape, results["guide"]);
  }
  levelset::writeVdb(made.piece, job.files.piece, "piece");
  if (!job.files.host.empty()) levelset::writeVdb(made.host, job.files.host, "host");
  if (!job.files.guide.empty()) levelset::writeVdb(guide->solid, job.files.guide, "guide");
  if (!job.files.guide_mesh.empty()) mesh::writeMesh(guide->mesh, job.files.guide_mesh);
  if (!job.files.picture.empty()) draw(made, guide ? &*guide : nullptr, job.files.picture);
}

ModelInputs readInputs(const ModelJob& job) {
  ModelInputs inputs{levelset::readSolid(job.bone, job.voxel_mm), {}, {}};
  if (!job.defect.empty()) inputs.defect = levelset::readSolid(job.defect, inputs.bone.voxel_mm());
  if (!job.soft.empty()) inputs.soft = readSoftTissues(job.soft, job.soft_labels, inputs.bone.voxel_mm());
  return inputs;
}

void finish(const ModelInputs& inputs, const ModelJob& job, nlohmann::json& results) {
  const AnatomicalModel made =
      anatomicalModel(inputs.bone, inputs.defect ? &*inputs.defect : nullptr, inputs.soft, job.shape, results);
  levelset::writeVdb(made.model, job.files.model, "model");
  if (!job.files.mesh.empty()) mesh::writeMesh(meshOf(made.model), job.files.mesh);
  if (!job.files.plug.empty()) levelset::writeVdb(*made.plug, job.files.plug, "plug");
  if (!job.files.picture.empty()) draw(made, job.files.picture);
}

}  // namespace osteo::design_scaffold
