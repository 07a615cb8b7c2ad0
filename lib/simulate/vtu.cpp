#include <fmt/format.h>

#include <Eigen/LU>
#include <array>
#include <bit>
#include <fstream>
#include <functional>

#include "core/error.h"
#include "simulate/fields.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
static_assert(std::endian::native == std::endian::little, "the file says LittleEndian");
constexpr std::uint8_t kHexahedron = 12;  // VTK_HEXAHEDRON

/// One array of the file: its XML element and the bytes that stand behind its length in the appended data.
struct Block {
  std::string attributes;
  std::uint64_t bytes;
  std::function<void(std::ostream&)> write;
};

template <class T>
void put(std::ostream& out, const T* values, std::size_t count) {
  out.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * sizeof(T)));
}

Block block(const std::string& type, const std::string& name, std::uint64_t bytes,
            std::function<void(std::ostream&)> write, const std::string& more = "") {
  return {fmt::format("type=\"{}\" Name=\"{}\"{}", type, name, more), bytes, std::move(write)};
}

std::string components(const std::vector<std::string>& names) {
  std::string text = fmt::format(" NumberOfComponents=\"{}\"", names.size());
  for (std::size_t c = 0; c < names.size(); ++c) text += fmt::format(" ComponentName{}=\"{}\"", c, names[c]);
  return text;
}

Block floats(const std::string& name, const std::vector<float>& values, const std::string& more = "") {
  return block(
      "Float32", name, values.size() * sizeof(float),
      [&values](std::ostream& out) { put(out, values.data(), values.size()); }, more);
}

/// Text that can stand in an XML comment.
std::string plain(std::string text) {
  char before = ' ';
  for (auto& c : text) {
    if ((static_cast<unsigned char>(c) < 32) || c == '<' || c == '>' || c == '&' || (c == '-' && before == '-'))
      c = '_';
    before = c;
  }
  if (!text.empty() && text.back() == '-') text.back() = '_';
  return text;
}

Block points(const VoxelModel& model) {
  return block(
      "Float32", "points", static_cast<std::uint64_t>(model.nodes) * 3 * sizeof(float),
      [&model](std::ostream& out) {
        forEachNode(model, [&](std::int64_t, int i, int j, int k) {
          const Eigen::Vector3f p = model.nodePoint(i, j, k).cast<float>();
          put(out, p.data(), 3);
        });
      },
      " NumberOfComponents=\"3\"");
}

Block displacement(const VoxelModel& model, const Field& u) {
  return block(
      "Float64", "displacement", static_cast<std::uint64_t>(model.nodes) * 3 * sizeof(double),
      [&](std::ostream& out) {
        const auto stride = static_cast<std::int64_t>(u.size() / 3);
        for (std::int64_t n = 0; n < model.nodes; ++n) {
          const Vector3d v = model.frame.direction * Vector3d(u[n], u[stride + n], u[2 * stride + n]);
          put(out, v.data(), 3);
        }
      },
      components({"x", "y", "z"}));
}

std::vector<Block> cells(const VoxelModel& model) {
  const auto n = static_cast<std::uint64_t>(model.elements);
  // VTK's order goes around the bottom, then the top; on a left-handed grid the top comes first.
  const std::array<int, 8> right = {0, 1, 3, 2, 4, 5, 7, 6}, left = {4, 5, 7, 6, 0, 1, 3, 2};
  const auto order = model.frame.direction.determinant() < 0 ? left : right;
  return {block("Int64", "connectivity", n * 8 * sizeof(std::int64_t),
                [&model, order](std::ostream& out) {
                  forEachElement(model, [&](std::int64_t, int, int, int, const auto& nodes) {
                    std::array<std::int64_t, 8> hexahedron;
                    for (std::size_t c = 0; c < 8; ++c) hexahedron[c] = nodes[static_cast<std::size_t>(order[c])];
                    put(out, hexahedron.data(), 8);
                  });
                }),
          block("Int64", "offsets", n * sizeof(std::int64_t),
                [n](std::ostream& out) {
                  for (std::int64_t e = 1; e <= static_cast<std::int64_t>(n); ++e) {
                    const std::int64_t end = 8 * e;
                    put(out, &end, 1);
                  }
                }),
          block("UInt8", "types", n, [n](std::ostream& out) {
            for (std::uint64_t e = 0; e < n; ++e) put(out, &kHexahedron, 1);
          })};
}

std::vector<Block> cellData(const VoxelModel& model, const ElementResults& r) {
  std::vector<Block> blocks = {
      floats("von_mises", r.von_mises),
      floats("sed", r.energy),
      floats("stress", r.stress, components({"xx", "yy", "zz", "yz", "xz", "xy"})),
      floats("principal_strain", r.principal_strain, components({"1", "2", "3"})),
      block("UInt16", "material", static_cast<std::uint64_t>(model.elements) * sizeof(std::uint16_t),
            [&model](std::ostream& out) { put(out, model.material.data(), static_cast<std::size_t>(model.elements)); }),
      floats("demand", r.demand)};
  if (!r.fatigue.empty()) blocks.push_back(floats("fatigue", r.fatigue));
  return blocks;
}

std::string commentOf(const VoxelModel& model, const std::vector<Filler>& fillers) {
  std::string text = "SPACE=LPS UNIT=mm stress in MPa";
  if (!model.frame.frame_id.empty()) text += " frame_id=" + plain(model.frame.frame_id);
  for (std::size_t f = 0; f < fillers.size(); ++f)
    text += fmt::format("; material {}: {}", f, plain(fillers[f].name()));
  return text;
}

}  // namespace

void writeVtu(const VoxelModel& model, const Field& u, const ElementResults& results,
              const std::vector<Filler>& fillers, const std::string& path) {
  const std::vector<std::pair<std::string, std::vector<Block>>> sections = {{"Points", {points(model)}},
                                                                            {"Cells", cells(model)},
                                                                            {"PointData", {displacement(model, u)}},
                                                                            {"CellData", cellData(model, results)}};
  std::ofstream out(path, std::ios::binary);
  out << "<?xml version=\"1.0\"?>\n<!-- " << commentOf(model, fillers) << " -->\n"
      << "<VTKFile type=\"UnstructuredGrid\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n"
      << "<UnstructuredGrid>\n"
      << fmt::format("<Piece NumberOfPoints=\"{}\" NumberOfCells=\"{}\">\n", model.nodes, model.elements);
  std::uint64_t offset = 0;
  for (const auto& [name, blocks] : sections) {
    out << "<" << name << ">\n";
    for (const auto& b : blocks) {
      out << "<DataArray " << b.attributes << " format=\"appended\" offset=\"" << offset << "\"/>\n";
      offset += sizeof(std::uint64_t) + b.bytes;
    }
    out << "</" << name << ">\n";
  }
  out << "</Piece>\n</UnstructuredGrid>\n<AppendedData encoding=\"raw\">\n_";
  for (const auto& [name, blocks] : sections)
    for (const auto& b : blocks) {
      put(out, &b.bytes, 1);
      b.write(out);
    }
  out << "\n</AppendedData>\n</VTKFile>\n";
  out.close();
  if (!out) throw core::Error(core::Exit::IoError, {.what = "writing the mesh failed", .file = path});
}

}  // namespace osteo::simulate
