#include "image/intake.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "image/dicom_guard.h"

namespace osteo::image {
namespace {

constexpr double kThickMm = 1.5;        // above: details of bone are lost
constexpr double kNoImplantMm = 3.0;    // above: no implant is designed on it
constexpr float kBoneHu = 100;          // below: no bone, whatever the calibration
constexpr double kOrthoDegrees = 0.01;  // below: rounding of the header's numbers
constexpr double kRoundDegrees = 0.1;   // below: may be set to right angles

[[noreturn]] void refuse(const std::string& path, const std::string& what, const std::string& expected,
                         const std::string& got, const std::string& hint = {}) {
  throw core::Error(core::Exit::DataError,
                    {.what = what, .file = path, .expected = expected, .got = got, .hint = hint});
}

bool isSkew(const StackGeometry& g, std::size_t slices) {
  const double length = g.gap_mm * static_cast<double>(slices - 1);
  return g.shear_degrees > kOrthoDegrees ||
         (g.tilt_degrees > kOrthoDegrees && length * std::tan(g.tilt_degrees * 0.017453292519943295) > 0.02);
}

/// The widest gap with the names of the files on both sides.
std::string widestGap(const Intake& intake) {
  const auto& origins = intake.stack.origins_mm;
  std::size_t at = 1;
  double widest = 0;
  for (std::size_t k = 1; k < origins.size(); ++k) {
    const double gap = intake.geometry.normal.dot(origins[k] - origins[k - 1]);
    if (gap > widest) widest = gap, at = k;
  }
  if (!intake.series) return fmt::format("{:.3f} mm between slices {} and {}", widest, at, at + 1);
  return fmt::format("{:.3f} mm between {} and {}", widest, core::baseName(intake.series->slices[at - 1].path),
                     core::baseName(intake.series->slices[at].path));
}

/// Decides on the repair, or refuses what the one asked for doesn't cover.
Repair judge(const Intake& intake, Repair asked) {
  const StackGeometry& g = intake.geometry;
  const bool skew = isSkew(g, intake.stack.origins_mm.size()), uneven = g.isUneven();
  if (!skew && !uneven) return Repair::None;
  if (asked == Repair::Resample) return Repair::Resample;
  if (skew && !uneven && g.skewDegrees() < kRoundDegrees) {
    if (asked == Repair::Orthonormalize) return Repair::Orthonormalize;
    refuse(intake.path, "the image axes are not at right angles by a rounding error", "90 degrees",
           fmt::format("{:.4f} degrees off", g.skewDegrees()), "repair with --fix orthonormalize");
  }
  const std::string hint = "repair with --fix resample, which resamples from the true slice positions";
  const std::string gaps =
      fmt::format("slice gaps from {:.3f} to {:.3f} mm, the widest {}", g.gap_min_mm, g.gap_max_mm, widestGap(intake));
  if (!skew) refuse(intake.path, "slices are missing or unevenly spaced", "even gaps", gaps, hint);
  const bool tilt = g.tilt_degrees >= g.shear_degrees;
  const std::string first = intake.series ? core::baseName(intake.series->slices.front().path) + ": " : std::string{};
  std::string got = fmt::format("{}{:.2f} degrees {}", first, g.skewDegrees(),
                                tilt ? "of gantry tilt or shear between slices" : "of shear within the slices");
  if (uneven) got += "; " + gaps;
  refuse(intake.path, uneven ? "the slices are tilted and unevenly spaced" : "the image axes are sheared",
         "slices stacked along their normal", got, hint);
}

void warnOfThickness(double gap_mm) {
  if (gap_mm > kNoImplantMm)
    core::warn(fmt::format("slices are up to {:.2f} mm apart: above {} mm no implant is designed on them", gap_mm,
                           kNoImplantMm));
  else if (gap_mm > kThickMm)
    core::warn(fmt::format("slices are {:.2f} mm apart: above {} mm thin bone and edges are lost", gap_mm, kThickMm));
}

/// The series by number or UID, else the largest CT that can be read.
std::size_t chooseSeries(const std::vector<DicomSeries>& all, const std::string& wanted) {
  if (!wanted.empty()) {
    char* end = nullptr;
    const long number = std::strtol(wanted.c_str(), &end, 10);
    if (*end == 0 && number >= 1 && number <= static_cast<long>(all.size()))
      return static_cast<std::size_t>(number - 1);
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].uid == wanted) return i;
    throw core::Error(core::Exit::Usage,
                      {.what = "no such series",
                       .expected = fmt::format("a number from 1 to {} or a SeriesInstanceUID", all.size()),
                       .got = wanted,
                       .hint = "list them with `import --index`"});
  }
  const auto rank = [&](const DicomSeries& s) {
    const bool usable = s.flaw.empty() && !s.repeated && s.samples_per_pixel == 1 && s.slices.size() > 1;
    const double voxels = static_cast<double>(s.slices.size()) * s.stack.size.cast<double>().prod();
    return voxels * (usable ? 1e9 : 1) * (s.modality == "CT" ? 1e3 : 1);
  };
  const auto best =
      std::max_element(all.begin(), all.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return static_cast<std::size_t>(best - all.begin());
}

/// Why a series can't be a volume whatever is repaired; empty when it can.
std::string whyNoVolume(const DicomSeries& series) {
  if (!series.flaw.empty()) return series.flaw;
  if (series.samples_per_pixel != 1) return "a colour image";
  if (series.slices.size() < 2) return "a single slice (localizer or X-ray)";
  if (series.repeated) return "several different slices at one position";
  return {};
}

void planDicom(Intake& intake, const std::string& wanted, nlohmann::json& results) {
  int damaged = 0;
  auto all = findSeries(intake.path, damaged);
  if (all.empty())
    refuse(intake.path, damaged > 0 ? "the DICOM file is cut short or damaged" : "no DICOM images found",
           "a DICOM series, NRRD or NIfTI", fmt::format("{} damaged DICOM files", damaged),
           "copy the files again from their source");
  if (damaged > 0) core::warn(fmt::format("{} damaged DICOM files were left out", damaged));
  const std::size_t chosen = chooseSeries(all, wanted);
  if (all.size() > 1)
    core::info(
        fmt::format("{} series found, taking number {} ({} slices); `import --index` lists them, --series chooses",
                    all.size(), chosen + 1, all[chosen].slices.size()));
  results["series_found"] = all.size();
  results["series_number"] = chosen + 1;
  DicomSeries& series = all[chosen];
  if (const auto why = whyNoVolume(series); !why.empty())
    refuse(intake.path, "the DICOM series is no volume", "slices with position, orientation and pixel spacing", why,
           "list the series with `import --index` and choose one with --series");
  if (series.copies > 0) core::warn(fmt::format("{} copies of the same slices were left out", series.copies));
  if (series.modality != "CT")
    core::warn("the modality is " + (series.modality.empty() ? "unknown" : series.modality) +
               ", not CT: values are not HU");
  results["modality"] = series.modality;
  results["slice_thickness_mm"] = series.thickness_mm;
  intake.stack = series.stack;
  intake.series = std::move(series);
}

/// A header's slices along the third axis, first to last along the normal.
void planFile(Intake& intake, const std::string& wanted) {
  if (!wanted.empty())
    throw core::Error(
        core::Exit::Usage,
        {.what = "--series is for DICOM", .file = intake.path, .expected = "a DICOM folder", .got = "a single volume"});
  intake.header = readHeader(intake.path);
  const Header& header = *intake.header;
  for (const auto& remark : header.remarks) core::warn(core::baseName(header.path) + ": " + remark);
  if (header.size.minCoeff() < 2)
    refuse(intake.path, "not a three-dimensional volume", "at least 2 voxels along each axis",
           fmt::format("{} × {} × {}", header.size[0], header.size[1], header.size[2]));
  if (header.channels > 1)
    refuse(intake.path, "several channels per voxel", "one value per voxel",
           fmt::format("{} channels", header.channels));
  intake.stack = stackOf(header);
  intake.reversed = header.axes.determinant() < 0;
  if (intake.reversed) std::reverse(intake.stack.origins_mm.begin(), intake.stack.origins_mm.end());
  const auto id = header.keys.find("frame_id");
  if (id != header.keys.end()) intake.stack.frame_id = id->second;
}

}  // namespace

