#include "simulate/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "image/distance.h"
#include "image/io.h"
#include "simulate/grid.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3i;
using nlohmann::json;
using Index = std::int64_t;
constexpr float kLeastShare = 0.02F;  // of an element, below which an implant is left out

std::uint16_t addFiller(Body& body, const Filler& filler) {
  body.fillers.push_back(filler);
  return static_cast<std::uint16_t>(body.fillers.size());
}

const Material& assigned(const Materials& materials, const std::string& name, const char* key) {
  if (name.empty())
    throw core::Error(
        core::Exit::Config,
        {.what = "names no material for it", .file = materials.path, .expected = std::string("assign.") + key});
  return materials.at(name);
}

/// Gives a filling what composing writes to: values, and labels if the model had none.
void prepare(Filling& filling) {
  if (filling.value.empty()) filling.value.assign(filling.material.size(), 1.0F);
  if (filling.label.empty()) filling.label.assign(filling.material.size(), 0);
}

/// What an implant is on the voxels: its filler there, value and share of the voxel.
struct OnGrid {
  Filling filling;
  std::uint16_t solid = 0, lattice = 0;
  /// Share of the voxel that the implant's envelope takes.
  float share(std::size_t v) const {
    if (filling.material[v] == 0) return 0;
    return filling.material[v] == lattice ? 1.0F : filling.value[v];
  }
};

/// Extent of a voxel along the slope of a distance map.
double extentAlong(const image::CtVolume& distance, const Vector3i& at) {
  Eigen::Vector3d slope;
  for (int c = 0; c < 3; ++c) {
    Vector3i low = at, high = at;
    low[c] = std::max(0, at[c] - 1), high[c] = std::min(distance.frame.size[c] - 1, at[c] + 1);
    const double run = (high[c] - low[c]) * distance.frame.spacing_mm[c];
    slope[c] = run > 0 ? double(distance.at(high[0], high[1], high[2]) - distance.at(low[0], low[1], low[2])) / run : 0;
  }
  const double length = slope.norm();
  return length > 0 ? slope.cwiseAbs().dot(distance.frame.spacing_mm) / length : distance.frame.spacing_mm.minCoeff();
}

/// The bone next to the implant takes a share of the layer's material, in a row with its own.
void addLayer(Body& body, const std::vector<std::uint8_t>& is_implant, double thickness_mm, std::uint16_t layer,
              json& report) {
  const Filling& filling = body.filling;
  image::LabelVolume mask(filling.frame);
  for (std::size_t v = 0; v < is_implant.size(); ++v) mask.voxels[v] = is_implant[v];
  const image::CtVolume distance = image::distanceMm(mask);
  const auto& size = filling.frame.size;
  Index elements = 0;
  for (std::size_t v = 0; v < is_implant.size(); ++v) {
    if (is_implant[v] || filling.material[v] == 0 ||
        double(distance.voxels[v]) > thickness_mm + filling.frame.spacing_mm.norm())
      continue;
    const auto n = static_cast<Index>(v);
    const double h =
        extentAlong(distance, Vector3i(int(n % size[0]), int(n / size[0] % size[1]), int(n / size[0] / size[1])));
    const double share = std::clamp((thickness_mm - (double(distance.voxels[v]) - h)) / h, 0.0, 1.0);
    if (share <= 0) continue;
    body.filling.mixes.push_back({static_cast<Index>(v), layer, 1.0F, static_cast<float>(share), true});
    ++elements;
  }
  report["interface"] = {{"thickness_mm", thickness_mm}, {"elements", elements}};
}

