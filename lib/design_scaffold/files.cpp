#include "design_scaffold/files.h"

#include "core/files.h"
#include "design_scaffold/draw.h"
#include "design_scaffold/overlay.h"
#include "design_scaffold/plan.h"
#include "mesh/io.h"

namespace osteo::design_scaffold {

bool ImplantFiles::streamsMesh() const { return core::extension(mesh) == ".stl" && picture.empty(); }

bool ImplantFiles::needsMesh() const { return !picture.empty() || (!mesh.empty() && !streamsMesh()); }

void write(const Design& made, const levelset::LevelSet* host, const Seated& seated, const image::CtVolume* ct,
           const ImplantFiles& files, const std::string& final_path) {
  levelset::writeVdb(made.solid, files.level_set, "scaffold");
  if (files.streamsMesh())
    levelset::writeStl(made.solid, files.mesh, made.solid.frameId());
  else if (!files.mesh.empty())
    mesh::writeMesh(made.mesh, files.mesh);
  if (!files.picture.empty()) draw(made, host, seated, files.picture);
  const std::string& implant = files.mesh.empty() ? files.level_set : files.mesh;
  if (!files.plan.empty()) writePlan(files.plan, planOf(made, host, seated, {implant, final_path}));
  if (!files.labels.empty() || !files.slices.empty()) showOnCt(*ct, made, seated, files.labels, files.slices);
}

}  // namespace osteo::design_scaffold
