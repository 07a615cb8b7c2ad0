#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "core/parallel.h"
#include "core/random.h"
#include "segment/defect_finder.h"
#include "segment/geodesic.h"

using namespace osteo;
using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

/// A scan and its labels from what lies at a place: HU and label; truth is the label Defect.
struct Scan {
  image::CtVolume ct;
  image::LabelVolume labels, truth;
};
struct Matter {
  double hu;
  int label;
};

template <class What>
Scan scanOf(const Vector3i& size, double spacing_mm, const What& what) {
  image::Frame frame;
  frame.size = size;
  frame.spacing_mm = Vector3d::Constant(spacing_mm);
  frame.origin_mm = -spacing_mm * (size.cast<double>() - Vector3d::Ones()) / 2;
  Scan out{image::CtVolume(frame), image::LabelVolume(frame), image::LabelVolume(frame)};
  const core::Random random(5);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    const Matter at = what(frame.centre(v));
    const auto n = static_cast<std::size_t>(v);
    out.ct.voxels[n] = static_cast<float>(at.hu + 8 * random.normal(static_cast<std::uint64_t>(v)));
    out.labels.voxels[n] = static_cast<std::uint16_t>(at.label == image::Defect ? 0 : at.label);
    out.truth.voxels[n] = at.label == image::Defect ? 1 : 0;
  }
  return out;
}

/// Dice of what is found against the truth; -1 where nothing is found.
double found(Scan& scan) {
  const image::CtVolume score = segment::findDefects(scan.ct, scan.labels, {.soft_hu = 40, .noise_hu = 8});
  if (score.voxels.empty()) return -1;
  double both = 0, sum = 0;
  for (std::size_t v = 0; v < scan.truth.voxels.size(); ++v) {
    const bool mine = scan.labels.voxels[v] == image::Defect, truth = scan.truth.voxels[v] != 0;
    CHECK(mine == (score.voxels[v] > 0));
    both += mine && truth ? 1 : 0, sum += (mine ? 1 : 0) + (truth ? 1 : 0);
  }
  return 2 * both / sum;
}

/// A shell of bone, 60 to 66 mm from the middle, in a head; `hole` radians about +x are missing.
Scan vault(double hole) {
  return scanOf({80, 80, 80}, 2, [=](const Vector3d& p) {
    const double r = p.norm();
    if (r > 72) return Matter{-1000, 0};
    if (r < 60 || r > 66) return Matter{40, 0};
    return p[0] / r > std::cos(hole) && hole > 0 ? Matter{40, image::Defect} : Matter{1100, image::Cortical};
  });
}

/// A shaft of radius 11 mm along an oblique axis with a section of `gap_mm` missing in its middle.
Scan shaft(double gap_mm) {
  const Vector3d axis = Vector3d(0.2, -0.1, 1).normalized();
  return scanOf({60, 60, 100}, 1.2, [=](const Vector3d& p) {
    const double along = p.dot(axis), r = (p - along * axis).norm();
    if (r > 11) return Matter{40, 0};
    if (std::abs(along) < gap_mm / 2) return Matter{40, image::Defect};
    return r > 7 ? Matter{1300, image::Cortical} : Matter{-50, image::Cancellous};
  });
}

/// A ball of spongy bone under a cortex with a soft ball of radius r in it, which filling called cancellous.
Scan ball(double r) {
  Scan out = scanOf({56, 56, 56}, 1, [=](const Vector3d& p) {
    const double d = p.norm();
    if (d > 24) return Matter{40, 0};
    if ((p - Vector3d(4, -3, 2)).norm() < r) return Matter{45, image::Defect};
    return d > 22 ? Matter{1200, image::Cortical} : Matter{450, image::Cancellous};
  });
  for (std::size_t v = 0; v < out.labels.voxels.size(); ++v) {
    if (out.truth.voxels[v]) out.labels.voxels[v] = image::Cancellous;
  }
  return out;
}

