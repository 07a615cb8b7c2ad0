#pragma once
#include <cmath>

namespace osteo::design_scaffold {

/// A smooth step from 0 to 1 at `threshold`, the sharper the larger `sharpness`, that keeps 0 and 1; with one threshold
/// above and one below, the eroded and the dilated design stand for errors in making it (Wang, Lazarov, Sigmund, On
/// projection methods, convergence and robust formulations in topology optimization, Struct Multidiscip Optim 43
/// (2011) 767-784).
struct Heaviside {
  double sharpness = 1, threshold = 0.5;

  double operator()(double density) const {
    return (std::tanh(sharpness * threshold) + std::tanh(sharpness * (density - threshold))) / scale();
  }
  double derivative(double density) const {
    const double t = std::tanh(sharpness * (density - threshold));
    return sharpness * (1 - t * t) / scale();
  }

 private:
  double scale() const { return std::tanh(sharpness * threshold) + std::tanh(sharpness * (1 - threshold)); }
};

}  // namespace osteo::design_scaffold
