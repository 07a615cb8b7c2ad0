#include "learn/augment.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

#include "learn/bones.h"
#include "learn/regions.h"

namespace osteo::learn {

using Eigen::Matrix3d;
using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

constexpr double kSoft_hu = 40;

struct Place {
  const PreparedCase* from = nullptr;
  Vector3d centre = Vector3d::Zero();  ///< index
};

std::size_t pick(Draw& draw, std::size_t count) {
  return std::min(count - 1, static_cast<std::size_t>(draw.between(0, static_cast<double>(count))));
}

Vector3d indexOf(const image::Frame& frame, std::int64_t v) {
  const std::int64_t row = frame.size[0], slice = row * frame.size[1];
  return {static_cast<double>(v % row), static_cast<double>(v % slice / row), static_cast<double>(v / slice)};
}

/// A case and the middle of the patch in it: about a defect, about any label, or anywhere.
Place place(Draw& draw, const std::vector<PreparedCase>& cases, const Plans& plans, const Sampling& sampling) {
  const double kind = draw.between(0, 1);
  std::vector<const PreparedCase*> with;
  for (const PreparedCase& c : cases)
    if (!c.places[image::Defect].empty()) with.push_back(&c);
  const bool defect = kind < sampling.defect_share && !with.empty();
  Place out{defect ? with[pick(draw, with.size())] : &cases[pick(draw, cases.size())]};
  std::vector<std::size_t> present;
  for (std::size_t l = 1; l < out.from->places.size(); ++l)
    if (!out.from->places[l].empty()) present.push_back(l);
  const image::Frame& frame = out.from->ct.frame;
  if (kind < sampling.defect_share + sampling.foreground_share && !present.empty()) {
    const auto& voxels = out.from->places[defect ? std::size_t{image::Defect} : present[pick(draw, present.size())]];
    out.centre = indexOf(frame, voxels[pick(draw, voxels.size())]);
    for (int a = 0; a < 3; ++a) out.centre[a] += draw.between(-0.25, 0.25) * plans.patch[a];
  } else {
    for (int a = 0; a < 3; ++a) out.centre[a] = draw.between(0, frame.size[a] - 1.0);
  }
  for (int a = 0; a < 3; ++a) {  // a patch shows no more of what lies outside than it has to
    const double half = 0.5 * plans.patch[a], middle = 0.5 * (frame.size[a] - 1);
    const double room = std::max(0.0, 0.5 * frame.size[a] - half);
    out.centre[a] = std::clamp(out.centre[a], middle - room, middle + room);
  }
  return out;
}

/// From the patch's offsets to the case's, in voxels; turned and scaled in mm.
Matrix3d motion(Draw& draw, const PatchRequest& request, const Vector3d& spacing_mm) {
  Matrix3d out = Matrix3d::Identity();
  if (!request.disturbed) return out;
  const Augmentation& how = request.how;
  if (draw.chance(how.turn)) {
    const double angle = draw.between(-how.most_turn_deg, how.most_turn_deg) * EIGEN_PI / 180;
    out = Eigen::AngleAxisd(angle, draw.direction()).toRotationMatrix();
  }
  if (draw.chance(how.scale)) out *= draw.between(how.least_scale, how.most_scale);
  for (int a = 0; how.mirror && a < 3; ++a)
    if (draw.chance(0.5)) out.col(a) *= -1;
  return spacing_mm.cwiseInverse().asDiagonal() * out * spacing_mm.asDiagonal();
}

/// Trilinear value with the border's voxels repeated.
float valueAt(const image::CtVolume& ct, const Vector3d& index) {
  int low[3], high[3];
  float share[3];
  for (int a = 0; a < 3; ++a) {
    const double x = std::clamp(index[a], 0.0, ct.frame.size[a] - 1.0);
    low[a] = static_cast<int>(x);
    high[a] = std::min(low[a] + 1, ct.frame.size[a] - 1);
    share[a] = static_cast<float>(x - low[a]);
  }
  float sum = 0;
  for (int c = 0; c < 8; ++c) {
    const int i = c & 1 ? high[0] : low[0], j = c & 2 ? high[1] : low[1], k = c & 4 ? high[2] : low[2];
    const float w =
        (c & 1 ? share[0] : 1 - share[0]) * (c & 2 ? share[1] : 1 - share[1]) * (c & 4 ? share[2] : 1 - share[2]);
    if (w > 0) sum += w * ct.at(i, j, k);
  }
  return sum;
}

std::uint8_t labelAt(const PreparedCase& from, const Vector3d& index) {
  int at[3];
  for (int a = 0; a < 3; ++a)
    at[a] = static_cast<int>(std::lround(std::clamp(index[a], 0.0, from.ct.frame.size[a] - 1.0)));
  return from.labels[static_cast<std::size_t>(from.ct.index(at[0], at[1], at[2]))];
}

/// Applies `change` to every line of voxels along an axis.
template <class Change>
void alongLines(std::vector<float>& hu, const Vector3i& size, int axis, const Change& change) {
  const int step[3] = {1, size[0], size[0] * size[1]};
  const int n = size[axis], u = (axis + 1) % 3, v = (axis + 2) % 3;
  std::vector<float> line(static_cast<std::size_t>(n));
  for (int b = 0; b < size[v]; ++b) {
    for (int a = 0; a < size[u]; ++a) {
      float* const first =
          hu.data() + static_cast<std::ptrdiff_t>(a) * step[u] + static_cast<std::ptrdiff_t>(b) * step[v];
      for (int i = 0; i < n; ++i)
        line[static_cast<std::size_t>(i)] = first[static_cast<std::ptrdiff_t>(i) * step[axis]];
      for (int i = 0; i < n; ++i) first[static_cast<std::ptrdiff_t>(i) * step[axis]] = change(line, i);
    }
  }
}

void blur(std::vector<float>& hu, const Vector3i& size, double sigma) {
  const int reach = static_cast<int>(std::ceil(2.5 * sigma));
  std::vector<float> kernel;
  float sum = 0;
  for (int k = -reach; k <= reach; ++k) kernel.push_back(static_cast<float>(std::exp(-0.5 * k * k / (sigma * sigma))));
  for (const float w : kernel) sum += w;
  for (int axis = 0; axis < 3; ++axis) {
    alongLines(hu, size, axis, [&](const std::vector<float>& line, int i) {
      const int last = static_cast<int>(line.size()) - 1;
      float out = 0;
      for (int k = -reach; k <= reach; ++k)
        out += kernel[static_cast<std::size_t>(k + reach)] * line[static_cast<std::size_t>(std::clamp(i + k, 0, last))];
      return out / sum;
    });
  }
}

/// Keeps every `coarser`-th value of a line and interpolates between them, as thick slices do.
void coarsen(std::vector<float>& hu, const Vector3i& size, int axis, double coarser) {
  alongLines(hu, size, axis, [&](const std::vector<float>& line, int i) {
    const int last = static_cast<int>(line.size()) - 1;
    const double t = i / coarser, low = std::floor(t);
    const auto value = [&](double step) {
      return line[static_cast<std::size_t>(std::clamp(static_cast<int>(std::lround(step * coarser)), 0, last))];
    };
    const auto share = static_cast<float>(t - low);
    return (1 - share) * value(low) + share * value(low + 1);
  });
}

void disturb(std::vector<float>& hu, const Vector3i& size, Draw& draw, const PatchRequest& request) {
  const Augmentation& how = request.how;
  if (draw.chance(how.blur)) blur(hu, size, draw.between(0.3, how.most_blur_voxels));
  if (draw.chance(how.noise)) {
    const core::Random noise(request.seed, core::mix(request.number) + 11);
    const auto sigma = static_cast<float>(draw.between(0, how.most_noise_hu));
    for (std::size_t v = 0; v < hu.size(); ++v) hu[v] += sigma * static_cast<float>(noise.normal(v));
  }
  for (int axis = 0; axis < 3; ++axis)
    if (draw.chance(how.low_resolution / 3)) coarsen(hu, size, axis, draw.between(1, how.most_coarser));
  float gain = 1, shift = 0;
  if (draw.chance(how.contrast)) gain += static_cast<float>(draw.between(-how.most_contrast, how.most_contrast));
  if (draw.chance(how.shift)) shift = static_cast<float>(draw.between(-how.most_shift_hu, how.most_shift_hu));
  for (float& x : hu) x = gain * (x - static_cast<float>(kSoft_hu)) + static_cast<float>(kSoft_hu) + shift;
}

}  // namespace

