#include <zlib.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/random.h"
#include "dicom_files.h"
#include "image/header.h"
#include "image/intake.h"
#include "image/io.h"
#include "nifti_files.h"
#include "shapes.h"

using namespace osteo;
using namespace osteo::image;
using namespace osteo::image::shapes;

namespace {

nlohmann::json json_waste;  // for plans that end in an error

std::string bytesOfFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// A volume with a different value everywhere.
CtVolume ramp(const Frame& on) {
  CtVolume out(on);
  for (std::size_t i = 0; i < out.voxels.size(); ++i) out.voxels[i] = static_cast<float>(i) - 1000;
  return out;
}

/// Exit code and message of reading a file as a volume.
std::string refusal(const std::string& path) {
  try {
    readVolume(path);
  } catch (const core::Error& e) {
    return std::to_string(static_cast<int>(e.code())) + " " + e.what();
  }
  return "taken";
}

std::string nrrdText(const std::string& change_from = "", const std::string& change_to = "") {
  std::string text =
      "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 3 2\n"
      "space directions: (2,0,0) (0,2,0) (0,0,3)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
      "space origin: (10,20,30)\n";
  if (!change_from.empty()) {
    const auto at = text.find(change_from);
    REQUIRE(at != std::string::npos);
    text.replace(at, change_from.size(), change_to);
  }
  return text + "\n";
}

std::string voxels24() {
  std::string out;
  for (int i = 0; i < 24; ++i) out += {static_cast<char>(i), 0};
  return out;
}

std::string gzipped(const std::string& bytes, const std::string& path) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  return bytesOfFile(path);
}

}  // namespace

TEST_CASE("a volume comes back as it was written, byte for byte") {
  TemporaryFolder folder;
  CtVolume volume = ramp(obliqueFrame(7, 6, 5));
  volume.frame.slice_gap_mm = 1.3;
  writeVolume(volume, folder.file("a.nrrd"));
  const CtVolume back = readVolume(folder.file("a.nrrd"));
  CHECK(back.voxels == volume.voxels);
  CHECK(back.frame.sameGrid(volume.frame, 1e-9));
  CHECK(back.frame.frame_id == volume.frame.frame_id);
  CHECK(back.frame.slice_gap_mm == 1.3);
  CHECK(readInfo(folder.file("a.nrrd")).component == "int16");
  writeVolume(back, folder.file("b.nrrd"));
  CHECK(bytesOfFile(folder.file("a.nrrd")) == bytesOfFile(folder.file("b.nrrd")));
  volume.voxels[3] = 40000.5f;
  writeVolume(volume, folder.file("c.nrrd"));
  CHECK(readInfo(folder.file("c.nrrd")).component == "float32");
  CHECK(readVolume(folder.file("c.nrrd")).voxels == volume.voxels);
}

TEST_CASE("labels keep names, values and Slicer's keys") {
  TemporaryFolder folder;
  Segmentation segmentation;
  segmentation.labels = box(obliqueFrame(9, 8, 7), {2, 3, 4}, {3, 2, 1});
  segmentation.labels.at(8, 0, 0) = 12;
  segmentation.names[12] = "left femur";
  writeSegmentation(segmentation, folder.file("a.seg.nrrd"));
  const Segmentation back = readSegmentation(folder.file("a.seg.nrrd"));
  CHECK(back.labels.voxels == segmentation.labels.voxels);
  CHECK(back.names.at(1) == "cortical");
  CHECK(back.names.at(12) == "left femur");
  const auto keys = readInfo(folder.file("a.seg.nrrd")).keys;
  CHECK(keys.at("Segment0_Extent") == "2 4 3 4 4 4");
  CHECK(keys.at("Segment0_LabelValue") == "1");
  CHECK(keys.at("Segment1_ID") == "Segment_12");
  CHECK(keys.count("Segment1_Color") == 1);
  CHECK(readInfo(folder.file("a.seg.nrrd")).component == "uint8");
  writeSegmentation(back, folder.file("b.seg.nrrd"));
  CHECK(bytesOfFile(folder.file("a.seg.nrrd")) == bytesOfFile(folder.file("b.seg.nrrd")));
  segmentation.labels.at(8, 0, 0) = 300;
  writeSegmentation(segmentation, folder.file("c.seg.nrrd"));
  CHECK(readSegmentation(folder.file("c.seg.nrrd")).labels.at(8, 0, 0) == 300);
  writeVolume(ramp(frame(3, 3, 3)), folder.file("ct.nrrd"));
  CHECK_THROWS_AS(readSegmentation(folder.file("ct.nrrd")), core::Error);
}

