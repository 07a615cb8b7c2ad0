#include "reconstruct/fragments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "levelset/components.h"
#include "mesh/measures.h"
#include "picture/render.h"
#include "registration/transform.h"

namespace osteo::reconstruct {

using nlohmann::json;

namespace {

constexpr int kFirstInstance = 10;

json matrix(const Eigen::Isometry3d& t) {
  json rows = json::array();
  for (int r = 0; r < 4; ++r) rows.push_back({t.matrix()(r, 0), t.matrix()(r, 1), t.matrix()(r, 2), t.matrix()(r, 3)});
  return rows;
}

[[noreturn]] void refuse(core::Complaint complaint) { throw core::Error(core::Exit::DataError, std::move(complaint)); }

/// Named labels are fragments each, and so are bone instances where there are several; else all is one bone.
std::vector<std::set<int>> bonesOf(const std::set<int>& labels, bool named) {
  std::vector<std::set<int>> each;
  for (const int label : labels)
    if (named || label >= kFirstInstance) each.push_back({label});
  return each.size() > 1 ? each : std::vector<std::set<int>>{labels};
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
                                    const SurfaceOptions& options, const FragmentChoice& choice,
                                    SurfaceReport& report) {
  const std::vector<std::set<int>> bones = bonesOf(options.labels, !choice.wanted.empty());
  std::vector<Fragment> out;
  SurfaceOptions one = options;
  for (const auto& labels : bones) {
    one.labels = labels;
    const levelset::LevelSet bone = boneSurface(segmentation.labels, ct, one, report);
    const auto known = segmentation.names.find(*labels.begin());
    const std::string name =
        known == segmentation.names.end() ? fmt::format("label {}", *labels.begin()) : known->second;
    if (bones.size() > 1) {
      out.push_back({name, bone, levelset::toMesh(bone)});
      continue;
    }
    for (const auto& piece : piecesOf(bone, choice.min_piece_mm3))
      out.push_back({fmt::format("{} {}", name, out.size() + 1), piece, levelset::toMesh(piece)});
  }
  for (const auto& f : out) {
    const double volume = mesh::volume_mm3(f.surface);
    if (volume < choice.min_piece_mm3)
      refuse({.what = "the fragment '" + f.name + "' is too small to be placed",
              .expected = fmt::format("at least {:g} mm3", choice.min_piece_mm3),
              .got = fmt::format("{:.0f} mm3", volume),
              .hint = "leave its label out, or lower --min-piece-mm3"});
  }
  if (out.size() < 2)
    refuse({.what = "there is nothing to put together",
            .expected = fmt::format("two fragments above {:g} mm3: labels named with --label, or pieces of one label "
                                    "that do not touch",
                                    choice.min_piece_mm3),
            .got = fmt::format("{}", out.size())});
  return out;
}

int fragmentNamed(const std::vector<Fragment>& fragments, const std::string& name) {
  if (name.empty()) return -1;
  std::string all;
  for (std::size_t b = 0; b < fragments.size(); ++b) {
    if (fragments[b].name == name || fragments[b].name == "label " + name) return static_cast<int>(b);
    all += (b == 0 ? "" : ", ") + fragments[b].name;
  }
  refuse({.what = "no fragment is called '" + name + "'", .expected = all});
}

void writeMoves(const Reassembly& reassembly, const std::vector<Fragment>& fragments, const std::string& folder) {
  for (std::size_t b = 0; b < fragments.size(); ++b) {
    std::string name = fragments[b].name;
    for (char& c : name)
      if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    registration::Transform move;
    move.linear.matrix() = reassembly.placements[b].transform.inverse().matrix();
    registration::writeTransform(move, fmt::format("{}/{:02}_{}.tfm", folder, b + 1, name));
  }
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
