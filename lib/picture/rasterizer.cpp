#include "picture/rasterizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"

namespace osteo::picture {
namespace {

constexpr std::int64_t kChunk = 1 << 15;
constexpr int kSub = 256;               // fixed-point steps per sample
constexpr float kFarSamples = 4194303;  // beyond this a vertex is pulled in, far outside any picture

struct FixedPoint {
  std::int32_t x, y;
};

/// One triangle turned so that its area on the raster (y down) is positive.
struct Setup {
  FixedPoint p[3];
  float depth[3], clip[3];
  std::int64_t area = 0;
  bool clip_mixed = false;
};

std::int64_t edge(const FixedPoint& a, const FixedPoint& b, std::int64_t x, std::int64_t y) {
  return (std::int64_t{b.x} - a.x) * (y - a.y) - (std::int64_t{b.y} - a.y) * (x - a.x);
}

/// 0 on top and left edges, which own their samples; −1 on the others.
std::int64_t bias(const FixedPoint& a, const FixedPoint& b) {
  const bool top_left = (a.y == b.y && b.x > a.x) || b.y < a.y;
  return top_left ? 0 : -1;
}

std::vector<FixedPoint> toFixed(const Projection& projection) {
  std::vector<FixedPoint> fixed(projection.points.size());
  core::parallelChunks(
      static_cast<std::int64_t>(fixed.size()), kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
        const auto snap = [](float v) {
          return static_cast<std::int32_t>(std::lround(std::clamp(v, -kFarSamples, kFarSamples) * kSub));
        };
        for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i)
          fixed[i] = {snap(projection.points[i].x()), snap(projection.points[i].y())};
      });
  return fixed;
}

/// The first sample whose centre is not left of (above) v, and the last one whose centre is not right of (below) v.
int firstSample(std::int32_t v) { return (v - kSub / 2 + kSub - 1) >> 8; }
int lastSample(std::int32_t v) { return (v - kSub / 2) >> 8; }

class Band {
 public:
  Band(const mesh::TriangleMesh& mesh, const Projection& projection, const std::vector<FixedPoint>& fixed,
       VisibilityBuffer& buffer)
      : mesh_(mesh), projection_(projection), fixed_(fixed), buffer_(buffer) {}

  void draw(int y_first, int y_last, std::uint8_t actor) {
    for (std::uint32_t t = 0; t < mesh_.triangles.size(); ++t) {
      const auto& [i, j, k] = mesh_.triangles[t];
      const FixedPoint &a = fixed_[i], &b = fixed_[j], &c = fixed_[k];
      const int y0 = std::max(y_first, firstSample(std::min({a.y, b.y, c.y})));
      const int y1 = std::min(y_last, lastSample(std::max({a.y, b.y, c.y})));
      if (y0 > y1) continue;
      const int x0 = std::max(0, firstSample(std::min({a.x, b.x, c.x})));
      const int x1 = std::min(buffer_.width - 1, lastSample(std::max({a.x, b.x, c.x})));
      if (x0 > x1) continue;
      Setup setup;
      if (prepare(mesh_.triangles[t], setup)) fill(setup, {x0, y0, x1, y1}, t, actor);
    }
  }

 private:
  struct Box {
    int x0, y0, x1, y1;
  };

  bool prepare(const mesh::Triangle& t, Setup& s) const {
    mesh::Triangle v = t;
    s.area = edge(fixed_[v[0]], fixed_[v[1]], fixed_[v[2]].x, fixed_[v[2]].y);
    if (s.area == 0) return false;
    if (s.area < 0) std::swap(v[1], v[2]), s.area = -s.area;
    int cut = 0;
    for (int c = 0; c < 3; ++c) {
      s.p[c] = fixed_[v[c]];
      s.depth[c] = projection_.points[v[c]].z();
      s.clip[c] = projection_.beyond_clip.empty() ? -1.0F : projection_.beyond_clip[v[c]];
      cut += s.clip[c] > 0;
    }
    s.clip_mixed = cut > 0;
    return cut < 3;
  }

