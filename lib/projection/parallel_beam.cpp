#include "projection/parallel_beam.h"

#include <cmath>
#include <complex>
#include <numbers>
#include <unsupported/Eigen/FFT>

namespace osteo::projection {

using Eigen::Vector2d;

namespace {

double bilinear(const std::vector<float>& pixels, const Grid2& grid, double x, double y) {
  const int i = static_cast<int>(std::floor(x)), j = static_cast<int>(std::floor(y));
  if (i < -1 || j < -1 || i >= grid.size[0] || j >= grid.size[1]) return 0;
  const double u = x - i, v = y - j;
  const auto at = [&](int a, int b) {
    return a < 0 || b < 0 || a >= grid.size[0] || b >= grid.size[1]
               ? 0.0
               : static_cast<double>(pixels[static_cast<std::size_t>(a) +
                                            static_cast<std::size_t>(grid.size[0]) * static_cast<std::size_t>(b)]);
  };
  return (1 - v) * ((1 - u) * at(i, j) + u * at(i + 1, j)) + v * ((1 - u) * at(i, j + 1) + u * at(i + 1, j + 1));
}

Vector2d direction(int angle, int angles) {
  const double theta = std::numbers::pi * angle / angles;
  return {std::cos(theta), std::sin(theta)};
}

/// A circle around the pixels that are not zero, as far as bilinear sampling reaches.
struct Circle {
  Vector2d centre = Vector2d::Zero();
  double radius = -1;
};

Circle support(const std::vector<float>& pixels, const Grid2& grid) {
  Vector2d low = Vector2d::Constant(1e9), high = -low;
  for (int j = 0; j < grid.size[1]; ++j) {
    for (int i = 0; i < grid.size[0]; ++i) {
      if (pixels[static_cast<std::size_t>(i) + static_cast<std::size_t>(grid.size[0]) * static_cast<std::size_t>(j)] ==
          0)
        continue;
      low = low.cwiseMin(Vector2d(i, j)), high = high.cwiseMax(Vector2d(i, j));
    }
  }
  if (low[0] > high[0]) return {};
  const Vector2d middle = (grid.size.cast<double>() - Vector2d::Ones()) / 2;
  return {((low + high) / 2 - middle).cwiseProduct(grid.spacing_mm),
          ((high - low) / 2 + Vector2d::Constant(1.01)).cwiseProduct(grid.spacing_mm).norm()};
}

Sinogram projectWhere(const std::vector<float>& pixels, const Grid2& grid, int angles, const Sinogram* where,
                      double least) {
  const Vector2d extent = grid.size.cast<double>().cwiseProduct(grid.spacing_mm);
  const Vector2d middle = (grid.size.cast<double>() - Vector2d::Ones()) / 2;
  Sinogram out{angles, 0, grid.spacing_mm.minCoeff(), {}};
  out.detectors = static_cast<int>(std::ceil(extent.norm() / out.pitch_mm)) + 2;
  out.values.assign(static_cast<std::size_t>(angles) * static_cast<std::size_t>(out.detectors), 0.0f);
  const double step = grid.spacing_mm.minCoeff() / 2;
  const int steps = static_cast<int>(std::ceil(extent.norm() / step));
  const Circle circle = support(pixels, grid);
  for (int a = 0; a < angles; ++a) {
    const Vector2d across = direction(a, angles), along(-across[1], across[0]);
    for (int d = 0; d < out.detectors; ++d) {
      const auto ray =
          static_cast<std::size_t>(a) * static_cast<std::size_t>(out.detectors) + static_cast<std::size_t>(d);
      if (where && where->values[ray] < least) continue;
      const Vector2d foot = (d - (out.detectors - 1) / 2.0) * out.pitch_mm * across;
      // Samples beyond the circle are zero: leaving them out changes no bit of the sum.
      const Vector2d to = circle.centre - foot;
      const double half = circle.radius * circle.radius - std::pow(to.dot(across), 2);
      if (circle.radius < 0 || half < 0) continue;
      const double chord = std::sqrt(half) / step, near = to.dot(along) / step + steps / 2.0;
      const int first = std::max(0, static_cast<int>(std::floor(near - chord)) - 1);
      const int last = std::min(steps, static_cast<int>(std::ceil(near + chord)) + 1);
      double sum = 0;
      for (int s = first; s < last; ++s) {
        const Vector2d p = foot + ((s + 0.5) - steps / 2.0) * step * along;
        const Vector2d index = p.cwiseQuotient(grid.spacing_mm) + middle;
        sum += bilinear(pixels, grid, index[0], index[1]);
      }
      out.values[ray] = static_cast<float>(sum * step);
    }
  }
  return out;
}

}  // namespace

Sinogram project(const std::vector<float>& pixels, const Grid2& grid, int angles) {
  return projectWhere(pixels, grid, angles, nullptr, 0);
}

Sinogram project(const std::vector<float>& pixels, const Grid2& grid, const Sinogram& where, double least) {
  return projectWhere(pixels, grid, where.angles, &where, least);
}

std::vector<float> filteredBackProject(const Sinogram& sinogram, const Grid2& grid) {
  const auto detectors = static_cast<std::size_t>(sinogram.detectors);
  std::size_t n = 1;
  while (n < 2 * detectors) n *= 2;
  Eigen::FFT<double> fft;
  std::vector<double> line(n, 0.0);
  std::vector<std::complex<double>> ramp, spectrum;
  line[0] = 0.25 / sinogram.pitch_mm;
  for (std::size_t i = 1; i < n / 2; i += 2) {
    const double x = std::numbers::pi * static_cast<double>(i);
    line[i] = line[n - i] = -1 / (x * x * sinogram.pitch_mm);
  }
  fft.fwd(ramp, line);
  std::vector<float> out(static_cast<std::size_t>(grid.size[0]) * static_cast<std::size_t>(grid.size[1]), 0.0f);
  const Vector2d middle = (grid.size.cast<double>() - Vector2d::Ones()) / 2;
  for (int a = 0; a < sinogram.angles; ++a) {
    const float* row = sinogram.values.data() + static_cast<std::size_t>(a) * detectors;
    std::fill(line.begin(), line.end(), 0.0);
    std::copy(row, row + detectors, line.begin());
    fft.fwd(spectrum, line);
    for (std::size_t i = 0; i < n; ++i) spectrum[i] *= ramp[i];
    fft.inv(line, spectrum);
    const Vector2d across = direction(a, sinogram.angles);
    for (int j = 0; j < grid.size[1]; ++j) {
      for (int i = 0; i < grid.size[0]; ++i) {
        const Vector2d p = (Vector2d(i, j) - middle).cwiseProduct(grid.spacing_mm);
        const double t = p.dot(across) / sinogram.pitch_mm + (sinogram.detectors - 1) / 2.0;
        const auto low = static_cast<std::size_t>(t);
        const double u = t - static_cast<double>(low);
        out[static_cast<std::size_t>(i) + static_cast<std::size_t>(grid.size[0]) * static_cast<std::size_t>(j)] +=
            static_cast<float>(std::numbers::pi / sinogram.angles * ((1 - u) * line[low] + u * line[low + 1]));
      }
    }
  }
  return out;
}

}  // namespace osteo::projection
