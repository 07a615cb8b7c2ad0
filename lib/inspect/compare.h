#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace osteo::inspect {

/// What two files may differ by and still count as equal.
struct Criteria {
  double tolerance = 0;  ///< HU, mm, relative for JSON, 0…255 for pictures, 1 − Dice for labels
  std::string label =
      {};                 ///< name or number of the one label that is scored; empty: each label, or any against a solid
  std::string mask = {};  ///< label volume whose nonzero voxels are left out of the score
  double surface_tolerance_mm = 1;                        ///< of surface Dice
  std::optional<double> min_dice = {}, max_hd95_mm = {};  ///< judge solids by these instead of the tolerance
};

/// What two files differ in, the weightiest first, and the measures by which that was judged.
struct Verdict {
  std::vector<std::string> differences;
  nlohmann::ordered_json measures = nlohmann::ordered_json::object();
  bool equal() const { return differences.empty(); }
};

/// Judges two files of any of our types. Labels, level sets and meshes may also be judged against each other, as
/// solids. Different kinds or frames are differences. Throws NoInput and DataError as the readers do; Usage for a
/// criterion that does not apply.
Verdict compare(const std::string& a, const std::string& b, const Criteria& criteria);

/// JSON documents without their `execution` block; numbers within a relative tolerance. At most 20 differences are
/// named.
Verdict compareJson(const nlohmann::json& a, const nlohmann::json& b, double tolerance);

}  // namespace osteo::inspect
