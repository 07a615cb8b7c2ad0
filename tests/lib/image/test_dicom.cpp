#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "dicom_files.h"
#include "image/intake.h"
#include "image/io.h"
#include "image/resample.h"
#include "shapes.h"

using namespace osteo;
using namespace osteo::image;
using namespace osteo::image::shapes;

namespace {

nlohmann::json json_waste;  // for plans that end in an error

/// A field in the patient that no flip, swap or shift leaves as it is: linear, with different slopes along L, P and S.
double field(const Eigen::Vector3d& lps) { return 40 + 3 * lps[0] - 5 * lps[1] + 7 * lps[2]; }

struct Study {
  TemporaryFolder folder;
  int written = 0;
  /// Writes the slice at spec.position with the field's values (or spec.hu when `own_values`).
  void add(SliceSpec spec, bool own_values = false) {
    spec.instance_uid = fmt::format("1.2.3.{}", 100 + written);
    if (!own_values)
      spec.hu = [=](int i, int j) {
        return field(spec.position + spec.row * (i * spec.spacing_x) + spec.column * (j * spec.spacing_y));
      };
    // Names run against the positions, as exports often do.
    writeSlice(spec, folder.file(fmt::format("slice-{:03d}.dcm", 500 - written++)));
  }
  std::string path() const { return folder.path.string(); }
};

double worstError(const CtVolume& volume, double margin_voxels = 0) {
  double worst = 0;
  const Frame& f = volume.frame;
  for (int k = 0; k < f.size[2]; ++k)
    for (int j = 0; j < f.size[1]; ++j)
      for (int i = 0; i < f.size[0]; ++i) {
        if (volume.at(i, j, k) < -1000 || i < margin_voxels) continue;
        worst = std::max(worst, std::abs(volume.at(i, j, k) - field(f.toWorld({double(i), double(j), double(k)}))));
      }
  return worst;
}

std::string refusal(const std::string& path, Repair repair = Repair::None, const std::string& series = "") {
  try {
    nlohmann::json results;
    const Intake intake = planIntake(path, series, repair, results);
    runIntake(intake, results);
  } catch (const core::Error& e) {
    CHECK(static_cast<int>(e.code()) == 65);
    return e.what();
  }
  FAIL("the series was taken");
  return {};
}

CtVolume taken(const std::string& path, Repair repair = Repair::None, const std::string& series = "") {
  nlohmann::json results;
  const Intake intake = planIntake(path, series, repair, results);
  return runIntake(intake, results);
}

const Eigen::Vector3d kObliqueRow(0.8, 0.6, 0), kObliqueColumn(-0.36, 0.48, -0.8);

}  // namespace

TEST_CASE("oblique slices in any order come out where the patient is") {
  Study study;
  for (const int k : {3, 0, 4, 1, 2}) {
    SliceSpec spec;
    spec.row = kObliqueRow;
    spec.column = kObliqueColumn;
    spec.spacing_x = 1.5;
    spec.spacing_y = 0.5;
    spec.position = Eigen::Vector3d(-20, 14, 6) + 1.25 * k * spec.row.cross(spec.column);
    spec.intercept = k == 2 ? -1000 : -1024;  // rescaling belongs to each slice
    spec.slope = k == 3 ? 2 : 1;
    study.add(spec);
  }
  const CtVolume volume = taken(study.path());
  CHECK(volume.frame.size == Eigen::Vector3i(12, 10, 5));
  CHECK((volume.frame.spacing_mm - Eigen::Vector3d(1.5, 0.5, 1.25)).norm() < 1e-6);
  CHECK(volume.frame.direction.determinant() == Approx(1));
  CHECK(worstError(volume) <= 2.0);  // stored as whole numbers with a slope of up to 2
  CHECK(volume.frame.frame_id.size() == 16);
  CHECK(volume.frame.slice_gap_mm == Approx(1.25));
}