TEST_CASE("channels are written as a vector image and refused as a volume") {
  TemporaryFolder folder;
  const Frame grid = frame(3, 4, 5);
  std::vector<float> values(60 * 6, 1.5f);
  writeChannels(grid, values, 6, folder.file("s.nrrd"));
  CHECK(readInfo(folder.file("s.nrrd")).channels == 6);
  CHECK(refusal(folder.file("s.nrrd")).find("65") == 0);
  CHECK(refusal(folder.file("s.nrrd")).find("6 channels") != std::string::npos);
}

TEST_CASE("RAS and LAS files are turned to LPS") {
  TemporaryFolder folder;
  const auto corner = [&](const std::string& space) {
    writeBytes(folder.file("v.nrrd"), nrrdText("left-posterior-superior", space) + voxels24());
    return readVolume(folder.file("v.nrrd")).frame.toWorld({1, 1, 1});
  };
  CHECK((corner("left-posterior-superior") - Eigen::Vector3d(12, 22, 33)).norm() < 1e-12);
  CHECK((corner("RAS") - Eigen::Vector3d(-12, -22, 33)).norm() < 1e-12);
  CHECK((corner("left-anterior-superior") - Eigen::Vector3d(12, -22, 33)).norm() < 1e-12);
  writeBytes(folder.file("v.nrrd"), nrrdText("left-posterior-superior", "scanner-xyz") + voxels24());
  CHECK(refusal(folder.file("v.nrrd")).find("65") == 0);
}

TEST_CASE("NIfTI comes in from RAS with its slope") {
  TemporaryFolder folder;
  NiftiSpec spec;
  spec.slope = 2;
  spec.intercept = -100;
  writeBytes(folder.file("v.nii"), niftiBytes(spec, voxels24()));
  const CtVolume volume = readVolume(folder.file("v.nii"));
  CHECK(volume.at(1, 0, 0) == -98);
  CHECK(volume.at(3, 2, 1) == 2 * 23 - 100);
  CHECK((volume.frame.toWorld({1, 1, 1}) - Eigen::Vector3d(8, 18, 33)).norm() < 1e-6);
  gzipped(niftiBytes(spec, voxels24()), folder.file("v.nii.gz"));
  CHECK(readVolume(folder.file("v.nii.gz")).voxels == volume.voxels);
  spec.rows[0][1] = 0.5;  // 14.04 degrees between the first two axes
  writeBytes(folder.file("v.nii"), niftiBytes(spec, voxels24()));
  CHECK(refusal(folder.file("v.nii")).find("14.036 degrees") != std::string::npos);
  CHECK(refusal(folder.file("v.nii")).find("v.nii") != std::string::npos);
  spec.rows[0][1] = 0.001f;  // 0.0286 degrees: rounding, mended when asked
  writeBytes(folder.file("v.nii"), niftiBytes(spec, voxels24()));
  CHECK(refusal(folder.file("v.nii")).find("orthonormalize") != std::string::npos);
  CHECK_THROWS_AS(planIntake(folder.file("v.nii"), "", Repair::None, json_waste), core::Error);
  nlohmann::json results;
  const Intake intake = planIntake(folder.file("v.nii"), "", Repair::Orthonormalize, results);
  const Eigen::Matrix3d direction = runIntake(intake, results).frame.direction;
  CHECK((direction.transpose() * direction - Eigen::Matrix3d::Identity()).norm() < 1e-12);
}