void appendPatch(Batch& batch, const std::vector<PreparedCase>& cases, const Plans& plans,
                 const PatchRequest& request) {
  Draw draw(request.seed, core::mix(request.number) + 7);
  const Place at = place(draw, cases, plans, request.sampling);
  const Matrix3d move = motion(draw, request, at.from->ct.frame.spacing_mm);
  const Vector3i size = plans.patch;
  const std::size_t count = static_cast<std::size_t>(size.prod()), first = batch.target.size();
  batch.target.resize(first + kRegions * count);
  batch.weight.resize(first + kRegions * count);
  std::vector<float> hu(count);
  std::size_t v = 0;
  for (int k = 0; k < size[2]; ++k) {
    for (int j = 0; j < size[1]; ++j) {
      for (int i = 0; i < size[0]; ++i, ++v) {
        const Vector3d offset = Vector3d(i, j, k) - 0.5 * (size.cast<double>() - Vector3d::Ones());
        const Vector3d index = at.centre + move * offset;
        hu[v] = valueAt(at.from->ct, index);
        const Membership is = membership(labelAt(*at.from, index));
        for (std::size_t r = 0; r < kRegions; ++r) {
          batch.target[first + r * count + v] = is.inside[r];
          batch.weight[first + r * count + v] = is.known[r];
        }
      }
    }
  }
  if (request.disturbed) disturb(hu, size, draw, request);
  for (const float x : hu) batch.input.push_back(normalised(x, plans.intensity));
  ++batch.count;
}

}  // namespace osteo::learn
