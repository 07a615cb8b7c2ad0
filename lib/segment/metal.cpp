#include "segment/metal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/filters.h"
#include "image/morphology.h"
#include "image/resample.h"
#include "segment/streaks.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

constexpr double kBegins_hu = 2500;         ///< enamel hardly passes it beyond spots
constexpr double kCandidate_hu = 1800;      ///< above dense cortex in all but the sharpest kernels
constexpr double kNoTissue_hu = 3500;       ///< no tissue is as dense
constexpr double kLowestCeiling_hu = 1900;  ///< scans clipped below this can't show metal
constexpr double kTitanium_hu = 8940;       ///< of titanium at 80 keV (NIST XCOM), as the least dense of implants
constexpr double kAround_hu = 1000;         ///< of what surrounds metal, between soft tissue and cortex
constexpr double kBall_mm = 1.2;            ///< enamel is thinner
constexpr double kCoarse_mm = 1.5;          ///< voxels from this on blur enamel with dentine
constexpr double kSmall_mm3 = 5;            ///< what is smaller is not looked at
constexpr double kStreaks = 1.3;            ///< ratio from which soft tissue beside a part is streaked
constexpr double kBlurred_hu = 2000;        ///< peak of metal in coarse voxels, with streaks
constexpr std::size_t kMostParts = 64;

struct Candidate {
  std::vector<std::int64_t> voxels;
  Vector3i low = Vector3i::Zero(), high = Vector3i::Zero();
};

/// The highest value, where values pile up at it.
double ceilingOf(const CtVolume& ct) {
  const float top = *std::max_element(ct.voxels.begin(), ct.voxels.end());
  if (top < kLowestCeiling_hu) return 0;
  const float below = top - std::max(1.0f, 0.01f * top);
  const auto at = std::count(ct.voxels.begin(), ct.voxels.end(), top);
  const auto near =
      std::count_if(ct.voxels.begin(), ct.voxels.end(), [&](float hu) { return hu >= below && hu < top; });
  return at >= 10 && at >= 3 * near ? top : 0;
}

/// Connected parts of what is bright, largest first, without crumbs.
std::vector<Candidate> candidates(const CtVolume& ct, double least_hu) {
  const LabelVolume bright = image::threshold(ct, static_cast<float>(least_hu), 1e9f);
  const image::Box box = image::boundingBox(bright);
  if (box.empty()) return {};
  const image::Components parts =
      image::components(image::crop(bright, box, std::uint16_t{0}), image::Connectivity::Corners);
  std::size_t count = 0;
  while (count < std::min(parts.voxels.size(), kMostParts) &&
         static_cast<double>(parts.voxels[count]) * ct.frame.voxelVolume_mm3() >= kSmall_mm3) {
    ++count;
  }
  std::vector<Candidate> out(count);
  for (Candidate& c : out) c.low = ct.frame.size, c.high = -Vector3i::Ones();
  Vector3i at;
  std::size_t v = 0;
  for (at[2] = 0; at[2] < box.size[2]; ++at[2]) {
    for (at[1] = 0; at[1] < box.size[1]; ++at[1]) {
      for (at[0] = 0; at[0] < box.size[0]; ++at[0], ++v) {
        const auto id = static_cast<std::size_t>(parts.ids.voxels[v]);
        if (id == 0 || id > count) continue;
        const Vector3i place = box.low + at;
        Candidate& c = out[id - 1];
        c.voxels.push_back(ct.index(place[0], place[1], place[2]));
        c.low = c.low.cwiseMin(place), c.high = c.high.cwiseMax(place);
      }
    }
  }
  return out;
}

/// A part on its own box with `margin` voxels around it.
struct Local {
  image::Box box;
  LabelVolume mask;
};