TEST_CASE("left-handed files come out of import right-handed with every voxel at its place") {
  TemporaryFolder folder;
  NiftiSpec spec;
  spec.rows[0][0] = -2;
  spec.dims[0] = 3;
  writeBytes(folder.file("v.nii"), niftiBytes(spec, voxels24()));
  const CtVolume stored = readVolume(folder.file("v.nii"));
  nlohmann::json results;
  const Intake intake = planIntake(folder.file("v.nii"), "", Repair::None, results);
  const CtVolume volume = runIntake(intake, results);
  CHECK(stored.frame.direction.determinant() == Approx(-1));
  CHECK(volume.frame.direction.determinant() == Approx(1));
  for (int k = 0; k < 2; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 4; ++i) {
        const Eigen::Vector3d at = stored.frame.toIndex(volume.frame.toWorld({double(i), double(j), double(k)}));
        CHECK(volume.at(i, j, k) ==
              stored.at(int(std::lround(at[0])), int(std::lround(at[1])), int(std::lround(at[2]))));
      }
}

TEST_CASE("what is no 3-D volume is refused with exit code 65") {
  TemporaryFolder folder;
  const std::string file = folder.file("bad.nrrd"), nifti = folder.file("bad.nii");
  const auto bad = [&](const std::string& path, const std::string& bytes, const std::string& expected) {
    writeBytes(path, bytes);
    const std::string message = refusal(path);
    CAPTURE(message, expected);
    CHECK(message.rfind("65 ", 0) == 0);
    CHECK(message.find(expected) != std::string::npos);
  };
  CHECK(refusal(folder.file("absent.nrrd")).rfind("66 ", 0) == 0);
  bad(file, "", "empty");
  bad(nifti, "", "empty");
  bad(file, "P6 garbage garbage", "not a volume");
  bad(file, nrrdText() + voxels24().substr(5), "cut short");
  bad(file, nrrdText().substr(0, 60), "header");
  bad(file, nrrdText("sizes: 4 3 2", "sizes: 40000 30000 20000") + voxels24(), "cut short");
  bad(file, nrrdText("sizes: 4 3 2", "sizes: 999999 999999 999999") + voxels24(), "cut short");
  bad(file, nrrdText("sizes: 4 3 2", "sizes: 4 3 -2") + voxels24(), "size");
  bad(file, nrrdText("sizes: 4 3 2", "sizes: 24 1 1") + voxels24(), "three-dimensional");
  bad(file, nrrdText("sizes: 4 3 2", "sizes: 4 6 1") + voxels24(), "three-dimensional");
  bad(file, nrrdText("dimension: 3", "dimension: 2") + voxels24(), "dimension");
  bad(file, nrrdText("type: short", "type: block") + voxels24(), "type");
  bad(file, nrrdText("encoding: raw", "encoding: bzip2") + voxels24(), "encoding");
  bad(file, nrrdText("(0,0,3)", "(0,0,0)") + voxels24(), "geometry");
  bad(file, nrrdText("(0,0,3)", "(0,1,3)") + voxels24(), "sheared");
  bad(file, nrrdText("(0,0,3)", "(2,0,0)") + voxels24(), "geometry");
  bad(folder.file("bad.nhdr"), nrrdText("encoding: raw", "encoding: raw\ndata file: nowhere.raw"), "nowhere.raw");
  float nan_voxels[24] = {};
  nan_voxels[7] = std::numeric_limits<float>::quiet_NaN();
  const std::string nan_bytes(reinterpret_cast<const char*>(nan_voxels), sizeof nan_voxels);
  bad(file, nrrdText("type: short", "type: float") + nan_bytes, "NaN");
  NiftiSpec spec;
  bad(nifti, niftiBytes(spec, voxels24().substr(3)), "cut short");
  bad(nifti, niftiBytes(spec, "").substr(0, 100), "header");
  spec.datatype = 16;
  spec.bits = 32;
  bad(nifti, niftiBytes(spec, nan_bytes), "NaN");
  spec = {};
  spec.dims[0] = 2;
  spec.dims[3] = 1;
  bad(nifti, niftiBytes(spec, voxels24()), "three-dimensional");
  spec = {};
  spec.dims[0] = 4;
  spec.dims[4] = 5;
  bad(nifti, niftiBytes(spec, voxels24()), "time series");
  spec = {};
  for (int axis = 1; axis < 4; ++axis) spec.dims[axis] = 32767;
  bad(nifti, niftiBytes(spec, voxels24()), "cut short");
  const std::string zipped = gzipped(niftiBytes({}, voxels24()), folder.file("good.nii.gz"));
  bad(folder.file("cut.nii.gz"), zipped.substr(0, zipped.size() - 12), "cut short");
}

