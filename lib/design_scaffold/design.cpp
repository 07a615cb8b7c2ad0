#include "design_scaffold/design.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/progress.h"
#include "design_scaffold/thickness.h"
#include "mesh/measures.h"

namespace osteo::design_scaffold {
namespace {

using levelset::LevelSet;

constexpr double kMaxSliceGap_mm = 3.0;   // no implant is designed on a CT coarser than this
constexpr double kMaxFilledShare = 0.02;  // of the body; more trapped pore than this is a design error, not a speck
constexpr double kMaxShift_voxels = 0.5;  // of the lattice's surface, to meet the wanted volume fraction
constexpr double kFractionTolerance = 2e-4;

/// One composed and cleaned piece with its mesh.
struct Piece {
  Solid solid;
  Cleaning cleaning;
  mesh::TriangleMesh mesh;
  double volume_mm3 = 0;
  double core_mm3() const { return solid.envelope_mm3 - solid.skin_mm3; }
  double coreFraction() const { return core_mm3() > 0 ? (volume_mm3 - solid.skin_mm3) / core_mm3() : 1; }
};

Piece makePiece(const Envelope& envelope, const Lattice& lattice, double voxel_mm) {
  Piece piece;
  piece.solid = compose(envelope, lattice, voxel_mm);
  if (piece.solid.level_set.empty())
    throw core::Error(core::Exit::DataError, {.what = "the scaffold is empty",
                                              .expected = "a defect that holds lattice walls",
                                              .hint = "lower --cell-mm, --porosity or --clearance-mm"});
  piece.solid.level_set = cleaned(piece.solid.level_set, piece.cleaning);
  core::Progress progress("mesh", 1);
  piece.mesh = levelset::toMesh(piece.solid.level_set);
  piece.volume_mm3 = mesh::volume_mm3(piece.mesh);
  return piece;
}

double gap(const std::vector<float>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

void reportDiameters(nlohmann::json& results, const std::string& name, const Diameters& diameters) {
  results[name] = diameters.mean_mm;
  results["p05_" + name] = diameters.p05_mm;
  results["p50_" + name] = diameters.p50_mm;
  results["p95_" + name] = diameters.p95_mm;
  results["max_" + name] = diameters.max_mm;
}

void reportShape(nlohmann::json& results, const Piece& piece, double shift_mm) {
  const Solid& solid = piece.solid;
  const double area = mesh::area_mm2(piece.mesh), fraction = piece.volume_mm3 / solid.envelope_mm3;
  results["volume_mm3"] = piece.volume_mm3;
  results["envelope_volume_mm3"] = solid.envelope_mm3;
  results["skin_volume_mm3"] = solid.skin_mm3;
  results["core_volume_mm3"] = piece.core_mm3();
  results["volume_fraction"] = fraction;
  results["porosity"] = 1 - fraction;
  results["core_volume_fraction"] = piece.coreFraction();
  results["core_porosity"] = 1 - piece.coreFraction();
  results["surface_shift_mm"] = shift_mm;
  results["surface_area_mm2"] = area;
  results["surface_per_solid_per_mm"] = area / piece.volume_mm3;
  results["surface_per_envelope_per_mm"] = area / solid.envelope_mm3;
}

void reportCleaning(nlohmann::json& results, const Piece& piece, const Envelope& envelope) {
  Cleaning left;
  cleaned(piece.solid.level_set, left);  // an independent look at the result: nothing may be left to clean
  const double pores = piece.solid.envelope_mm3 - piece.volume_mm3;
  const mesh::Topology topology = mesh::topology(piece.mesh);
  results["components"] = left.pieces_removed + 1;
  results["trapped_void_mm3"] = left.voids_filled_mm3;
  results["open_porosity"] = (pores - left.voids_filled_mm3) / piece.solid.envelope_mm3;
  results["pieces_removed"] = piece.cleaning.pieces_removed;
  results["dust_removed_mm3"] = piece.cleaning.dust_removed_mm3;
  results["voids_filled"] = piece.cleaning.voids_filled;
  results["voids_filled_mm3"] = piece.cleaning.voids_filled_mm3;
  results["defect_pieces_removed"] = envelope.pieces_removed;
  results["defect_slivers_removed_mm3"] = envelope.slivers_removed_mm3;
  results["triangles"] = piece.mesh.triangles.size();
  results["mesh_closed"] = topology.closed();
  results["mesh_components"] = topology.components;
  results["mesh_degenerate_triangles"] = topology.degenerate_triangles;
}

void reportFit(nlohmann::json& results, const Piece& piece, const LevelSet& host, const Fit& fit) {
  results["clearance_mm"] = fit.clearance_mm;
  results["overlap_mm3"] = overlap_mm3(piece.solid.level_set, host);
  results["host_side_area_mm2"] = piece.solid.facing_area_mm2;
  if (piece.solid.gaps_mm.empty()) {
    core::warn("no surface of the implant faces the host within 3 mm: check that defect and host belong together");
    return;
  }
  results["host_side_open_share"] = piece.solid.facing_open_share;
  results["gap_p05_mm"] = gap(piece.solid.gaps_mm, 0.05);
  results["gap_p50_mm"] = gap(piece.solid.gaps_mm, 0.5);
  results["gap_p95_mm"] = gap(piece.solid.gaps_mm, 0.95);
}

/// What later stages need to know of the lattice without measuring it again.
void label(LevelSet& solid, const LevelSet& defect, const Lattice& lattice, double wall_mm) {
  const LatticeSpec& spec = lattice.spec();
  solid.setMeta("lattice", nameOf(spec.surface) + (spec.kind == Kind::Network ? "_network" : "_sheet"));
  solid.setMeta("cell_mm", fmt::format("{}", spec.cell_mm));
  solid.setMeta("volume_fraction", fmt::format("{}", spec.volume_fraction));
  solid.setMeta("wall_mm", fmt::format("{:.6g}", wall_mm));
  for (const char* key : {"frame_id", "slice_gap_mm"})
    if (!defect.meta(key).empty()) solid.setMeta(key, defect.meta(key));
}

}  // namespace

double checkedVoxel_mm(const Lattice& lattice, double voxel_mm) {
  const double wall = lattice.wall_mm();
  if (voxel_mm <= 0) return std::min(lattice.spec().cell_mm / 24, wall / 4);
  if (voxel_mm > 0.5 * wall)
    throw core::Error(core::Exit::Usage, {.what = fmt::format("walls of {:.3g} mm are lost on these voxels", wall),
                                          .expected = fmt::format("--voxel-mm up to {:.3g}", 0.5 * wall),
                                          .got = fmt::format("{:.3g}", voxel_mm),
                                          .hint = "or a larger --cell-mm, or a lower --porosity"});
  return voxel_mm;
}

double estimatedBytes(double defect_mm3, const Lattice& lattice, double voxel_mm) {
  constexpr double kGrids = 3, kLeafWaste = 1.6, kBytesPerVoxel = 4.2, kTrianglesPerVoxelFace = 2.6;
  constexpr double kBytesPerTriangle =
      12 + 0.5 * 24 + 40;  // indices, shared vertices, the writer's and the mesher's tables
  const double voxels = defect_mm3 / std::pow(voxel_mm, 3);
  const double triangles = kTrianglesPerVoxelFace * lattice.area_per_mm() * defect_mm3 / (voxel_mm * voxel_mm);
  return 3e8 + kGrids * kLeafWaste * kBytesPerVoxel * voxels + kBytesPerTriangle * triangles +
         29 * std::min<double>(kWindow, 4 * voxels);
}

void requireMemory(double defect_mm3, const Lattice& lattice, double voxel_mm) {
  const double bytes = estimatedBytes(defect_mm3, lattice, voxel_mm);
  const double present = core::availableMemoryBytes();
  if (bytes <= present) return;
  double fits = voxel_mm;
  while (estimatedBytes(defect_mm3, lattice, fits) > 0.8 * present) fits *= 1.1;
  throw core::Error(core::Exit::Memory,
                    {.what = fmt::format("voxels of {:.4g} mm are too many for this machine", voxel_mm),
                     .expected = fmt::format("at most {:.1f} GiB", present / (1 << 30)),
                     .got = fmt::format("{:.1f} GiB", bytes / (1 << 30)),
                     .hint = fmt::format("--voxel-mm {:.2g} fits, or take a larger --cell-mm", fits)});
}

void requireDesignable(const LevelSet& defect, const LevelSet* host) {
  if (host) image::requireSameFrame(defect.frameId(), "the defect", host->frameId(), "the host");
  for (const LevelSet* level_set : {&defect, host}) {
    const std::string gap = level_set ? level_set->meta("slice_gap_mm") : "";
    if (gap.empty() || std::atof(gap.c_str()) <= kMaxSliceGap_mm) continue;
    throw core::Error(core::Exit::DataError, {.what = "the CT's slices lie too far apart for an implant",
                                              .expected = fmt::format("at most {} mm", kMaxSliceGap_mm),
                                              .got = gap + " mm",
                                              .hint = "scan again with thin slices"});
  }
}

Design design(const LevelSet& defect, const LevelSet* host, const Lattice& lattice, const Fit& fit, double voxel_mm,
              nlohmann::json& results) {
  const Envelope envelope = makeEnvelope(defect, host, fit);
  Piece piece = makePiece(envelope, lattice, voxel_mm);
  const double wanted = lattice.spec().volume_fraction, limit = kMaxShift_voxels * voxel_mm;
  double shift = 0;
  const double missing = wanted - piece.coreFraction();
  if (std::abs(missing) > kFractionTolerance && piece.core_mm3() > 0) {
    shift = std::clamp(missing / lattice.area_per_mm(), -limit, limit);
    piece = makePiece(envelope, lattice.grown(shift), voxel_mm);
  }
  if (std::abs(wanted - piece.coreFraction()) > 0.01)
    core::warn(
        fmt::format("the lattice core has a porosity of {:.3f}, not {:.3f}: the implant is thin for cells of {} mm",
                    1 - piece.coreFraction(), 1 - wanted, lattice.spec().cell_mm));
  if (piece.cleaning.voids_filled_mm3 > kMaxFilledShare * piece.solid.envelope_mm3)
    throw core::Error(core::Exit::DataError,
                      {.what = "powder would be trapped in closed pores",
                       .expected = fmt::format("at most {} mm3 to fill", kMaxFilledShare * piece.solid.envelope_mm3),
                       .got = fmt::format("{:.1f} mm3", piece.cleaning.voids_filled_mm3),
                       .hint = "thinner --skin-mm, --skin outer, or a larger --porosity"});
  const Thickness thickness = measureThickness(piece.solid.level_set, envelope);
  const LatticeSpec& spec = lattice.spec();
  results["lattice"] = nameOf(spec.surface);
  results["kind"] = spec.kind == Kind::Network ? "network" : "sheet";
  results["iso_value"] = lattice.iso();
  results["cell_mm"] = spec.cell_mm;
  results["voxel_mm"] = voxel_mm;
  results["target_volume_fraction"] = spec.volume_fraction;
  reportShape(results, piece, shift);
  reportCleaning(results, piece, envelope);
  reportDiameters(results, "wall_thickness_mm", thickness.wall);
  reportDiameters(results, "pore_diameter_mm", thickness.pore);
  results["host"] = host != nullptr;
  if (host) reportFit(results, piece, *host, fit);
  label(piece.solid.level_set, defect, lattice,
        thickness.wall.mean_mm > 0 ? thickness.wall.mean_mm : lattice.wall_mm());
  piece.mesh.frame_id = defect.frameId();
  return {piece.solid.level_set, std::move(piece.mesh)};
}

}  // namespace osteo::design_scaffold
