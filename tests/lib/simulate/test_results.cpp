#include <openvdb/io/File.h>
#include <openvdb/openvdb.h>

#include <Eigen/Geometry>
#include <nlohmann/json.hpp>

#include "blocks.h"
#include "core/files.h"
#include "folder.h"
#include "image/io.h"
#include "simulate/failure.h"
#include "simulate/fields.h"
#include "simulate/statistics.h"
#include "simulate/study.h"
#include "simulate/table.h"

using namespace osteo;
using namespace osteo::simulate;
using namespace osteo::simulate::test;
using Eigen::Vector3d;
using nlohmann::json;

namespace {

constexpr double kModulus_mpa = 1000;

/// A displacement field given at every node, LPS grids.
template <class Displacement>
Field fieldOf(const Operator& K, const Displacement& displacement) {
  Field u = K.zeros();
  forEachNode(K.model(), [&](std::int64_t n, int i, int j, int k) {
    const Vector3d v = displacement(K.model().nodePoint(i, j, k));
    for (int c = 0; c < 3; ++c) u[c * K.stride() + n] = v[c];
  });
  return u;
}

Material ceramic(double modulus, double strength, double volume) {
  Material m;
  m.name = "ceramic";
  m.criterion = Criterion::TensilePrincipal;
  m.modulus_mpa = kModulus_mpa, m.poisson = 0;
  m.strength_mpa = strength;
  m.weibull_modulus = modulus, m.weibull_volume_mm3 = volume;
  return m;
}

json numbersOf(const VoxelModel& model, const Field& u, const std::vector<Filler>& fillers,
               Evaluation evaluation = {}) {
  const Operator K(model);
  return statistics(model, evaluate(K, u, fillers, evaluation), fillers, evaluation);
}

Filler tired(Filler::Law law, double lattice_factor = 0) {
  Filler filler;
  filler.material.name = "metal";
  filler.material.fatigue = Fatigue{80, 1e7, 500, -0.1, lattice_factor, "made up"};
  filler.law = law;
  return filler;
}

Vector6d pull(double stress) { return stress * Vector6d::Unit(2); }

}  // namespace

TEST_CASE("without a lattice factor of its own a material's lattice is held to its fatigue strength") {
  const Materials library = readMaterials(OSTEO_SOURCE_DIR "/configs/materials/library.json");
  Filler peek;
  peek.material = library.at("peek");
  peek.law = Filler::Law::Lattice;
  CHECK(fatigueDemand(peek, pull(44.7), -1) == Approx(1));
  Filler printed = peek;
  printed.material = library.at("ti6al4v_lpbf");
  CHECK(fatigueDemand(printed, pull(106), -1) == Approx(1));
}

TEST_CASE("a peak is averaged over a ball within its material") {
  auto filling = box({6, 5, 5});
  for (std::size_t v = 0; v < filling.material.size(); ++v) filling.material[v] = v % 6 < 3 ? 1 : 2;
  const auto model = buildModel(filling, law(1));
  std::vector<Filler> fillers(2);
  const auto at = [](int i, int j, int k) { return static_cast<std::size_t>(i + 6 * (j + 5 * k)); };
  std::vector<float> values(150, 0.0F);
  values[at(1, 2, 2)] = 38;  // 19 elements within 1.5: itself, 6 across faces, 12 across edges
  values[at(5, 4, 4)] = 14;  // a corner: 1 + 3 + 3, or seen from its neighbours across faces 1 + 4 + 5
  auto peaks = smoothedPeaks(model, fillers, values, 1.5);
  CHECK(peaks[0] == Approx(38.0 / 14));  // from (0, 2, 2), at the side: 1 + 5 + 8
  CHECK(peaks[1] == Approx(2));
  values.assign(150, 0.0F);
  values[at(3, 2, 2)] = 14;  // at the border to the other material, which doesn't share in it
  peaks = smoothedPeaks(model, fillers, values, 1.5);
  CHECK(peaks[0] == 0);
  CHECK(peaks[1] == Approx(1));
  CHECK(smoothedPeaks(model, fillers, values, 0.5)[1] == 14);
  CHECK_THROWS_AS(requireRadius(model, 11), core::Error);
}

