#include <Eigen/Geometry>
#include <nlohmann/json.hpp>

#include "blocks.h"
#include "folder.h"
#include "image/io.h"
#include "levelset/level_set.h"
#include "simulate/study.h"

using namespace osteo;
using namespace osteo::simulate;
using namespace osteo::simulate::test;
using Eigen::Vector3d;
using nlohmann::json;

namespace {

json materials(const std::string& name, double modulus) {
  return {{"include", "library.json"},
          {"materials", {{name, {{"modulus_mpa", modulus}, {"poisson", 0.3}}}}},
          {"assign", {{"level_set", name}, {"labels", {{"1", name}}}}}};
}

/// Pull along x by 0.1 %, sides free.
json pull() {
  return {{"cases",
           {{{"name", "pull"},
             {"pin_rigid_motion", true},
             {"constraints",
              {{{"name", "left"}, {"region", {{"side", "x-"}}}, {"displacement_mm", {0, nullptr, nullptr}}},
               {{"name", "right"}, {"region", {{"side", "x+"}}}, {"strain", {0.001, nullptr, nullptr}}}}}}}}};
}

json solveFirst(const StudyFiles& files, json* model = nullptr, double tolerance = 1e-8) {
  Study study(files);
  json record;
  study.solveCase(study.cases().front(), {tolerance, 20000}, record);
  if (model) *model = study.describe();
  return record;
}

/// A box whose faces lie between voxels.
levelset::LevelSet boxLevelSet(const Vector3d& half, double voxel) {
  const Vector3d middle = Vector3d::Constant(voxel / 2);
  return levelset::fromFunction([=](const Vector3d& p) { return ((p - middle).cwiseAbs() - half).maxCoeff(); },
                                -half - Vector3d::Constant(4 * voxel), half + Vector3d::Constant(5 * voxel), voxel);
}

Region side(const std::string& name) {
  Region region;
  region.side = name;
  return region;
}

image::Frame blockFrame() {
  image::Frame frame;
  frame.size = {16, 10, 10};
  frame.spacing_mm = {1, 1, 1};
  frame.origin_mm = {-7.5, -4.5, -4.5};
  return frame;
}

bool insideBlock(int i, int j, int k) { return i >= 2 && i < 14 && j >= 2 && j < 8 && k >= 2 && k < 8; }

}  // namespace

TEST_CASE("the same block as labels, HU and level set gives the same force") {
  const Folder folder;
  const std::string loads = folder.write("loads.json", pull());
  const double modulus = 4000, expected = 0.001 * modulus * 36;  // 12 × 6 × 6 mm
  image::Segmentation labels;
  labels.labels = image::LabelVolume(blockFrame());
  image::CtVolume ct(blockFrame(), -1000);
  const double density = 0.8, qct = density * 0.598 / 1.06 - 0.0389 / 1.06, hu = std::round((qct - 0.00633) / 0.000754);
  for (int k = 0; k < 10; ++k)
    for (int j = 0; j < 10; ++j)
      for (int i = 0; i < 16; ++i)
        if (insideBlock(i, j, k)) labels.labels.at(i, j, k) = 1, ct.at(i, j, k) = static_cast<float>(hu);
  image::writeSegmentation(labels, folder("block.seg.nrrd"));
  image::writeVolume(ct, folder("ct.nrrd"));
  levelset::writeVdb(boxLevelSet({6, 3, 3}, 0.5), folder("block.vdb"), "block");
  const std::string plain = folder.write("materials.json", materials("stuff", modulus));

  json model;
  const json a = solveFirst({folder("block.seg.nrrd"), loads, plain, ""}, &model);
  CHECK(a["constraints"]["right"]["reaction_force_n"][0].get<double>() == Approx(expected).epsilon(1e-6));
  CHECK(model["elements"] == 432);
  CHECK(a["p98_von_mises_mpa"].get<double>() == Approx(0.001 * modulus).epsilon(1e-4));

  const json b =
      solveFirst({folder("ct.nrrd"), loads, folder.write("hu.json", {{"include", "library.json"}}), ""}, &model);
  const double law = 6850 * std::pow((1.06 * (0.000754 * hu + 0.00633) + 0.0389) / 0.598, 1.49);
  CHECK(b["constraints"]["right"]["reaction_force_n"][0].get<double>() == Approx(0.001 * law * 36).epsilon(1e-5));
  CHECK(model["density"]["calibrated"] == false);
  CHECK(model["density"]["above_range_share"] == 1.0);

  const json c = solveFirst({folder("block.vdb"), loads, plain, ""}, &model);
  CHECK(model["element_mm"] == 0.5);
  CHECK(c["constraints"]["right"]["reaction_force_n"][0].get<double>() == Approx(expected).epsilon(0.02));
  CHECK(model["materials"]["stuff"]["solid_volume_mm3"].get<double>() == Approx(432).epsilon(0.02));
  StudyFiles files{folder("block.vdb"), loads, plain, ""};
  files.element_mm = 0.75;  // elements that the surface cuts keep their share
  CHECK(Study(files).describe()["materials"]["stuff"]["solid_volume_mm3"].get<double>() == Approx(432).epsilon(0.02));
}

