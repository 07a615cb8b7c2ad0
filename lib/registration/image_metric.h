#pragma once
#include <Eigen/Core>
#include <functional>
#include <vector>

#include "image/volume.h"

namespace osteo::registration {

/// Normalised: (H(fixed) + H(moving)) / H(both) over the same histogram (Studholme et al. 1999), on which a scale that
/// brings more of one tissue into view has less pull.
enum class Metric { Mattes, MeanSquares, Normalised };

/// Places in the fixed image at which the images are compared.
struct ImageSamples {
  std::vector<Eigen::Vector3d> places_mm;
  std::vector<float> values;
};

/// `count` places spread over the fixed image (over the nonzero voxels of `mask` unless it is null), off the voxel
/// centres so that the grid leaves no trace; the same for the same seed.
ImageSamples sampleImage(const image::CtVolume& fixed, const image::LabelVolume* mask, std::int64_t count,
                         std::uint64_t seed);

/// Compares samples of the fixed image with the moving image at mapped places: minus Mattes' mutual information in nats
/// (Mattes et al., IEEE TMI 2003: 32 bins, cubic Parzen windows on the moving side) or the mean squared difference over
/// the fixed image's variance.
class ImageMetric {
 public:
  ImageMetric(const ImageSamples& samples, const image::CtVolume& moving, Metric metric);

  struct Value {
    double value = 0;    ///< infinite when less than a tenth of the samples fall into the moving image
    double overlap = 0;  ///< share of the samples that fall into the moving image
  };
  /// Fills `pull` with the derivative by each sample's mapped place (value per mm). The same for any thread count.
  Value operator()(const std::vector<Eigen::Vector3d>& mapped_mm, std::vector<Eigen::Vector3d>& pull) const;

 private:
  struct Hit {
    double value = 0;
    Eigen::Vector3d slope = Eigen::Vector3d::Zero();  ///< by position
    bool inside = false;
  };
  Hit sample(const Eigen::Vector3d& place_mm) const;
  double mutualInformation(const std::vector<Hit>& hits, std::int64_t inside, std::vector<Eigen::Vector3d>& pull) const;
  double meanSquares(const std::vector<Hit>& hits, std::int64_t inside, std::vector<Eigen::Vector3d>& pull) const;

  const ImageSamples& samples_;
  const image::CtVolume& moving_;
  Metric metric_;
  double fixed_low_ = 0, fixed_high_ = 1, moving_low_ = 0, moving_high_ = 1, fixed_variance_ = 1;
};

}  // namespace osteo::registration