TEST_CASE("Weibull: even tension, pressure and pure bending have their exact probabilities") {
  const double m = 8, strength = 20, v0 = 10;
  const std::vector<Filler> fillers = {{ceramic(m, strength, v0)}};
  const auto model = buildModel(box({4, 4, 4}), law(kModulus_mpa, 0));
  const Operator K(model);
  const auto stretched = [&](double stress) {
    return numbersOf(model, fieldOf(K, [&](const Vector3d& p) { return Vector3d(0, 0, stress / kModulus_mpa * p[2]); }),
                     fillers)["materials"]["ceramic"];
  };
  const json pulled = stretched(15);
  const double risk = 64 / v0 * std::pow(15 / strength, m);
  CHECK(pulled["weibull_failure_probability"].get<double>() == Approx(1 - std::exp(-risk)).epsilon(1e-5));
  const double factor = pulled["load_factor_at_1_percent_failure"];
  CHECK(stretched(15 * factor)["weibull_failure_probability"].get<double>() == Approx(0.01).epsilon(1e-4));
  CHECK(stretched(-15)["weibull_failure_probability"] == 0.0);
  CHECK(!stretched(-15).contains("load_factor_at_1_percent_failure"));

  // A beam bent to ± 20 MPa at its outer fibres counts as V / (2 (m + 1)) at that stress.
  const int layers = 40;
  const auto beam = buildModel(box({layers, 2, 10}), law(kModulus_mpa, 0));
  const Operator B(beam);
  const double curvature = strength / kModulus_mpa / (0.5 * layers), middle = 0.5 * layers;
  const Field bent = fieldOf(B, [&](const Vector3d& p) {
    return Vector3d(-0.5 * curvature * p[2] * p[2], 0, curvature * (p[0] - middle) * p[2]);
  });
  const double share = double(beam.elements) / (2 * (m + 1)) / v0;
  CHECK(numbersOf(beam, bent, fillers)["materials"]["ceramic"]["weibull_failure_probability"].get<double>() ==
        Approx(1 - std::exp(-share)).epsilon(0.01));
}

TEST_CASE("fatigue: Goodman, Basquin and the sign of the stress") {
  const Filler solid = tired(Filler::Law::SolidFraction);
  CHECK(fatigueDemand(solid, pull(100), -1) == Approx(100.0 / 80));
  CHECK(fatigueDemand(solid, pull(100), 0) == Approx(50 / (1 - 50.0 / 500) / 80));
  CHECK(fatigueDemand(solid, pull(-100), 0) == Approx(50.0 / 80));  // a mean in compression gives nothing away
  CHECK(fatigueDemand(solid, pull(100), 1) == 0);
  CHECK(fatigueDemand(solid, pull(100), 0.5) == Approx(25 / (1 - 75.0 / 500) / 80));
  CHECK(fatigueDemand(solid, pull(1100), 0) == kBreaksAtOnce);
  CHECK(fatigueDemand(tired(Filler::Law::Lattice, 0.1), pull(100), -1) == Approx(100.0 / (0.1 * 500)));
  CHECK(fatigueDemand(tired(Filler::Law::Lattice), pull(100), -1) == Approx(100.0 / 80));
  CHECK(fatigueDemand(tired(Filler::Law::SolidFraction, 0.5), pull(100), -1) == Approx(100.0 / 80));

  // Through a solved field: 100 MPa in a third of the elements, 50 in the rest.
  const auto model = buildModel(box({3, 3, 3}), law(kModulus_mpa, 0));
  const Operator K(model);
  const Field u =
      fieldOf(K, [](const Vector3d& p) { return Vector3d(0, 0, 0.05 * p[2] + 0.05 * std::max(0.0, p[2] - 2)); });
  const json m = numbersOf(model, u, {solid}, {0, -1})["materials"]["metal"];
  CHECK(m["fatigue_safety_factor_p02"].get<double>() == Approx(0.8));
  CHECK(m["cycles_at_p98"].get<double>() == Approx(1e7 * std::pow(1.25, -10)));
  CHECK(m["fatigue_volume_share_above_endurance"].get<double>() == Approx(1.0 / 3));
  CHECK(m["fatigue_reference"] == "made up");
}

