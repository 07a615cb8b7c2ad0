#include "reconstruct/tetra.h"

#include <openvdb/openvdb.h>
#include <openvdb/tools/Interpolation.h>

#include <Eigen/Dense>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "levelset/grid.h"

namespace osteo::reconstruct {
namespace {

using Eigen::Vector3d;
using Eigen::Vector3i;
using Id = std::int64_t;

// Shares of a long and of a short edge within which a cut pulls the lattice point onto the surface (Labelle & Shewchuk
// 2007, for the best smallest angle).
constexpr double kPullLong = 0.24999, kPullShort = 0.41189;

/// Corners and centres of cubes: points of sublattice 0 lie at whole, those of 1 at half multiples of the edge.
/// Neighbours are a fixed step of the number away.
class Lattice {
 public:
  Lattice(const levelset::LevelSet& solid, double edge_mm) : edge_mm_(edge_mm) {
    Vector3i first, last;
    solid.activeBox(first, last);
    const double scale = solid.voxel_mm() / edge_mm;
    low_ = (first.cast<double>() * scale).array().floor().cast<int>() - 2;
    count_ = (last.cast<double>() * scale).array().ceil().cast<int>() - low_.array() + 3;
    if (count_.cast<double>().prod() > 1 << 30)
      throw core::Error(core::Exit::DataError, {.what = "the lattice of the tetrahedra is too fine for so large a bone",
                                                .expected = "at most 2^30 cubes",
                                                .hint = "give a larger --tetra-mm"});
    half_ = count_.cast<Id>().prod();
    axis_ = {1, count_[0], Id{count_[0]} * count_[1]};
    for (std::size_t n = 0; n < 3; ++n) steps_[n] = axis_[n];
    for (std::size_t n = 0; n < 8; ++n) {
      steps_[3 + n] = half_;
      for (std::size_t a = 0; a < 3; ++a) steps_[3 + n] -= (n >> a & 1) != 0 ? axis_[a] : 0;
    }
  }

  Id size() const { return 2 * half_; }
  Id cubes() const { return half_; }
  Id step(std::size_t axis) const { return axis_[axis]; }
  /// Steps towards larger numbers: three along long edges, and from corners eight along short ones.
  const std::array<Id, 11>& steps() const { return steps_; }
  int stepsFrom(Id id) const { return id < half_ ? 11 : 3; }
  bool isLong(Id a, Id b) const { return (a < half_) == (b < half_); }
  Vector3i index(Id id) const {
    const Id n = id % half_;
    return {static_cast<int>(n % count_[0]), static_cast<int>(n / count_[0] % count_[1]),
            static_cast<int>(n / axis_[2])};
  }
  /// Whether all neighbours are there; the others lie far outside the solid.
  bool inner(Id id) const {
    const Vector3i at = index(id);
    return at.minCoeff() > 0 && (at.array() < count_.array() - 1).all();
  }
  Vector3d point(Id id) const {
    return ((low_ + index(id)).cast<double>().array() + (id < half_ ? 0.0 : 0.5)) * edge_mm_;
  }
  /// Centres around the edge that leaves a corner along an axis, counter-clockwise about it.
  std::array<Id, 4> ring(Id corner, std::size_t axis) const {
    const Id u = axis_[(axis + 1) % 3], v = axis_[(axis + 2) % 3], at = corner + half_;
    return {at, at - u, at - u - v, at - v};
  }
  /// A number for an edge, the same from both ends.
  Id key(Id a, Id b) const {
    const Id low = std::min(a, b), step = std::max(a, b) - low;
    for (std::size_t n = 0; n < steps_.size(); ++n)
      if (steps_[n] == step) return 16 * low + static_cast<Id>(n);
    return -1;
  }

 private:
  double edge_mm_;
  Vector3i low_, count_;
  Id half_ = 0;
  std::array<Id, 3> axis_;
  std::array<Id, 11> steps_;
};

using Accessor = openvdb::tree::ValueAccessor<const openvdb::FloatTree>;

/// The level set at a point, with the lattice's sign: positive inside.
struct Probe {
  explicit Probe(const levelset::LevelSet& solid) : values(solid.grid().vdb->tree()), per_voxel(1 / solid.voxel_mm()) {}
  double operator()(const Vector3d& p) const {
    const Vector3d at = p * per_voxel;
    return -openvdb::tools::BoxSampler::sample(values, openvdb::Vec3d(at[0], at[1], at[2]));
  }
  Accessor values;
  double per_voxel;
};

struct Cut {
  Id a, b;
  Vector3d point = Vector3d::Zero();
};

class Stuffing {
 public:
  Stuffing(const levelset::LevelSet& solid, double edge_mm) : solid_(solid), lattice_(solid, edge_mm) {
    signs_.resize(static_cast<std::size_t>(lattice_.size()));
    core::parallelChunks(lattice_.size(), kChunk, [&](Id first, Id last, Id) {
      const Probe probe(solid_);
      for (Id id = first; id < last; ++id) {
        const double value = probe(lattice_.point(id));
        sign(id) = static_cast<signed char>((value > 0) - (value < 0));
      }
    });
    findCuts();
    warp();
  }

