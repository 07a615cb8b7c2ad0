#pragma once
#include <Eigen/Geometry>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "levelset/level_set.h"
#include "picture/canvas.h"
#include "reconstruct/surface.h"

namespace osteo::reconstruct {

/// A broken bone's piece where the CT has it.
struct Fragment {
  std::string name;
  levelset::LevelSet solid;
};

/// Where a fragment belongs.
struct FragmentPlace {
  Eigen::Isometry3d motion = Eigen::Isometry3d::Identity();  ///< from its place in the CT, LPS mm
  bool placed = false;                                       ///< false: fits nowhere and stays where it is
  double volume_mm3 = 0;
  double displacement_mm = 0, turn_deg = 0;  ///< of its centre; of itself
  double residual_mm = 0;    ///< median distance: to the template, or else between touching fracture surfaces
  double contact_mm2 = 0;    ///< of its surface within a millimetre of another fragment's that faces it
  double gap_mm = 0;         ///< median distance of the facing fracture surfaces
  double overlap_mm3 = 0;    ///< shared with the other fragments
  double fitting_share = 0;  ///< of its surface: on the template; without one: of its largest break, in contact
};

struct Reassembly {
  std::vector<FragmentPlace> places;  ///< as the fragments
  std::size_t anchor = 0;             ///< the largest fragment, which stays
  bool with_template = false, mirrored = false;
  double template_residual_mm = 0;  ///< median distance of the anchor's surface
};

/// The fragments in a label volume: every value of `options.labels` (1 and 2 are tissues of one bone), or, where that
/// is one bone, its connected pieces of at least min_piece_mm3. Throws DataError for fewer than two.
std::vector<Fragment> findFragments(const image::Segmentation& segmentation, const image::CtVolume* ct,
                                    const SurfaceOptions& options, double min_piece_mm3, SurfaceReport& report);

/// Puts fragments back onto the largest one. With a template, a closed mesh of the bone or of its other side that may
/// lie anywhere, each is registered to it (after Okada et al., CMIG 2009, and Fürnstahl et al., Med Image Anal 16,
/// 2012); without (`reference` null), fracture surfaces are found and matched (after Paulano-Godino & Jiménez-Delgado,
/// CMPB 141, 2017). Then all are refined together: facing fracture surfaces meet, nothing overlaps. Finds
/// displacements to about 20 mm and 30 degrees. Throws DataError when the template is of another bone.
Reassembly reassemble(const std::vector<Fragment>& fragments, const mesh::TriangleMesh* reference);

/// The moved fragments as one level set.
levelset::LevelSet assembled(const std::vector<Fragment>& fragments, const Reassembly& reassembly);

/// The record of a reassembly.
nlohmann::json describe(const std::vector<Fragment>& fragments, const Reassembly& reassembly);

/// Before and after, one colour a fragment.
picture::Canvas draw(const std::vector<Fragment>& fragments, const Reassembly& reassembly);

}  // namespace osteo::reconstruct
