#include "slice_print/writers.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <memory>

#include "core/error.h"
#include "core/files.h"
#include "slice_print/extrusion_options.h"

namespace osteo::slice_print {

namespace {

constexpr double kSvgTolerance_mm = 1e-3;
constexpr const char* kBeadClasses[] = {" outer", " inner", " thin", " fill", " prop", " skirt"};
constexpr const char* kBeadStyle =
    ".bead{fill:none;stroke-linejoin:round;stroke-linecap:round;stroke-opacity:0.6}.outer{stroke:#4682c8}.inner{stroke:"
    "#8cb4e1}.thin{stroke:#d9541a}.fill{stroke:#f0be6e}.prop{stroke:#96be96}.skirt{stroke:#bebebe}";
constexpr const char* kZoneClasses[kZones] = {"", " up", " down", " prop"};

// A file that grows; every failure to write is an IoError.
class OutFile {
 public:
  explicit OutFile(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb"), &std::fclose) {
    if (!file_) fail();
  }
  void write(const std::string& bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail();
  }
  void close() {
    if (std::fclose(file_.release()) != 0) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw core::Error(core::Exit::IoError, {.what = "writing failed", .file = path_, .got = std::strerror(errno)});
  }
  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

// A writer for formats that are one text from head to tail.
JobWriter streamWriter(const std::string& path, const std::string& start,
                       std::function<std::string(const Layer&)> encode, const std::string& end) {
  auto file = std::make_shared<OutFile>(path);
  file->write(start);
  return {std::move(encode), [file](const std::string& bytes) { file->write(bytes); },
          [file, end] {
            file->write(end);
            file->close();
          }};
}

void svgPath(std::string& text, const char* style, const Rings& rings) {
  if (rings.empty()) return;
  fmt::format_to(std::back_inserter(text), "<path class=\"{}\" d=\"", style);
  for (const Ring& ring : rings) {
    char verb = 'M';
    for (const Point& p : ring) {
      fmt::format_to(std::back_inserter(text), "{}{:.3f} {:.3f}", verb, p.x(), p.y());
      verb = 'L';
    }
    text += 'Z';
  }
  text += "\"/>\n";
}

// Its mean width stands for a bead's.
void svgBead(std::string& text, const Bead& bead) {
  double width = 0;
  for (const BeadPoint& p : bead.points) width += p.width_mm / static_cast<double>(bead.points.size());
  fmt::format_to(std::back_inserter(text), "<path class=\"bead{}\" stroke-width=\"{:.3f}\" d=\"",
                 kBeadClasses[static_cast<int>(bead.kind)], width);
  char verb = 'M';
  for (const BeadPoint& p : bead.points) {
    fmt::format_to(std::back_inserter(text), "{}{:.3f} {:.3f}", verb, p.at.x(), p.at.y());
    verb = 'L';
  }
  text += bead.closed ? "Z\"/>\n" : "\"/>\n";
}

std::string svgLayer(const Layer& layer, bool visible) {
  std::string text = fmt::format("<g id=\"layer_{:05d}\" data-top-mm=\"{:.5f}\"{}>\n", layer.index + 1, layer.top_mm,
                                 visible ? "" : " display=\"none\"");
  svgPath(text, "slice", simplified(layer.slice, kSvgTolerance_mm));
  for (const Rings& mask : layer.masks) svgPath(text, "mask", simplified(mask, kSvgTolerance_mm));
  svgPath(text, "contour", layer.contours);
  svgPath(text, "support", layer.support);
  for (const Bead& bead : layer.beads) svgBead(text, bead);
  forEachRun(layer, [&](Zone zone, std::size_t first, std::size_t end) {
    fmt::format_to(std::back_inserter(text), "<path class=\"hatch{}\" d=\"", kZoneClasses[static_cast<int>(zone)]);
    for (std::size_t n = first; n < end; ++n) {
      const Segment& h = layer.hatches[n];
      fmt::format_to(std::back_inserter(text), "M{:.3f} {:.3f}L{:.3f} {:.3f}", h.a.x(), h.a.y(), h.b.x(), h.b.y());
    }
    text += "\"/>\n";
  });
  return text + "</g>\n";
}

std::string stlBytes(const mesh::TriangleMesh& mesh) {
  std::string bytes = "osteoforge slice-print: machine frame, build direction +z, mm";
  bytes.resize(80, ' ');
  const auto put = [&bytes](const auto& value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); };
  put(static_cast<std::uint32_t>(mesh.triangles.size()));
  for (const mesh::Triangle& t : mesh.triangles) {
    const Eigen::Vector3d &a = mesh.vertices[t[0]], &b = mesh.vertices[t[1]], &c = mesh.vertices[t[2]];
    const Eigen::Vector3d normal = Eigen::Vector3d(b - a).cross(c - a).normalized();
    for (const Eigen::Vector3d& v : {normal, a, b, c}) {
      for (int axis = 0; axis < 3; ++axis) put(static_cast<float>(v[axis]));
    }
    put(std::uint16_t{0});
  }
  return bytes;
}

}  // namespace

JobWriter cliWriter(const std::string& path, const JobHead& head) {
  const CliEncoding encoding = head.encoding;
  return streamWriter(
      path, cliHeader(encoding, head.part->size_mm(), head.stack.layers, head.zones),
      [encoding](const Layer& layer) { return cliLayer(encoding, layer); }, cliEnd(encoding));
}

JobWriter svgWriter(const std::string& path, const JobHead& head) {
  const Eigen::Vector3d size = head.part->size_mm();
  const std::string start = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.4f}mm\" "
      "height=\"{1:.4f}mm\" viewBox=\"0 0 {0:.4f} {1:.4f}\">\n<style>.slice{{fill:#dcdcdc;fill-rule:evenodd}}"
      ".contour{{fill:none;stroke:#1f4e9c;stroke-width:0.02}}.hatch{{fill:none;stroke:#d9541a;stroke-width:0.015}}{2}</"
      "style>\n"
      "<g transform=\"translate(0 {1:.4f}) scale(1 -1)\">\n",
      size.x(), size.y(),
      std::string(head.settings && isMaskProcess(head.settings->process)
                      ? ".mask{fill:#5a78dc;fill-opacity:0.45;fill-rule:evenodd}"
                      : "") +
          std::string(
              head.zones.empty()
                  ? ""
                  : ".up{stroke:#1b7837}.down{stroke:#7b3294}.prop{stroke:#4d4d4d}.support{fill:#c7e0f4;stroke:none}") +
          (head.settings && head.settings->process == Process::Mex ? kBeadStyle : ""));
  const int visible = head.visible_layer;
  return streamWriter(
      path, start, [visible](const Layer& layer) { return svgLayer(layer, layer.index == visible); }, "</g>\n</svg>\n");
}

JobWriter gcodeWriter(const std::string& path, const JobHead& head) {
  const GcodeSettings settings = gcodeFor(*head.settings);
  return streamWriter(
      path, gcodeStart(settings, head.stack), [settings](const Layer& layer) { return gcodeLayer(settings, layer); },
      gcodeEnd(settings));
}

JobWriter stlWriter(const std::string& path, const JobHead& head) {
  core::writeFile(path, stlBytes(head.part->machineMesh()));
  return {[](const Layer&) { return std::string(); }, [](const std::string&) {}, [] {}};
}

JobWriter fileWriter(const std::string& path, const JobHead& head) {
  const std::string ending = core::extension(path);
  if (ending == ".gcode") return gcodeWriter(path, head);
  if (ending == ".svg") return svgWriter(path, head);
  if (ending == ".3mf") return threeMfWriter(path, head);
  if (ending == ".stl") return stlWriter(path, head);
  if (ending == ".amf") return amfWriter(path, head);
  return cliWriter(path, head);
}

}  // namespace osteo::slice_print