TEST_CASE("a gyroid with thin walls is homogenised near the law, one with thick walls resolved") {
  const Folder folder;
  const double cell = 2, w = 2 * M_PI / cell, threshold = -0.6, half = 5, voxel = 0.1;
  const auto cube = [&](const Vector3d& p) { return (p.cwiseAbs().array() - half).maxCoeff(); };
  auto gyroid = levelset::fromFunction(
      [&](const Vector3d& p) {
        const Vector3d s = (w * p).array().sin(), c = (w * p).array().cos();
        const double f = s[0] * c[1] + s[1] * c[2] + s[2] * c[0] - threshold;
        return std::max(f / (1.5 * w), cube(p));
      },
      Vector3d::Constant(-half - 4 * voxel), Vector3d::Constant(half + 4 * voxel), voxel);
  gyroid.setMeta("lattice", "gyroid_network");
  gyroid.setMeta("cell_mm", "2");
  gyroid.setMeta("wall_mm", "0.6");
  gyroid.setMeta("volume_fraction", "0.309");
  levelset::writeVdb(gyroid, folder("gyroid.vdb"), "gyroid");
  json grips = pull();  // the ends of a bare lattice are ragged: two layers of nodes are gripped
  for (auto& c : grips["cases"][0]["constraints"]) c["region"]["depth_mm"] = 0.6;
  const std::string loads = folder.write("loads.json", grips);
  const std::string plain = folder.write("materials.json", materials("stuff", 1000));
  json coarse_model;
  StudyFiles files{folder("gyroid.vdb"), loads, plain, ""};
  files.element_mm = 0.5;
  const json coarse = solveFirst(files, &coarse_model);
  CHECK(coarse_model["walls"]["treatment"] == "homogenised");
  CHECK(coarse_model["elements"].get<double>() / 8 == Approx(1000).epsilon(0.15));
  files.element_mm = 0.1;
  CHECK(Study(files).describe()["walls"]["treatment"] == "resolved");
  const double homogenised = coarse["constraints"]["right"]["reaction_force_n"][0].get<double>();
  // E100 of the law: C11 − 2 C12²/(C11 + C12). The envelope of a bare lattice, rounded to elements, is known to ± 15 %.
  const double periodic = 1000 * (0.1061898 - 2 * 0.0519909 * 0.0519909 / (0.1061898 + 0.0519909));
  CHECK(homogenised / (0.001 * 100 * 10 / 9) == Approx(periodic).epsilon(0.15));

  gyroid.setMeta("lattice", "something_new");
  levelset::writeVdb(gyroid, folder("unknown.vdb"), "unknown");
  files.model = folder("unknown.vdb");
  files.element_mm = 0.5;
  CHECK_THROWS_AS(Study(files), core::Error);
}

