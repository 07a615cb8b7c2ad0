#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <iterator>

#include "slice_print/cli_file.h"

namespace osteo::slice_print {

static_assert(std::endian::native == std::endian::little, "binary CLI is written in the machine's own order");

namespace {

constexpr int kModel = 1;
constexpr std::uint16_t kLayerLong = 127, kPolylineLong = 130, kHatchesLong = 132;

template <class T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void put(std::string& bytes, const Point& p) {
  put(bytes, static_cast<float>(p.x()));
  put(bytes, static_cast<float>(p.y()));
}

int direction(const Ring& ring) { return signedArea_mm2(ring) > 0 ? 1 : 0; }

std::string binaryLayer(const Layer& layer) {
  std::string bytes;
  put(bytes, kLayerLong);
  put(bytes, static_cast<float>(layer.top_mm));
  for (const Ring& ring : layer.contours) {
    put(bytes, kPolylineLong);
    put(bytes, std::int32_t{kModel});
    put(bytes, std::int32_t{direction(ring)});
    put(bytes, static_cast<std::int32_t>(ring.size() + 1));
    for (const Point& p : ring) put(bytes, p);
    put(bytes, ring[0]);
  }
  forEachRun(layer, [&](Zone zone, std::size_t first, std::size_t end) {
    put(bytes, kHatchesLong);
    put(bytes, std::int32_t{cliModel(zone)});
    put(bytes, static_cast<std::int32_t>(end - first));
    for (std::size_t n = first; n < end; ++n) put(bytes, layer.hatches[n].a), put(bytes, layer.hatches[n].b);
  });
  return bytes;
}

std::string asciiLayer(const Layer& layer) {
  std::string text = fmt::format("$$LAYER/{:.5f}\n", layer.top_mm);
  const auto number = [&text](const Point& p) {
    fmt::format_to(std::back_inserter(text), ",{:.5f},{:.5f}", p.x(), p.y());
  };
  for (const Ring& ring : layer.contours) {
    fmt::format_to(std::back_inserter(text), "$$POLYLINE/{},{},{}", kModel, direction(ring), ring.size() + 1);
    for (const Point& p : ring) number(p);
    number(ring[0]);
    text += '\n';
  }
  forEachRun(layer, [&](Zone zone, std::size_t first, std::size_t end) {
    fmt::format_to(std::back_inserter(text), "$$HATCHES/{},{}", cliModel(zone), end - first);
    for (std::size_t n = first; n < end; ++n) number(layer.hatches[n].a), number(layer.hatches[n].b);
    text += '\n';
  });
  return text;
}

}  // namespace

int cliModel(Zone zone) { return kModel + static_cast<int>(zone); }

std::string cliHeader(CliEncoding encoding, const Eigen::Vector3d& size_mm, int layers,
                      const std::vector<Zone>& zones) {
  const bool ascii = encoding == CliEncoding::Ascii;
  std::string labels;
  for (const Zone zone : zones) {
    const char* name = zone == Zone::UpSkin ? "up-skin" : zone == Zone::DownSkin ? "down-skin" : "support";
    labels += fmt::format("$$LABEL/{},{}\n", cliModel(zone), name);
  }
  std::string text = fmt::format(
      "$$HEADERSTART\n$${}\n$$UNITS/00000001.000000\n$$VERSION/200\n$$LABEL/{},part\n{}$$DATE/010100\n"
      "$$DIMENSION/00000000.000000,00000000.000000,00000000.000000,{:015.6f},{:015.6f},{:015.6f}\n$$LAYERS/"
      "{:06d}\n$$HEADEREND",
      ascii ? "ASCII" : "BINARY", kModel, labels, size_mm.x(), size_mm.y(), size_mm.z(), layers);
  if (ascii) text += "\n$$GEOMETRYSTART\n";
  return text;
}

std::string cliLayer(CliEncoding encoding, const Layer& layer) {
  return encoding == CliEncoding::Ascii ? asciiLayer(layer) : binaryLayer(layer);
}

std::string cliEnd(CliEncoding encoding) { return encoding == CliEncoding::Ascii ? "$$GEOMETRYEND\n" : ""; }

}  // namespace osteo::slice_print
