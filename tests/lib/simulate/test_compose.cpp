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

/// A full block of label 1 whose lower corner is the origin.
std::string writeBlock(const Folder& folder, const std::string& name, const Eigen::Vector3i& size,
                       const Vector3d& spacing_mm) {
  image::Segmentation labels;
  labels.labels = image::LabelVolume(box(size, spacing_mm).frame, 1);
  image::writeSegmentation(labels, folder(name));
  return folder(name);
}

/// Bone of 1000 MPa in a block of 10 × 10 × 20 mm, voxels of 1 × 0.5 × 0.8 mm.
std::string writeBone(const Folder& folder) { return writeBlock(folder, "bone.seg.nrrd", {10, 20, 25}, {1, 0.5, 0.8}); }

std::string materials(const Folder& folder) {
  json m;
  const auto add = [&](const char* name, double modulus) { m[name] = {{"modulus_mpa", modulus}, {"poisson", 0.0}}; };
  add("bone", 1000), add("metal", 9000), add("soft", 10), add("cement", 2000);
  return folder.write(
      "m.json",
      {{"include", "library.json"},
       {"materials", m},
       {"assign", {{"labels", {{"1", "bone"}}}, {"implant", "metal"}, {"interface", "soft"}, {"cap", "cement"}}}});
}

/// A slab of the block from x = low on, beyond its sides.
std::string slab(const Folder& folder, double low) {
  const double voxel = 0.25;
  levelset::writeVdb(levelset::fromFunction(
                         [=](const Vector3d& p) {
                           return ((p - Vector3d(low + 5, 5, 10)).cwiseAbs() - Vector3d(5, 7, 12)).maxCoeff();
                         },
                         Vector3d(low - 1, -3, -3), Vector3d(low + 11, 13, 23), voxel),
                     folder("slab.vdb"), "slab");
  return folder("slab.vdb");
}

StudyFiles files(const Folder& folder, int axis) {
  StudyFiles f;
  f.model = writeBone(folder);
  f.materials = materials(folder);
  f.test = StandardTest{"uniaxial", axis, axis == 0 ? 1 : 0, 0.001};
  return f;
}

double stiffnessOf(const StudyFiles& f, json* described = nullptr) {
  Study study(f);
  json record;
  study.solveCase(study.cases().front(), {1e-9, 1000}, record);
  if (described) *described = study.describe();
  return record["test"]["stiffness_n_per_mm"];
}

}  // namespace

TEST_CASE("an implant laid over bone bears by shares of volume, along and across") {
  const Folder folder;
  StudyFiles f = files(folder, 2);
  CHECK(stiffnessOf(f) == Approx(1000 * 100 / 20.0).epsilon(1e-6));
  f.implant = slab(folder, 6.3);  // cuts the voxels from 6 to 7
  json described;
  // Along the slab both bear beside each other: exact by shares. The level set knows its surface to 1e-3 mm.
  CHECK(stiffnessOf(f, &described) == Approx((1000 * 6.3 + 9000 * 3.7) * 10 / 20).epsilon(2e-3));
  CHECK(described["implant"]["shared_elements"] == 20 * 25);
  CHECK(described["materials"].contains("metal"));
  // Across they bear in a row; the shared layer of elements is stiffer than its parts in a row.
  f = files(folder, 0);
  f.implant = slab(folder, 6.0);
  const double row = 200 / (6.0 / 1000 + 4.0 / 9000);
  CHECK(stiffnessOf(f) == Approx(row).epsilon(5e-3));
}

TEST_CASE("a soft layer between implant and bone lies in a row with the bone, however thin") {
  const Folder folder;
  StudyFiles f = files(folder, 0);
  f.implant = slab(folder, 6.0);
  for (const double thickness : {0.1, 0.5, 1.0, 1.5}) {
    f.interface_mm = thickness;
    const double row = 200 / ((6.0 - thickness) / 1000 + 4.0 / 9000 + thickness / 10);
    CHECK(stiffnessOf(f) == Approx(row).epsilon(0.02));
  }
  f.model = writeBlock(folder, "cube.seg.nrrd", {10, 10, 20}, {1, 1, 1});
  for (const double thickness : {0.1, 0.5, 1.0, 1.5}) {
    f.interface_mm = thickness;
    const double row = 200 / ((6.0 - thickness) / 1000 + 4.0 / 9000 + thickness / 10);
    CHECK(stiffnessOf(f) == Approx(row).epsilon(0.02));
  }
}

TEST_CASE("caps lengthen the block, fill its uneven ends and are no bone") {
  const Folder folder;
  StudyFiles f = files(folder, 2);
  f.cap_mm = 4, f.cap_embed_mm = 0;
  json described;
  CHECK(stiffnessOf(f, &described) == Approx(100 / (20.0 / 1000 + 8.0 / 2000)).epsilon(1e-6));
  CHECK(described["caps"]["elements"] == json({10 * 20 * 5, 10 * 20 * 5}));

  image::Segmentation labels = image::readSegmentation(f.model);
  for (int k = 22; k < 25; ++k)
    for (int j = 0; j < 20; ++j)
      for (int i = 0; i < 10; ++i)
        if (i != 0 && i != 9) labels.labels.at(i, j, k) = 0;  // a hollow end, 2.4 mm deep
  image::writeSegmentation(labels, folder("hollow.seg.nrrd"));
  f.model = folder("hollow.seg.nrrd");
  f.cap_embed_mm = 4;
  stiffnessOf(f, &described);
  CHECK(described["caps"]["elements"] == json({10 * 20 * 5, 10 * 20 * 5 + 8 * 20 * 3}));
  CHECK(described["dropped_elements"] == 0);
}

TEST_CASE("caps that no one piece of bone joins are refused") {
  const Folder folder;
  StudyFiles f = files(folder, 2);
  image::Segmentation labels = image::readSegmentation(f.model);
  for (int j = 0; j < 20; ++j)
    for (int i = 0; i < 10; ++i) labels.labels.at(i, j, 12) = 0;  // a gap across the block
  image::writeSegmentation(labels, folder("two.seg.nrrd"));
  f.model = folder("two.seg.nrrd");
  Study both(f);  // without caps the larger piece is computed
  CHECK(both.model().dropped_elements > 0);
  f.cap_mm = 4;
  CHECK_THROWS_AS(Study(f), core::Error);
}

TEST_CASE("an implant elsewhere, and what doesn't go together, is refused") {
  const Folder folder;
  StudyFiles f = files(folder, 2);
  f.implant = slab(folder, 200);
  CHECK_THROWS_AS(Study(f), core::Error);
  f.implant = "";
  f.model = slab(folder, 0);
  f.cap_mm = 2;
  CHECK_THROWS_AS(Study(f), core::Error);
}