template <class Wanted>
Local localMask(const Candidate& c, const image::Frame& frame, int margin, const Wanted& wanted) {
  Local out{image::Box{c.low, c.high - c.low + Vector3i::Ones()}.grown(Vector3i::Constant(margin)), {}};
  image::Frame own = frame;
  own.size = out.box.size;
  out.mask = LabelVolume(own);
  const std::int64_t row = frame.size[0], slice = row * frame.size[1];
  for (const std::int64_t v : c.voxels) {
    if (!wanted(v)) continue;
    const Vector3i at =
        Vector3i(static_cast<int>(v % row), static_cast<int>(v % slice / row), static_cast<int>(v / slice)) -
        out.box.low;
    out.mask.at(at[0], at[1], at[2]) = 1;
  }
  return out;
}

bool holdsBall(const Candidate& c, const CtVolume& ct, double begins_hu) {
  Local local =
      localMask(c, ct.frame, 1, [&](std::int64_t v) { return ct.voxels[static_cast<std::size_t>(v)] >= begins_hu; });
  for (auto& m : local.mask.voxels) m = m ? 0 : 1;
  const CtVolume depth = image::distanceMm(local.mask);
  return *std::max_element(depth.voxels.begin(), depth.voxels.end()) >
         kBall_mm + ct.frame.spacing_mm.minCoeff() / 2 - 1e-3;
}

/// z with Phi(z) = share, by bisection.
double probit(double share) {
  double low = -6, high = 6;
  for (int i = 0; i < 50; ++i) {
    const double mid = (low + high) / 2;
    (0.5 * std::erfc(-mid / std::sqrt(2.0)) < share ? low : high) = mid;
  }
  return (low + high) / 2;
}

/// How many voxels of a clipped part are metal: the numbers above several levels below the ceiling fall along the
/// error function of the blurred edge, and are carried on to half way to titanium.
std::size_t metalVoxels(const Candidate& c, const CtVolume& ct, double ceiling_hu) {
  constexpr int kLevels = 5;
  const double lowest = std::max(0.75 * ceiling_hu, kAround_hu + 400), highest = 0.98 * ceiling_hu;
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, top = 0;
  for (int l = 0; l < kLevels; ++l) {
    const double level = lowest + (highest - lowest) * l / (kLevels - 1);
    const double z = probit((level - kAround_hu) / (kTitanium_hu - kAround_hu));
    top = static_cast<double>(std::count_if(c.voxels.begin(), c.voxels.end(), [&](std::int64_t v) {
      return ct.voxels[static_cast<std::size_t>(v)] >= level;
    }));
    n += 1, sx += z, sy += top, sxx += z * z, sxy += z * top;
  }
  const double slope = (n * sxy - sx * sy) / (n * sxx - sx * sx), half = (sy - slope * sx) / n;
  return static_cast<std::size_t>(std::lround(std::clamp(half, 0.5 * top, top)));
}

