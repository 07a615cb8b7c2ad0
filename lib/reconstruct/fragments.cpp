#include "reconstruct/fragments.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "levelset/components.h"
#include "mesh/measures.h"
#include "picture/render.h"

namespace osteo::reconstruct {

using nlohmann::json;

namespace {

json matrix(const Eigen::Isometry3d& t) {
  json rows = json::array();
  for (int r = 0; r < 4; ++r) rows.push_back({t.matrix()(r, 0), t.matrix()(r, 1), t.matrix()(r, 2), t.matrix()(r, 3)});
  return rows;
}

/// The connected pieces of a bone, largest first.
std::vector<levelset::LevelSet> piecesOf(const levelset::LevelSet& bone, double least_mm3) {
  const levelset::Components components(bone, levelset::Components::Side::Inside);
  std::vector<const levelset::Piece*> order;
  for (const auto& piece : components.pieces())
    if (piece.volume_mm3 >= least_mm3) order.push_back(&piece);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->volume_mm3 > b->volume_mm3; });
  std::vector<levelset::LevelSet> out;
  for (const auto* wanted : order)
    out.push_back(components.filtered([wanted](const levelset::Piece& piece) { return &piece == wanted; }));
  return out;
}

/// Colours that differ in hue and lightness; the reference is bone.
constexpr picture::Color kColors[] = {{84, 130, 200}, {220, 120, 60}, {90, 165, 90}, {175, 105, 170},
                                      {210, 180, 50}, {80, 175, 180}, {190, 80, 90}, {130, 110, 85}};

}  // namespace

std::vector<Fragment> findFragments(const image::Segmentation& segmentation, const image::CtVolume* ct,
                                    const SurfaceOptions& options, double min_piece_mm3) {
  std::vector<Fragment> out;
  SurfaceReport report;
  const bool split = options.labels.size() < 2;
  SurfaceOptions one = options;
  for (const int label : options.labels) {
    one.labels = {label};
    const levelset::LevelSet bone = boneSurface(segmentation.labels, ct, one, report);
    const auto known = segmentation.names.find(label);
    const std::string name = known == segmentation.names.end() ? fmt::format("label {}", label) : known->second;
    if (!split) {
      out.push_back({name, bone, levelset::toMesh(bone)});
      continue;
    }
    for (const auto& piece : piecesOf(bone, min_piece_mm3))
      out.push_back({fmt::format("{} {}", name, out.size() + 1), piece, levelset::toMesh(piece)});
  }
  for (const auto& f : out) {
    if (mesh::volume_mm3(f.surface) < min_piece_mm3)
      throw core::Error(core::Exit::DataError, {.what = "the fragment '" + f.name + "' is too small to be placed",
                                                .expected = fmt::format("at least {:g} mm3", min_piece_mm3),
                                                .got = fmt::format("{:.0f} mm3", mesh::volume_mm3(f.surface)),
                                                .hint = "leave its label out, or lower --min-piece-mm3"});
  }
  if (out.size() < 2)
    throw core::Error(core::Exit::DataError,
                      {.what = "there is nothing to put together",
                       .expected = "two fragments: as labels, or as pieces of one label that do not touch",
                       .got = fmt::format("{}", out.size()),
                       .hint = "separate labels of touching fragments are named with --label"});
  return out;
}

json describe(const Reassembly& reassembly, const std::vector<Fragment>& fragments) {
  json r = {{"placed_by", reassembly.goal}, {"reference", fragments[reassembly.reference].name}};
  if (reassembly.goal == "template") r["template_mirrored"] = reassembly.mirrored;
  if (reassembly.goal != "fragments") r["template_sd_mm"] = reassembly.goal_sd_mm;
  int left = 0;
  for (std::size_t b = 0; b < fragments.size(); ++b) {
    const Placement& p = reassembly.placements[b];
    left += p.placed ? 0 : 1;
    r["fragments"].push_back({{"name", fragments[b].name},
                              {"volume_mm3", mesh::volume_mm3(fragments[b].surface)},
                              {"placed", p.placed},
                              {"place_from_ct", matrix(p.transform)},
                              {"displacement_mm", p.displacement_mm},
                              {"turn_deg", p.turn_deg},
                              {"residual_mm", p.residual_mm},
                              {"overlap_mm3", p.overlap_mm3},
                              {"gap_mm", p.gap_mm},
                              {"contact_mm2", p.contact_mm2}});
  }
  r["not_placed"] = left;
  return r;
}

picture::Canvas draw(const Reassembly& reassembly, const std::vector<Fragment>& fragments) {
  std::vector<picture::Canvas> views;
  for (const bool after : {false, true}) {
    std::vector<mesh::TriangleMesh> meshes;
    std::vector<picture::Actor> actors;
    for (std::size_t b = 0; b < fragments.size(); ++b) {
      meshes.push_back(fragments[b].surface);
      if (!after) continue;
      for (auto& v : meshes.back().vertices) v = reassembly.placements[b].transform * v;
    }
    for (std::size_t b = 0; b < fragments.size(); ++b) {
      picture::Actor actor{.mesh = &meshes[b], .color = kColors[b % std::size(kColors)]};
      if (static_cast<int>(b) == reassembly.reference) actor.color = {230, 220, 200};
      if (!reassembly.placements[b].placed) actor.opacity = 0.35;
      actors.push_back(actor);
    }
    for (const Eigen::Vector3d& from : {Eigen::Vector3d(-0.5, -1, 0.3), Eigen::Vector3d(0.9, -0.5, 0.2)})
      views.push_back(picture::render(actors, {.from = from}));
  }
  return picture::tile(views, {"in the CT, from the front right", "from the left", "put together", ""}, 2);
}

}  // namespace osteo::reconstruct