  void fill(const Setup& s, const Box& box, std::uint32_t triangle, std::uint8_t actor) {
    const float scale = 1.0F / static_cast<float>(s.area);
    for (int y = box.y0; y <= box.y1; ++y)
      for (int x = box.x0; x <= box.x1; ++x) {
        const std::int64_t px = std::int64_t{x} * kSub + kSub / 2, py = std::int64_t{y} * kSub + kSub / 2;
        const std::int64_t w0 = edge(s.p[1], s.p[2], px, py), w1 = edge(s.p[2], s.p[0], px, py),
                           w2 = edge(s.p[0], s.p[1], px, py);
        if (w0 + bias(s.p[1], s.p[2]) < 0 || w1 + bias(s.p[2], s.p[0]) < 0 || w2 + bias(s.p[0], s.p[1]) < 0) continue;
        const float b0 = static_cast<float>(w0) * scale, b1 = static_cast<float>(w1) * scale,
                    b2 = static_cast<float>(w2) * scale;
        if (s.clip_mixed && b0 * s.clip[0] + b1 * s.clip[1] + b2 * s.clip[2] > 0) continue;
        const float depth = b0 * s.depth[0] + b1 * s.depth[1] + b2 * s.depth[2];
        const std::size_t at = buffer_.at(x, y);
        if (depth <= buffer_.depth[at]) continue;
        buffer_.depth[at] = depth;
        buffer_.triangle[at] = triangle;
        buffer_.actor[at] = actor;
      }
  }

  const mesh::TriangleMesh& mesh_;
  const Projection& projection_;
  const std::vector<FixedPoint>& fixed_;
  VisibilityBuffer& buffer_;
};

}  // namespace

VisibilityBuffer::VisibilityBuffer(int w, int h)
    : width(w),
      height(h),
      depth(static_cast<std::size_t>(w) * static_cast<std::size_t>(h), -std::numeric_limits<float>::infinity()),
      triangle(depth.size(), kNone),
      actor(depth.size(), 0) {}

Projection project(const mesh::TriangleMesh& mesh, const Camera& camera, const std::optional<Eigen::Vector4d>& clip) {
  Projection result;
  result.points.resize(mesh.vertices.size());
  if (clip) result.beyond_clip.resize(mesh.vertices.size());
  core::parallelChunks(
      static_cast<std::int64_t>(mesh.vertices.size()), kChunk,
      [&](std::int64_t first, std::int64_t last, std::int64_t) {
        for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
          const Eigen::Vector3d p = camera.axes * (mesh.vertices[i] - camera.centre_mm);
          result.points[i] = Eigen::Vector3d(camera.width / 2.0 + p.x() * camera.samples_per_mm,
                                             camera.height / 2.0 - p.y() * camera.samples_per_mm, p.z())
                                 .cast<float>();
          if (clip) result.beyond_clip[i] = static_cast<float>(clip->head<3>().dot(mesh.vertices[i]) + (*clip)[3]);
        }
      });
  return result;
}

void rasterize(const mesh::TriangleMesh& mesh, const Projection& projection, std::uint8_t actor,
               VisibilityBuffer& buffer) {
  const auto fixed = toFixed(projection);
  const int bands = std::max(1, std::min(core::threads(), buffer.height));
  core::parallelFor(bands, [&](std::int64_t b) {
    const auto row = [&](std::int64_t i) { return static_cast<int>(buffer.height * i / bands); };
    Band(mesh, projection, fixed, buffer).draw(row(b), row(b + 1) - 1, actor);
  });
}

Eigen::Vector3f weightsAt(const Projection& projection, const mesh::Triangle& triangle, int x, int y) {
  const auto &a = projection.points[triangle[0]], &b = projection.points[triangle[1]],
             &c = projection.points[triangle[2]];
  const float px = static_cast<float>(x) + 0.5F, py = static_cast<float>(y) + 0.5F;
  const auto cross = [](float ux, float uy, float vx, float vy) { return ux * vy - uy * vx; };
  const float area = cross(b.x() - a.x(), b.y() - a.y(), c.x() - a.x(), c.y() - a.y());
  Eigen::Vector3f w(cross(b.x() - px, b.y() - py, c.x() - px, c.y() - py),
                    cross(c.x() - px, c.y() - py, a.x() - px, a.y() - py),
                    cross(a.x() - px, a.y() - py, b.x() - px, b.y() - py));
  if (area == 0) return Eigen::Vector3f::Constant(1.0F / 3);
  w = (w / area).cwiseMax(0.0F);
  const float sum = w.sum();
  return sum > 0 ? Eigen::Vector3f(w / sum) : Eigen::Vector3f::Constant(1.0F / 3);
}

}  // namespace osteo::picture