/// Marks the metal of one part in the mask; returns its voxels.
std::size_t mark(const Candidate& c, const CtVolume& ct, double ceiling_hu, LabelVolume& mask) {
  const auto hu = [&](std::int64_t v) { return ct.voxels[static_cast<std::size_t>(v)]; };
  if (ceiling_hu > 0) {
    constexpr int kMargin = 4;
    const Local local = localMask(c, ct.frame, kMargin, [](std::int64_t) { return true; });
    const CtVolume smooth =
        image::gaussian(image::crop(ct, local.box, -1000.0f), std::cbrt(ct.frame.voxelVolume_mm3()) / 2);
    const std::int64_t row = ct.frame.size[0], slice = row * ct.frame.size[1];
    std::vector<std::pair<float, std::int64_t>> deep;
    for (const std::int64_t v : c.voxels) {
      if (hu(v) < 0.98 * ceiling_hu) continue;
      const Vector3i at =
          Vector3i(static_cast<int>(v % row), static_cast<int>(v % slice / row), static_cast<int>(v / slice)) -
          local.box.low;
      deep.push_back({smooth.at(at[0], at[1], at[2]), v});
    }
    std::sort(deep.begin(), deep.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    const std::size_t wanted = std::min(deep.size(), metalVoxels(c, ct, ceiling_hu));
    for (std::size_t i = 0; i < wanted; ++i) mask.voxels[static_cast<std::size_t>(deep[i].second)] = 1;
    return wanted;
  }
  std::vector<float> values;
  for (const std::int64_t v : c.voxels) values.push_back(hu(v));
  const auto high = values.begin() + static_cast<std::ptrdiff_t>(values.size() * 19 / 20);
  std::nth_element(values.begin(), high, values.end());
  const double peak = *std::max_element(values.begin(), values.end());
  const double half = (std::max<double>(*high, std::min(0.9 * peak, kTitanium_hu)) + kAround_hu) / 2;
  std::size_t count = 0;
  for (const std::int64_t v : c.voxels) {
    if (hu(v) < half) continue;
    mask.voxels[static_cast<std::size_t>(v)] = 1;
    ++count;
  }
  return count;
}

/// Where a part lies: "outside" the patient, in or at "bone", or in "soft tissue".
std::string siteOf(const Candidate& c, const CtVolume& ct, const LabelVolume& body) {
  constexpr double kBeside_mm = 3, kBoneShare = 0.1;
  const auto inside = std::count_if(c.voxels.begin(), c.voxels.end(),
                                    [&](std::int64_t v) { return body.voxels[static_cast<std::size_t>(v)] != 0; });
  if (2 * static_cast<std::size_t>(inside) < c.voxels.size()) return "outside";
  const int margin = static_cast<int>(std::ceil(kBeside_mm / ct.frame.spacing_mm.minCoeff()));
  const Local local = localMask(c, ct.frame, margin, [](std::int64_t) { return true; });
  const CtVolume around = image::crop(ct, local.box, -1000.0f), way = image::distanceMm(local.mask);
  double beside = 0, bone = 0;
  for (std::size_t v = 0; v < around.voxels.size(); ++v) {
    if (local.mask.voxels[v] || way.voxels[v] > std::max(kBeside_mm, 1.01 * ct.frame.spacing_mm.maxCoeff())) continue;
    beside += 1;
    bone += around.voxels[v] > 300 && around.voxels[v] < 1500 ? 1 : 0;
  }
  return bone > kBoneShare * beside ? "bone" : "soft tissue";
}

/// What is known of a scan as a whole.
struct Scan {
  const CtVolume& ct;
  const LabelVolume& body;
  const Unevenness& unevenness;
  double begins_hu = kBegins_hu, ceiling_hu = 0;
};

/// Says whether a part is metal, and why.
MetalPart judge(const Candidate& c, const Scan& scan, const MetalSearch& how) {
  const double voxel_mm3 = scan.ct.frame.voxelVolume_mm3();
  const bool coarse = std::cbrt(voxel_mm3) >= kCoarse_mm;
  MetalPart out;
  double core_mm3 = 0;
  for (const std::int64_t v : c.voxels) {
    const double hu = scan.ct.voxels[static_cast<std::size_t>(v)];
    out.peak_hu = std::max(out.peak_hu, hu);
    core_mm3 += hu >= scan.begins_hu ? voxel_mm3 : 0;
    out.at_ceiling_mm3 += scan.ceiling_hu > 0 && hu >= scan.ceiling_hu ? voxel_mm3 : 0;
    out.centre_mm += scan.ct.frame.centre(v) / static_cast<double>(c.voxels.size());
  }
  out.volume_mm3 = voxel_mm3 * static_cast<double>(c.voxels.size());
  out.site = siteOf(c, scan.ct, scan.body);
  if (how.metal_hu <= 0) out.streak_ratio = scan.unevenness.ratioBeside(c.voxels);
  const bool big = core_mm3 >= how.min_mm3 && ((coarse && how.metal_hu <= 0) || holdsBall(c, scan.ct, scan.begins_hu));
  const bool streaks = out.streak_ratio >= kStreaks;
  out.metal = true;
  if (how.metal_hu > 0) {
    out.metal = big, out.why = big ? "size" : "small";
  } else if (out.site == "outside") {
    out.metal = false, out.why = "outside the patient";
  } else if (out.peak_hu >= kNoTissue_hu) {
    out.why = "peak";
  } else if (big) {
    out.why = "size";
  } else if (streaks && (coarse ? out.peak_hu >= kBlurred_hu : out.at_ceiling_mm3 >= kSmall_mm3)) {
    out.why = "streaks";
  } else {
    out.metal = false, out.why = streaks ? "dim" : "no streaks";
  }
  return out;
}

}  // namespace

