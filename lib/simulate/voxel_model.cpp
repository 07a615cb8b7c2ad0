#include "simulate/voxel_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace osteo::simulate {
namespace {

using Index = std::int64_t;

std::vector<ElementRun> findRuns(const Filling& filling) {
  std::vector<ElementRun> runs;
  const auto& size = filling.frame.size;
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j) {
      const std::uint16_t* row = filling.material.data() + Index{size[0]} * (j + Index{size[1]} * k);
      for (int i = 0; i < size[0];) {
        if (row[i] == 0) {
          ++i;
          continue;
        }
        int end = i;
        while (end < size[0] && row[end] != 0) ++end;
        ElementRun run;
        run.i = i, run.j = j, run.k = k, run.count = end - i;
        runs.push_back(run);
        i = end;
      }
    }
  return runs;
}

/// First run of each row (j + ny·k), and the end.
std::vector<Index> rowStarts(const std::vector<ElementRun>& runs, const Eigen::Vector3i& size) {
  std::vector<Index> start(static_cast<std::size_t>(Index{size[1]} * size[2] + 1), 0);
  for (const auto& run : runs) ++start[static_cast<std::size_t>(run.j + Index{size[1]} * run.k + 1)];
  std::partial_sum(start.begin(), start.end(), start.begin());
  return start;
}

Index findRoot(std::vector<Index>& parent, Index r) {
  while (parent[r] != r) r = parent[r] = parent[parent[r]];
  return r;
}

/// Joins the runs of two rows that share a face.
void joinRows(const std::vector<ElementRun>& runs, std::vector<Index>& parent, std::array<Index, 2> a,
              std::array<Index, 2> b) {
  while (a[0] < a[1] && b[0] < b[1]) {
    const auto &p = runs[a[0]], &q = runs[b[0]];
    if (p.i < q.i + q.count && q.i < p.i + p.count) {
      const Index s = findRoot(parent, a[0]), t = findRoot(parent, b[0]);
      parent[std::max(s, t)] = std::min(s, t);
    }
    if (p.i + p.count < q.i + q.count)
      ++a[0];
    else
      ++b[0];
  }
}

/// Keeps the face-connected piece with the most elements (the first of equals); counts what goes.
void keepLargestPiece(std::vector<ElementRun>& runs, VoxelModel& model, bool is_periodic) {
  const auto& size = model.frame.size;
  const auto start = rowStarts(runs, size);
  std::vector<Index> parent(runs.size());
  std::iota(parent.begin(), parent.end(), Index{0});
  const auto join = [&](Index a, Index b) {
    joinRows(runs, parent, {start[a], start[a + 1]}, {start[b], start[b + 1]});
  };
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j) {
      const Index row = j + Index{size[1]} * k;
      if (j > 0 || is_periodic) join(row, (j + size[1] - 1) % size[1] + Index{size[1]} * k);
      if (k > 0 || is_periodic) join(row, j + Index{size[1]} * ((k + size[2] - 1) % size[2]));
      if (is_periodic && start[row] < start[row + 1]) {
        const Index first = start[row], last = start[row + 1] - 1;
        if (runs[first].i == 0 && runs[last].i + runs[last].count == size[0]) {
          const Index s = findRoot(parent, first), t = findRoot(parent, last);
          parent[std::max(s, t)] = std::min(s, t);
        }
      }
    }
  std::vector<Index> elements(runs.size(), 0);
  for (Index r = 0; r < static_cast<Index>(runs.size()); ++r) elements[findRoot(parent, r)] += runs[r].count;
  const Index best = std::max_element(elements.begin(), elements.end()) - elements.begin();
  model.dropped_pieces = std::count_if(elements.begin(), elements.end(), [](Index n) { return n > 0; }) - 1;
  std::vector<ElementRun> kept;
  for (Index r = 0; r < static_cast<Index>(runs.size()); ++r) {
    if (findRoot(parent, r) == best)
      kept.push_back(runs[r]);
    else
      model.dropped_elements += runs[r].count;
  }
  runs = std::move(kept);
}

