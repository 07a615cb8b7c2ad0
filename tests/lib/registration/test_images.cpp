#include <unistd.h>

#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "registration/images.h"
#include "registration/minimise.h"

using namespace osteo;
using Eigen::Affine3d;
using Eigen::Vector3d;

namespace {

/// Blobs of different sizes and densities in a soft body; another modality shows 300 - 0.3·HU with a bend.
double body(const Vector3d& p, bool other) {
  double v = -800 + 800 / (1 + std::exp((Vector3d(p.x() / 1.3, p.y(), p.z() / 1.1).norm() - 38) / 1.5));
  const double blobs[5][5] = {
      {-15, 8, 5, 9, 900}, {14, -10, -12, 6, 600}, {5, 18, 16, 7, 300}, {-8, -16, -18, 5, 1100}, {22, 6, 2, 4, 800}};
  for (const auto& b : blobs)
    v += b[4] * std::exp(-0.5 * (p - Vector3d(b[0], b[1], b[2])).squaredNorm() / (b[3] * b[3]));
  return other ? 300 - 0.3 * v + 1e-4 * v * v : v;
}

template <class Map>
image::CtVolume picture(int size, double spacing, const Map& map, bool other = false) {
  image::Frame frame;
  frame.size = {size, size - 4, size - 8};
  frame.spacing_mm = Vector3d(spacing, spacing, 1.2 * spacing);
  frame.direction = Eigen::AngleAxisd(0.1, Vector3d::UnitX()).toRotationMatrix();
  frame.origin_mm =
      frame.direction * (-0.5 * (frame.size.cast<double>().array() - 1) * frame.spacing_mm.array()).matrix();
  image::CtVolume volume(frame);
  const core::Random random(3);
  for (int k = 0, at = 0; k < frame.size[2]; ++k)
    for (int j = 0; j < frame.size[1]; ++j)
      for (int i = 0; i < frame.size[0]; ++i, ++at)
        volume.voxels[at] =
            static_cast<float>(body(map(frame.toWorld(Vector3d(i, j, k))), other) + 10 * random.normal(at));
  return volume;
}

const auto kStill = [](const Vector3d& p) { return p; };

template <class Truth>
double meanError(const registration::Transform& found, const Truth& truth) {
  double sum = 0;
  int n = 0;
  for (int x = -24; x <= 24; x += 8)
    for (int y = -24; y <= 24; y += 8)
      for (int z = -24; z <= 24; z += 8, ++n) sum += (found(Vector3d(x, y, z)) - truth(Vector3d(x, y, z))).norm();
  return sum / n;
}

Affine3d motion(double scale = 1) {
  Affine3d t = Affine3d::Identity();
  t.linear() = scale * (Eigen::AngleAxisd(0.09, Vector3d::UnitX()) * Eigen::AngleAxisd(-0.12, Vector3d::UnitY()) *
                        Eigen::AngleAxisd(0.17, Vector3d::UnitZ()))
                           .toRotationMatrix();
  t.translation() = Vector3d(8, -12, 6);
  return t;
}

}  // namespace

TEST_CASE("images give back their motion and scale, in one modality and across two") {
  const auto fixed = picture(48, 2.2, kStill);
  for (const double scale : {1.0, 1.06}) {
    const Affine3d truth = motion(scale);
    for (const bool other : {false, true}) {
      const auto moving = picture(
          64, 2.1, [&](const Vector3d& p) { return Vector3d(truth.inverse() * p); }, other);
      const auto fit =
          registration::fitImages(fixed, moving,
                                  {.model = scale == 1 ? registration::Model::Rigid : registration::Model::Similarity,
                                   .metric = other ? registration::Metric::Mattes : registration::Metric::MeanSquares});
      const double error = meanError(fit.transform, registration::Transform{truth});
      INFO("scale " << scale << " other " << other << " error " << error);
      CHECK(error < (scale != 1 && other ? 0.6 : 0.15));  // a scale is pulled by what it brings into view
      CHECK(fit.overlap > 0.6);
      CHECK(std::abs(fit.correlation) > 0.8);
    }
  }
}

TEST_CASE("a B-spline takes back a bend on top of a motion") {
  const auto fixed = picture(48, 2.2, kStill);
  Affine3d rigid = motion();
  rigid.translation() *= 0.3;
  const auto truth = [&](const Vector3d& p) {
    return Vector3d(
        rigid * Vector3d(p + Vector3d(2.5 * std::sin(p.y() / 16), 2 * std::cos(p.z() / 18), 2 * std::sin(p.x() / 20))));
  };
  // The moving image at T(x) shows the fixed at x: its points are traced back by fixed-point iteration.
  const auto moving = picture(50, 2.1, [&](const Vector3d& p) {
    Vector3d x = rigid.inverse() * p;
    for (int i = 0; i < 30; ++i) x -= rigid.linear().transpose() * (truth(x) - p);
    return x;
  });
  const auto linear = registration::fitImages(fixed, moving);
  const auto fit = registration::fitImages(fixed, moving, {.model = registration::Model::BSpline, .lattice_mm = 20});
  const double before = meanError(linear.transform, truth), after = meanError(fit.transform, truth);
  INFO("rigid " << before << " B-spline " << after);
  CHECK(after < 0.35 * before);
  CHECK(fit.smallest_jacobian > 0.3);
  CHECK(fit.largest_displacement_mm > 1.5);
  const Vector3d p(11, -7, 13);
  CHECK((fit.transform.inverse(fit.transform(p)) - p).norm() < 1e-5);
}

