#pragma once
#include <Eigen/Geometry>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "picture/canvas.h"
#include "reconstruct/shape_model.h"
#include "reconstruct/surface.h"

namespace osteo::reconstruct {

/// One piece of a broken bone where the CT shows it.
struct Fragment {
  std::string name;
  levelset::LevelSet solid;
  mesh::TriangleMesh surface;
};

struct ReassembleOptions {
  std::optional<mesh::TriangleMesh> whole = {};  ///< the other side's bone or this one before; mirrored where it fits
  std::optional<ShapeModel> prior = {};          ///< used when there is no whole
  int reference = -1;                            ///< the fragment that stays in place; -1: the largest
};

/// Where one fragment belongs.
struct Placement {
  Eigen::Isometry3d transform = Eigen::Isometry3d::Identity();  ///< from its place in the CT, LPS
  bool placed = false;                                          ///< false: it fits nowhere and is left where it is
  double displacement_mm = 0, turn_deg = 0;                     ///< of its middle; about its own axis
  double residual_mm = 0;  ///< median to the template, or root mean square between the fracture surfaces
  double overlap_mm3 = 0;  ///< with the other fragments in their places
  double gap_mm = 0;       ///< mean opening between facing fracture surfaces
  double contact_mm2 = 0;  ///< fracture surface within 1 mm of another's
};

struct Reassembly {
  std::vector<Placement> placements;
  int reference = 0;
  std::string goal = "fragments";  ///< template, shape or fragments: what they were fitted to
  bool mirrored = false;
  double goal_sd_mm = 0;    ///< of the bone about the template
  levelset::LevelSet bone;  ///< all fragments in their places
};

/// Which labels are fragments: each of those `wanted`, or of two and more bone instances (10 and above).
struct FragmentChoice {
  std::vector<std::string> wanted = {};  ///< names or values, as boneLabels takes them
  double min_piece_mm3 = 500;            ///< smaller ones are refused, or left out as pieces of one label
};

/// The fragments by rising label; where one bone alone is labelled, its connected pieces, largest first. Throws
/// DataError for fewer than two.
std::vector<Fragment> findFragments(const image::Segmentation& segmentation, const image::CtVolume* ct,
                                    const SurfaceOptions& options, const FragmentChoice& choice, SurfaceReport& report);

/// The one with this name, or label value; -1 for an empty name. Throws DataError with all names.
int fragmentNamed(const std::vector<Fragment>& fragments, const std::string& name);

/// Writes NAME.tfm for every fragment into a folder: rigid, from its place to the CT, as ITK's resampling and
/// `register` have it.
void writeMoves(const Reassembly& reassembly, const std::vector<Fragment>& fragments, const std::string& folder);

/// Puts the fragments together. With a template or a shape model each is registered to it from many starts (statistical
/// atlas: Moghari & Abolmaesumi, IEEE TMI 2008; other side: Fürnstahl et al., Med Image Anal 2012), with fracture
/// surfaces left out; fracture surfaces are matched in pairs (Papaioannou et al., CVIU 2003; Paulano-Godino &
/// Jiménez-Delgado, Comput Biol Med 2017), the best placement first; in the end all are fitted together. The same for
/// any thread count. Throws DataError when the template is of another bone or no fragment can be placed.
Reassembly reassemble(const std::vector<Fragment>& fragments, const ReassembleOptions& options);

nlohmann::json describe(const Reassembly& reassembly, const std::vector<Fragment>& fragments);

/// The fragments before and after, each in its colour; those without a place are pale.
picture::Canvas draw(const Reassembly& reassembly, const std::vector<Fragment>& fragments);

}  // namespace osteo::reconstruct
