#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "image/volume.h"

/// Whether a scan looks like those that a network was trained on.
namespace osteo::learn {

/// What is looked at: the 5, 25, 50, 75 and 95 % values of what is denser than −300 HU, the noise (half the median
/// second difference along x, in HU) and the network's doubt (Prediction::doubt).
std::vector<double> featuresOf(const image::CtVolume& ct, double doubt);

/// Mean and spread of the features over known scans; the limit is the largest score of unseen ones.
struct Familiarity {
  std::vector<double> mean;
  std::vector<std::vector<double>> precision;  ///< inverse of the covariance, shrunk towards its diagonal by a fifth
  double limit = 0;

  /// Mahalanobis distance per root of the number of features: about 1 for scans like the known ones.
  double score(const std::vector<double>& features) const;
};
Familiarity familiarityOf(const std::vector<std::vector<double>>& known,
                          const std::vector<std::vector<double>>& unseen);

nlohmann::json toJson(const Familiarity& familiarity);
/// Throws DataError for what is no such thing.
Familiarity familiarityFrom(const nlohmann::json& document, const std::string& name);

}  // namespace osteo::learn
