#include "measure/trabeculae.h"

#include <algorithm>

#include "core/error.h"
#include "image/morphology.h"
#include "measure/connectivity.h"

namespace osteo::measure {
namespace {

using image::LabelVolume;

/// Voxels for which keep(bone, region) holds.
template <class Keep>
LabelVolume where(const LabelVolume& bone, const LabelVolume& region, const Keep& keep) {
  LabelVolume out(bone.frame);
  for (std::size_t n = 0; n < out.voxels.size(); ++n) out.voxels[n] = keep(bone.voxels[n] != 0, region.voxels[n] != 0);
  return out;
}

double count(const LabelVolume& mask) {
  return static_cast<double>(std::count_if(mask.voxels.begin(), mask.voxels.end(), [](auto v) { return v != 0; }));
}

/// Local thickness of a phase of the whole image, read in the region.
Spread spreadIn(const LabelVolume& phase, const LabelVolume& region) {
  image::CtVolume lengths = localThickness_mm(phase);
  for (std::size_t n = 0; n < lengths.voxels.size(); ++n)
    if (region.voxels[n] == 0) lengths.voxels[n] = 0;
  return spreadOf(lengths);
}

}  // namespace

Trabeculae measureTrabeculae(const LabelVolume& bone, const LabelVolume& region) {
  const LabelVolume within = where(bone, region, [](bool b, bool r) { return b && r; });
  const double voxel_mm3 = bone.frame.voxelVolume_mm3();
  Trabeculae t;
  t.bv_mm3 = count(within) * voxel_mm3, t.tv_mm3 = count(region) * voxel_mm3;
  if (t.bv_mm3 == 0) throw core::Error(core::Exit::DataError, {.what = "there is no bone in the region"});
  if (t.bv_mm3 == t.tv_mm3)
    throw core::Error(core::Exit::DataError, {.what = "there is nothing but bone in the region",
                                              .expected = "bone and marrow",
                                              .hint = "--within names the labels of the region, marrow included"});
  t.tb_th = spreadIn(bone, region);
  t.tb_sp = spreadIn(where(bone, region, [](bool b, bool) { return !b; }), region);
  const image::Components parts = image::components(within, image::Connectivity::Corners);
  t.parts = static_cast<int>(parts.voxels.size());
  const Euler euler = eulerCharacteristic(image::largestComponent(within, image::Connectivity::Corners));
  t.connectivity = 1 - euler.contributed, t.connectivity_body = 1 - euler.open;
  t.fabric = meanInterceptLengths(bone, region);
  return t;
}

}  // namespace osteo::measure
