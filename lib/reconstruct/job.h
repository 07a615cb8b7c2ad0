#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "mesh/triangle_mesh.h"
#include "reconstruct/cloud.h"
#include "reconstruct/complete.h"
#include "reconstruct/cortex.h"
#include "reconstruct/fragments.h"
#include "reconstruct/outputs.h"
#include "reconstruct/solid.h"

namespace osteo::reconstruct {

/// Where results go; an empty path leaves one out.
struct Files {
  std::string bone, mesh, tetra, picture;  ///< level set, triangles, tetrahedra, PNG
  std::string defect, defect_mesh;         ///< the missing piece
  PosteriorFiles posterior = {};
  std::string moves = {};  ///< folder of the fragments' motions
};

/// What is made of a bone's surface.
struct SurfaceJob {
  MeshOptions mesh = {};
  std::optional<CompletionOptions> completion = {};  ///< absent: nothing is missing
  Draws draws = {};
  double tetra_mm = 0;  ///< cube of the tetrahedra's lattice; 0: two voxels
  Files files = {};
};

/// Completes the bone where that is asked for, leaves a flap out of it and of `surface`, its mesh, so that what is made
/// of them afterwards lacks it, too; writes every file and adds to the record. `seen` is the frame of the image.
void finishSurface(levelset::LevelSet& bone, mesh::TriangleMesh& surface, const image::Frame& seen,
                   const SurfaceJob& job, nlohmann::json& record);

/// What is made of labels: the surface, and what belongs to their voxels.
struct LabelsJob {
  SurfaceOptions options = {};
  SurfaceJob surface = {};
  CortexFiles cortex = {};
  double cortical_hu = 0;  ///< density of dense cortex; 0: measured
  std::string cloud = {}, voxels = {};
};
/// Labels cut to the bone's box, with the frame they came from, and their CT where there is one.
struct LabelsInput {
  image::Segmentation segmentation;
  image::Frame frame;
  image::Box box;
  std::optional<image::CtVolume> ct = {};
};
void finishLabels(const LabelsInput& input, const LabelsJob& job, nlohmann::json& record);

/// The same for a bone that is a surface already.
void finishSolid(Solid& solid, const SurfaceJob& job, const std::string& cloud, nlohmann::json& record);

/// What is made of a point cloud.
struct CloudJob {
  CloudOptions options = {};
  MeshOptions mesh = {};
  bool keep_guessed = false;  ///< the mesh keeps what no point is near, and is closed
  Files files = {};
};
void finishCloud(const mesh::PointCloud& cloud, const CloudJob& job, nlohmann::json& record);

/// What is made of the fragments in labels.
struct FragmentJob {
  SurfaceOptions surface = {};
  FragmentChoice choice = {};
  ReassembleOptions options = {};
  std::string reference = {};  ///< name of the fragment that stays; empty: the largest
  MeshOptions mesh = {};
  Files files = {};
};
/// Reads the whole bone of the other side, from a mesh on voxels of 1 mm or a level set, and a shape model; empty paths
/// leave them out. Throws as their readers do.
ReassembleOptions readReassembly(const std::string& whole, const std::string& prior);
void finishFragments(const image::Segmentation& labels, const image::CtVolume* ct, FragmentJob job,
                     nlohmann::json& record);

}  // namespace osteo::reconstruct