TEST_CASE("frames of different patients are refused") {
  CHECK_NOTHROW(requireSameFrame("a", "x", "a", "y"));
  CHECK_NOTHROW(requireSameFrame("", "x", "a", "y"));
  CHECK_THROWS_AS(requireSameFrame("a", "x", "b", "y"), core::Error);
}

TEST_CASE("linear sampling is exact on a linear field and has a sharp outside") {
  CtVolume volume(frame(4, 5, 6));
  for (int k = 0; k < 6; ++k)
    for (int j = 0; j < 5; ++j)
      for (int i = 0; i < 4; ++i) volume.at(i, j, k) = static_cast<float>(2 * i - 3 * j + 5 * k);
  CHECK(sampleLinear(volume, {1.25, 3.5, 4.75}, -1) == Approx(2.5 - 10.5 + 23.75));
  CHECK(sampleLinear(volume, {3, 4, 5}, -1) == Approx(6 - 12 + 25));
  CHECK(sampleLinear(volume, {3.01, 4, 5}, -1) == -1);
  CHECK(sampleLinear(volume, {-0.01, 0, 0}, -1) == -1);
  CHECK(sampleLinear(volume, {std::nan(""), 0, 0}, -1) == -1);
}

TEST_CASE("mutated files end in our error or in a volume, never in anything else") {
  TemporaryFolder folder;
  writeVolume(ramp(obliqueFrame(6, 5, 4)), folder.file("raw.nrrd"));
  Segmentation labels;
  labels.labels = box(obliqueFrame(6, 5, 4), {1, 1, 1}, {2, 2, 2});
  writeSegmentation(labels, folder.file("gzip.nrrd"));
  const std::string nifti = niftiBytes({}, voxels24());
  std::vector<std::pair<std::string, std::string>> seeds = {{"m.nrrd", bytesOfFile(folder.file("raw.nrrd"))},
                                                            {"m.nrrd", bytesOfFile(folder.file("gzip.nrrd"))},
                                                            {"m.nii", nifti},
                                                            {"m.nii.gz", gzipped(nifti, folder.file("seed.gz"))},
                                                            {"study/m.dcm", dicomBytes({})}};
  std::filesystem::create_directory(folder.file("study"));
  SliceSpec neighbour;  // so that the mutated slice is decoded as one of three
  for (const int k : {-1, 1}) {
    neighbour.position = {0, 0, 1.0 * k};
    neighbour.instance_uid = "1.2.3.4" + std::to_string(k + 1);
    writeSlice(neighbour, folder.file("study/" + std::to_string(k) + ".dcm"));
  }
  int refused = 0, taken = 0;
  for (std::size_t seed = 0; seed < seeds.size(); ++seed) {
    const auto& [name, good] = seeds[seed];
    const core::Random random(1, seed);
    for (int round = 0; round < 250; ++round) {
      std::string bytes = good;
      const auto pick = [&](int k, std::size_t n) {
        return static_cast<std::size_t>(random.uniform(10 * round + k) * n);
      };
      if (round % 5 == 0) bytes.resize(pick(0, bytes.size()));
      for (int change = 0; change < 1 + round % 3 && !bytes.empty(); ++change) {
        // Half of the changes hit the header's first part, where they hurt most.
        const std::size_t reach = change % 2 == 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), 400);
        bytes[pick(1 + 2 * change, reach)] = static_cast<char>(pick(2 + 2 * change, 256));
      }
      const std::string path = folder.file(name);
      writeBytes(path, bytes);
      try {
        nlohmann::json results;
        const Intake intake =
            planIntake(name == "study/m.dcm" ? folder.file("study") : path, "", Repair::Resample, results);
        if (intake.peakBytes() < 2e8) runIntake(intake, results);
        ++taken;
      } catch (const core::Error& e) {
        ++refused;
        const int code = static_cast<int>(e.code());
        CHECK((code == 65 || code == 66));
      }
    }
  }
  CHECK(refused > 200);
  CHECK(taken > 100);
}