TEST_CASE("Pistoia's estimate sees bone alone, and a plain material as bone") {
  const Folder folder;
  image::Segmentation labels;
  labels.labels.frame.size = {4, 4, 8};
  labels.labels.voxels.assign(128, 1);
  for (std::size_t v = 0; v < 128; ++v) labels.labels.voxels[v] = v / 16 < 2 ? 2 : 1;  // a soft layer below the bone
  image::writeSegmentation(labels, folder("column.seg.nrrd"));
  json materials = {
      {"materials",
       {{"bone",
         {{"modulus_mpa", kModulus_mpa},
          {"poisson", 0},
          {"failure", {{"criterion", "asymmetric_strain"}, {"compression_strain", 0.01}, {"tension_strain", 0.01}}}}},
        {"foam", {{"modulus_mpa", 10}, {"poisson", 0}}}}},
      {"assign", {{"labels", {{"1", "bone"}, {"2", "foam"}}}}}};
  StandardTest test;
  test.kind = "uniaxial", test.strain = -0.01;
  const auto failureLoad = [&](StudyFiles files) {
    files.test = test;
    Study study(files);
    json record;
    study.solveCase(study.cases().front(), {1e-9, 1000}, record);
    return record["test"].value("pistoia_failure_load_n", 0.0);
  };
  const double expected = 0.007 * kModulus_mpa * 16;
  StudyFiles files{folder("column.seg.nrrd"), "", folder.write("m.json", materials), ""};
  CHECK(failureLoad(files) == Approx(expected).epsilon(1e-5));
  materials["materials"]["bone"].erase("failure");
  files.materials = folder.write("m.json", materials);
  CHECK(failureLoad(files) == 0);  // nothing there is bone
  StudyFiles plain{folder("column.seg.nrrd"), "", "", ""};
  plain.modulus_mpa = kModulus_mpa;
  CHECK(failureLoad(plain) == Approx(expected).epsilon(1e-5));
}

TEST_CASE("a VDB field lies in LPS on grids with swapped and reversed axes, and repeats its bytes") {
  const Folder folder;
  auto filling = box({3, 4, 5}, Vector3d::Constant(0.5));
  filling.frame.direction << 0, 0, -1, 1, 0, 0, 0, -1, 0;  // x = −k, y = i, z = −j
  filling.frame.origin_mm = {10.1, -3, 7.5};
  filling.frame.frame_id = "patient";
  const auto model = buildModel(filling, law(10));
  const Operator K(model);
  const Field u = fieldOf(K, [&](const Vector3d& p) {
    return Vector3d(model.frame.direction.transpose() * Vector3d(1e-3 * p[0], 2e-3 * p[1], 3e-3 * p[2]));
  });
  const auto results = evaluate(K, u, {{}});
  for (const auto& name : {"displacement", "sed", "stress"})
    writeField(model, results, name, folder(name + std::string(".vdb")));
  openvdb::io::File file(folder("displacement.vdb"));
  file.open();
  const auto grid = openvdb::gridPtrCast<openvdb::Vec3SGrid>(file.readGrid("displacement"));
  CHECK(grid->activeVoxelCount() == 60);
  CHECK(grid->metaValue<std::string>("space") == "LPS");
  CHECK(grid->metaValue<std::string>("frame_id") == "patient");
  for (auto value = grid->cbeginValueOn(); value; ++value) {
    const openvdb::Vec3d p = grid->indexToWorld(value.getCoord());
    CHECK((*value - openvdb::Vec3f(openvdb::Vec3d(1e-3 * p[0], 2e-3 * p[1], 3e-3 * p[2]))).length() < 1e-6);
  }
  // y and z lie at multiples of the voxel already, as in level sets; x is 0.1 mm off.
  CHECK((grid->indexToWorld(openvdb::Coord(0, 0, 0)) - openvdb::Vec3d(0.1, 0, 0)).length() < 1e-9);
  openvdb::io::File stress(folder("stress.vdb"));
  stress.open();
  CHECK(stress.readAllGridMetadata()->size() == 6);
  const auto zz = openvdb::gridPtrCast<openvdb::FloatGrid>(stress.readGrid("stress_zz"));
  CHECK(*zz->cbeginValueOn() == Approx(results.stress[2]));
  const std::string before = core::readFile(folder("sed.vdb"));
  writeField(model, results, "sed", folder("sed.vdb"));
  CHECK(core::readFile(folder("sed.vdb")) == before);

  auto oblique = model.frame, flat = model.frame;
  oblique.direction = Eigen::AngleAxisd(0.1, Vector3d::UnitZ()).toRotationMatrix();
  flat.spacing_mm[2] = 1;
  auto other = model;
  for (const auto& frame : {oblique, flat}) {
    other.frame = frame;
    CHECK_THROWS_AS(requireField(other, {{}}, "sed", "sed.vdb"), core::Error);
    CHECK_NOTHROW(requireField(other, {{}}, "sed", "sed.nrrd"));
  }
  CHECK_THROWS_AS(requireField(model, {{}}, "fatigue", "f.nrrd"), core::Error);
}