/// The same filling with `below` and `above` empty layers added across an axis.
void extend(Filling& filling, int axis, int below, int above) {
  if (below == 0 && above == 0) return;
  const Filling old = filling;
  const Vector3i size = old.frame.size;
  if (!filling.grid) filling.grid = old.frame;
  filling.offset[axis] -= below;
  filling.frame.size[axis] += below + above;
  filling.frame.origin_mm -= old.frame.direction.col(axis) * (below * old.frame.spacing_mm[axis]);
  const auto n = static_cast<std::size_t>(filling.frame.voxelCount());
  filling.material.assign(n, 0), filling.value.assign(n, 0), filling.label.assign(n, 0);
  if (!old.poisson.empty()) filling.poisson.assign(n, std::nanf(""));
  std::vector<Index> moved(old.material.size());
  std::size_t v = 0;
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i, ++v) {
        Vector3i at(i, j, k);
        at[axis] += below;
        const Index to = at[0] + Index{filling.frame.size[0]} * (at[1] + Index{filling.frame.size[1]} * at[2]);
        moved[v] = to;
        filling.material[to] = old.material[v], filling.value[to] = old.value[v], filling.label[to] = old.label[v];
        if (!old.poisson.empty()) filling.poisson[to] = old.poisson[v];
      }
  for (auto& mix : filling.mixes) mix.voxel = moved[mix.voxel];
}

/// Fills one end: `step` leads along the axis from outside into the bone, which begins at `start`.
Index fillCap(Filling& filling, int axis, int start, int step, int layers, int embedded, std::uint16_t material) {
  const auto& size = filling.frame.size;
  const int a = (axis + 1) % 3, b = (axis + 2) % 3;
  const auto voxel = [&](int along, int p, int q) {
    Vector3i at;
    at[axis] = along, at[a] = p, at[b] = q;
    return static_cast<std::size_t>(at[0] + Index{size[0]} * (at[1] + Index{size[1]} * at[2]));
  };
  int low[2] = {size[a], size[b]}, high[2] = {-1, -1};
  for (int depth = 0; depth <= embedded; ++depth)
    for (int q = 0; q < size[b]; ++q)
      for (int p = 0; p < size[a]; ++p) {
        const int along = start + step * depth;
        if (along < 0 || along >= size[axis] || !filling.material[voxel(along, p, q)]) continue;
        low[0] = std::min(low[0], p), high[0] = std::max(high[0], p);
        low[1] = std::min(low[1], q), high[1] = std::max(high[1], q);
      }
  Index filled = 0;
  for (int q = low[1]; q <= high[1]; ++q)
    for (int p = low[0]; p <= high[0]; ++p)
      for (int depth = -layers; depth < embedded; ++depth) {
        const int along = start + step * depth;
        if (along < 0 || along >= size[axis]) break;
        const auto v = voxel(along, p, q);
        if (filling.material[v]) break;  // what lies behind is not open to the outside
        filling.material[v] = material, filling.value[v] = 1, filling.label[v] = kCapLabel;
        if (!filling.poisson.empty()) filling.poisson[v] = std::nanf("");
        ++filled;
      }
  return filled;
}

}  // namespace