  TetraMesh run() {
    for (Id corner = 0; corner < lattice_.cubes(); ++corner) {
      if (!lattice_.inner(corner)) continue;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const std::array<Id, 4> ring = lattice_.ring(corner, axis);
        for (std::size_t n = 0; n < 4; ++n) fill({corner, corner + lattice_.step(axis), ring[n], ring[(n + 1) % 4]});
      }
    }
    return std::move(out_);
  }

 private:
  static constexpr Id kChunk = 1 << 15;
  using Corners = std::array<Id, 4>;
  using Prism = std::array<std::uint32_t, 3>;

  signed char& sign(Id id) { return signs_[static_cast<std::size_t>(id)]; }
  bool crosses(Id a, Id b) { return sign(a) * sign(b) < 0; }

  void findCuts() {
    std::vector<std::vector<Cut>> parts(static_cast<std::size_t>((lattice_.size() + kChunk - 1) / kChunk));
    core::parallelChunks(lattice_.size(), kChunk, [&](Id first, Id last, Id part) {
      const Probe probe(solid_);
      for (Id id = first; id < last; ++id) {
        if (!lattice_.inner(id)) continue;
        for (int n = 0; n < lattice_.stepsFrom(id); ++n) {
          const Id next = id + lattice_.steps()[static_cast<std::size_t>(n)];
          if (crosses(id, next)) parts[static_cast<std::size_t>(part)].push_back({id, next, crossing(probe, id, next)});
        }
      }
    });
    for (const auto& part : parts) {
      for (const Cut& cut : part) {
        cut_at_[lattice_.key(cut.a, cut.b)] = cuts_.size();
        cuts_.push_back(cut);
      }
    }
  }

  Vector3d crossing(const Probe& probe, Id a, Id b) {
    constexpr int kHalvings = 26;
    Vector3d inside = lattice_.point(sign(a) > 0 ? a : b), outside = lattice_.point(sign(a) > 0 ? b : a);
    for (int n = 0; n < kHalvings; ++n) {
      const Vector3d middle = 0.5 * (inside + outside);
      (probe(middle) > 0 ? inside : outside) = middle;
    }
    return 0.5 * (inside + outside);
  }

  /// Moves every lattice point that a cut comes too near to onto its nearest one, in the order of their numbers; the
  /// cuts of its edges are then gone.
  void warp() {
    std::vector<std::pair<Id, std::size_t>> ends;
    for (std::size_t c = 0; c < cuts_.size(); ++c) {
      ends.emplace_back(cuts_[c].a, c);
      ends.emplace_back(cuts_[c].b, c);
    }
    std::sort(ends.begin(), ends.end());
    for (std::size_t first = 0, last = 0; first < ends.size(); first = last) {
      const Id id = ends[first].first;
      const Vector3d at = lattice_.point(id);
      double nearest = 1e300;
      std::size_t to = cuts_.size();
      for (; last < ends.size() && ends[last].first == id; ++last) {
        const Cut& cut = cuts_[ends[last].second];
        if (!crosses(cut.a, cut.b)) continue;
        const double length = (lattice_.point(cut.a) - lattice_.point(cut.b)).norm(),
                     pull = (lattice_.isLong(cut.a, cut.b) ? kPullLong : kPullShort) * length,
                     distance = (cut.point - at).norm();
        if (distance >= pull || distance >= nearest) continue;
        nearest = distance;
        to = ends[last].second;
      }
      if (to == cuts_.size()) continue;
      sign(id) = 0;
      moved_[id] = cuts_[to].point;
    }
  }

  std::uint32_t add(std::unordered_map<Id, std::uint32_t>& known, Id key, const Vector3d& point) {
    const auto [at, is_new] = known.try_emplace(key, static_cast<std::uint32_t>(out_.vertices.size()));
    if (is_new) out_.vertices.push_back(point);
    return at->second;
  }
  std::uint32_t vertex(Id id) {
    const auto moved = moved_.find(id);
    return add(lattice_vertex_, id, moved == moved_.end() ? lattice_.point(id) : moved->second);
  }
  /// Where the edge from an inside point ends: at its cut, or at the other end, which lies on the surface.
  std::uint32_t end(Id inside, Id other) {
    if (sign(other) >= 0) return vertex(other);
    const Id key = lattice_.key(inside, other);
    return add(cut_vertex_, key, cuts_[cut_at_.at(key)].point);
  }

  void emit(const Tetrahedron& t, bool mirrored) {
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (t[i] == t[j]) return;
    out_.tetrahedra.push_back(mirrored ? Tetrahedron{t[0], t[1], t[3], t[2]} : t);
  }