MetalFound findMetal(const CtVolume& ct, const LabelVolume& body, const MetalSearch& how) {
  MetalFound out;
  out.ceiling_hu = ceilingOf(ct);
  const double begins_hu = how.metal_hu > 0     ? how.metal_hu
                           : out.ceiling_hu > 0 ? std::min(kBegins_hu, 0.9 * out.ceiling_hu)
                                                : kBegins_hu;
  const double least_hu = how.metal_hu > 0 ? how.metal_hu : std::min(kCandidate_hu, 0.75 * begins_hu);
  const std::vector<Candidate> found = candidates(ct, least_hu);
  if (found.empty()) return out;
  const Unevenness unevenness(ct, how.soft_hu, least_hu);
  LabelVolume mask(ct.frame);
  for (const Candidate& c : found) {
    MetalPart part = judge(c, {ct, body, unevenness, begins_hu, out.ceiling_hu}, how);
    if (part.metal && how.metal_hu > 0) {
      for (const std::int64_t v : c.voxels) mask.voxels[static_cast<std::size_t>(v)] = 1;
    } else if (part.metal) {
      part.volume_mm3 = ct.frame.voxelVolume_mm3() * static_cast<double>(mark(c, ct, out.ceiling_hu, mask));
    }
    out.parts.push_back(part);
  }
  if (std::none_of(out.parts.begin(), out.parts.end(), [](const MetalPart& p) { return p.metal; })) return out;
  if (how.metal_hu > 0) {  // one voxel of partial volume belongs to the metal
    const LabelVolume near = image::dilate(mask, ct.frame.spacing_mm.maxCoeff());
    for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
      if (near.voxels[v] && ct.voxels[v] > 0.7 * how.metal_hu) mask.voxels[v] = 1;
    }
  }
  out.mask = std::move(mask);
  return out;
}

void dropBloom(LabelVolume& bone, const LabelVolume& metal) {
  constexpr double kRim = 2;  // voxels
  constexpr int kMargin = 5, kAround = 2;
  const image::Box box = image::boundingBox(metal);
  if (box.empty()) return;
  const image::Box grown = box.grown(Vector3i::Constant(kMargin)).within(bone.frame);
  const LabelVolume rim =
      image::dilate(image::crop(metal, grown, std::uint16_t{0}), kRim * std::cbrt(bone.frame.voxelVolume_mm3()));
  LabelVolume part = image::crop(bone, grown, std::uint16_t{0});
  const LabelVolume before = part;
  core::parallelFor(rim.frame.size[2], [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    for (int j = 0; j < rim.frame.size[1]; ++j) {
      for (int i = 0; i < rim.frame.size[0]; ++i) {
        if (!rim.at(i, j, k) || !before.at(i, j, k)) continue;
        int beyond = 0, solid = 0;
        for (int c = std::max(k - kAround, 0); c <= std::min(k + kAround, rim.frame.size[2] - 1); ++c) {
          for (int b = std::max(j - kAround, 0); b <= std::min(j + kAround, rim.frame.size[1] - 1); ++b) {
            for (int a = std::max(i - kAround, 0); a <= std::min(i + kAround, rim.frame.size[0] - 1); ++a) {
              if (rim.at(a, b, c)) continue;
              ++beyond;
              solid += before.at(a, b, c) ? 1 : 0;
            }
          }
        }
        if (2 * solid < beyond) part.at(i, j, k) = 0;
      }
    }
  });
  image::paste(part, grown, bone);
}

}  // namespace osteo::segment