double Intake::peakBytes() const {
  const double voxels = static_cast<double>(stack.origins_mm.size()) * stack.size.cast<double>().prod();
  return voxels * (repair == Repair::Resample ? 12.0 : 6.0) + 5e7;
}

Intake planIntake(const std::string& path, const std::string& series, Repair repair, nlohmann::json& results) {
  core::requireInput(path, true);
  Intake intake;
  intake.path = path;
  if (std::filesystem::is_directory(path) || walkDicom(path).state != DicomState::NotDicom)
    planDicom(intake, series, results);
  else
    planFile(intake, series);
  intake.geometry = measureStack(intake.stack);
  intake.repair = judge(intake, repair);
  const StackGeometry& g = intake.geometry;
  const double known_gap = intake.header ? orthonormalFrame(*intake.header).slice_gap_mm : 0;
  const Eigen::Vector2d pixel(intake.stack.steps.col(0).norm(), intake.stack.steps.col(1).norm());
  const double widest = intake.series ? g.gap_max_mm : std::max(g.gap_max_mm, pixel.maxCoeff());
  intake.slice_gap_mm = std::round(1e4 * (known_gap > 0 ? known_gap : widest)) / 1e4;
  results.update({{"source", intake.series               ? "dicom"
                             : intake.header->slope == 1 ? "file"
                                                         : "scaled file"},
                  {"slices", intake.stack.origins_mm.size()},
                  {"slice_gap_min_mm", g.gap_min_mm},
                  {"slice_gap_median_mm", g.gap_mm},
                  {"slice_gap_max_mm", intake.slice_gap_mm},
                  {"slice_uneven_mm", g.uneven_mm},
                  {"tilt_degrees", g.tilt_degrees},
                  {"shear_degrees", g.shear_degrees},
                  {"repair", intake.repair == Repair::None       ? "none"
                             : intake.repair == Repair::Resample ? "resample"
                                                                 : "orthonormalize"}});
  warnOfThickness(intake.slice_gap_mm);
  return intake;
}