TEST_CASE("padding becomes air and nothing of the patient stays in the record or the header") {
  Study study;
  for (int k = 0; k < 3; ++k) {
    SliceSpec spec;
    spec.position = {0, 0, 1.0 * k};
    spec.hu = [](int i, int) { return i == 0 ? -2000 - 1024.0 : 30.0; };
    study.add(spec, true);
  }
  nlohmann::json results;
  const Intake intake = planIntake(study.path(), "", Repair::None, results);
  const CtVolume volume = runIntake(intake, results);
  CHECK(volume.at(0, 5, 1) == -1024);
  CHECK(volume.at(1, 5, 1) == 30);
  const std::string file = study.folder.file("out.nrrd");
  writeVolume(volume, file);
  std::ifstream stream(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  for (const char* secret : {"Doe", "4711", "20200131", "1.2.826", "osteo-image", "slice-"}) {
    CHECK(text.find(secret) == std::string::npos);
    CHECK(results.dump().find(secret) == std::string::npos);
  }
}

TEST_CASE("gantry tilt is named with its angle and taken out by resampling only") {
  Study study;
  const double tilt = 15 * 3.14159265358979 / 180;
  for (int k = 0; k < 12; ++k) {
    SliceSpec spec;
    spec.size = {16, 20};
    spec.column = {0, std::cos(tilt), -std::sin(tilt)};
    spec.position = {-5, -4, 2.0 * k};
    study.add(spec);
  }
  const std::string message = refusal(study.path());
  CHECK(message.find("15.00 degrees") != std::string::npos);
  CHECK(message.find(".dcm") != std::string::npos);
  CHECK(message.find("--fix resample") != std::string::npos);
  refusal(study.path(), Repair::Orthonormalize);
  nlohmann::json results;
  const Intake intake = planIntake(study.path(), "", Repair::Resample, results);
  const CtVolume volume = runIntake(intake, results);
  CHECK(results["tilt_degrees"].get<double>() == Approx(15).epsilon(1e-3));
  CHECK((volume.frame.direction - Eigen::Matrix3d::Identity()).norm() < 1e-9);
  std::int64_t inside = 0;
  for (const float v : volume.voxels) inside += v > -1000;
  CHECK(inside > 16 * 20 * 11);
  // Half a pixel beyond the outermost centres the border value is kept: up to half a step of each slope.
  CHECK(worstError(volume) < 0.5 * (5 + 3 + 2 * 7) + 1);
}

TEST_CASE("a missing slice is found, and filled in between the true ones when asked") {
  Study study;
  for (const int k : {0, 1, 2, 3, 5, 6, 7, 8}) {
    SliceSpec spec;
    spec.position = {0, 0, 1.5 * k};
    study.add(spec);
  }
  const std::string message = refusal(study.path());
  CHECK(message.find("3.000 mm between slice-497.dcm and slice-496.dcm") != std::string::npos);
  nlohmann::json results;
  const Intake intake = planIntake(study.path(), "", Repair::Resample, results);
  const CtVolume volume = runIntake(intake, results);
  CHECK(volume.frame.size == Eigen::Vector3i(12, 10, 9));
  CHECK(volume.frame.slice_gap_mm == Approx(3));
  CHECK(results["interpolated_slices"] == "4");
  CHECK(worstError(volume) < 1.0);
}

TEST_CASE("even positions written with one decimal are no unevenness") {
  Study study;
  for (int k = 0; k < 9; ++k) {
    SliceSpec spec;
    spec.position = {0, 0, std::round(10 * 0.625 * k) / 10};
    study.add(spec);
  }
  CHECK(taken(study.path()).frame.spacing_mm[2] == Approx(0.625).epsilon(1e-9));
}

TEST_CASE("repeated files are left out, phases are told apart, other repeats are refused") {
  Study study;
  for (int k = 0; k < 4; ++k) {
    SliceSpec spec;
    spec.position = {0, 0, 1.0 * k};
    study.add(spec);
  }
  std::filesystem::copy_file(study.folder.file("slice-500.dcm"), study.folder.file("copy.dcm"));
  CHECK(taken(study.path()).frame.size[2] == 4);
  SliceSpec twin;
  twin.position = {0, 0, 1};
  study.add(twin);
  CHECK(refusal(study.path()).find("one position") != std::string::npos);
  for (const int k : {0, 2, 3, 4}) {
    SliceSpec spec;
    spec.position = {0, 0, 1.0 * k};
    spec.acquisition = "2";
    study.add(spec);
  }
  // The twin still lies twice in acquisition 1.
  CHECK(refusal(study.path()).find("one position") != std::string::npos);
  std::filesystem::remove(study.folder.file("slice-496.dcm"));
  int damaged = 0;
  CHECK(findSeries(study.path(), damaged).size() == 2);
}

TEST_CASE("series are chosen by size, number or UID and indexed without names") {
  Study study;
  for (int k = 0; k < 7; ++k) {
    SliceSpec spec;
    spec.position = {0, 0, 4.0 * k};
    if (k < 3) {
      spec.series_uid = "1.2.3.77";
      spec.patient = "Roe^Richard";
      spec.patient_id = "0815";
    }
    study.add(spec);
  }
  SliceSpec scout;
  scout.series_uid = "1.2.3.5";
  scout.size = {200, 150};
  study.add(scout);
  SliceSpec other;
  other.modality = "MR";
  other.series_uid = "1.2.3.9";
  for (const int k : {0, 1, 2, 3, 4, 5}) {
    other.position = {0, 0, 1.0 * k};
    study.add(other);
  }
  CHECK(taken(study.path()).frame.size[2] == 4);
  CHECK(taken(study.path(), Repair::None, "1.2.3.77").frame.size[2] == 3);
  CHECK_THROWS_AS(planIntake(study.path(), "9", Repair::None, json_waste), core::Error);
  refusal(study.path(), Repair::None, "1.2.3.5");
  const std::string table = indexTable(study.path());
  CHECK(std::count(table.begin(), table.end(), '\n') == 5);
  CHECK(table.find("thick: no implant") != std::string::npos);
  CHECK(table.find("single slice") != std::string::npos);
  CHECK(table.find("not CT") != std::string::npos);
  for (const char* secret : {"Doe", "Roe", "4711", "0815", "20200131", "1.2.3", "slice-", "osteo-image"})
    CHECK(table.find(secret) == std::string::npos);
}

TEST_CASE("an enhanced multi-frame file is placed frame by frame") {
  TemporaryFolder folder;
  const Eigen::Vector2i size(6, 4);
  DicomBytes data, plane, measures, rescale, orientation;
  measures.text(0x0028, 0x0030, "DS", decimals({0.5, 2}));
  orientation.text(0x0020, 0x0037, "DS", decimals({0.8, 0.6, 0, -0.6, 0.8, 0}));
  rescale.text(0x0028, 0x1052, "DS", "-1000");
  rescale.text(0x0028, 0x1053, "DS", "1");
  DicomBytes shared;
  shared.sequence(0x0020, 0x9116, {orientation.bytes});
  shared.sequence(0x0028, 0x9110, {measures.bytes});
  shared.sequence(0x0028, 0x9145, {rescale.bytes});
  std::vector<std::string> frames;
  DicomBytes pixels;
  for (const double z : {4.0, 0.0, 2.0}) {  // out of order
    DicomBytes position, groups;
    position.text(0x0020, 0x0032, "DS", decimals({1, 2, z}));
    groups.sequence(0x0020, 0x9113, {position.bytes});
    frames.push_back(groups.bytes);
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i) {
        const Eigen::Vector3d at =
            Eigen::Vector3d(1, 2, z) + Eigen::Vector3d(0.8, 0.6, 0) * 2 * i + Eigen::Vector3d(-0.6, 0.8, 0) * 0.5 * j;
        pixels.number(static_cast<std::uint64_t>(std::lround(field(at) + 1000)), 2);
      }
  }
  data.text(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.2.1");
  data.text(0x0008, 0x0018, "UI", "1.2.3.4");
  data.text(0x0008, 0x0060, "CS", "CT");
  data.text(0x0020, 0x000e, "UI", "1.2.3.5");
  data.shortValue(0x0028, 0x0002, "US", 1);
  data.text(0x0028, 0x0004, "CS", "MONOCHROME2");
  data.text(0x0028, 0x0008, "IS", "3");
  data.shortValue(0x0028, 0x0010, "US", size[1]);
  data.shortValue(0x0028, 0x0011, "US", size[0]);
  data.shortValue(0x0028, 0x0100, "US", 16);
  data.shortValue(0x0028, 0x0101, "US", 16);
  data.shortValue(0x0028, 0x0102, "US", 15);
  data.shortValue(0x0028, 0x0103, "US", 0);
  data.sequence(0x5200, 0x9229, {shared.bytes});
  data.sequence(0x5200, 0x9230, frames);
  data.pixels(pixels.bytes);
  const std::string file = folder.file("enhanced.dcm");
  writeBytes(file, part10("1.2.840.10008.5.1.4.1.1.2.1", "1.2.3.4", data.bytes));
  const CtVolume volume = taken(file);
  CHECK(volume.frame.size == Eigen::Vector3i(6, 4, 3));
  CHECK((volume.frame.spacing_mm - Eigen::Vector3d(2, 0.5, 2)).norm() < 1e-6);
  CHECK(worstError(volume) <= 0.5);
}

TEST_CASE("a cut or lying DICOM file is refused by name") {
  Study study;
  for (int k = 0; k < 4; ++k) {
    SliceSpec spec;
    spec.position = {0, 0, 1.0 * k};
    study.add(spec);
  }
  const std::string victim = study.folder.file("slice-498.dcm");
  const auto size = std::filesystem::file_size(victim);
  std::filesystem::resize_file(victim, size - 50);
  CHECK(refusal(study.path()).find("slice-498.dcm") != std::string::npos);
  std::filesystem::resize_file(victim, 200);
  refusal(study.path());  // the slice is missing now
  std::filesystem::remove(victim);
  refusal(study.folder.file("slice-499.dcm"));  // a single slice
  TemporaryFolder empty;
  CHECK(refusal(empty.path.string()).find("no DICOM") != std::string::npos);
  CHECK_THROWS_AS(planIntake(empty.file("nowhere"), "", Repair::None, json_waste), core::Error);
}

TEST_CASE("a real series: the liver lies on the patient's right", "[data]") {
  const std::string data = OSTEO_SOURCE_DIR "/../shared/data/";
  if (!std::filesystem::exists(data + "dicom/ct20")) {
    WARN("skipped: no shared data");
    return;
  }
  const CtVolume ct = taken(data + "dicom/ct20", Repair::None);
  const LabelVolume labels = resampleNearest(readSegmentation(data + "labels/ct20_seg.nii.gz").labels, ct.frame);
  double spleen = 0, liver = 0, spleen_hu = 0, lung = 0;
  std::int64_t in_spleen = 0, in_liver = 0, in_lung = 0;
  for (int k = 0; k < ct.frame.size[2]; ++k)
    for (int j = 0; j < ct.frame.size[1]; ++j)
      for (int i = 0; i < ct.frame.size[0]; ++i) {
        const int label = labels.at(i, j, k);
        const double x = ct.frame.toWorld({double(i), double(j), double(k)})[0];
        if (label == 1) spleen += x, spleen_hu += ct.at(i, j, k), ++in_spleen;
        if (label == 5) liver += x, ++in_liver;
        if (label >= 10 && label <= 14) lung += ct.at(i, j, k), ++in_lung;
      }
  REQUIRE(in_liver > 1000);
  REQUIRE(in_spleen > 1000);
  CHECK(liver / in_liver + 50 < spleen / in_spleen);
  // The labels fit the grey values only when both are read the right way round.
  CHECK(spleen_hu / in_spleen > 20);
  CHECK(spleen_hu / in_spleen < 200);
  if (in_lung > 1000) CHECK(lung / in_lung < -600);
}

TEST_CASE("a real tilted series with uneven gaps is diagnosed and repaired, the same for any thread count", "[data]") {
  const std::string path = OSTEO_SOURCE_DIR "/../shared/data/dicom/head_ge_tilt_varspacing";
  if (!std::filesystem::exists(path)) {
    WARN("skipped: no shared data");
    return;
  }
  const std::string message = refusal(path);
  CHECK(message.find("18.5") != std::string::npos);
  CHECK(message.find("1.08") != std::string::npos);
  CHECK(message.find("6.999 mm between 24.dcm and 25.dcm") != std::string::npos);
  core::setThreads(1);
  const CtVolume single = taken(path, Repair::Resample);
  core::setThreads(2);
  const CtVolume twice = taken(path, Repair::Resample);
  CHECK(single.voxels == twice.voxels);
  CHECK(single.frame.slice_gap_mm == Approx(7.0).epsilon(0.02));
}
