#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "image/volume.h"
#include "learn/plans.h"

/// The cases that a segmentation network is trained on and judged by: cases.json (configs/schema/cases.json).
namespace osteo::learn {

enum class Split { Train, Validation, Test };

struct Case {
  std::string name, ct, labels;  ///< paths as they can be opened
  Split split = Split::Train;
  std::string margin;    ///< of the defect; empty when nobody says
  bool phantom = false;  ///< computed, not scanned
};

/// Reads the document and looks at every case's headers: all files are there, frames and grids of CT and labels agree.
/// Cases without a split get one by the seed: of ten, seven to train, one or two to validate, the rest to test. Throws
/// DataError that names the case.
std::vector<Case> readCases(const std::string& path, std::uint64_t seed);

/// A hash of names, splits, margins and files, by which a checkpoint knows its cases.
std::string hashOf(const std::vector<Case>& cases);

/// A case on the network's grid, with places to look for.
struct PreparedCase {
  std::string name, margin;
  image::CtVolume ct;  ///< HU
  std::vector<std::uint8_t> labels;
  std::vector<std::vector<std::int64_t>> places;  ///< for each of kLabels a sample of its voxels; [0] is empty
};

/// Size, spacing and a sample of foreground values. Throws DataError for labels without any bone.
CaseFacts factsOf(const Case& one, std::uint64_t seed);
PreparedCase prepare(const Case& one, const Eigen::Vector3d& spacing_mm, std::uint64_t seed);

}  // namespace osteo::learn
