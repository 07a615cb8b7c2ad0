#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "simulate/brick.h"
#include "simulate/solver.h"

namespace osteo::simulate {
namespace {

constexpr std::int64_t kBlocks = 64;        // of layers, enough for any thread count; never depends on it
constexpr std::int64_t kLeastBlock = 2048;  // elements worth a task
constexpr std::int64_t kNodeChunk = 4096;   // nodes per partial sum

}  // namespace

Operator::Operator(const VoxelModel& model) : model_(model), stride_((model.nodes + kPadding + 7) / 8 * 8) {
  const std::int64_t target = std::max(kLeastBlock, model.elements / kBlocks);
  block_start_.push_back(0);
  std::int64_t elements = 0;
  int layers = 0;
  for (std::size_t k = 0; k + 1 < model.layer_start.size(); ++k) {
    for (auto r = model.layer_start[k]; r < model.layer_start[k + 1]; ++r) elements += model.runs[r].count;
    // Two layers at least: the kernel may add zeros to the first nodes of the plane after a block's last.
    if (++layers >= 2 && elements >= target) {
      block_start_.push_back(model.layer_start[k + 1]);
      elements = layers = 0;
    }
  }
  const auto end = static_cast<std::int64_t>(model.runs.size());
  if (block_start_.back() != end) block_start_.push_back(end);
}

/// Blocks of whole layers: those with even numbers share no node, nor do the odd ones.
void Operator::forEachBlock(const std::function<void(std::int64_t, std::int64_t)>& body) const {
  const auto blocks = static_cast<std::int64_t>(block_start_.size()) - 1;
  for (int parity = 0; parity < 2; ++parity)
    core::parallelFor((blocks + 1 - parity) / 2,
                      [&](std::int64_t b) { body(block_start_[2 * b + parity], block_start_[2 * b + parity + 1]); });
}

template <class T>
void Operator::applyTo(const std::vector<T>& u, std::vector<T>& y) const {
  core::parallelChunks(3 * stride_, 1 << 16, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    std::memset(y.data() + first, 0, static_cast<std::size_t>(last - first) * sizeof(T));
  });
  forEachBlock(
      [&](std::int64_t first, std::int64_t last) { applyBricks(model_, first, last, u.data(), y.data(), stride_); });
}

void Operator::apply(const Field& u, Field& y) const { applyTo(u, y); }
void Operator::apply(const FloatField& u, FloatField& y) const { applyTo(u, y); }

std::vector<double> Operator::diagonalBlocks() const {
  std::vector<double> blocks(static_cast<std::size_t>(6 * stride_), 0.0);
  forEachBlock([&](std::int64_t first, std::int64_t last) {
    forEachElement(model_, first, last, [&](std::int64_t e, int, int, int, const auto& nodes) {
      for (int a = 0; a < 8; ++a) {
        const auto block = diagonalBlock(model_.elastic(e), model_.frame.spacing_mm, a);
        for (int c = 0; c < 6; ++c) blocks[c * stride_ + nodes[a]] += block[c];
      }
    });
  });
  return blocks;
}

double dot(const Operator& K, const Field& a, const Field& b) {
  return core::parallelSum(3 * K.stride(), 3 * kNodeChunk, [&](std::int64_t first, std::int64_t last) {
    double sum = 0;
    for (auto n = first; n < last; ++n) sum += a[n] * b[n];
    return sum;
  });
}

}  // namespace osteo::simulate
