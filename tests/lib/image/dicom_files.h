#pragma once
#include <Eigen/Dense>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

/// Minimal CT slices, written byte by byte as PS3.10 has them (explicit VR, little endian).
namespace osteo::image::shapes {

struct SliceSpec {
  Eigen::Vector2i size = {12, 10};
  Eigen::Vector3d position = {0, 0, 0}, row = {1, 0, 0}, column = {0, 1, 0};
  double spacing_x = 1, spacing_y = 1;
  double slope = 1, intercept = -1024;
  std::string series_uid = "1.2.826.1", instance_uid = "1.2.826.5", frame_uid = "1.2.826.9";
  std::string modality = "CT", acquisition = "1", patient = "Doe^Jane", patient_id = "ID-4711";
  int padding = -2000;  ///< Pixel Padding Value
  std::function<double(int, int)> hu = [](int, int) { return 0.0; };
};

class DicomBytes {
 public:
  void text(int group, int element, const char* vr, std::string value) {
    if (value.size() % 2 != 0) value += std::string(vr) == "UI" ? '\0' : ' ';
    head(group, element, vr);
    number(value.size(), 2);
    bytes += value;
  }
  void shortValue(int group, int element, const char* vr, int value) {
    head(group, element, vr);
    number(2, 2);
    number(static_cast<std::uint64_t>(value), 2);
  }
  void pixels(const std::string& value) {
    head(0x7fe0, 0x0010, "OW");
    number(0, 2);
    number(value.size(), 4);
    bytes += value;
  }
  void sequence(int group, int element, const std::vector<std::string>& items) {
    DicomBytes inner;
    for (const auto& item : items) {
      inner.number(0xe000fffe, 4);
      inner.number(item.size(), 4);
      inner.bytes += item;
    }
    head(group, element, "SQ");
    number(0, 2);
    number(inner.bytes.size(), 4);
    bytes += inner.bytes;
  }
  void number(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes += static_cast<char>((value >> (8 * i)) & 255);
  }
  std::string bytes;

 private:
  void head(int group, int element, const char* vr) {
    number(static_cast<std::uint64_t>(group), 2);
    number(static_cast<std::uint64_t>(element), 2);
    bytes += vr;
  }
};

inline std::string decimals(std::initializer_list<double> values) {
  std::string out;
  for (const double v : values) {
    char text[32];
    std::snprintf(text, sizeof text, "%.8g", v);
    out += (out.empty() ? "" : "\\") + std::string(text);
  }
  return out;
}

/// Preamble and group 2 before a data set.
inline std::string part10(const std::string& sop_class, const std::string& instance, const std::string& data) {
  DicomBytes meta, out;
  meta.text(0x0002, 0x0002, "UI", sop_class);
  meta.text(0x0002, 0x0003, "UI", instance);
  meta.text(0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1");
  out.bytes = std::string(128, '\0') + "DICM";
  out.number(0x00000002, 4);
  out.bytes += "UL";
  out.number(4, 2);
  out.number(meta.bytes.size(), 4);
  return out.bytes + meta.bytes + data;
}

inline std::string dicomBytes(const SliceSpec& spec) {
  DicomBytes data;
  data.text(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.2");
  data.text(0x0008, 0x0018, "UI", spec.instance_uid);
  data.text(0x0008, 0x0020, "DA", "20200131");
  data.text(0x0008, 0x0060, "CS", spec.modality);
  data.text(0x0010, 0x0010, "PN", spec.patient);
  data.text(0x0010, 0x0020, "LO", spec.patient_id);
  data.text(0x0020, 0x000d, "UI", "1.2.826.2");
  data.text(0x0020, 0x000e, "UI", spec.series_uid);
  data.text(0x0020, 0x0012, "IS", spec.acquisition);
  data.text(0x0020, 0x0032, "DS", decimals({spec.position[0], spec.position[1], spec.position[2]}));
  data.text(0x0020, 0x0037, "DS",
            decimals({spec.row[0], spec.row[1], spec.row[2], spec.column[0], spec.column[1], spec.column[2]}));
  if (!spec.frame_uid.empty()) data.text(0x0020, 0x0052, "UI", spec.frame_uid);
  data.shortValue(0x0028, 0x0002, "US", 1);
  data.text(0x0028, 0x0004, "CS", "MONOCHROME2");
  data.shortValue(0x0028, 0x0010, "US", spec.size[1]);
  data.shortValue(0x0028, 0x0011, "US", spec.size[0]);
  data.text(0x0028, 0x0030, "DS", decimals({spec.spacing_y, spec.spacing_x}));
  data.shortValue(0x0028, 0x0100, "US", 16);
  data.shortValue(0x0028, 0x0101, "US", 16);
  data.shortValue(0x0028, 0x0102, "US", 15);
  data.shortValue(0x0028, 0x0103, "US", 1);
  data.shortValue(0x0028, 0x0120, "SS", spec.padding);
  data.text(0x0028, 0x1052, "DS", decimals({spec.intercept}));
  data.text(0x0028, 0x1053, "DS", decimals({spec.slope}));
  DicomBytes pixels;
  for (int j = 0; j < spec.size[1]; ++j)
    for (int i = 0; i < spec.size[0]; ++i)
      pixels.number(
          static_cast<std::uint16_t>(static_cast<std::int16_t>((spec.hu(i, j) - spec.intercept) / spec.slope)), 2);
  data.pixels(pixels.bytes);
  return part10("1.2.840.10008.5.1.4.1.1.2", spec.instance_uid, data.bytes);
}

inline void writeBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline void writeSlice(const SliceSpec& spec, const std::string& path) { writeBytes(path, dicomBytes(spec)); }

}  // namespace osteo::image::shapes
