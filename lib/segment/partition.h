#pragma once
#include "segment/anatomy.h"

namespace osteo::segment {

/// What parts bones: the whole-bone mask, and what of it is dense bone or marrow, neither joint space nor bridged.
struct Solid {
  const image::LabelVolume& whole;
  const image::LabelVolume& tight;
};

/// Parts bones (ids, -1 where none is) by the anatomy: from its seeds all spread at once, in a bone that holds the most
/// of a seed or lies in seeds for its half; a way through joint space is long. What hangs on a vertebra further than
/// its transverse processes reach is a rib. New bones have ids from `first` on, and in this order the identities that
/// are returned; others stay as they are. Equal bytes for any thread count.
std::vector<Identity> partByAnatomy(const Anatomy& anatomy, const Solid& solid, int first,
                                    image::Volume<std::int32_t>& ids);

}  // namespace osteo::segment