TEST_CASE("an implant is held near its host and pressed from outside, wherever it lies") {
  const Folder folder;
  // A spherical cap of a shell in a host of the same shell, around a slanted axis.
  const Vector3d axis = Vector3d(0.3, -0.5, 0.8).normalized(), centre(5, -3, 2);
  const auto shell = [&](const Vector3d& p) { return std::abs((p - centre).norm() - 22) - 2; };
  const auto cone = [&](const Vector3d& p) { return (p - centre).norm() * 0.9 - axis.dot(p - centre); };
  const Vector3d reach = Vector3d::Constant(26);
  const auto implant = levelset::fromFunction([&](const Vector3d& p) { return std::max(shell(p), cone(p) + 0.3); },
                                              centre - reach, centre + reach, 0.5);
  const auto host = levelset::fromFunction([&](const Vector3d& p) { return std::max(shell(p), -cone(p)); },
                                           centre - reach, centre + reach, 0.5);
  levelset::writeVdb(implant, folder("implant.vdb"), "implant");
  levelset::writeVdb(host, folder("bone.vdb"), "bone");
  const StudyFiles files{folder("implant.vdb"), OSTEO_SOURCE_DIR "/configs/simulate/cranial-implant.json",
                         OSTEO_SOURCE_DIR "/configs/materials/ti6al4v.json", folder("bone.vdb")};
  const json record = solveFirst(files, nullptr, 1e-6);
  const auto force = record["loads"]["contact"]["force_n"].get<std::vector<double>>();
  const Vector3d applied(force[0], force[1], force[2]);
  CHECK(applied.norm() == Approx(100).epsilon(1e-9));
  CHECK(-applied.normalized().dot(axis) > 0.995);
  const auto reaction = record["constraints"]["host"]["reaction_force_n"].get<std::vector<double>>();
  CHECK((applied + Vector3d(reaction[0], reaction[1], reaction[2])).norm() < 1e-3);
  CHECK(record["energy_balance"].get<double>() < 1e-6);
  CHECK(record["materials"]["ti6al4v"]["safety_factor_p02"].get<double>() > 1);
}

TEST_CASE("pressure has the resultant of the projected area; a graded force weighs edges half") {
  const auto model = buildModel(box({4, 3, 5}, {1, 2, 0.5}), law(1));
  const Operator K(model);
  const Scene scene{model, {}, {}};
  LoadCase load_case{"p", "", {}, {}, true};
  load_case.constraints.push_back({"all", side("z-"), {0.0, 0.0, 0.0}});
  load_case.loads.push_back({"push", side("z+"), {}, {}, 2.0});
  load_case.loads.push_back({"drag", side("x+"), Vector3d(0, 12, 0)});
  const auto conditions = place(scene, K, load_case);
  CHECK(sumInLps(K, conditions.force, conditions.loads[0].forces)[2] == Approx(-2.0 * 4 * 6).epsilon(1e-12));
  CHECK(conditions.loads[1].area_mm2 == Approx(6 * 2.5));
  const auto corner = model.nodeAt(4, 0, 0), edge = model.nodeAt(4, 1, 0), middle = model.nodeAt(4, 1, 2);
  const auto along = [&](std::int64_t n) { return conditions.force[K.stride() + n]; };
  CHECK(along(middle) == Approx(12.0 / 15).epsilon(1e-12));
  CHECK(along(edge) == Approx(along(middle) / 2).epsilon(1e-12));
  CHECK(along(corner) == Approx(along(middle) / 4).epsilon(1e-12));
}

