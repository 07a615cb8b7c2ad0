#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "design_scaffold/coarse_body.h"
#include "learn/weights.h"

/// The strain energy of every element of an implant, by a network that corrects a solve on larger elements.
namespace osteo::design_scaffold {

/// A larger element is seen by this many points along each axis, whose values are channels of it.
constexpr int kSub = 4, kSubs = kSub * kSub * kSub;
/// The roots of the moduli at the points; the strain's direction (6) and size; bent, modulus, force, held.
constexpr int kResponseChannels = kSubs + 11;

/// What the network is given of a case: channels, then z, y, x of the larger elements. No number changes when loads,
/// moduli or lengths are multiplied.
std::vector<float> responseInput(const CoarseBody& body, const CoarseAnswer& answer);

/// Where an element's value stands among the kSubs channels of the cells (x fastest, as the input's).
std::vector<std::size_t> placesInOutput(const CoarseBody& body);
/// Of each such place the element that it speaks of, −1: none.
std::vector<std::int64_t> elementsOfOutput(const CoarseBody& body);

/// Energies of the elements under the same force: under displacements, divided by the work's square. By this a
/// correction is about the elements near by alone.
double underEqualForce(const CoarseAnswer& answer, double work_n_mm);

/// What the networks say of a case.
struct ResponseGuess {
  double work_n_mm = 0;
  std::vector<double> energy_n_mm;   ///< of the elements
  std::vector<double> strain_scale;  ///< by which the answer's strains are multiplied to have that energy
  /// Factors that hold the truth with 90 %: value / factor to value · factor.
  double work_factor = 1, peak_factor = 1;
  std::vector<double> energy_factor;  ///< of each element
};

class ResponseSurrogate {
 public:
  explicit ResponseSurrogate(learn::Weights weights);
  /// The cases of a body whose stiffness the answers were found with; the same bits for any number of threads.
  std::vector<ResponseGuess> operator()(const CoarseBody& body, const std::vector<CoarseAnswer>& answers) const;
  const learn::Weights& weights() const { return weights_; }

 private:
  learn::Weights weights_;
  double energy_interval_ = 1, work_interval_ = 1, peak_interval_ = 1;  ///< spreads that hold 90 %
};

/// Weights of `train response`. Throws NoInput, DataError.
ResponseSurrogate readResponse(const std::string& folder);
/// Where they lie unless told.
std::string responseFolder();

}  // namespace osteo::design_scaffold
