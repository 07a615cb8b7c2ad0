#pragma once
#include <string>

#include "design_scaffold/seating.h"
#include "image/volume.h"

namespace osteo::design_scaffold {

/// Where a finished implant goes; an empty path leaves one out.
struct ImplantFiles {
  std::string level_set, mesh, picture, plan;
  std::string labels, slices;  ///< on the CT
  bool streamsMesh() const;    ///< an STL alone is written from the level set, run by run
  bool needsMesh() const;      ///< other formats and pictures need the mesh at hand
};

/// Writes every file that is wanted. `ct` may be null where labels and slices are not wanted; `final_path` is that of
/// the mesh, or of the level set without one, by which the plan names the implant.
void write(const Design& made, const levelset::LevelSet* host, const Seated& seated, const image::CtVolume* ct,
           const ImplantFiles& files, const std::string& final_path);

}  // namespace osteo::design_scaffold