TEST_CASE("vectors are in LPS also on grids with swapped and reversed axes") {
  auto filling = box({3, 4, 5});
  filling.frame.direction << 0, 0, -1, 1, 0, 0, 0, -1, 0;  // x = −k, y = i, z = −j
  const auto model = buildModel(filling, law(10));
  const Operator K(model);
  const Scene scene{model, {}, {}};
  LoadCase load_case{"p", "", {}, {}, true};
  load_case.constraints.push_back({"low", side("x-"), {0.0, {}, {}}});
  load_case.constraints.push_back({"high", side("x+"), {}, {0.01, {}, {}}});
  const auto conditions = place(scene, K, load_case);
  Field u, f = K.zeros();
  solve(K, conditions.force, conditions.fixed, {1e-10, 1000}, u);
  K.apply(u, f);
  const Vector3d force = sumInLps(K, f, conditions.constraints[1].fixed);
  CHECK(force[0] == Approx(0.1 * 12).epsilon(1e-8));  // 0.01 · E · (3 × 4)
  const std::vector<Filler> fillers = {{}};
  const auto results = evaluate(K, u, fillers);
  CHECK(results.stress[0] == Approx(0.1).epsilon(1e-5));
  CHECK(std::abs(results.stress[1]) + std::abs(results.stress[2]) < 1e-6);

  filling.frame.direction = Eigen::AngleAxisd(0.2, Vector3d::UnitZ()).toRotationMatrix();
  const auto oblique = buildModel(filling, law(10));
  const Operator O(oblique);
  const Scene tilted{oblique, {}, {}};
  CHECK_THROWS_AS(place(tilted, O, load_case), core::Error);
}

TEST_CASE("each material fails by its own criterion") {
  const auto model = buildModel(box({2, 2, 2}), law(1000));
  const Operator K(model);
  std::vector<FixedDof> fixed;
  fix(K, 0, fixed, [](const Vector3d& p) { return p[0] < 0.01 ? 0 : p[0] > 1.99 ? -0.02 : std::nan(""); });
  pinRigidMotions(K, fixed);
  Field u;
  solve(K, K.zeros(), fixed, {1e-10, 1000}, u);  // −10 MPa, −1 %, +0.3 % across
  Material m;
  const auto demand = [&](Criterion criterion) {
    m.criterion = criterion;
    m.strength_mpa = 20, m.compression_strain = 0.0083, m.tension_strain = 0.0041;
    return evaluate(K, u, {{m}}).demand[0];
  };
  CHECK(demand(Criterion::VonMises) == Approx(0.5).epsilon(1e-5));
  CHECK(demand(Criterion::TensilePrincipal) == Approx(0).margin(1e-6));
  CHECK(demand(Criterion::AsymmetricStrain) == Approx(0.01 / 0.0083).epsilon(1e-5));
}

TEST_CASE("loads that can't be are refused") {
  const Folder folder;
  image::Segmentation labels;
  labels.labels = image::LabelVolume(blockFrame());
  for (auto& v : labels.labels.voxels) v = 1;
  image::writeSegmentation(labels, folder("all.seg.nrrd"));
  const std::string plain = folder.write("materials.json", materials("stuff", 1000));
  const auto exitOf = [&](const json& document) {
    try {
      Study(StudyFiles{folder("all.seg.nrrd"), folder.write("loads.json", document), plain, ""});
    } catch (const core::Error& e) {
      return static_cast<int>(e.code());
    }
    return 0;
  };
  CHECK(exitOf(pull()) == 0);
  auto j = pull();
  j["cases"][0]["pin_rigid_motion"] = false;
  CHECK(exitOf(j) == 65);  // free rigid motions
  j = pull();
  j["cases"][0]["constraints"][1]["region"] = {{"sphere", {{"centre_mm", {900, 0, 0}}, {"radius_mm", 1}}}};
  CHECK(exitOf(j) == 65);  // nothing there
  j = pull();
  j["cases"][0]["constraints"][1]["strain"] = {0, nullptr, nullptr};
  CHECK(exitOf(j) == 65);  // nothing acts
  j = pull();
  j["cases"][0]["constraint"] = 1;
  CHECK(exitOf(j) == 78);  // unknown key
  j = pull();
  j["cases"][0]["constraints"][0]["region"]["near"] = {{"level_set", "host"}, {"distance_mm", 1}};
  CHECK(exitOf(j) == 64);  // no --host
}
