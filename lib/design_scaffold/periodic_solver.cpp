#include "design_scaffold/periodic_solver.h"

#include <algorithm>

#include "core/parallel.h"

namespace osteo::design_scaffold {
namespace {

/// A row of nodes along x with the rows around it.
struct Row {
  std::size_t own, below_y, above_y, below_z, above_z;
  Row(const PeriodicNodes& nodes, int j, int k)
      : own(nodes.at(0, j, k)),
        below_y(nodes.at(0, j - 1, k)),
        above_y(nodes.at(0, j + 1, k)),
        below_z(nodes.at(0, j, k - 1)),
        above_z(nodes.at(0, j, k + 1)) {}
};

/// What the neighbours of node i of a row send it.
double received(const PeriodicOperator& op, const Row& row, int i, const double* x) {
  const int side = op.side, before = i == 0 ? side - 1 : i - 1, after = i + 1 == side ? 0 : i + 1;
  return op.link[0][row.own + i] * x[row.own + after] + op.link[0][row.own + before] * x[row.own + before] +
         op.link[1][row.own + i] * x[row.above_y + i] + op.link[1][row.below_y + i] * x[row.below_y + i] +
         op.link[2][row.own + i] * x[row.above_z + i] + op.link[2][row.below_z + i] * x[row.below_z + i];
}

/// One half of a Gauss–Seidel sweep: nodes whose indices add up to an even (0) or odd (1) number.
void relax(const PeriodicOperator& op, int colour, const std::vector<double>& right, std::vector<double>& x) {
  const PeriodicNodes nodes{op.side};
  core::parallelFor(op.side, [&](std::int64_t k) {
    for (int j = 0; j < op.side; ++j) {
      const Row row(nodes, j, static_cast<int>(k));
      for (int i = (j + static_cast<int>(k) + colour) & 1; i < op.side; i += 2) {
        const std::size_t n = row.own + i;
        if (op.diagonal[n] > 0) x[n] = (right[n] + received(op, row, i, x.data())) / op.diagonal[n];
      }
    }
  });
}

PeriodicOperator coarsened(const PeriodicOperator& fine) {
  PeriodicOperator coarse(fine.side / 2);
  const PeriodicNodes below{fine.side}, above{coarse.side};
  core::parallelFor(coarse.side, [&](std::int64_t kk) {
    for (int k = 2 * static_cast<int>(kk); k < 2 * static_cast<int>(kk) + 2; ++k)
      for (int j = 0; j < fine.side; ++j)
        for (int i = 0; i < fine.side; ++i) {
          const std::size_t n = below.at(i, j, k), c = above.at(i / 2, j / 2, static_cast<int>(kk));
          coarse.wall[c] += fine.wall[n];
          if (i & 1) coarse.link[0][c] += fine.link[0][n];
          if (j & 1) coarse.link[1][c] += fine.link[1][n];
          if (k & 1) coarse.link[2][c] += fine.link[2][n];
        }
  });
  coarse.close();
  return coarse;
}

}  // namespace

PeriodicOperator::PeriodicOperator(int nodes_along_edge) : side(nodes_along_edge) {
  const std::size_t count = PeriodicNodes{side}.size();
  for (auto& values : link) values.assign(count, 0.0F);
  wall.assign(count, 0.0F);
  diagonal.assign(count, 0.0F);
}

void PeriodicOperator::close() {
  const PeriodicNodes nodes{side};
  core::parallelFor(side, [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    for (int j = 0; j < side; ++j)
      for (int i = 0; i < side; ++i) {
        const std::size_t n = nodes.at(i, j, k);
        diagonal[n] = wall[n] + link[0][n] + link[1][n] + link[2][n] + link[0][nodes.at(i - 1, j, k)] +
                      link[1][nodes.at(i, j - 1, k)] + link[2][nodes.at(i, j, k - 1)];
      }
  });
}

void PeriodicOperator::apply(const std::vector<double>& x, std::vector<double>& y) const {
  const PeriodicNodes nodes{side};
  core::parallelFor(side, [&](std::int64_t k) {
    for (int j = 0; j < side; ++j) {
      const Row row(nodes, j, static_cast<int>(k));
      for (int i = 0; i < side; ++i)
        y[row.own + i] = diagonal[row.own + i] * x[row.own + i] - received(*this, row, i, x.data());
    }
  });
}

PeriodicMultigrid::PeriodicMultigrid(const PeriodicOperator& fine) {
  levels_.push_back({fine, {}, {}, {}});
  while (levels_.back().op.side % 4 == 0 && levels_.back().op.side > 4)
    levels_.push_back({coarsened(levels_.back().op), {}, {}, {}});
  for (Level& level : levels_) {
    const std::size_t count = level.op.diagonal.size();
    level.x.resize(count);
    level.right.resize(count);
    level.residual.resize(count);
  }
}

void PeriodicMultigrid::cycle(std::size_t level) {
  constexpr double kOverCorrection = 1.8;
  constexpr int kCoarsest = 12;
  Level& own = levels_[level];
  std::fill(own.x.begin(), own.x.end(), 0.0);
  const bool is_last = level + 1 == levels_.size();
  for (int sweep = 0; sweep < (is_last ? kCoarsest : 1); ++sweep)
    for (const int colour : {0, 1}) relax(own.op, colour, own.right, own.x);
  if (!is_last) {
    Level& coarse = levels_[level + 1];
    own.op.apply(own.x, own.residual);
    const PeriodicNodes below{own.op.side}, above{coarse.op.side};
    core::parallelFor(above.side, [&](std::int64_t kk) {
      for (int j = 0; j < above.side; ++j)
        for (int i = 0; i < above.side; ++i) {
          double sum = 0;
          for (int part = 0; part < 8; ++part) {
            const std::size_t n =
                below.at(2 * i + (part & 1), 2 * j + (part >> 1 & 1), 2 * static_cast<int>(kk) + (part >> 2));
            if (own.op.diagonal[n] > 0) sum += own.right[n] - own.residual[n];
          }
          coarse.right[above.at(i, j, static_cast<int>(kk))] = sum;
        }
    });
    cycle(level + 1);
    core::parallelFor(below.side, [&](std::int64_t k) {
      for (int j = 0; j < below.side; ++j)
        for (int i = 0; i < below.side; ++i) {
          const std::size_t n = below.at(i, j, static_cast<int>(k));
          if (own.op.diagonal[n] > 0)
            own.x[n] += kOverCorrection * coarse.x[above.at(i / 2, j / 2, static_cast<int>(k) / 2)];
        }
    });
  }
  for (int sweep = 0; sweep < (is_last ? kCoarsest : 1); ++sweep)
    for (const int colour : {1, 0}) relax(own.op, colour, own.right, own.x);
}

void PeriodicMultigrid::apply(const std::vector<double>& right, std::vector<double>& x) {
  levels_.front().right = right;
  cycle(0);
  x = levels_.front().x;
}

double innerProduct(const std::vector<double>& a, const std::vector<double>& b) {
  return core::parallelSum(static_cast<std::int64_t>(a.size()), 1 << 14, [&](std::int64_t first, std::int64_t last) {
    double sum = 0;
    for (std::int64_t n = first; n < last; ++n) sum += a[n] * b[n];
    return sum;
  });
}

}  // namespace osteo::design_scaffold
