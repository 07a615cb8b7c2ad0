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
  if (!layer.hatches.empty()) {
    put(bytes, kHatchesLong);
    put(bytes, std::int32_t{kModel});
    put(bytes, static_cast<std::int32_t>(layer.hatches.size()));
    for (const Segment& hatch : layer.hatches) put(bytes, hatch.a), put(bytes, hatch.b);
  }
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
  if (!layer.hatches.empty()) {
    fmt::format_to(std::back_inserter(text), "$$HATCHES/{},{}", kModel, layer.hatches.size());
    for (const Segment& hatch : layer.hatches) number(hatch.a), number(hatch.b);
    text += '\n';
  }
  return text;
}

}  // namespace

std::string cliHeader(CliEncoding encoding, const Eigen::Vector3d& size_mm, int layers) {
  const bool ascii = encoding == CliEncoding::Ascii;
  std::string text = fmt::format(
      "$$HEADERSTART\n$${}\n$$UNITS/00000001.000000\n$$VERSION/200\n$$LABEL/{},part\n$$DATE/010100\n"
      "$$DIMENSION/00000000.000000,00000000.000000,00000000.000000,{:015.6f},{:015.6f},{:015.6f}\n$$LAYERS/"
      "{:06d}\n$$HEADEREND",
      ascii ? "ASCII" : "BINARY", kModel, size_mm.x(), size_mm.y(), size_mm.z(), layers);
  if (ascii) text += "\n$$GEOMETRYSTART\n";
  return text;
}

std::string cliLayer(CliEncoding encoding, const Layer& layer) {
  return encoding == CliEncoding::Ascii ? asciiLayer(layer) : binaryLayer(layer);
}

std::string cliEnd(CliEncoding encoding) { return encoding == CliEncoding::Ascii ? "$$GEOMETRYEND\n" : ""; }

}  // namespace osteo::slice_print