/// Node rows are the union of the up to four element rows around them.
void numberNodes(VoxelModel& model) {
  const auto& size = model.frame.size;
  const auto start = rowStarts(model.runs, size);
  model.row_start.assign(static_cast<std::size_t>(Index{size[1] + 1} * (size[2] + 1) + 1), 0);
  std::vector<std::pair<int, int>> spans;
  for (int k = 0; k <= size[2]; ++k)
    for (int j = 0; j <= size[1]; ++j) {
      spans.clear();
      for (int dk = -1; dk <= 0; ++dk)
        for (int dj = -1; dj <= 0; ++dj) {
          if (j + dj < 0 || j + dj >= size[1] || k + dk < 0 || k + dk >= size[2]) continue;
          const Index row = j + dj + Index{size[1]} * (k + dk);
          for (Index r = start[row]; r < start[row + 1]; ++r)
            spans.emplace_back(model.runs[r].i, model.runs[r].i + model.runs[r].count);
        }
      std::sort(spans.begin(), spans.end());
      model.row_start[j + Index{size[1] + 1} * k] = static_cast<Index>(model.node_runs.size());
      for (std::size_t s = 0; s < spans.size();) {
        int last = spans[s].second;
        std::size_t t = s + 1;
        for (; t < spans.size() && spans[t].first <= last + 1; ++t) last = std::max(last, spans[t].second);
        model.node_runs.push_back({spans[s].first, j, k, last - spans[s].first + 1, model.nodes});
        model.nodes += last - spans[s].first + 1;
        s = t;
      }
    }
  model.row_start.back() = static_cast<Index>(model.node_runs.size());
}

/// Stiffness of the voxels in rising order.
class VoxelStiffness {
 public:
  VoxelStiffness(const Filling& filling, const ElasticLaw& law) : filling_(filling), law_(law) {}
  Elastic at(Index voxel) {
    const float value = filling_.value.empty() ? 1.0F : filling_.value[voxel];
    const auto material = filling_.material[voxel];
    const float poisson = filling_.poisson.empty() ? std::nanf("") : filling_.poisson[voxel];
    if (!has_last_ || material != last_material_ || value != last_value_ || !filling_.poisson.empty()) {
      last_ = law_(static_cast<std::uint16_t>(material - 1), value, poisson);
      last_material_ = material, last_value_ = value, has_last_ = true;
    }
    const auto& mixes = filling_.mixes;
    while (next_ < mixes.size() && mixes[next_].voxel < voxel) ++next_;
    Elastic own = last_;
    is_mixed_ = false;
    for (; next_ < mixes.size() && mixes[next_].voxel == voxel; ++next_)
      own = mixed(own, mixes[next_]), is_mixed_ = true;
    return own;
  }
  /// Whether the voxel asked for last holds more than one material.
  bool isMixed() const { return is_mixed_; }

 private:
  const Filling& filling_;
  const ElasticLaw& law_;
  Elastic last_;
  std::uint16_t last_material_ = 0;
  float last_value_ = 0;
  bool has_last_ = false, is_mixed_ = false;
  std::size_t next_ = 0;

  Elastic mixed(const Elastic& own, const Mix& mix) const {
    const Elastic other = law_(static_cast<std::uint16_t>(mix.material - 1), mix.value, std::nanf(""));
    const double share = double(mix.share);
    if (!mix.is_layer) return (1 - share) * own + share * other;
    // In a row the compliances add up; a layer is soft in all directions alike.
    return 1 / (1 - share + share * own.c11 / other.c11) * own;
  }
};

/// Whether all elements are multiples of the first one's stiffness, or else all are cubic.
struct Kinship {
  bool is_uniform = true, is_cubic = true;
  void compare(const Elastic& e, const Elastic& base) {
    constexpr double kSame = 1e-12;
    const double factor = e.c11 / base.c11;
    for (int q = 0; q < Elastic::kEntries && is_uniform; ++q)
      is_uniform = std::abs(e[q] - factor * base[q]) <= kSame * e.c11;
    is_cubic = is_cubic && e.isCubic();
  }
};

void requirePositive(const Elastic& e) {
  if (!isPositive(e))
    throw core::Error(core::Exit::DataError,
                      {.what = "an element has no positive stiffness",
                       .got = fmt::format("C11 {} MPa, C12 {} MPa, C44 {} MPa", e.c11, e.c12, e.c44)});
}