  /// What of a lattice tetrahedron lies inside.
  void fill(const Corners& corner) {
    std::vector<std::size_t> in, rest;
    bool leaves = false;
    for (std::size_t n = 0; n < 4; ++n) {
      (sign(corner[n]) > 0 ? in : rest).push_back(n);
      leaves = leaves || sign(corner[n]) < 0;
    }
    if (in.empty()) return;
    if (in.size() == 1 || !leaves) {
      Tetrahedron t;
      for (std::size_t n = 0; n < 4; ++n)
        t[n] = sign(corner[n]) > 0 ? vertex(corner[n]) : end(corner[in[0]], corner[n]);
      return emit(t, false);
    }
    std::vector<std::size_t> order = in;
    order.insert(order.end(), rest.begin(), rest.end());
    if (in.size() == 2) return fillPair(corner, {in[0], in[1], rest[0], rest[1]});
    Prism near, far;
    for (std::size_t n = 0; n < 3; ++n) {
      near[n] = vertex(corner[order[n]]);
      far[n] = end(corner[order[n]], corner[order[3]]);
    }
    const auto before = [&](std::size_t i, std::size_t j) {
      return diagonalFrom(corner[order[i]], corner[order[j]], corner[order[3]]);
    };
    fillPrism(near, far, {before(0, 1), before(0, 2), before(1, 2)}, isOdd(order));
  }

  /// Two corners inside: a prism along their edge, or a pyramid where a third lies on the surface.
  void fillPair(const Corners& corner, std::vector<std::size_t> order) {
    if (sign(corner[order[2]]) == 0) std::swap(order[2], order[3]);  // the one on the surface comes last
    const Id a = corner[order[0]], b = corner[order[1]], c = corner[order[2]], d = corner[order[3]];
    const Prism near = {vertex(a), end(a, c), end(a, d)}, far = {vertex(b), end(b, c), end(b, d)};
    const bool first = diagonalFrom(a, b, c), second = sign(d) == 0 || diagonalFrom(a, b, d);
    const auto length = [&](std::uint32_t p, std::uint32_t q) {
      return (out_.vertices[p] - out_.vertices[q]).squaredNorm();
    };
    // Between four cuts the shorter diagonal, unless the two others leave one only.
    bool third = second;
    if (sign(d) != 0 && first == second) third = length(near[1], far[2]) <= length(near[2], far[1]);
    fillPrism(near, far, {first, second, third}, isOdd({order[0], order[2], order[3], order[1]}));
  }

  /// Of the quadrilateral between two inside points and their cuts towards an outside one: whether a's diagonal is
  /// taken, or b's. A rule that both tetrahedra at the face agree on: it ends at the long edge's cut; between two short
  /// edges it starts from the even corner.
  bool diagonalFrom(Id a, Id b, Id outside) const {
    if (lattice_.isLong(b, outside)) return true;
    if (lattice_.isLong(a, outside)) return false;
    return lattice_.index(a).sum() % 2 == 0;
  }

  /// Three tetrahedra of a prism; `before`: for the sides 01, 02, 12 whether the diagonal goes from the near triangle's
  /// first to the far one's second corner.
  void fillPrism(const Prism& near, const Prism& far, const std::array<bool, 3>& before, bool mirrored) {
    std::array<int, 3> rank = {0, 0, 0};
    const std::array<std::array<std::size_t, 2>, 3> sides = {{{0, 1}, {0, 2}, {1, 2}}};
    for (std::size_t s = 0; s < 3; ++s) ++rank[sides[s][before[s] ? 1 : 0]];
    std::vector<std::size_t> o(3);
    for (std::size_t n = 0; n < 3; ++n) o[static_cast<std::size_t>(rank[n])] = n;
    const bool odd = isOdd(o) != mirrored;
    emit({near[o[0]], near[o[1]], near[o[2]], far[o[2]]}, odd);
    emit({near[o[0]], near[o[1]], far[o[2]], far[o[1]]}, odd);
    emit({near[o[0]], far[o[0]], far[o[1]], far[o[2]]}, odd);
  }

  static bool isOdd(const std::vector<std::size_t>& permutation) {
    bool odd = false;
    for (std::size_t i = 0; i < permutation.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) odd ^= permutation[j] > permutation[i];
    return odd;
  }

  const levelset::LevelSet& solid_;
  Lattice lattice_;
  std::vector<signed char> signs_;  ///< 1 inside, 0 on the surface, −1 outside
  std::vector<Cut> cuts_;
  std::unordered_map<Id, std::size_t> cut_at_;
  std::unordered_map<Id, Vector3d> moved_;
  std::unordered_map<Id, std::uint32_t> lattice_vertex_, cut_vertex_;
  TetraMesh out_;
};

}  // namespace

TetraMesh fillWithTetrahedra(const levelset::LevelSet& solid, double edge_mm) {
  TetraMesh mesh = Stuffing(solid, edge_mm).run();
  if (mesh.tetrahedra.empty())
    throw core::Error(core::Exit::DataError, {.what = "the bone is too thin for tetrahedra of this size",
                                              .hint = "give a smaller --tetra-mm"});
  mesh.frame_id = solid.frameId();
  return mesh;
}

}  // namespace osteo::reconstruct
