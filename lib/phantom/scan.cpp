#include "phantom/scan.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "core/progress.h"
#include "core/random.h"
#include "image/filters.h"
#include "phantom/metal.h"

namespace osteo::phantom {

using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

constexpr int kLabels = 5;  // labels 0 to 4 occur in phantoms

/// The mixture in a voxel.
struct Mix {
  double hu = 0;
  std::array<double, kLabels> share{};
};

class Renderer {
 public:
  Renderer(const Anatomy& anatomy, const image::Frame& frame) : a_(anatomy), frame_(frame) {
    for (int d = 0; d < 3; ++d) cells_[d] = std::max(1, static_cast<int>(std::ceil(frame.spacing_mm[d] / 0.5)));
    cell_ = frame.spacing_mm.cwiseQuotient(cells_.cast<double>());
    far_ = 1.5 * frame.spacing_mm.norm() / 2;
    n_ = static_cast<std::size_t>(anatomy.functions);
    nodes_.resize(n_ * static_cast<std::size_t>((cells_[0] + 1) * (cells_[1] + 1) * (cells_[2] + 1)));
    share_.resize(n_);
    value_.resize(n_);
  }

  Mix voxel(const Vector3d& centre) {
    a_.evaluate(centre, nodes_.data());
    Mix mix;
    if (std::all_of(nodes_.begin(), nodes_.begin() + static_cast<std::ptrdiff_t>(n_),
                    [&](double f) { return std::abs(f) > far_; })) {
      std::copy_n(nodes_.begin(), n_, value_.begin());
      for (std::size_t i = 0; i < n_; ++i) share_[i] = nodes_[i] < 0 ? 1 : 0;
      paint(centre, 1.0, mix);
      return mix;
    }
    sampleNodes(centre);
    const double weight = 1.0 / (cells_[0] * cells_[1] * cells_[2]);
    for (int k = 0; k < cells_[2]; ++k) {
      for (int j = 0; j < cells_[1]; ++j) {
        for (int i = 0; i < cells_[0]; ++i) {
          for (std::size_t f = 0; f < n_; ++f) share_[f] = cellShare(f, {i, j, k});
          paint(nodePosition(centre, {i, j, k}) + cell_ / 2, weight, mix);
        }
      }
    }
    return mix;
  }

 private:
  Vector3d nodePosition(const Vector3d& centre, const Vector3i& node) const {
    return centre - frame_.spacing_mm / 2 + node.cast<double>().cwiseProduct(cell_);
  }
  std::size_t nodeIndex(const Vector3i& n) const {
    return n_ * static_cast<std::size_t>(n[0] + (cells_[0] + 1) * (n[1] + (cells_[1] + 1) * n[2]));
  }
  void sampleNodes(const Vector3d& centre) {
    Vector3i node;
    for (node[2] = 0; node[2] <= cells_[2]; ++node[2]) {
      for (node[1] = 0; node[1] <= cells_[1]; ++node[1]) {
        for (node[0] = 0; node[0] <= cells_[0]; ++node[0]) {
          a_.evaluate(nodePosition(centre, node), nodes_.data() + nodeIndex(node));
        }
      }
    }
  }
  double cellShare(std::size_t f, const Vector3i& cell) {
    double mean = 0;
    Vector3d gradient = Vector3d::Zero();
    for (int corner = 0; corner < 8; ++corner) {
      const Vector3i bit(corner & 1, (corner >> 1) & 1, corner >> 2);
      const double value = nodes_[nodeIndex(cell + bit) + f];
      mean += value / 8;
      for (int d = 0; d < 3; ++d) gradient[d] += (bit[d] ? value : -value) / (4 * cell_[d]);
    }
    value_[f] = mean;
    return negativeShare(mean, gradient, cell_ / 2);
  }
  void paint(const Vector3d& at, double weight, Mix& mix) const {
    double hu = kAir_hu;
    std::array<double, kLabels> labels{1};
    for (const Paint& p : a_.paints) {
      double share = 1;
      for (int term : p.where) share *= share_[static_cast<std::size_t>(term)];
      if (share == 0) continue;
      hu += share * (p.hu(at, value_.data()) - hu);
      for (double& value : labels) value *= 1 - share;
      labels[p.label] += share;
    }
    mix.hu += weight * hu;
    for (std::size_t l = 0; l < kLabels; ++l) mix.share[l] += weight * labels[l];
  }