void layImplant(Body& body, const Overlay& overlay, const std::string& model_path, const Materials& materials,
                json& report) {
  const Material& material = assigned(materials, materials.assign.implant, "implant");
  core::requireInput(overlay.level_set);
  const levelset::LevelSet level_set =
      levelset::readSolid(overlay.level_set, 0.5 * body.filling.frame.spacing_mm.minCoeff());
  image::requireSameFrame(body.filling.frame.frame_id, model_path, level_set.frameId(), overlay.level_set);
  prepare(body.filling);
  json& own = report["implant"];
  OnGrid implant;
  implant.filling.frame = body.filling.frame;
  implant.solid = addFiller(body, {material});
  LevelSetFilling grid = fillFrame(level_set, overlay.level_set, materials, implant.filling.frame, own);
  implant.filling = std::move(grid.filling);
  if (grid.lattice) implant.lattice = addFiller(body, {material, Filler::Law::Lattice, *grid.lattice});
  for (auto& m : implant.filling.material)
    if (m) m = m == 1 ? implant.solid : implant.lattice;
  std::vector<std::uint8_t> is_implant(body.filling.material.size(), 0);
  double inside = 0;
  Index cut = 0;
  auto& bone = body.filling;
  for (std::size_t v = 0; v < bone.material.size(); ++v) {
    const float share = implant.share(v);
    inside += double(implant.filling.material[v] == implant.lattice ? 1.0F : share);
    if (share < kLeastShare) continue;
    const auto voxel = static_cast<Index>(v);
    const auto filler = implant.filling.material[v];
    const float value = filler == implant.lattice ? implant.filling.value[v] : 1.0F;
    const bool is_mixed = bone.material[v] != 0 && share < 1 - kLeastShare;
    cut += is_mixed;
    if (bone.material[v] != 0 && share < 0.5F) {
      bone.mixes.push_back({voxel, filler, value, share, false});
      continue;
    }
    if (bone.material[v] == 0 && implant.filling.value[v] < kMinFraction) continue;
    if (is_mixed) bone.mixes.push_back({voxel, bone.material[v], bone.value[v], 1 - share, false});
    bone.value[v] = bone.material[v] == 0 ? implant.filling.value[v] : value;
    bone.material[v] = filler;
    bone.label[v] = kImplantLabel;
    is_implant[v] = share >= 0.5F;
  }
  body.label_names[kImplantLabel] = "implant";
  own["material"] = material.name;
  own["elements"] = std::count(is_implant.begin(), is_implant.end(), 1);
  own["shared_elements"] = cut;
  if (own["elements"] == 0)
    throw core::Error(core::Exit::DataError, {.what = "the implant lies outside the model's grid",
                                              .file = overlay.level_set,
                                              .hint = "both are in LPS mm: check where they come from"});
  const double lost = 1 - inside * bone.frame.spacing_mm.prod() / levelset::volume_mm3(level_set);
  if (!grid.lattice && lost > 0.02)
    core::warn(fmt::format("{:.1f} % of the implant lie outside the model's grid or in shares too small to count",
                           100 * lost));
  if (overlay.interface_mm > 0) {
    const Material& layer = assigned(materials, materials.assign.interface, "interface");
    addLayer(body, is_implant, overlay.interface_mm, addFiller(body, {layer}), own);
    own["interface"]["material"] = layer.name;
  }
  std::stable_sort(bone.mixes.begin(), bone.mixes.end(), [](const Mix& a, const Mix& b) { return a.voxel < b.voxel; });
}

void addCaps(Body& body, const Caps& caps, const Materials& materials, json& report) {
  const Material& material = assigned(materials, materials.assign.cap, "cap");
  auto& filling = body.filling;
  const int axis = gridAxis(filling.frame.direction, caps.axis);
  if (axis < 0)
    throw core::Error(core::Exit::DataError,
                      {.what = "caps need a grid along the LPS axes", .hint = "resample the volume to such a grid"});
  const double h = filling.frame.spacing_mm[axis];
  const int layers = std::max(1, static_cast<int>(std::lround(caps.thickness_mm / h)));
  const int embedded = static_cast<int>(std::lround(caps.embed_mm / h));
  const auto box = boxOf(filling.frame.size, [&](Index v) { return filling.material[v] != 0; });
  if (!box) return;  // nothing is filled: the mesh says so
  const auto& [low, high] = *box;
  prepare(filling);
  const int below = std::max(0, layers - low[axis]);
  extend(filling, axis, below, std::max(0, high[axis] + layers - (filling.frame.size[axis] - 1)));
  const auto filler = addFiller(body, {material});
  const Index bottom = fillCap(filling, axis, low[axis] + below, 1, layers, embedded, filler);
  const Index top = fillCap(filling, axis, high[axis] + below, -1, layers, embedded, filler);
  body.label_names[kCapLabel] = "cap";
  report["caps"] = {{"material", material.name},
                    {"axis", std::string(1, static_cast<char>('x' + caps.axis))},
                    {"thickness_mm", layers * h},
                    {"embed_mm", embedded * h},
                    {"elements", {bottom, top}}};
}

}  // namespace osteo::simulate
