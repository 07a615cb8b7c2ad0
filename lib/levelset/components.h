#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "levelset/level_set.h"

namespace osteo::levelset {

/// One connected piece (over voxel faces) of the inside or the outside of a level set.
struct Piece {
  double volume_mm3 = 0;  ///< voxels counted whole
  Eigen::Vector3i min = Eigen::Vector3i::Constant(INT32_MAX),
                  max = Eigen::Vector3i::Constant(INT32_MIN);  ///< index box
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  bool reaches_border = false;  ///< outside only: connected with infinity
};

/// The connected pieces of the inside voxels (or of the outside voxels around them), in the fixed order of their first
/// block.
class Components {
 public:
  enum class Side { Inside, Outside };
  /// Voxels below `iso_mm` count as inside; other values than 0 are for looking at pieces only, not for `filtered`.
  Components(const LevelSet& level_set, Side side, double iso_mm = 0);
  ~Components();
  const std::vector<Piece>& pieces() const { return pieces_; }
  /// Calls visit(i, j, k) for every voxel of the pieces that fail `keep`, in a fixed order.
  void forOthers(const std::function<bool(const Piece&)>& keep,
                 const std::function<void(const Eigen::Vector3i&)>& visit) const;
  /// The level set with every piece that fails `keep` given to the other side; distances are true again, or, where the
  /// caller mends them itself, ± the band on the given voxels and as they were elsewhere.
  LevelSet filtered(const std::function<bool(const Piece&)>& keep, bool true_distances = true) const;

 private:
  struct Block;
  struct Sums;
  LevelSet level_set_;
  Side side_;
  float iso_ = 0;
  Eigen::Vector3i low_, count_;  ///< blocks of 8³ voxels
  std::vector<Block> blocks_;
  std::vector<std::int32_t> piece_of_;  ///< local component → piece
  std::vector<Piece> pieces_;

  void cutBlocks();
  void join();
  void measure();
  void measureSlab(int x, std::vector<Sums>& out) const;
};

}  // namespace osteo::levelset
