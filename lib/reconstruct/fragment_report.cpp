#include <Eigen/Geometry>
#include <nlohmann/json.hpp>

#include "picture/render.h"
#include "reconstruct/fragments.h"

namespace osteo::reconstruct {

using nlohmann::json;

json describe(const std::vector<Fragment>& fragments, const Reassembly& reassembly) {
  json r, list = json::array();
  r["anchor"] = fragments[reassembly.anchor].name;
  if (reassembly.with_template)
    r["template"] = {{"mirrored", reassembly.mirrored}, {"anchor_residual_mm", reassembly.template_residual_mm}};
  int placed = 0;
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    const FragmentPlace& place = reassembly.places[i];
    json matrix = json::array();
    for (int row = 0; row < 4; ++row) {
      json numbers = json::array();
      for (int column = 0; column < 4; ++column) numbers.push_back(place.motion.matrix()(row, column));
      matrix.push_back(numbers);
    }
    placed += place.placed ? 1 : 0;
    list.push_back({{"name", fragments[i].name},
                    {"placed", place.placed},
                    {"volume_mm3", place.volume_mm3},
                    {"motion", matrix},
                    {"displacement_mm", place.displacement_mm},
                    {"turn_deg", place.turn_deg},
                    {"fitting_share", place.fitting_share}});
    if (!place.placed) continue;
    list.back().update({{"residual_mm", place.residual_mm},
                        {"contact_mm2", place.contact_mm2},
                        {"gap_mm", place.gap_mm},
                        {"overlap_mm3", place.overlap_mm3}});
  }
  r["fragments"] = list;
  r["placed"] = placed;
  return {{"reassembly", r}};
}

picture::Canvas draw(const std::vector<Fragment>& fragments, const Reassembly& reassembly) {
  constexpr picture::Color kColors[] = {{226, 215, 190}, {214, 96, 60},  {70, 130, 190}, {90, 160, 90},
                                        {200, 160, 50},  {150, 90, 170}, {80, 180, 180}, {190, 110, 130}};
  constexpr std::size_t kCount = sizeof(kColors) / sizeof(kColors[0]);
  std::vector<mesh::TriangleMesh> before, after;
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    before.push_back(levelset::toMesh(fragments[i].solid));
    after.push_back(before.back());
    for (auto& v : after.back().vertices) v = reassembly.places[i].motion * v;
  }
  std::vector<picture::Canvas> views;
  std::vector<std::string> captions;
  for (const Eigen::Vector3d& from : {Eigen::Vector3d(-0.5, -1, 0.3), Eigen::Vector3d(0.5, 1, 0.3)}) {
    for (const auto* meshes : {&before, &after}) {
      std::vector<picture::Actor> actors;
      for (std::size_t i = 0; i < meshes->size(); ++i)
        actors.push_back({.mesh = &(*meshes)[i], .color = kColors[i % kCount]});
      picture::View view;
      view.from = from;
      views.push_back(picture::render(actors, view));
      captions.emplace_back(std::string(meshes == &before ? "as the CT has it" : "put back") +
                            (from.y() < 0 ? ", from the front right" : ", from behind"));
    }
  }
  return picture::tile(views, captions, 2);
}

}  // namespace osteo::reconstruct