TEST_CASE("the surface of a level set moves as the nodes around it do") {
  const Folder folder;
  const auto ball = levelset::fromFunction([](const Vector3d& p) { return p.norm() - 6; }, Vector3d::Constant(-8),
                                           Vector3d::Constant(8), 0.5);
  levelset::writeVdb(ball, folder("ball.vdb"), "ball");
  StudyFiles files{folder("ball.vdb"), "", "", ""};
  files.modulus_mpa = kModulus_mpa;
  files.test.emplace();
  files.test->kind = "axial", files.test->strain = -0.01;
  const Study study(files);
  const Operator K(study.model());
  const Eigen::Matrix3d gradient = (Eigen::Matrix3d() << 1, 2, 3, -4, 5, 6, 7, -8, 9).finished() * 1e-3;
  const Field u = fieldOf(K, [&](const Vector3d& p) { return Vector3d(gradient * p); });
  const auto surface = study.surface(std::vector<float>(static_cast<std::size_t>(study.model().elements), 3.0F), u);
  REQUIRE(surface.mesh.vertices.size() > 1000);
  double furthest = 0;
  for (std::size_t v = 0; v < surface.mesh.vertices.size(); ++v) {
    furthest = std::max(furthest, (surface.displacement_mm[v] - gradient * surface.mesh.vertices[v]).norm());
    CHECK(surface.values[v] == Approx(3));
  }
  CHECK(furthest < 0.3 * gradient.norm() * 0.5);  // a third of an element where nodes are missing, exact elsewhere
}

TEST_CASE("the table has a row for each case and material and says what belongs where") {
  const json cases = {
      {"a\tb",
       {{"p98_von_mises_mpa", 2.5},
        {"constraints", {{"low", {{"reaction_force_n", {1, 2, 3}}}}}},
        {"materials", {{"bone", {{"p98_von_mises_mpa", 1.5}, {"safety_factor_p02", 4}}}}}}},
      {"c",
       {{"p98_von_mises_mpa", 7}, {"loads", {{"push", {{"force_n", {4, 5, 6}}}}}}, {"materials", json::object()}}}};
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(tableOf(cases));
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> row(1);
    for (const char c : line) c == '\t' ? void(row.emplace_back()) : row.back().push_back(c);
    rows.push_back(row);
  }
  REQUIRE(rows.size() == 4);
  for (const auto& row : rows) CHECK(row.size() == rows[0].size());
  const auto cell = [&](std::size_t row, const std::string& name) {
    const auto at = std::find(rows[0].begin(), rows[0].end(), name) - rows[0].begin();
    return static_cast<std::size_t>(at) < rows[row].size() ? rows[row][static_cast<std::size_t>(at)] : "no such column";
  };
  CHECK(cell(1, "case") == "a_b");
  CHECK(cell(1, "material") == "all");
  CHECK(cell(2, "material") == "bone");
  CHECK(cell(2, "p98_von_mises_mpa") == "1.5");
  CHECK(cell(2, "safety_factor_p02") == "4");
  CHECK(cell(1, "reaction_low_z_n") == "3");
  CHECK(cell(2, "reaction_low_z_n").empty());
  CHECK(cell(3, "load_push_y_n") == "5");
  CHECK(cell(3, "reaction_low_z_n").empty());
}