TEST_CASE("images are registered the same for any number of threads") {
  const auto fixed = picture(32, 3.3, kStill);
  const auto moving = picture(32, 3.3, [](const Vector3d& p) { return Vector3d(motion().inverse() * p); });
  const registration::ImageOptions options{.model = registration::Model::BSpline, .samples = 20000};
  core::setThreads(1);
  const auto one = registration::fitImages(fixed, moving, options);
  core::setThreads(2);
  const auto two = registration::fitImages(fixed, moving, options);
  core::setThreads(core::availableThreads());
  CHECK(one.transform.linear.matrix() == two.transform.linear.matrix());
  CHECK(one.transform.lattice->coefficients == two.transform.lattice->coefficients);
}

TEST_CASE("an empty mask is refused") {
  const auto fixed = picture(20, 5, kStill);
  const image::LabelVolume nothing(fixed.frame);
  CHECK_THROWS_AS(registration::fitImages(fixed, fixed, {.fixed_mask = &nothing}), core::Error);
}

TEST_CASE("the minimiser finds the bottom of Rosenbrock's valley") {
  Eigen::VectorXd x = Eigen::Vector2d(-1.2, 1);
  const double value = registration::minimise(
      [](const Eigen::VectorXd& at, Eigen::VectorXd& gradient) {
        const double a = 1 - at[0], b = at[1] - at[0] * at[0];
        gradient = Eigen::Vector2d(-2 * a - 400 * at[0] * b, 200 * b);
        return a * a + 100 * b * b;
      },
      x, {.max_iterations = 200, .first_step = 0.1, .largest_step = 1, .tolerance = 1e-9});
  CHECK(value < 1e-12);
  CHECK((x - Eigen::Vector2d(1, 1)).norm() < 1e-6);
}

TEST_CASE("transforms come back from their files as they were written") {
  const auto folder = std::filesystem::temp_directory_path() / ("osteo_tfm_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string path = folder / "t.tfm";
  registration::Transform bend;
  bend.lattice = registration::makeLattice({-30, -20, -10}, {40, 25, 12}, 15);
  const core::Random random(2);
  for (std::size_t i = 0; i < bend.lattice->coefficients.size(); ++i)
    bend.lattice->coefficients[i] = Vector3d(random.normal(3 * i), random.normal(3 * i + 1), random.normal(3 * i + 2));
  for (const registration::Transform& t :
       {registration::Transform{motion()}, registration::Transform{motion(1.2)}, bend}) {
    registration::writeTransform(t, path);
    const auto back = registration::readTransform(path);
    for (const Vector3d& p : {Vector3d(1, 2, 3), Vector3d(-20, 17, -8), Vector3d(39, -19, 11)})
      CHECK((back(p) - t(p)).norm() < 1e-9);
  }
  for (const char* bad : {"", "hello", "#Insight Transform File V1.0\n",
                          "#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\nParameters: 1 2 "
                          "nan\nFixedParameters: 0 0 0\n",
                          "#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\nParameters: 0 0 0 0 0 "
                          "0 0 0 0 1 1 1\nFixedParameters: 0 0 0\n",
                          "#Insight Transform File V1.0\nTransform: BSplineTransform_double_3_3\nParameters: "
                          "1\nFixedParameters: 1e9 1e9 1e9 0 0 0 1 1 1 1 0 0 0 1 0 0 0 1\n"}) {
    std::ofstream(path) << bad;
    CHECK_THROWS_AS(registration::readTransform(path), core::Error);
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("a lattice reproduces a linear displacement and its derivative") {
  auto lattice = registration::makeLattice({-30, -20, -10}, {40, 25, 12}, 15);
  const Affine3d linear = motion(1.1);
  for (int k = 0; k < lattice.size[2]; ++k)
    for (int j = 0; j < lattice.size[1]; ++j)
      for (int i = 0; i < lattice.size[0]; ++i)
        lattice.coefficients[lattice.index(i, j, k)] = linear * lattice.node_mm(i, j, k) - lattice.node_mm(i, j, k);
  registration::Transform t;
  t.lattice = lattice;
  for (const Vector3d& p : {Vector3d(-30, -20, -10), Vector3d(40, 25, 12), Vector3d(3.3, 2.2, 1.1)}) {
    CHECK((t(p) - linear * p).norm() < 1e-9);
    CHECK(t.jacobian(p) == Approx(std::pow(1.1, 3)));
  }
}
