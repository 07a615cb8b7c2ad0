#include <Eigen/Geometry>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "measure/connectivity.h"
#include "measure/dimensions.h"
#include "measure/request.h"
#include "measure/trabeculae.h"

using namespace osteo;
using namespace osteo::measure;
using Eigen::Vector3d;
using image::LabelVolume;

namespace {

LabelVolume painted(const Eigen::Vector3i& size, const std::function<bool(const Vector3d&)>& inside,
                    double spacing_mm = 1) {
  image::Frame frame;
  frame.size = size;
  frame.spacing_mm = Vector3d::Constant(spacing_mm);
  LabelVolume mask(frame);
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i) mask.at(i, j, k) = inside(Vector3d(i, j, k)) ? 1 : 0;
  return mask;
}

LabelVolume all(const LabelVolume& mask) { return LabelVolume(mask.frame, 1); }

}  // namespace

TEST_CASE("a plate is as thick as it is, even or odd, and so is what lies beside it") {
  for (const int thick : {5, 6}) {
    const LabelVolume plate = painted(
        {40, 40, 30}, [&](const Vector3d& p) { return p.z() >= 8 && p.z() < 8 + thick; }, 0.1);
    const Spread th = spreadOf(localThickness_mm(plate));
    CHECK(th.mean_mm == Approx(0.1 * thick).epsilon(0.005));
    CHECK(th.sd_mm < 0.005);
  }
  // Two plates, 9 voxels apart: the gap between them is bounded on both sides, what lies beyond them is not.
  const LabelVolume plates = painted({48, 48, 15}, [](const Vector3d& p) { return p.z() < 3 || p.z() >= 12; });
  const Trabeculae t = measureTrabeculae(plates, all(plates));
  CHECK(t.tb_sp.mean_mm == Approx(9).epsilon(0.01));
  CHECK(t.bvTv() == Approx(6.0 / 15));
}

TEST_CASE("a ball fills its box as geometry says, and its thickness is its diameter") {
  const LabelVolume ball =
      painted({40, 40, 40}, [](const Vector3d& p) { return (p - Vector3d::Constant(19.5)).norm() < 10; });
  const Trabeculae t = measureTrabeculae(ball, all(ball));
  CHECK(t.bvTv() == Approx(0.06545).epsilon(0.01));
  CHECK(t.tb_th.mean_mm == Approx(20).margin(0.7));
  CHECK(t.tb_th.max_mm == Approx(20).margin(0.7));
  CHECK(t.connectivity_body == Approx(0).margin(1e-9));
  CHECK(t.fabric.degree() == Approx(1).margin(0.03));
  CHECK(t.parts == 1);
}

TEST_CASE("a torus has one hole, two of them joined have two, a shell has a cavity") {
  const auto torus = [](double x) {
    return [x](const Vector3d& p) {
      const Vector3d q = p - Vector3d(20 + x, 20, 8);
      return std::hypot(std::hypot(q.x(), q.y()) - 12, q.z()) < 4;
    };
  };
  const LabelVolume one = painted({41, 41, 17}, torus(0));
  CHECK(1 - eulerCharacteristic(one).open == Approx(1));
  const LabelVolume two = painted({66, 41, 17}, [&](const Vector3d& p) { return torus(0)(p) || torus(24)(p); });
  CHECK(1 - eulerCharacteristic(two).open == Approx(2));
  const LabelVolume shell = painted({30, 30, 30}, [](const Vector3d& p) {
    const double r = (p - Vector3d::Constant(14.5)).norm();
    return r < 12 && r > 7;
  });
  CHECK(eulerCharacteristic(shell).open == Approx(2));
}

TEST_CASE("a lattice cut from a larger one contributes what its cells do") {
  // Rods along x, y and z every 10 voxels: each node adds one vertex and three edges, −2 in all.
  const auto rods = [](const Vector3d& p) {
    int on = 0;
    for (int axis = 0; axis < 3; ++axis) on += std::fmod(p[axis] + 5, 10) < 3;
    return on >= 2;
  };
  const LabelVolume cut = painted({40, 40, 40}, rods);
  CHECK(eulerCharacteristic(cut).contributed == Approx(-2 * 64));
}

TEST_CASE("plates are short across and long along, in the patient's axes") {
  LabelVolume plates = painted({60, 60, 60}, [](const Vector3d& p) { return std::fmod(p.z(), 10) < 4; });
  plates.frame.direction << 0, 0, 1, 1, 0, 0, 0, 1, 0;  // the image's z runs along LPS x
  const Fabric fabric = meanInterceptLengths(plates, all(plates));
  CHECK(fabric.degree() > 5);
  CHECK(std::abs(fabric.axes.col(2).x()) > 0.99);
  CHECK(fabric.lengths_mm[2] == Approx(60.0 / 11).epsilon(0.03));  // 11 faces on 60 voxels
}

TEST_CASE("a box turned in its image has its own length, width and height") {
  LabelVolume box = painted(
      {50, 40, 30},
      [](const Vector3d& p) {
        return p.x() >= 5 && p.x() < 41 && p.y() >= 8 && p.y() < 28 && p.z() >= 10 && p.z() < 22;
      },
      0.5);
  const Eigen::AngleAxisd turn(0.4, Vector3d(1, 2, 3).normalized());
  box.frame.direction = turn.toRotationMatrix();
  const Dimensions d = dimensionsOf(box);
  CHECK(d.volume_mm3 == Approx(18 * 10 * 6));
  CHECK((d.extents_mm - Vector3d(18, 10, 6)).norm() < 1e-6);
  CHECK(d.largest_mm == Approx(Vector3d(18, 10, 6).norm()).epsilon(0.003));
  CHECK(d.smallest_mm == Approx(6).epsilon(0.02));
  CHECK((d.centroid_mm - box.frame.toWorld({22.5, 17.5, 15.5})).norm() < 1e-6);
  CHECK(std::abs(d.axes.col(0).dot(box.frame.direction.col(0))) == Approx(1));
  CHECK(d.parts == 1);
}

TEST_CASE("measures are the same on any number of threads, and name what is missing") {
  const LabelVolume rods = painted({40, 40, 40}, [](const Vector3d& p) {
    return std::hypot(std::fmod(p.x(), 10) - 5, std::fmod(p.y(), 10) - 5) < 3;
  });
  image::Segmentation segmentation{rods, {{1, "Bone"}}};
  const image::CtVolume ct(rods.frame, 200.0F);
  Request request{.density = {{-50, 0.8}}};
  const int before = core::threads();
  core::setThreads(1);
  const nlohmann::json first = measured(segmentation, &ct, request);
  core::setThreads(2);
  CHECK(measured(segmentation, &ct, request) == first);
  core::setThreads(before);
  CHECK(first["labels"]["Bone"]["mean_hu"] == Approx(200));
  CHECK(first["labels"]["Bone"]["vbmd_mg_per_cm3"] == Approx(110));
  CHECK(asTable(first).find("region\ttb_th_mm\t") != std::string::npos);
  segmentation.names.clear();
  CHECK(measured(segmentation, &ct, request)["labels"]["1"]["volume_mm3"] == first["labels"]["Bone"]["volume_mm3"]);
  request.bone = {"Marrow"};
  CHECK_THROWS_AS(measured(segmentation, nullptr, request), core::Error);
  segmentation.labels = LabelVolume(rods.frame);
  CHECK_THROWS_AS(measured(segmentation, nullptr, Request{}), core::Error);
}
