#include "design_scaffold/overlay.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "design_scaffold/solid.h"
#include "image/io.h"
#include "picture/comparison.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

bool isInScrew(const Screw& screw, const Vector3d& p) {
  const double along = screw.direction.dot(p - screw.head());
  return along >= 0 && along <= screw.length_mm &&
         (p - screw.head() - along * screw.direction).norm() <= 0.5 * screw.diameter_mm;
}

/// Voxels of a frame that a box touches.
std::pair<Eigen::Vector3i, Eigen::Vector3i> voxelsOver(const image::Frame& frame, const Span& box) {
  Vector3d low = Vector3d::Constant(1e9), high = -low;
  for (int corner = 0; corner < 8; ++corner) {
    const Vector3d at =
        frame.toIndex({corner & 1 ? box.high_mm.x() : box.low_mm.x(), corner & 2 ? box.high_mm.y() : box.low_mm.y(),
                       corner & 4 ? box.high_mm.z() : box.low_mm.z()});
    low = low.cwiseMin(at);
    high = high.cwiseMax(at);
  }
  const Eigen::Vector3d last = (frame.size - Eigen::Vector3i::Ones()).cast<double>();
  return {low.array().floor().max(0).matrix().cast<int>(), high.cwiseMin(last).array().ceil().matrix().cast<int>()};
}

image::Segmentation overlay(const image::CtVolume& ct, const Envelope& envelope, const std::vector<Screw>& screws,
                            const std::string& frame_id) {
  image::requireSameFrame(ct.frame.frame_id, "the CT", frame_id, "the defect");
  image::Segmentation made;
  made.labels = image::LabelVolume(ct.frame);
  made.names[image::Implant] = "implant";
  if (!screws.empty()) made.names[image::Metal] = "screws";
  Span box = envelope.box();
  for (const Screw& screw : screws)
    for (const Vector3d& p : {screw.head(), screw.tip()}) {
      const Vector3d r = Vector3d::Constant(screw.diameter_mm);
      box = {box.low_mm.cwiseMin(p - r), box.high_mm.cwiseMax(p + r)};
    }
  const auto [low, high] = voxelsOver(ct.frame, box);
  core::parallelFor(high[2] - low[2] + 1, [&, &low = low, &high = high](std::int64_t plane) {
    const int k = low[2] + static_cast<int>(plane);
    for (int j = low[1]; j <= high[1]; ++j)
      for (int i = low[0]; i <= high[0]; ++i) {
        const Vector3d p = ct.frame.toWorld({static_cast<double>(i), static_cast<double>(j), static_cast<double>(k)});
        const bool screwed = std::any_of(screws.begin(), screws.end(), [&](const Screw& s) { return isInScrew(s, p); });
        if (screwed)
          made.labels.at(i, j, k) = image::Metal;
        else if (Body(envelope, {p, p}).envelope_mm(p) < 0)
          made.labels.at(i, j, k) = image::Implant;
      }
  });
  if (std::count(made.labels.voxels.begin(), made.labels.voxels.end(), image::Implant) == 0)
    throw core::Error(core::Exit::DataError, {.what = "the CT shows nothing of the implant",
                                              .hint = "is it the CT that the defect came from?"});
  return made;
}

void drawSlices(const image::CtVolume& ct, const image::Segmentation& overlay, const std::string& png_path) {
  Vector3d sum = Vector3d::Zero();
  double count = 0;
  const image::LabelVolume& labels = overlay.labels;
  for (int k = 0; k < labels.frame.size[2]; ++k)
    for (int j = 0; j < labels.frame.size[1]; ++j)
      for (int i = 0; i < labels.frame.size[0]; ++i)
        if (labels.at(i, j, k) == image::Implant) sum += Vector3d(i, j, k), ++count;
  picture::writePng(picture::slicesAt(ct, labels, labels.frame.toWorld(sum / std::max(1.0, count))), png_path);
}

}  // namespace

void showOnCt(const image::CtVolume& ct, const Design& made, const Seated& seated, const std::string& labels_path,
              const std::string& png_path) {
  const image::Segmentation shown = overlay(ct, made.envelope, seated.screws(), made.solid.frameId());
  if (!labels_path.empty()) image::writeSegmentation(shown, labels_path);
  if (!png_path.empty()) drawSlices(ct, shown, png_path);
}

}  // namespace osteo::design_scaffold