/// A ball of spongy bone under a cortex of which a ball of radius r about its surface is missing.
Scan bitten(double r) {
  return scanOf({56, 56, 56}, 1, [=](const Vector3d& p) {
    const double d = p.norm();
    if (d > 24) return Matter{40, 0};
    if ((p - 24 * Vector3d(0.6, 0, 0.8)).norm() < r) return Matter{55, image::Defect};
    return d > 21.5 ? Matter{1200, image::Cortical} : Matter{250, image::Cancellous};
  });
}

/// Two tubes whose marrow lies open towards the gap between them, so that filling left it out of the labels.
Scan openShaft(double gap_mm) {
  Scan out = shaft(gap_mm);
  const Vector3d axis = Vector3d(0.2, -0.1, 1).normalized();
  for (std::int64_t v = 0; v < out.labels.frame.voxelCount(); ++v) {
    const auto n = static_cast<std::size_t>(v);
    const double beside = std::abs(out.labels.frame.centre(v).dot(axis)) - gap_mm / 2;
    if (out.labels.voxels[n] == image::Cancellous && beside < 12) out.labels.voxels[n] = 0;
  }
  return out;
}

}  // namespace

TEST_CASE("a hole in a vault is found and closed with the shell's thickness; a whole vault has none") {
  Scan holed = vault(0.35), whole = vault(0);
  CHECK(found(holed) > 0.9);
  CHECK(found(whole) == -1);
}

TEST_CASE("a missing section of a shaft is found; a shaft that the image cuts has none") {
  Scan parted = shaft(18), whole = shaft(0);
  CHECK(found(parted) > 0.9);
  CHECK(found(whole) == -1);
}

TEST_CASE("a soft ball inside bone is found; even bone has none") {
  Scan hollow = ball(8), even = ball(0);
  CHECK(found(hollow) > 0.9);
  CHECK(found(even) == -1);
}

TEST_CASE("a missing section of a shaft is found where its marrow lies open") {
  Scan parted = openShaft(18);
  CHECK(found(parted) > 0.8);
}

TEST_CASE("a gap as narrow as a joint, or between tubes without a dense wall, is none") {
  Scan joint = shaft(4.5), vessel = shaft(18);
  CHECK(found(joint) == -1);
  for (std::size_t v = 0; v < vessel.ct.voxels.size(); ++v) {
    if (vessel.labels.voxels[v]) vessel.ct.voxels[v] = 200;
  }
  CHECK(found(vessel) == -1);
}

TEST_CASE("a bite out of a bone's surface is found and outlined; a whole surface has none") {
  Scan piece = bitten(7), whole = bitten(0);
  CHECK(found(piece) > 0.75);
  CHECK(found(whole) == -1);
}

TEST_CASE("a ball of fatty marrow that is dark right up to the shell is no cavity") {
  Scan marrow = scanOf({56, 56, 56}, 1, [](const Vector3d& p) {
    const double d = p.norm();
    if (d > 16) return Matter{40, 0};
    return d > 13 ? Matter{1200, image::Cortical} : Matter{-90, image::Cancellous};
  });
  CHECK(found(marrow) == -1);
}

TEST_CASE("defects are the same for any thread count") {
  const int before = core::threads();
  for (const auto& make :
       {std::function<Scan()>([] { return vault(0.35); }), {[] { return bitten(7); }}, {[] { return ball(8); }}}) {
    std::vector<image::LabelVolume> labels;
    for (const int n : {1, 3}) {
      core::setThreads(n);
      Scan scan = make();
      CHECK(found(scan) > 0);
      labels.push_back(scan.labels);
    }
    CHECK(labels[0].voxels == labels[1].voxels);
  }
  core::setThreads(before);
}

TEST_CASE("directions of a geodesic have five or six neighbours, and the nearest is found by walking") {
  const segment::Geodesic all = segment::geodesic(3);
  REQUIRE(all.directions.size() == 642);
  int fives = 0;
  for (const auto& n : all.neighbours) {
    CHECK((n.size() == 5 || n.size() == 6));
    fives += n.size() == 5 ? 1 : 0;
  }
  CHECK(fives == 12);
  const Vector3d d = Vector3d(0.3, -0.8, 0.5).normalized();
  const int at = all.nearest(d, 0);
  for (const Vector3d& other : all.directions)
    CHECK(other.dot(d) <= all.directions[static_cast<std::size_t>(at)].dot(d));
}
