#include "slice_print/columns.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <cmath>

#include "core/error.h"

namespace osteo::slice_print {

namespace {

struct Hit {
  std::uint32_t cell;
  float z, cosine;  // of the normal to +z
};

double cross(const Point& u, const Point& v) { return u.x() * v.y() - u.y() * v.x(); }

// The triangles seen from above, hit by the lines through the cells' middles.
class Raster {
 public:
  Raster(const mesh::TriangleMesh& mesh, double pitch, int nx, int ny) : mesh_(mesh), pitch_(pitch), nx_(nx), ny_(ny) {
    for (const mesh::Triangle& t : mesh.triangles) add(t);
  }
  std::vector<Hit> take() { return std::move(hits_); }

 private:
  // On which side of the edge a–b the point lies: the same for both triangles of the edge, also on it.
  bool isLeft(std::uint32_t a, std::uint32_t b, const Point& p) const {
    const bool turned = a > b;
    if (turned) std::swap(a, b);
    const Point from = mesh_.vertices[a].head<2>(), to = mesh_.vertices[b].head<2>();
    return (cross(to - from, p - from) >= 0) != turned;
  }

  void add(const mesh::Triangle& t) {
    const Eigen::Vector3d &a = mesh_.vertices[t[0]], &b = mesh_.vertices[t[1]], &c = mesh_.vertices[t[2]];
    const Eigen::Vector3d normal = (b - a).cross(c - a);
    if (normal.z() == 0) return;
    const Point low = a.cwiseMin(b).cwiseMin(c).head<2>() / pitch_, high = a.cwiseMax(b).cwiseMax(c).head<2>() / pitch_;
    const int i0 = std::max(0, static_cast<int>(std::ceil(low.x() - 0.5 - 1e-6)));
    const int i1 = std::min(nx_ - 1, static_cast<int>(std::floor(high.x() - 0.5 + 1e-6)));
    const int j0 = std::max(0, static_cast<int>(std::ceil(low.y() - 0.5 - 1e-6)));
    const int j1 = std::min(ny_ - 1, static_cast<int>(std::floor(high.y() - 0.5 + 1e-6)));
    for (int j = j0; j <= j1; ++j) {
      for (int i = i0; i <= i1; ++i) {
        const Point p((i + 0.5) * pitch_, (j + 0.5) * pitch_);
        const bool ab = isLeft(t[0], t[1], p);
        if (isLeft(t[1], t[2], p) != ab || isLeft(t[2], t[0], p) != ab) continue;
        const double z = a.z() - ((p - a.head<2>()).dot(normal.head<2>())) / normal.z();
        const double clamped = std::clamp(z, std::min({a.z(), b.z(), c.z()}), std::max({a.z(), b.z(), c.z()}));
        hits_.push_back({static_cast<std::uint32_t>(j * nx_ + i), static_cast<float>(clamped),
                         static_cast<float>(normal.z() / normal.norm())});
      }
    }
  }

  const mesh::TriangleMesh& mesh_;
  double pitch_;
  int nx_, ny_;
  std::vector<Hit> hits_;
};

// From hits, lowest first, to stretches: solid while more surfaces were entered than left.
void appendSolids(std::span<Hit> hits, std::vector<Stretch>& solids) {
  std::stable_sort(hits.begin(), hits.end(),
                   [](const Hit& a, const Hit& b) { return a.z < b.z || (a.z == b.z && a.cosine < b.cosine); });
  int depth = 0;
  Stretch solid;
  for (const Hit& hit : hits) {
    const int before = depth;
    depth += hit.cosine < 0 ? 1 : -1;
    if (before == 0 && depth == 1) solid = {hit.z, hit.z, -hit.cosine};
    if (before == 1 && depth == 0 && hit.z > solid.low) {
      solid.high = hit.z;
      solids.push_back(solid);
    }
  }
}

}  // namespace

Columns::Columns(const mesh::TriangleMesh& mesh, double pitch_mm) : pitch_(pitch_mm) {
  Point high = Point::Zero();
  for (const Eigen::Vector3d& v : mesh.vertices) high = high.cwiseMax(v.head<2>());
  constexpr double kMostCells = 1 << 24;
  const Point cells = (high / pitch_mm).array().ceil().max(1.0);
  if (!(cells.prod() <= kMostCells)) {
    throw core::Error(core::Exit::DataError, {.what = "supports would need too fine a grid",
                                              .expected = fmt::format("at most {:.0f} cells", kMostCells),
                                              .got = fmt::format("{:.0f} × {:.0f}", cells.x(), cells.y()),
                                              .hint = "raise --support-spacing-mm"});
  }
  nx_ = static_cast<int>(cells.x()), ny_ = static_cast<int>(cells.y());
  std::vector<Hit> hits = Raster(mesh, pitch_, nx_, ny_).take();
  std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.cell < b.cell; });
  start_.assign(static_cast<std::size_t>(nx_) * ny_ + 1, 0);
  std::size_t first = 0;
  for (std::size_t c = 0; c + 1 < start_.size(); ++c) {
    std::size_t last = first;
    while (last < hits.size() && hits[last].cell == c) ++last;
    appendSolids({hits.data() + first, last - first}, solids_);
    start_[c + 1] = solids_.size();
    first = last;
  }
}

std::pair<int, int> Columns::cellOf(const Point& p) const {
  return {std::clamp(static_cast<int>(std::floor(p.x() / pitch_)), 0, nx_ - 1),
          std::clamp(static_cast<int>(std::floor(p.y() / pitch_)), 0, ny_ - 1)};
}

std::span<const Stretch> Columns::solids(int i, int j) const {
  if (i < 0 || j < 0 || i >= nx_ || j >= ny_) return {};
  return {solids_.data() + start_[cell(i, j)], start_[cell(i, j) + 1] - start_[cell(i, j)]};
}

bool Columns::isFree(const Point& centre, double radius_mm, double low_mm, double high_mm) const {
  const int i0 = static_cast<int>(std::floor((centre.x() - radius_mm) / pitch_)),
            i1 = static_cast<int>(std::floor((centre.x() + radius_mm) / pitch_)),
            j0 = static_cast<int>(std::floor((centre.y() - radius_mm) / pitch_)),
            j1 = static_cast<int>(std::floor((centre.y() + radius_mm) / pitch_));
  for (int j = j0; j <= j1; ++j) {
    for (int i = i0; i <= i1; ++i) {
      const Point nearest = centre.cwiseMax(Point(i, j) * pitch_).cwiseMin(Point(i + 1, j + 1) * pitch_);
      if ((nearest - centre).squaredNorm() > radius_mm * radius_mm) continue;
      for (const Stretch& solid : solids(i, j)) {
        if (solid.low < high_mm && solid.high > low_mm) return false;
      }
    }
  }
  return true;
}

double Columns::floorBelow(const Point& p, double z_mm) const {
  double floor = 0;
  const auto [i, j] = cellOf(p);
  for (const Stretch& solid : solids(i, j)) {
    if (solid.high <= z_mm + 1e-3) floor = solid.high;
  }
  return floor;
}

}  // namespace osteo::slice_print
