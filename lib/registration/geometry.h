#pragma once
#include <string>
#include <vector>

#include "image/volume.h"
#include "mesh/triangle_mesh.h"

namespace osteo::registration {

enum class Kind { Image, Mesh, Points };

/// What can be registered: an image, a mesh, or points with or without names.
struct Geometry {
  Kind kind = Kind::Points;
  image::CtVolume image;
  mesh::TriangleMesh mesh;
  std::vector<Eigen::Vector3d> points;  ///< LPS, mm
  std::vector<std::string> names;       ///< of fiducials; empty for a cloud
  std::string frame_id;                 ///< empty when unknown
};

/// Reads by ending: .nrrd .nii .nii.gz; .stl .obj .amf .3mf; .ply (a mesh, or a cloud when it has no faces); fiducials
/// as our .json ({"space":"LPS","points_mm":{name:[x,y,z]}}), Slicer's .mrk.json or .fcsv. Throws NoInput, DataError.
Geometry readGeometry(const std::string& path);

/// Points of a and b in the order of the names that both have, or as they stand when a side has no names. Throws
/// DataError when the names have nothing in common or the numbers differ.
void pairPoints(const Geometry& a, const Geometry& b, std::vector<Eigen::Vector3d>& pairs_a,
                std::vector<Eigen::Vector3d>& pairs_b);

}  // namespace osteo::registration
