#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "segment/defects.h"

using namespace osteo;
using Eigen::Vector3d;
using segment::DefectKind;

namespace {

/// Labels from a function of the place in mm; 1 mm voxels, centred.
template <class Label>
image::LabelVolume labelled(const Eigen::Vector3i& size, const Label& label) {
  image::Frame frame;
  frame.size = size;
  frame.origin_mm = -(size.cast<double>() - Vector3d::Ones()) / 2;
  image::LabelVolume out(frame);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    out.voxels[static_cast<std::size_t>(v)] = static_cast<std::uint16_t>(label(frame.centre(v)));
  }
  return out;
}

int solid(double depth) { return depth < 0 ? 0 : depth < 2 ? image::Cortical : image::Cancellous; }

/// A shaft along z of radius 12 mm.
int shaft(const Vector3d& p) { return solid(12 - p.head<2>().norm()); }

}  // namespace

TEST_CASE("a cavity is bone all around") {
  const auto labels = labelled({40, 40, 60}, [](const Vector3d& p) { return p.norm() < 6 ? image::Defect : shaft(p); });
  const auto defects = segment::describeDefects(labels, {}, {});
  REQUIRE(defects.size() == 1);
  CHECK(defects[0].kind == DefectKind::Cavity);
  CHECK(defects[0].volume_mm3 == Approx(4.0 / 3 * M_PI * 216).epsilon(0.02));
  CHECK(defects[0].extent_mm[0] == Approx(12).margin(1));
  CHECK(defects[0].open_mm2 == 0);
  CHECK(defects[0].box_min_mm[2] == Approx(-6).margin(0.6));
  CHECK_FALSE(defects[0].critical);
}

TEST_CASE("a notch is open on one side, a drill hole on two, a gap parts the host") {
  const auto notch = labelled({40, 40, 60}, [](const Vector3d& p) {
    return (p - Vector3d(12, 0, 0)).norm() < 7 && shaft(p) ? image::Defect : shaft(p);
  });
  const auto drilled = labelled({40, 40, 60}, [](const Vector3d& p) {
    return std::hypot(p[1], p[2]) < 5 && shaft(p) ? image::Defect : shaft(p);
  });
  const auto gap = labelled(
      {40, 40, 60}, [](const Vector3d& p) { return std::abs(p[2]) < 14 && shaft(p) ? image::Defect : shaft(p); });
  CHECK(segment::describeDefects(notch, {}, {})[0].kind == DefectKind::Breach);
  CHECK(segment::describeDefects(drilled, {}, {})[0].kind == DefectKind::Hole);
  const auto segmental = segment::describeDefects(gap, {}, {})[0];
  CHECK(segmental.kind == DefectKind::Segmental);
  CHECK(segmental.critical);
  CHECK(segmental.extent_mm[0] >= 27);
  CHECK(segmental.volume_mm3 == Approx(M_PI * 144 * 28).epsilon(0.02));
  // Faces of both stumps, rings of cortex and discs of cancellous bone.
  CHECK(segmental.cortical_mm2 == Approx(2 * M_PI * (144 - 100)).epsilon(0.1));
  CHECK(segmental.cancellous_mm2 == Approx(2 * M_PI * 100).epsilon(0.1));
  CHECK_FALSE(segment::describeDefects(gap, {}, {.critical_mm = 60})[0].critical);
}

TEST_CASE("pieces are listed from the largest down, with their bones, joint and score") {
  // A joint of 3 mm at z = 20 between two shafts; defects at z = 0 and near the border.
  const auto labels = labelled({40, 40, 80}, [](const Vector3d& p) -> int {
    if (std::abs(p[2] - 20) < 1.5) return 0;
    if (p.norm() < 5 || (p - Vector3d(0, 0, -30)).norm() < 3) return image::Defect;
    return shaft(p);
  });
  segment::Bones bones{image::LabelVolume(labels.frame), {}};
  image::CtVolume probability(labels.frame);
  for (std::int64_t v = 0; v < labels.frame.voxelCount(); ++v) {
    const auto at = static_cast<std::size_t>(v);
    if (labels.voxels[at] == 1 || labels.voxels[at] == 2)
      bones.labels.voxels[at] = labels.frame.centre(v)[2] < 20 ? 10 : 11;
    probability.voxels[at] = labels.frame.centre(v)[2] > -15 ? 0.75f : 0.5f;
  }
  const auto defects = segment::describeDefects(labels, {&bones, &probability}, {});
  REQUIRE(defects.size() == 2);
  CHECK(defects[0].bones == std::vector<int>{10});
  REQUIRE(defects[0].joint_mm);
  // From the ball's upper end to the last bone within 6 mm of the other one.
  CHECK(*defects[0].joint_mm == Approx(20 - 1.5 - 3 - 5).margin(1.6));
  CHECK(*defects[0].score == Approx(0.75));
  CHECK(*defects[1].score == Approx(0.5));
  CHECK(segment::describeDefects(labels, {}, {.min_mm3 = 300}).size() == 1);
  CHECK(segment::asJson(defects[0])["kind"] == "cavity");
}

TEST_CASE("a resection takes the lesion and the bone within its margin, and nothing else") {
  const auto labels = labelled({60, 60, 60}, [](const Vector3d& p) -> int {
    if (p.norm() < 6) return image::Defect;
    return p[0] < 0 ? image::Cancellous : image::Background;
  });
  const auto taken = segment::withMargin(labels, 10);
  int left = 0, beyond = 0, outside = 0;
  for (std::int64_t v = 0; v < labels.frame.voxelCount(); ++v) {
    const auto at = static_cast<std::size_t>(v);
    const double r = labels.frame.centre(v).norm();
    left += labels.voxels[at] && r < 15.9 && !taken.voxels[at];
    beyond += taken.voxels[at] && r > 17;
    outside += taken.voxels[at] && !labels.voxels[at];
  }
  CHECK(left == 0);
  CHECK(beyond == 0);
  CHECK(outside == 0);
}