  const Anatomy& a_;
  const image::Frame& frame_;
  Vector3i cells_;
  Vector3d cell_;
  double far_ = 0;
  std::size_t n_ = 0;
  std::vector<double> nodes_, value_, share_;
};

std::uint16_t mainLabel(const Mix& mix) {
  if (mix.share[0] > 0.5) return image::Background;
  return static_cast<std::uint16_t>(std::max_element(mix.share.begin() + 1, mix.share.end()) - mix.share.begin());
}

void addNoise(image::CtVolume& ct, double sigma_hu, std::uint64_t seed) {
  const core::Random random(seed, 41);
  core::parallelChunks(ct.frame.voxelCount(), 1 << 16, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t v = first; v < last; ++v) {
      ct.voxels[static_cast<std::size_t>(v)] +=
          static_cast<float>(sigma_hu * random.normal(static_cast<std::uint64_t>(v)));
    }
  });
}

}  // namespace

double negativeShare(double value, const Vector3d& gradient, const Vector3d& half_mm) {
  Vector3d m = 2 * gradient.cwiseAbs().cwiseProduct(half_mm);
  const double total = m.sum();
  if (total < 1e-12 || std::abs(value) >= total / 2) return value < 0 ? 1 : 0;
  double alpha = 0.5 - value / total;
  const bool upper = alpha > 0.5;
  if (upper) alpha = 1 - alpha;
  m = (m / total).cwiseMax(1e-4);  // a plane along an axis, without a division by zero
  m /= m.sum();
  const auto cube = [](double x) { return x > 0 ? x * x * x : 0.0; };
  double sum = cube(alpha);
  for (int d = 0; d < 3; ++d) sum -= cube(alpha - m[d]);
  for (int d = 0; d < 3; ++d) sum += cube(alpha - m[d] - m[(d + 1) % 3]);
  const double share = std::clamp(sum / (6 * m.prod()), 0.0, 1.0);
  return upper ? 1 - share : share;
}

image::Frame scanFrame(const Anatomy& anatomy, const Scanner& scanner) {
  image::Frame frame;
  frame.spacing_mm = scanner.spacing_mm;
  frame.frame_id = scanner.frame_id;
  const Vector3d centre = (anatomy.min_mm + anatomy.max_mm) / 2;
  const Vector3d extent = anatomy.max_mm - anatomy.min_mm + 2 * anatomy.margin_mm;
  frame.size = extent.cwiseQuotient(scanner.spacing_mm).array().ceil().cast<int>();
  frame.origin_mm = centre - (frame.size.cast<double>() - Vector3d::Ones()).cwiseProduct(scanner.spacing_mm) / 2;
  return frame;
}

Scan scan(const Anatomy& anatomy, const Scanner& scanner) {
  const image::Frame frame = scanFrame(anatomy, scanner);
  Scan out{image::CtVolume(frame), image::LabelVolume(frame), {}};
  const bool metal = std::any_of(anatomy.paints.begin(), anatomy.paints.end(),
                                 [](const Paint& paint) { return paint.label == image::Metal; });
  if (metal) out.metal_fraction = image::CtVolume(frame);
  {
    core::Progress progress("voxels", frame.size[2]);
    core::parallelFor(frame.size[2], [&](std::int64_t k) {
      Renderer renderer(anatomy, frame);
      for (int j = 0; j < frame.size[1]; ++j) {
        for (int i = 0; i < frame.size[0]; ++i) {
          const Mix mix = renderer.voxel(frame.toWorld(Vector3d(i, j, static_cast<double>(k))));
          const auto v = static_cast<std::size_t>(out.ct.index(i, j, static_cast<int>(k)));
          out.ct.voxels[v] = static_cast<float>(mix.hu);
          out.labels.voxels[v] = mainLabel(mix);
          if (metal) out.metal_fraction.voxels[v] = static_cast<float>(mix.share[image::Metal]);
        }
      }
      progress.advance();
    });
  }
  if (metal) addMetalStreaks(out.ct, out.metal_fraction, scanner.seed);
  if (scanner.blur_mm > 0) out.ct = image::gaussian(out.ct, scanner.blur_mm);
  if (scanner.noise_hu > 0) addNoise(out.ct, scanner.noise_hu, scanner.seed);
  if (metal) {
    for (float& hu : out.ct.voxels) hu = std::clamp(hu, -1024.0f, 3071.0f);
  }
  return out;
}

}  // namespace osteo::phantom