namespace {

/// Reverses the order of the slices in place.
void reverseSlices(std::vector<float>& voxels, std::size_t slices) {
  const auto plane = static_cast<std::ptrdiff_t>(voxels.size() / slices);
  for (std::size_t k = 0; k < slices / 2; ++k) {
    const auto low = voxels.begin() + static_cast<std::ptrdiff_t>(k) * plane;
    std::swap_ranges(low, low + plane, voxels.begin() + static_cast<std::ptrdiff_t>(slices - 1 - k) * plane);
  }
}

/// The identity of a frame that has none: a hash of what the volume is.
std::string hashOf(const CtVolume& volume) {
  const Frame& f = volume.frame;
  const std::string geometry =
      fmt::format("{} {} {} {} {} {} {} {} {}", f.size[0], f.size[1], f.size[2], f.spacing_mm[0], f.spacing_mm[1],
                  f.spacing_mm[2], f.origin_mm[0], f.origin_mm[1], f.origin_mm[2]);
  const std::string both = core::sha256(volume.voxels.data(), volume.voxels.size() * sizeof(float)) + geometry;
  return core::sha256(both.data(), both.size()).substr(0, 16);
}

/// "3-7, 12": runs of slice numbers from 0 on.
std::string runsOf(const std::vector<int>& numbers) {
  std::string out;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    out += out.empty() ? "" : ", ";
    out += last == i ? fmt::format("{}", numbers[i]) : fmt::format("{}-{}", numbers[i], numbers[last]);
    i = last + 1;
  }
  return out;
}

CtVolume resampled(const Intake& intake, const std::vector<float>& voxels, nlohmann::json& results) {
  Resampled out = resampleStack(intake.stack, voxels);
  const std::string runs = runsOf(out.interpolated);
  results["interpolated_slices"] = runs;
  results["interpolated_slice_count"] = out.interpolated.size();
  const std::string why = intake.geometry.tilt_degrees > kOrthoDegrees
                              ? fmt::format(" ({:.2f} degrees of tilt taken out)", intake.geometry.tilt_degrees)
                              : "";
  core::warn(fmt::format("resampled{}; slices interpolated between true ones, counted from 0: {}", why,
                         runs.empty() ? "none" : runs));
  return std::move(out.volume);
}

void measureValues(const CtVolume& volume, nlohmann::json& results) {
  const auto [low, high] = std::minmax_element(volume.voxels.begin(), volume.voxels.end());
  if (*low >= 0) core::warn("no value lies below 0: the voxels are probably not HU (an offset of 1024 is common)");
  if (*high < kBoneHu) core::warn(fmt::format("no value lies above {} HU: there is no bone in view", kBoneHu));
  const Frame& f = volume.frame;
  results.update({{"hu_min", *low},
                  {"hu_max", *high},
                  {"size_voxels", {f.size[0], f.size[1], f.size[2]}},
                  {"spacing_mm", {f.spacing_mm[0], f.spacing_mm[1], f.spacing_mm[2]}},
                  {"frame_id", f.frame_id}});
}

}  // namespace

