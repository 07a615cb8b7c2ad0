#include "design_scaffold/design.h"

#include <fmt/format.h>
#include <openvdb/tree/LeafManager.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/progress.h"
#include "design_scaffold/fraction.h"
#include "design_scaffold/thickness.h"
#include "levelset/components.h"
#include "levelset/grid.h"
#include "mesh/measures.h"

namespace osteo::design_scaffold {
namespace {

using levelset::LevelSet;

constexpr double kMaxSliceGap_mm = 3.0;   // no implant is designed on a CT coarser than this
constexpr double kMaxFilledShare = 0.02;  // of the body; more trapped pore than this is a design error, not a speck
constexpr double kFractionTolerance = 0.01;
constexpr double kSettled =
    0.0017;  // of the wanted volume, of which 0.2 % may be missing; a second piece is made for more
constexpr double kMaxShift_voxels = 0.5;
constexpr double kUnseen_voxels = 0.03;
constexpr int kRounds = 3;
constexpr double kVoxelsPerCell = 16;  // a gyroid's triangles then lie within 0.005 cells of it

/// One composed and cleaned piece with what its mesh has or would have.
struct Piece {
  Solid solid;
  Cleaning cleaning;  ///< what was taken off
  levelset::SurfaceSums surface;
  double core_mm3() const { return solid.envelope_mm3 - solid.skin_mm3; }
  double coreFraction() const { return core_mm3() > 0 ? (surface.volume_mm3 - solid.skin_mm3) / core_mm3() : 1; }
  double wanted() const { return core_mm3() > 0 ? solid.wanted_mm3 / core_mm3() : 1; }
};

Piece makePiece(const Envelope& envelope, const Infill& infill, double voxel_mm) {
  Piece piece;
  piece.solid = compose(envelope, infill, voxel_mm);
  if (piece.solid.level_set.empty())
    throw core::Error(core::Exit::DataError, {.what = "the scaffold is empty",
                                              .expected = "a defect that holds lattice walls",
                                              .hint = "lower --cell-mm, --porosity or --clearance-mm"});
  clean(piece.solid.level_set, piece.cleaning);
  piece.surface = levelset::measureSurface(piece.solid.level_set);
  return piece;
}

/// Whether moving the surface is worth while and can bring what is missing of the fraction, at most `reach`.
bool settles(const Piece& piece, double reach) {
  const double missing = std::abs(piece.wanted() - piece.coreFraction());
  return piece.core_mm3() > 0 && missing > kSettled * piece.wanted() && missing < reach;
}

/// Moves the zero level outwards, by much less than a voxel. No voxel changes sides, so that no piece comes or goes.
void moveSurface(LevelSet& solid, double outward_mm) {
  openvdb::FloatGrid& grid = *solid.grid().vdb;
  const float by = static_cast<float>(outward_mm), band = grid.background(), least = 1e-4F * band;
  openvdb::tree::LeafManager<openvdb::FloatTree> leaves(grid.tree());
  leaves.foreach ([by, band, least](auto& leaf, std::size_t) {
    for (auto value = leaf.beginValueOn(); value; ++value) {
      const float moved = *value - by;
      value.setValue(*value < 0 ? std::clamp(moved, -band, -least) : std::clamp(moved, least, band));
    }
  });
}

double gap(const std::vector<float>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

void reportShape(nlohmann::json& results, const Piece& piece) {
  const Solid& solid = piece.solid;
  const double volume = piece.surface.volume_mm3, area = piece.surface.area_mm2, fraction = volume / solid.envelope_mm3;
  results["volume_mm3"] = volume;
  results["envelope_volume_mm3"] = solid.envelope_mm3;
  results["skin_volume_mm3"] = solid.skin_mm3;
  results["core_volume_mm3"] = piece.core_mm3();
  results["volume_fraction"] = fraction;
  results["porosity"] = 1 - fraction;
  results["target_volume_fraction"] = piece.wanted();
  results["core_volume_fraction"] = piece.coreFraction();
  results["core_porosity"] = 1 - piece.coreFraction();
  results["surface_area_mm2"] = area;
  results["surface_per_solid_per_mm"] = area / volume;
  results["surface_per_envelope_per_mm"] = area / solid.envelope_mm3;
  results["triangles"] = piece.surface.triangles;
  // One closed piece without closed pores has one boundary; each of its handles takes 2 off the Euler number.
  results["euler_number"] = piece.surface.eulerNumber() / 2;
  results["connectivity_per_mm3"] = (1 - piece.surface.eulerNumber() / 2) / solid.envelope_mm3;
}

/// An independent look at what is left: pieces of solid, and pores without a way out.
void reportPieces(nlohmann::json& results, const Piece& piece) {
  const levelset::Components solid(piece.solid.level_set, levelset::Components::Side::Inside);
  const levelset::Components pores(piece.solid.level_set, levelset::Components::Side::Outside);
  double trapped = 0;
  for (const levelset::Piece& pore : pores.pieces())
    if (!pore.reaches_border) trapped += pore.volume_mm3;
  results["components"] = solid.pieces().size();
  results["trapped_void_mm3"] = trapped;
  results["open_porosity"] = (piece.solid.envelope_mm3 - piece.surface.volume_mm3 - trapped) / piece.solid.envelope_mm3;
}

void reportCleaning(nlohmann::json& results, const Piece& piece, const Envelope& envelope) {
  results["pieces_removed"] = piece.cleaning.pieces_removed;
  results["dust_removed_mm3"] = piece.cleaning.dust_removed_mm3;
  results["voids_filled"] = piece.cleaning.voids_filled;
  results["voids_filled_mm3"] = piece.cleaning.voids_filled_mm3;
  results["defect_pieces_removed"] = envelope.pieces_removed;
  results["defect_slivers_removed_mm3"] = envelope.slivers_removed_mm3;
  if (envelope.keep_outs_removed_mm3 > 0) results["keep_outs_removed_mm3"] = envelope.keep_outs_removed_mm3;
}

void reportMesh(nlohmann::json& results, const mesh::TriangleMesh& made) {
  const mesh::Topology topology = mesh::topology(made);
  results["mesh_closed"] = topology.closed();
  results["mesh_components"] = topology.components;
  results["mesh_degenerate_triangles"] = topology.degenerate_triangles;
}

void reportInfill(nlohmann::json& results, const Infill& infill, double shift_mm) {
  if (infill.isShape()) {
    results["lattice"] = "none";
    return;
  }
  const LatticeSpec& spec = infill.spec();
  results["lattice"] = nameOf(spec.type);
  results["kind"] = spec.kind == Kind::Network ? "network" : "sheet";
  if (hasStruts(spec.type))
    results["strut_radius_mm"] = infill.lattice().iso() * spec.cell_mm;
  else
    results["iso_value"] = infill.lattice().iso();
  results["cell_mm"] = spec.cell_mm;
  results["surface_shift_mm"] = shift_mm;
  if (infill.directions()) results["conformal"] = infill.directions()->isTube() ? "tube" : "cap";
  if (infill.cellMisfit() > 0) results["cell_misfit"] = infill.cellMisfit();
}

void reportFit(nlohmann::json& results, const Piece& piece, const LevelSet& host, const Fit& fit) {
  results["clearance_mm"] = fit.clearance_mm;
  for (const FitRegion& region : fit.regions) results["clearance_regions"][region.name] = region.clearance_mm;
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
void label(LevelSet& solid, const LevelSet& defect, const Infill& infill) {
  for (const char* key : {"frame_id", "slice_gap_mm"})
    if (!defect.meta(key).empty()) solid.setMeta(key, defect.meta(key));
  if (infill.isShape()) return;
  const Lattice& lattice = infill.lattice();
  const LatticeSpec& spec = lattice.spec();
  solid.setMeta("lattice", latticeName(spec));
  solid.setMeta("cell_mm", fmt::format("{}", spec.cell_mm));
  solid.setMeta("volume_fraction", fmt::format("{}", spec.volume_fraction));
  solid.setMeta("wall_mm", fmt::format("{:.6g}", lattice.wall_mm()));
}

const char* closedPoresHint(const LatticeSpec& spec, const Fit& fit) {
  if (fit.skin_mm > 0) return "thinner --skin-mm, --skin outer, or a larger --porosity";
  if (spec.kind == Kind::Sheet) return "a larger --porosity, --kind network, or a sheet of gyroid or diamond";
  return "a larger --porosity, or another --lattice";
}

}  // namespace

double checkedVoxel_mm(const Infill& infill, double voxel_mm) {
  const double wall = infill.thinnestWall_mm();
  if (voxel_mm <= 0) return std::min(infill.smallestCell_mm() / kVoxelsPerCell, wall / 4);
  if (voxel_mm > 0.5 * wall)
    throw core::Error(core::Exit::Usage, {.what = fmt::format("walls of {:.3g} mm are lost on these voxels", wall),
                                          .expected = fmt::format("--voxel-mm up to {:.3g}", 0.5 * wall),
                                          .got = fmt::format("{:.3g}", voxel_mm),
                                          .hint = "or a larger --cell-mm, or a lower --porosity"});
  return voxel_mm;
}

double estimatedBytes(double defect_mm3, const Infill& infill, double voxel_mm, bool want_mesh) {
  constexpr double kLeafWaste = 1.5, kTrianglesPerVoxelFace = 2.6;
  constexpr double kBytesPerVoxel = 4.2 + 2.2 + 1;  // the level set, its pieces' numbers, the mesher's blocks
  constexpr double kBytesPerTriangle =
      12 + 0.5 * 24 + 40;  // indices, shared vertices, the writer's and the mesher's tables
  const double voxels = defect_mm3 / std::pow(voxel_mm, 3);
  const double triangles = kTrianglesPerVoxelFace * infill.most_area_per_mm() * defect_mm3 / (voxel_mm * voxel_mm);
  return 3e8 + kLeafWaste * kBytesPerVoxel * voxels + (want_mesh ? kBytesPerTriangle * triangles : 0) +
         29 * std::min<double>(kWindow, 4 * voxels);
}

void requireMemory(double defect_mm3, const Infill& infill, double voxel_mm, bool want_mesh) {
  const double bytes = estimatedBytes(defect_mm3, infill, voxel_mm, want_mesh);
  const double present = core::availableMemoryBytes();
  if (bytes <= present) return;
  double fits = voxel_mm;
  while (estimatedBytes(defect_mm3, infill, fits, want_mesh) > 0.8 * present) fits *= 1.1;
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

Design design(const Task& task, const Infill& infill, nlohmann::json& results) {
  const Envelope envelope = makeEnvelope(task.defect, task.around, task.fit);
  requireRoomForCell(envelope, infill.smallestCell_mm());
  const bool is_moved = task.holds_share && !infill.isShape();  // a shape is what it is
  double shift = !is_moved ? 0 : surfaceShift_mm(envelope, infill, task.voxel_mm);
  Infill moved = infill.grown(shift);
  Piece piece = makePiece(envelope, moved, task.voxel_mm);
  double slope = infill.lattice().area_per_mm(), before = piece.coreFraction();
  for (int round = 0; round < kRounds && is_moved && settles(piece, slope * kMaxShift_voxels * task.voxel_mm);
       ++round) {
    // Triangles cut the body's edges and dust was taken off: the lattice makes up for what is lost.
    const double by = (piece.wanted() - piece.coreFraction()) / slope;
    shift += by;
    moved = infill.grown(shift);
    if (round == 0 && std::abs(by) < kUnseen_voxels * task.voxel_mm) {
      moveSurface(piece.solid.level_set, by);  // the body's own surface goes along, by less than anyone could measure
      piece.surface = levelset::measureSurface(piece.solid.level_set);
    } else {
      piece = makePiece(envelope, moved, task.voxel_mm);
    }
    if ((piece.coreFraction() - before) / by > 0.2 * slope) slope = (piece.coreFraction() - before) / by;
    before = piece.coreFraction();
  }
  if (!infill.isShape() && std::abs(piece.wanted() - piece.coreFraction()) > kFractionTolerance)
    core::warn(
        fmt::format("the lattice core has a porosity of {:.3f}, not {:.3f}: the implant is thin for cells of {} mm",
                    1 - piece.coreFraction(), 1 - piece.wanted(), infill.spec().cell_mm));
  if (piece.cleaning.voids_filled_mm3 > kMaxFilledShare * piece.solid.envelope_mm3)
    throw core::Error(core::Exit::DataError,
                      {.what = "powder would be trapped in closed pores",
                       .expected = fmt::format("at most {} mm3 to fill", kMaxFilledShare * piece.solid.envelope_mm3),
                       .got = fmt::format("{:.1f} mm3", piece.cleaning.voids_filled_mm3),
                       .hint = closedPoresHint(infill.spec(), task.fit)});
  reportInfill(results, infill, shift);
  results["voxel_mm"] = task.voxel_mm;
  reportShape(results, piece);
  reportPieces(results, piece);
  reportCleaning(results, piece, envelope);
  results["host"] = task.around.host != nullptr;
  results["skin_mm"] = task.fit.skin_mm;
  if (task.around.host) reportFit(results, piece, *task.around.host, task.fit);
  Design made{piece.solid.level_set, {}, envelope, moved};
  if (task.want_mesh) {
    core::Progress progress("mesh", 1);
    made.mesh = levelset::toMesh(made.solid);
    made.mesh.frame_id = task.defect.frameId();
    reportMesh(results, made.mesh);
  }
  label(made.solid, task.defect, infill);
  return made;
}

}  // namespace osteo::design_scaffold
