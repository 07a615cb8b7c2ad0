// Headers of DICOM files and their grouping to series (PS3.3 C.7.6.2 image plane, C.7.6.16 multi-frame functional
// groups).
#include <fmt/format.h>
#include <gdcmGlobal.h>
#include <gdcmReader.h>
#include <gdcmSequenceOfItems.h>
#include <gdcmTrace.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>

#include "core/files.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "image/dicom.h"
#include "image/dicom_guard.h"

namespace osteo::image {
namespace {

using gdcm::DataSet;
using gdcm::Tag;

/// A header as it is read: a series of its own with the slices of one file.
struct FileHeader {
  DicomSeries series;
  bool image = false, damaged = false;
};

std::string textOf(const DataSet& data, const Tag& tag) {
  if (!data.FindDataElement(tag)) return {};
  const gdcm::ByteValue* value = data.GetDataElement(tag).GetByteValue();
  if (value == nullptr) return {};
  std::string text(value->GetPointer(), value->GetLength());
  while (!text.empty() && (text.back() == ' ' || text.back() == '\0')) text.pop_back();
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

/// Decimal strings separated by backslashes; empty when one of them is no finite number.
std::vector<double> numbersOf(const DataSet& data, const Tag& tag) {
  std::vector<double> out;
  const std::string text = textOf(data, tag);
  for (std::size_t at = 0; at <= text.size() && !text.empty();) {
    const auto end = std::min(text.find('\\', at), text.size());
    const std::string part = text.substr(at, end - at);
    char* stop = nullptr;
    const double value = std::strtod(part.c_str(), &stop);
    if (stop == part.c_str() || !std::isfinite(value)) return {};
    out.push_back(value);
    at = end + 1;
  }
  return out;
}

double numberOf(const DataSet& data, const Tag& tag, double standard) {
  const auto values = numbersOf(data, tag);
  return values.empty() ? standard : values[0];
}

int shortOf(const DataSet& data, const Tag& tag, int standard) {
  if (!data.FindDataElement(tag)) return standard;
  const gdcm::ByteValue* value = data.GetDataElement(tag).GetByteValue();
  std::uint16_t out = 0;
  if (value == nullptr || value->GetLength() < sizeof out) return standard;
  std::memcpy(&out, value->GetPointer(), sizeof out);
  return out;
}

/// The data set of item `number` of a sequence; nullopt when there is none.
std::optional<DataSet> itemOf(const DataSet& data, const Tag& sequence, std::size_t number) {
  if (!data.FindDataElement(sequence)) return std::nullopt;
  const auto items = data.GetDataElement(sequence).GetValueAsSQ();
  if (!items || items->GetNumberOfItems() <= number) return std::nullopt;
  return items->GetItem(number + 1).GetNestedDataSet();
}

/// What places one frame and scales its values, wherever the tags stand.
struct Plane {
  std::vector<double> position, orientation, spacing, slope, intercept;

  void readPlain(const DataSet& data) {
    const auto take = [&](std::vector<double>& to, const Tag& tag) {
      if (auto values = numbersOf(data, tag); !values.empty()) to = std::move(values);
    };
    take(position, {0x0020, 0x0032});
    take(orientation, {0x0020, 0x0037});
    take(spacing, {0x0028, 0x0030});
    take(slope, {0x0028, 0x1053});
    take(intercept, {0x0028, 0x1052});
  }
  void readGroups(const DataSet& groups) {
    for (const Tag& tag : {Tag(0x0020, 0x9113), Tag(0x0020, 0x9116), Tag(0x0028, 0x9110), Tag(0x0028, 0x9145)})
      if (const auto item = itemOf(groups, tag, 0)) readPlain(*item);
  }
  bool complete() const { return position.size() == 3 && orientation.size() == 6 && spacing.size() == 2; }
};

/// Pixel steps from direction cosines; false when they are degenerate.
bool setSteps(const Plane& plane, SliceStack& stack) {
  const Eigen::Vector3d row(plane.orientation[0], plane.orientation[1], plane.orientation[2]);
  const Eigen::Vector3d column(plane.orientation[3], plane.orientation[4], plane.orientation[5]);
  const bool sound = std::abs(row.norm() - 1) < 0.01 && std::abs(column.norm() - 1) < 0.01 &&
                     row.cross(column).norm() > 0.5 && plane.spacing[0] > 1e-4 && plane.spacing[1] > 1e-4 &&
                     plane.spacing[0] < 100 && plane.spacing[1] < 100;
  if (!sound) return false;
  // Pixel Spacing gives the distance between rows first: that is the step along a column.
  stack.steps.col(0) = row.normalized() * plane.spacing[1];
  stack.steps.col(1) = column.normalized() * plane.spacing[0];
  return true;
}

void readFrames(const DataSet& data, const std::string& path, DicomSeries& series) {
  const int frames = static_cast<int>(std::clamp(numberOf(data, {0x0028, 0x0008}, 1), 1.0, 65535.0));
  Plane common;
  common.readPlain(data);
  if (const auto shared = itemOf(data, {0x5200, 0x9229}, 0)) common.readGroups(*shared);
  const auto per_frame =
      data.FindDataElement(Tag(0x5200, 0x9230)) ? data.GetDataElement(Tag(0x5200, 0x9230)).GetValueAsSQ() : nullptr;
  for (int frame = 0; frame < frames; ++frame) {
    Plane plane = common;
    if (per_frame && per_frame->GetNumberOfItems() > static_cast<std::size_t>(frame))
      plane.readGroups(per_frame->GetItem(static_cast<std::size_t>(frame) + 1).GetNestedDataSet());
    if (!plane.complete() || !setSteps(plane, series.stack)) {
      series.flaw = "no image position, orientation or pixel spacing";
      plane.position = {0, 0, 0};
    }
    DicomSlice slice;
    slice.path = path;
    slice.frame = frame;
    slice.slope = plane.slope.empty() || plane.slope[0] == 0 ? 1 : plane.slope[0];
    slice.intercept = plane.intercept.empty() ? 0 : plane.intercept[0];
    const std::string instance = textOf(data, {0x0008, 0x0018});
    slice.instance_uid = fmt::format("{}#{}", instance.empty() ? path : instance, frame);
    slice.acquisition = static_cast<int>(std::clamp(numberOf(data, {0x0020, 0x0012}, 0), -1e9, 1e9));
    series.slices.push_back(slice);
    series.stack.origins_mm.emplace_back(plane.position[0], plane.position[1], plane.position[2]);
  }
}

FileHeader readFileHeader(const std::string& path) {
  FileHeader out;
  const DicomWalk walk = walkDicom(path);
  if (walk.state != DicomState::Sound && walk.state != DicomState::CutShort) {
    out.damaged = walk.state == DicomState::Damaged;
    return out;
  }
  try {
    std::string bytes(static_cast<std::size_t>(walk.header_bytes), '\0');
    std::ifstream(path, std::ios::binary).read(bytes.data(), walk.header_bytes);
    std::istringstream stream(std::move(bytes));  // without the pixels
    gdcm::Reader reader;
    reader.SetStream(stream);
    if (!reader.Read()) {
      out.damaged = true;
      return out;
    }
    const DataSet& data = reader.GetFile().GetDataSet();
    DicomSeries& series = out.series;
    series.uid = textOf(data, {0x0020, 0x000e});
    series.stack.size = {shortOf(data, {0x0028, 0x0011}, 0), shortOf(data, {0x0028, 0x0010}, 0)};
    // Anonymisers may have emptied the UIDs: then a folder counts as a series.
    if (series.uid.empty()) series.uid = "folder " + std::filesystem::path(path).parent_path().string();
    out.image = series.stack.size.minCoeff() > 0;
    if (!out.image) return out;
    series.frame_of_reference = textOf(data, {0x0020, 0x0052});
    series.study_uid = textOf(data, {0x0020, 0x000d});
    series.patient_key = textOf(data, {0x0010, 0x0020}) + '\n' + textOf(data, {0x0010, 0x0010});
    series.modality = textOf(data, {0x0008, 0x0060});
    series.body_part = textOf(data, {0x0018, 0x0015});
    series.kernel = textOf(data, {0x0018, 0x1210});
    series.thickness_mm = numberOf(data, {0x0018, 0x0050}, 0);
    series.kvp = numberOf(data, {0x0018, 0x0060}, 0);
    series.samples_per_pixel = shortOf(data, {0x0028, 0x0002}, 1);
    readFrames(data, path, series);
  } catch (const std::exception&) {  // GDCM throws on some malformed files
    out.image = false;
    out.damaged = true;
  }
  return out;
}

std::vector<std::string> filesIn(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code failed;
  if (!fs::is_directory(path, failed)) return {path};
  for (fs::recursive_directory_iterator at(path, fs::directory_options::skip_permission_denied, failed), end; at != end;
       at.increment(failed))
    if (at->is_regular_file(failed) && at->file_size(failed) > 0) files.push_back(at->path().string());
  std::sort(files.begin(), files.end());
  return files;
}

/// Same series, size, orientation and pixel size; rounding of the cosines doesn't tear a series apart.
std::string groupKey(const DicomSeries& series) {
  const auto& steps = series.stack.steps;
  std::string key = fmt::format("{}|{}x{}x{}|{}", series.uid, series.stack.size[0], series.stack.size[1],
                                series.samples_per_pixel, series.flaw);
  for (int c = 0; c < 2; ++c)
    for (int r = 0; r < 3; ++r) key += fmt::format("|{:.3f}", steps(r, c) / steps.col(c).norm() + 0.0);
  return key + fmt::format("|{:.4f}|{:.4f}", steps.col(0).norm(), steps.col(1).norm());
}

template <class T>
void keep(std::vector<T>& values, const std::vector<std::size_t>& order) {
  std::vector<T> out;
  for (const auto i : order) out.push_back(values[i]);
  values = std::move(out);
}

bool repeats(const SliceStack& sorted) {
  const Eigen::Vector3d normal = sorted.steps.col(0).cross(sorted.steps.col(1)).normalized();
  for (std::size_t k = 1; k < sorted.origins_mm.size(); ++k)
    if (normal.dot(sorted.origins_mm[k] - sorted.origins_mm[k - 1]) < 1e-3) return true;
  return false;
}

/// Drops copies of one instance and sorts the slices along the normal.
void arrange(DicomSeries& series) {
  std::set<std::string> seen;
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < series.slices.size(); ++i)
    if (seen.insert(series.slices[i].instance_uid).second) kept.push_back(i);
  series.copies = static_cast<int>(series.slices.size() - kept.size());
  keep(series.slices, kept);
  keep(series.stack.origins_mm, kept);
  if (!series.flaw.empty()) return;
  keep(series.slices, sortAlongNormal(series.stack));
  series.repeated = repeats(series.stack);
}

/// Phases in one series lie at the same positions: they are told apart by their acquisition number.
std::vector<DicomSeries> splitPhases(const DicomSeries& series) {
  std::map<int, std::vector<std::size_t>> by_acquisition;
  for (std::size_t i = 0; i < series.slices.size(); ++i) by_acquisition[series.slices[i].acquisition].push_back(i);
  std::vector<DicomSeries> out;
  for (const auto& [acquisition, members] : by_acquisition) {
    DicomSeries part = series;
    keep(part.slices, members);
    keep(part.stack.origins_mm, members);
    part.repeated = repeats(part.stack);
    if (part.repeated) return {series};
    out.push_back(std::move(part));
  }
  return out;
}

}  // namespace

std::vector<DicomSeries> findSeries(const std::string& path, int& damaged) {
  core::requireInput(path, true);
  gdcm::Trace::WarningOff();
  gdcm::Trace::ErrorOff();
  gdcm::Trace::DebugOff();
  gdcm::Global::GetInstance();  // fills its tables before the threads start
  const auto files = filesIn(path);
  std::vector<FileHeader> headers(files.size());
  {
    core::Progress progress("read DICOM headers", static_cast<std::int64_t>(files.size()));
    core::parallelFor(static_cast<std::int64_t>(files.size()), [&](std::int64_t i) {
      headers[static_cast<std::size_t>(i)] = readFileHeader(files[static_cast<std::size_t>(i)]);
      progress.advance();
    });
  }
  damaged = 0;
  std::vector<DicomSeries> groups;
  std::map<std::string, std::size_t> known;
  for (auto& header : headers) {
    damaged += header.damaged;
    if (!header.image) continue;
    const auto [at, fresh] = known.try_emplace(groupKey(header.series), groups.size());
    if (fresh) {
      groups.push_back(std::move(header.series));
      continue;
    }
    DicomSeries& group = groups[at->second];
    group.slices.insert(group.slices.end(), header.series.slices.begin(), header.series.slices.end());
    const auto& origins = header.series.stack.origins_mm;
    group.stack.origins_mm.insert(group.stack.origins_mm.end(), origins.begin(), origins.end());
  }
  std::vector<DicomSeries> out;
  for (auto& group : groups) {
    if (!group.frame_of_reference.empty())
      group.stack.frame_id =
          core::sha256(group.frame_of_reference.data(), group.frame_of_reference.size()).substr(0, 16);
    arrange(group);
    for (auto& part : group.repeated ? splitPhases(group) : std::vector<DicomSeries>{group})
      out.push_back(std::move(part));
  }
  return out;
}

}  // namespace osteo::image
