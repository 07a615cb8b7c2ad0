#include "segment/defect_finder.h"

#include <algorithm>
#include <cmath>

#include "segment/defect_candidates.h"

namespace osteo::segment {

double beyond(double value, double limit, double width) { return 1 / (1 + std::exp(-(value - limit) / width)); }

image::CtVolume findDefects(const image::CtVolume& ct, image::LabelVolume& labels, const DefectSearch& how) {
  constexpr double kShared = 0.2;  // of a candidate's voxels: it is the one that was found before
  const BoneScan scan{ct, labels, how.soft_hu, how.noise_hu};
  std::vector<DefectCandidate> all = vaultHoles(scan);
  const auto add = [&](std::vector<DefectCandidate> more) {
    for (DefectCandidate& candidate : more) all.push_back(std::move(candidate));
  };
  add(shaftGaps(scan));
  const WorkGrid grid(scan);
  add(cavities(scan, grid));
  add(bites(scan, grid));
  all.erase(std::remove_if(all.begin(), all.end(),
                           [&](const DefectCandidate& c) { return c.score < how.least_score || c.voxels.empty(); }),
            all.end());
  if (all.empty()) return {};
  std::stable_sort(all.begin(), all.end(),
                   [](const DefectCandidate& a, const DefectCandidate& b) { return a.score > b.score; });
  image::CtVolume score(ct.frame);
  for (const DefectCandidate& candidate : all) {
    const auto taken = std::count_if(candidate.voxels.begin(), candidate.voxels.end(),
                                     [&](std::int64_t v) { return score.voxels[static_cast<std::size_t>(v)] > 0; });
    if (static_cast<double>(taken) > kShared * static_cast<double>(candidate.voxels.size())) continue;
    for (const std::int64_t v : candidate.voxels) {
      const auto at = static_cast<std::size_t>(v);
      if (labels.voxels[at] == image::Metal) continue;
      labels.voxels[at] = image::Defect;
      score.voxels[at] = std::max(score.voxels[at], static_cast<float>(candidate.score));
    }
  }
  return score;
}

}  // namespace osteo::segment