CtVolume runIntake(const Intake& intake, nlohmann::json& results) {
  std::vector<float> voxels = intake.series ? readSeries(*intake.series) : decodeFloat(*intake.header);
  if (intake.reversed) reverseSlices(voxels, intake.stack.origins_mm.size());
  CtVolume volume;
  if (intake.repair == Repair::Resample) {
    volume = resampled(intake, voxels, results);
  } else {
    volume.frame = intake.series || intake.reversed ? gridOf(intake.stack) : orthonormalFrame(*intake.header);
    volume.voxels = std::move(voxels);
  }
  volume.frame.slice_gap_mm = intake.slice_gap_mm;
  if (volume.frame.frame_id.empty()) volume.frame.frame_id = hashOf(volume);
  measureValues(volume, results);
  return volume;
}

namespace {

/// Numbers patients or studies in the order in which they appear.
int numberOf(std::vector<std::string>& known, const std::string& key) {
  const auto at = std::find(known.begin(), known.end(), key);
  if (at != known.end()) return static_cast<int>(at - known.begin()) + 1;
  known.push_back(key);
  return static_cast<int>(known.size());
}

std::string cell(std::string text) {
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text.empty() ? "-" : text;
}

std::string planeName(const Eigen::Vector3d& normal) {
  int axis = 0;
  const double along = normal.cwiseAbs().maxCoeff(&axis);
  const char* names[3] = {"sagittal", "coronal", "axial"};
  return fmt::format("{}{}", along < 0.99 ? "oblique " : "", names[axis]);
}

std::string verdictOf(const DicomSeries& series, const StackGeometry& g) {
  if (const auto why = whyNoVolume(series); !why.empty()) return "no volume: " + why;
  const bool skew = isSkew(g, series.slices.size()), uneven = g.isUneven();
  if (skew && !uneven && g.skewDegrees() < kRoundDegrees) return "needs --fix orthonormalize";
  if (skew || uneven)
    return fmt::format("needs --fix resample: {}", !uneven ? "tilt"
                                                   : skew  ? "tilt, uneven gaps"
                                                           : "missing or uneven slices");
  if (series.modality != "CT") return "not CT";
  if (g.gap_max_mm > kNoImplantMm) return "thick: no implant is designed on it";
  return g.gap_max_mm > kThickMm ? "thick slices" : "ok";
}

}  // namespace

std::string indexTable(const std::string& folder) {
  int damaged = 0;
  const auto all = findSeries(folder, damaged);
  if (damaged > 0) core::warn(fmt::format("{} damaged DICOM files were left out", damaged));
  if (all.empty())
    refuse(folder, "no DICOM images found", "a folder tree with DICOM files", fmt::format("{} damaged files", damaged));
  std::string table =
      "series\tpatient\tstudy\tframe_id\tmodality\tbody_part\tkernel\tkvp\tcolumns\trows\tslices\tspacing_x_"
      "mm\tspacing_y_mm\t"
      "gap_median_mm\tgap_min_mm\tgap_max_mm\tthickness_mm\ttilt_degrees\tplane\tverdict\n";
  std::vector<std::string> patients, studies;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const DicomSeries& s = all[i];
    const bool stacked = s.flaw.empty() && s.slices.size() > 1 && !s.repeated;
    const StackGeometry g = stacked ? measureStack(s.stack) : StackGeometry{};
    table += fmt::format(
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{:.4g}\t{:.4g}\t{:.4g}\t{:.4g}\t{:.4g}\t{:.4g}\t{:.2f}\t{}\t{}\n",
        i + 1, numberOf(patients, s.patient_key), numberOf(studies, s.study_uid), cell(s.stack.frame_id),
        cell(s.modality), cell(s.body_part), cell(s.kernel), s.kvp, s.stack.size[0], s.stack.size[1], s.slices.size(),
        s.stack.steps.col(0).norm(), s.stack.steps.col(1).norm(), g.gap_mm, g.gap_min_mm, g.gap_max_mm, s.thickness_mm,
        g.tilt_degrees, stacked ? planeName(g.normal) : "-", verdictOf(s, g));
  }
  return table;
}

}  // namespace osteo::image