void fillElements(const Filling& filling, const ElasticLaw& law, VoxelModel& model) {
  const auto forEach = [&](const auto& use) {
    for (const auto& run : model.runs)
      for (int x = 0; x < run.count; ++x)
        use(run.i + x + Index{model.frame.size[0]} * (run.j + Index{model.frame.size[1]} * run.k));
  };
  Stiffness& s = model.stiffness;
  Kinship kinship;
  bool is_first = true;
  VoxelStiffness look(filling, law);
  model.material.reserve(model.elements);
  forEach([&](Index voxel) {
    const Elastic e = look.at(voxel);
    requirePositive(e);
    if (std::exchange(is_first, false)) s.base = e;
    kinship.compare(e, s.base);
    if (look.isMixed()) model.mixed.push_back(static_cast<Index>(model.material.size()));
    model.material.push_back(static_cast<std::uint16_t>(filling.material[voxel] - 1));
    if (!filling.value.empty()) model.value.push_back(filling.value[voxel]);
    if (!filling.label.empty()) model.label.push_back(filling.label[voxel]);
  });
  VoxelStiffness again(filling, law);
  if (kinship.is_uniform)
    s.scale.reserve(static_cast<std::size_t>(model.elements + kPadding));
  else
    s.entry.resize(kinship.is_cubic ? 3 : Elastic::kEntries);
  forEach([&](Index voxel) {
    const Elastic e = again.at(voxel);
    if (kinship.is_uniform) s.scale.push_back(static_cast<float>(e.c11 / s.base.c11));
    for (std::size_t q = 0; q < s.entry.size(); ++q) s.entry[q].push_back(static_cast<float>(e[static_cast<int>(q)]));
  });
  if (kinship.is_uniform) s.scale.insert(s.scale.end(), kPadding, 0.0F);
  for (auto& values : s.entry) values.insert(values.end(), kPadding, 0.0F);
}

}  // namespace

std::int64_t VoxelModel::nodeAt(int i, int j, int k) const {
  if (j < 0 || k < 0 || j > frame.size[1] || k > frame.size[2]) return -1;
  const Index row = j + Index{frame.size[1] + 1} * k;
  const auto first = node_runs.begin() + row_start[row], last = node_runs.begin() + row_start[row + 1];
  auto run = std::upper_bound(first, last, i, [](int x, const NodeRun& r) { return x < r.i; });
  if (run == first) return -1;
  --run;
  return i < run->i + run->count ? run->node + (i - run->i) : -1;
}

double VoxelModel::bytes() const {
  return double(runs.size() * sizeof(ElementRun) + node_runs.size() * sizeof(NodeRun) +
                (layer_start.size() + row_start.size()) * sizeof(Index) +
                (material.size() + label.size()) * sizeof(std::uint16_t) + value.size() * sizeof(float) +
                (stiffness.scale.size() + stiffness.entry.size() * static_cast<std::size_t>(elements)) * sizeof(float));
}

VoxelModel buildModel(const Filling& filling, const ElasticLaw& law) {
  VoxelModel model;
  model.frame = filling.frame;
  model.grid = filling.grid.value_or(filling.frame);
  model.offset = filling.offset;
  auto runs = findRuns(filling);
  if (runs.empty())
    throw core::Error(core::Exit::DataError, {.what = "the model holds no material",
                                              .hint = "check the labels that are assigned, or the HU threshold"});
  keepLargestPiece(runs, model, filling.is_periodic);
  model.runs = std::move(runs);
  numberNodes(model);
  model.layer_start.assign(static_cast<std::size_t>(model.frame.size[2] + 1), 0);
  for (auto& run : model.runs) {
    ++model.layer_start[run.k + 1];
    run.element = model.elements;
    model.elements += run.count;
    for (int row = 0; row < 4; ++row) run.node[row] = model.nodeAt(run.i, run.j + (row & 1), run.k + (row >> 1));
  }
  std::partial_sum(model.layer_start.begin(), model.layer_start.end(), model.layer_start.begin());
  fillElements(filling, law, model);
  return model;
}

std::vector<Face> exposedFaces(const VoxelModel& model) {
  const auto& size = model.frame.size;
  std::vector<bool> solid(static_cast<std::size_t>(model.frame.voxelCount()), false);
  const auto at = [&](int i, int j, int k) -> Index { return i + Index{size[0]} * (j + Index{size[1]} * k); };
  forEachElement(model, [&](Index, int i, int j, int k, const auto&) { solid[at(i, j, k)] = true; });
  // Nodes of the faces x-, x+, y-, y+, z-, z+ in counter-clockwise order seen from outside (for a right-handed frame).
  constexpr int kFaceNodes[6][4] = {{0, 4, 6, 2}, {1, 3, 7, 5}, {0, 1, 5, 4}, {2, 6, 7, 3}, {0, 2, 3, 1}, {4, 5, 7, 6}};
  std::vector<Face> faces;
  forEachElement(model, [&](Index element, int i, int j, int k, const auto& nodes) {
    for (int f = 0; f < 6; ++f) {
      Eigen::Vector3i n(i, j, k);
      const int axis = f / 2, sign = f % 2 ? 1 : -1;
      n[axis] += sign;
      if (n[axis] >= 0 && n[axis] < size[axis] && solid[at(n[0], n[1], n[2])]) continue;
      const int* c = kFaceNodes[f];
      faces.push_back({{nodes[c[0]], nodes[c[1]], nodes[c[2]], nodes[c[3]]}, element, axis, sign});
    }
  });
  return faces;
}

}  // namespace osteo::simulate
