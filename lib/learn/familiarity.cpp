#include "learn/familiarity.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/statistics.h"

namespace osteo::learn {

using nlohmann::json;

namespace {

constexpr double kFloors[] = {5, 5, 5, 5, 20, 1, 0.02};  // spreads below these say nothing: HU, HU of noise, bits
constexpr std::size_t kFeatures = std::size(kFloors);
constexpr double kShrink = 0.2;
constexpr std::size_t kMost = 400000;  // voxels that are looked at

}  // namespace

std::vector<double> featuresOf(const image::CtVolume& ct, double doubt) {
  std::vector<double> dense, second;
  const std::size_t step = ct.voxels.size() / kMost + 1, row = static_cast<std::size_t>(ct.frame.size[0]);
  for (std::size_t v = 0; v < ct.voxels.size(); v += step) {
    if (ct.voxels[v] < -300) continue;
    dense.push_back(ct.voxels[v]);
    const std::size_t i = v % row;
    if (i > 0 && i + 1 < row)
      second.push_back(std::abs(ct.voxels[v] - 0.5 * (static_cast<double>(ct.voxels[v - 1]) + ct.voxels[v + 1])));
  }
  std::vector<double> out;
  for (const double share : {0.05, 0.25, 0.5, 0.75, 0.95}) out.push_back(core::quantile(dense, share));
  out.push_back(core::quantile(second, 0.5));
  out.push_back(doubt);
  return out;
}

double Familiarity::score(const std::vector<double>& features) const {
  double sum = 0;
  for (std::size_t a = 0; a < mean.size(); ++a)
    for (std::size_t b = 0; b < mean.size(); ++b)
      sum += (features[a] - mean[a]) * precision[a][b] * (features[b] - mean[b]);
  return std::sqrt(std::max(0.0, sum) / static_cast<double>(mean.size()));
}

Familiarity familiarityOf(const std::vector<std::vector<double>>& known,
                          const std::vector<std::vector<double>>& unseen) {
  const auto n = static_cast<Eigen::Index>(kFeatures);
  Eigen::VectorXd mean = Eigen::VectorXd::Zero(n);
  for (const auto& k : known) mean += Eigen::VectorXd::Map(k.data(), n) / static_cast<double>(known.size());
  Eigen::MatrixXd spread = Eigen::MatrixXd::Zero(n, n);
  for (const auto& k : known) {
    const Eigen::VectorXd off = Eigen::VectorXd::Map(k.data(), n) - mean;
    spread += off * off.transpose() / std::max(1.0, static_cast<double>(known.size()) - 1);
  }
  const Eigen::VectorXd diagonal = spread.diagonal();
  spread *= 1 - kShrink;
  for (Eigen::Index a = 0; a < n; ++a) {
    const double floor = kFloors[a];
    spread(a, a) = std::max(diagonal[a], floor * floor);
  }
  const Eigen::MatrixXd inverse = spread.inverse();
  Familiarity out;
  out.mean.assign(mean.data(), mean.data() + n);
  for (Eigen::Index a = 0; a < n; ++a) {
    out.precision.emplace_back();
    for (Eigen::Index b = 0; b < n; ++b) out.precision.back().push_back(inverse(a, b));
  }
  for (const auto& u : unseen.empty() ? known : unseen) out.limit = std::max(out.limit, out.score(u));
  return out;
}

json toJson(const Familiarity& familiarity) {
  return {{"features", "5, 25, 50, 75, 95 % of what is above -300 HU; noise in HU; doubt in bits"},
          {"mean", familiarity.mean},
          {"precision", familiarity.precision},
          {"limit", familiarity.limit}};
}

Familiarity familiarityFrom(const json& document, const std::string& name) {
  try {
    Familiarity out{document.at("mean"), document.at("precision"), document.at("limit")};
    bool fits = out.mean.size() == kFeatures && out.precision.size() == kFeatures && std::isfinite(out.limit);
    for (const auto& row : out.precision) fits = fits && row.size() == kFeatures;
    if (fits) return out;
  } catch (const json::exception&) {  // said below
  }
  throw core::Error(core::Exit::DataError,
                    {.what = "the index does not say what scans the network knows", .file = name});
}

}  // namespace osteo::learn
