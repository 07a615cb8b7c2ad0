#include "phantom/cases.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "core/random.h"
#include "image/io.h"

namespace osteo::phantom {
namespace {

/// The split of scene i when shares are spread evenly: each time the running sum passes a whole number.
std::string splitOf(int i, const CasesWish& wish) {
  const auto falls = [i](double share, double shift) {
    return std::floor((i + 1) * share + shift) > std::floor(i * share + shift);
  };
  if (falls(wish.validation_share, 0.5)) return "validation";
  return falls(wish.test_share, 0.25) ? "test" : "train";
}

SceneWish wishOf(int i, const CasesWish& wish) {
  SceneWish out = wish.scene;
  const auto n = static_cast<std::size_t>(i);
  out.seed = core::mix(wish.scene.seed) / 2 + n;
  if (out.kind == "any") out.kind = sceneKinds()[n % sceneKinds().size()];
  static const char* const margins[] = {"none", "sharp", "lytic", "moth_eaten", "sclerotic"};
  if (out.margin == "any" && out.defect == "any") out.margin = margins[(n + n / sceneKinds().size()) % 5];
  return out;
}

}  // namespace

nlohmann::json writeCases(const CasesWish& wish, const std::string& folder) {
  std::vector<nlohmann::json> cases(static_cast<std::size_t>(wish.count)), drawn(cases.size());
  core::Progress progress("scenes", wish.count);
  core::parallelFor(wish.count, [&](std::int64_t n) {
    const int i = static_cast<int>(n);
    const SceneScan scan = makeScene(wishOf(i, wish));
    const std::string name = fmt::format("{}-{:04d}", scan.kind, i);
    image::writeVolume(scan.ct, folder + "/" + name + ".nrrd");
    image::writeSegmentation({scan.labels, {}}, folder + "/" + name + ".seg.nrrd");
    if (wish.instances) image::writeSegmentation(instancesOf(scan), folder + "/" + name + ".instances.seg.nrrd");
    auto& entry = cases[static_cast<std::size_t>(n)];
    entry = {{"name", name},
             {"ct", name + ".nrrd"},
             {"labels", name + ".seg.nrrd"},
             {"split", splitOf(i, wish)},
             {"origin", "phantom"},
             {"margin", nameOf(scan.margin)}};
    drawn[static_cast<std::size_t>(n)] = describe(scan);
    drawn[static_cast<std::size_t>(n)]["name"] = name;
    progress.advance();
  });
  const nlohmann::json document{{"space", "LPS"}, {"cases", cases}};
  core::writeFile(folder + "/cases.json", document.dump(1) + "\n");
  return {{"scenes", drawn}};
}

}  // namespace osteo::phantom
