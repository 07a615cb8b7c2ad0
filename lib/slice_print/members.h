#pragma once
#include "slice_print/overhangs.h"

namespace osteo::slice_print {

/// A straight round bar of a support, machine frame.
struct Member {
  Eigen::Vector3d top = Eigen::Vector3d::Zero(), bottom = Eigen::Vector3d::Zero();
  double top_radius_mm = 0, bottom_radius_mm = 0;
};

/// Sizes of bars.
struct MemberShape {
  double width_mm = 0.8;      ///< diameter of a strut or a twig
  double tip_mm = 0.4;        ///< diameter where it meets the part
  double gap_mm = 0;          ///< from its upper end to the part
  double clearance_mm = 0.3;  ///< sideways to the part, for trees
  double lean_deg = 40;       ///< greatest tilt of a branch to the vertical
};

/// Upright struts below contacts, with conical ends where they meet the part.
std::vector<Member> struts(const std::vector<Contact>& contacts, const MemberShape& shape);

/// A tree below contacts: from top to bottom, branches lean towards the nearest other one that they can meet above the
/// plate, keep clear of the part, and grow together, their cross-sections added (after Vanek, Galicia, Benes, Computer
/// Graphics Forum 33, 2014, with steps in height instead of pairs of cones). A branch that cannot pass ends on the part
/// and counts in `on_part`.
std::vector<Member> tree(const std::vector<Contact>& contacts, const Columns& columns, const MemberShape& shape,
                         std::int64_t& on_part);

/// Cross-section of a member at a height it spans: a regular polygon with the circle's area.
Ring crossSection(const Member& member, double z_mm);

}  // namespace osteo::slice_print
