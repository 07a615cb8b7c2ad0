#include "slice_print/layer_viewer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "slice_print/viewer_page.h"

namespace osteo::slice_print {

namespace {

constexpr std::size_t kMostBytes = 29'000'000;  // of the page's data
constexpr double kSteps = 65535;
constexpr double kVisible = 2000;  // parts of the extent that a screen tells apart
enum class Form : unsigned char { Ring, Line, Segments, Bead };
constexpr unsigned char kNextBody = 255;

Shown shownAs(BeadKind kind) {
  switch (kind) {
    case BeadKind::OuterPerimeter:
    case BeadKind::InnerPerimeter:
      return Shown::Perimeter;
    case BeadKind::ThinWall:
      return Shown::ThinWall;
    case BeadKind::Infill:
      return Shown::Infill;
    case BeadKind::Support:
      return Shown::SupportBead;
    case BeadKind::Skirt:
      return Shown::Skirt;
  }
  return Shown::Infill;
}

// Appends records of one layer.
class Records {
 public:
  explicit Records(double extent_mm) : per_mm_(kSteps / extent_mm) {}
  void head(unsigned char kind, Form form, std::size_t points) {
    put(kind), put(static_cast<unsigned char>(form)), put(static_cast<std::uint32_t>(points));
  }
  void add(const Point& p) { put(step(p.x())), put(step(p.y())); }
  void rings(Shown kind, const Rings& rings) {
    for (const Ring& ring : rings) {
      head(static_cast<unsigned char>(kind), Form::Ring, ring.size());
      for (const Point& p : ring) add(p);
    }
  }
  void bead(const Bead& bead) {
    head(static_cast<unsigned char>(shownAs(bead.kind)), Form::Bead, bead.points.size() + bead.closed);
    for (std::size_t n = 0; n < bead.points.size() + bead.closed; ++n) {
      const BeadPoint& point = bead.points[n % bead.points.size()];
      add(point.at);
      put(step(point.width_mm));
    }
  }
  std::string take() { return std::move(bytes_); }

 private:
  template <class T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  std::uint16_t step(double x_mm) const {
    return static_cast<std::uint16_t>(std::lround(std::clamp(x_mm * per_mm_, 0.0, kSteps)));
  }
  double per_mm_;
  std::string bytes_;
};

std::string base64(const std::string& bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t n = 0; n < bytes.size(); n += 3) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k)
      three = three << 8 | (n + k < bytes.size() ? static_cast<unsigned char>(bytes[n + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k) text += n + k <= bytes.size() ? kDigits[three >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string rowText(const Layer& layer) {
  nlohmann::ordered_json row = {{"layer", layer.index + 1},
                                {"top, mm", fmt::format("{:.4f}", layer.top_mm)},
                                {"height, mm", fmt::format("{:.4f}", layer.height_mm)},
                                {"area, mm²", fmt::format("{:.3f}", layer.area_mm2)},
                                {"loops", layer.slice.size()}};
  for (std::size_t body = 0; body < layer.bodies.size(); ++body)
    row[fmt::format("body {}, mm²", body + 1)] = fmt::format("{:.3f}", area_mm2(layer.bodies[body]));
  if (!layer.contours.empty()) row["contours, mm"] = fmt::format("{:.2f}", layer.contour_length_mm);
  if (!layer.hatches.empty()) {
    row["hatches"] = layer.hatches.size();
    row["hatches, mm"] = fmt::format("{:.2f}", layer.hatch_length_mm);
  }
  if (!layer.beads.empty()) row["beads"] = layer.beads.size();
  return row.dump();
}

// The page's layers: where they become too many bytes, every second goes.
struct Kept {
  std::vector<std::pair<int, std::string>> layers;
  std::size_t bytes = 0;
  int seen = 0, stride = 1;

  void add(std::string text) {
    const int index = seen++;
    if (index % stride != 0) return;
    bytes += text.size();
    layers.emplace_back(index, std::move(text));
    while (bytes > kMostBytes && layers.size() > 1) thin();
  }

 private:
  void thin() {
    stride *= 2;
    std::vector<std::pair<int, std::string>> left;
    bytes = 0;
    for (auto& [index, text] : layers) {
      if (index % stride != 0) continue;
      bytes += text.size();
      left.emplace_back(index, std::move(text));
    }
    layers = std::move(left);
  }
};

std::string pageText(const Kept& kept, const Part& part, const Stack& stack, double extent_mm) {
  const Eigen::Vector3d& size = part.size_mm();
  const nlohmann::json job = {
      {"title", fmt::format("{} layers, {:.2f} × {:.2f} × {:.2f} mm", stack.layers, size.x(), size.y(), size.z())},
      {"note", kept.stride == 1 ? std::string()
                                : fmt::format("One layer of {} is shown, to keep this page small.", kept.stride)},
      {"step", extent_mm / kSteps},
      {"size", {size.x(), size.y()}}};
  std::string page = kViewerHead + ("const job = " + job.dump()) + ";\nconst data = [\n";
  for (const auto& [index, text] : kept.layers) page += text + ",\n";
  return page + "];" + kViewerTail;
}

}  // namespace

std::string viewerLayer(const Layer& layer, double extent_mm) {
  Records records(extent_mm);
  const double tolerance_mm = extent_mm / kVisible;
  records.rings(Shown::Slice, simplified(layer.slice, tolerance_mm));
  for (const Rings& body : layer.bodies) {
    records.head(kNextBody, Form::Ring, 0);
    records.rings(Shown::Body, simplified(body, tolerance_mm));
  }
  for (const Rings& mask : layer.masks) records.rings(Shown::Mask, simplified(mask, tolerance_mm));
  records.rings(Shown::Support, simplified(layer.support, tolerance_mm));
  records.rings(Shown::Contour, simplified(layer.contours, tolerance_mm));
  forEachRun(layer, [&](Zone zone, std::size_t first, std::size_t end) {
    const int kind = static_cast<int>(Shown::Core) + static_cast<int>(zone);
    records.head(static_cast<unsigned char>(kind), Form::Segments, 2 * (end - first));
    for (std::size_t n = first; n < end; ++n) records.add(layer.hatches[n].a), records.add(layer.hatches[n].b);
  });
  for (const Bead& bead : layer.beads) {
    if (!bead.points.empty()) records.bead(simplified(bead, tolerance_mm));
  }
  return records.take();
}

JobWriter withViewer(const JobWriter& writer, const std::string& path, const Part& part, const Stack& stack) {
  auto kept = std::make_shared<Kept>();
  const double extent_mm = std::max(part.size_mm().x(), part.size_mm().y());
  // One string carries both: the length of what is for the writer, that, and the page's line.
  const auto encode = [writer, extent_mm](const Layer& layer) {
    const std::string inner = writer.encode(layer);
    const std::uint64_t length = inner.size();
    std::string both(reinterpret_cast<const char*>(&length), sizeof length);
    return both + inner + "{row: " + rowText(layer) + ", shape: \"" + base64(viewerLayer(layer, extent_mm)) + "\"}";
  };
  const auto append = [writer, kept](const std::string& both) {
    std::uint64_t length = 0;
    std::memcpy(&length, both.data(), sizeof length);
    writer.append(both.substr(sizeof length, length));
    kept->add(both.substr(sizeof length + length));
  };
  const auto finish = [writer, kept, path, &part, stack, extent_mm] {
    writer.finish();
    core::writeFile(path, pageText(*kept, part, stack, extent_mm));
  };
  return {encode, append, finish};
}

}  // namespace osteo::slice_print
