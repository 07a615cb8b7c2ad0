#include "mesh/io.h"

#include <openvdb/io/File.h>
#include <openvdb/io/Stream.h>

#include <cmath>
#include <mutex>
#include <set>
#include <streambuf>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "levelset/distance.h"
#include "levelset/grid.h"
#include "levelset/vdb_file.h"
#include "levelset/vdb_guard.h"

namespace osteo::levelset {
namespace {

constexpr std::size_t kUuidAt = 21,
                      kUuidLength = 36;  // after magic, file version, library version and the offsets' flag

[[noreturn]] void refuse(const std::string& path, core::Complaint complaint) {
  complaint.file = path;
  throw core::Error(core::Exit::DataError, complaint);
}

void checkHeader(const std::string& path, const std::string& bytes) {
  constexpr char kMagic[] = " BDV";  // little-endian 0x56444220 in the low half of eight bytes
  if (bytes.empty()) refuse(path, {.what = "the file is empty", .expected = "a VDB level set"});
  if (bytes.size() < kUuidAt + kUuidLength || bytes.compare(0, 4, kMagic, 4) != 0) {
    refuse(path, {.what = "not a VDB file", .expected = "a VDB level set"});
  }
}

/// Reads bytes held elsewhere, so that files of half a gigabyte aren't held twice.
class ByteReader : public std::streambuf {
 public:
  explicit ByteReader(const std::string& bytes) {
    char* first = const_cast<char*>(bytes.data());  // streambuf's get area isn't const; nothing writes to it
    setg(first, first, first + bytes.size());
  }

 private:
  pos_type seekoff(off_type offset, std::ios_base::seekdir from, std::ios_base::openmode) override {
    const off_type base = from == std::ios_base::beg ? 0 : (from == std::ios_base::cur ? gptr() : egptr()) - eback();
    return seekpos(base + offset, std::ios_base::in);
  }
  pos_type seekpos(pos_type to, std::ios_base::openmode) override {
    if (to < 0 || to > egptr() - eback()) return pos_type(off_type(-1));
    setg(eback(), eback() + off_type(to), egptr());
    return to;
  }
};

/// Parses all grids; a read beyond the end throws, so that a truncated file can't pass as a smaller one.
openvdb::GridPtrVecPtr parse(const std::string& path, const std::string& bytes) {
  try {
    ByteReader reader(bytes);
    std::istream stream(&reader);
    stream.exceptions(std::ios::badbit | std::ios::failbit | std::ios::eofbit);
    openvdb::io::Stream archive(stream, false);
    return archive.getGrids();
  } catch (const std::exception& e) {
    refuse(path, {.what = "the VDB file is damaged or cut off", .got = e.what()});
  }
}

openvdb::GridPtrVecPtr readGrids(const std::string& path) {
  core::requireInput(path);
  initializeVdb();
  const std::string bytes = core::readFile(path);
  checkHeader(path, bytes);
  if (const std::string flaw = flawOfVdb(bytes); !flaw.empty())
    refuse(path, {.what = "the VDB file is damaged or cut off", .expected = "float grids", .got = flaw});
  return parse(path, bytes);
}

void checkSpace(const std::string& path, const LevelSet& grid) {
  const std::string space = grid.meta("space");
  if (space.empty()) core::warn(core::baseName(path) + " doesn't say its space; taken as LPS");
  if (!space.empty() && space != "LPS") refuse(path, {.what = "unknown space", .expected = "LPS", .got = space});
}

void checkTransform(const std::string& path, const openvdb::FloatGrid& grid) try {
  const openvdb::math::Transform& transform = grid.transform();
  if (!transform.isLinear() || !transform.hasUniformScale())
    refuse(path, {.what = "the level set's voxels aren't cubes"});
  const openvdb::Vec3d voxel = transform.voxelSize();
  const double h = voxel[0];
  if (!(h > 1e-4 && h < 1e3)) refuse(path, {.what = "implausible voxel", .expected = "mm", .got = std::to_string(h)});
  const openvdb::math::Mat4d matrix = transform.baseMap()->getAffineMap()->getMat4();
  double off = 0;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column)
      off = std::max(off, std::abs(matrix(row, column) - (row == column ? h : 0)));
    off = std::max(off, std::abs(matrix(3, row)));
  }
  if (!(off < 1e-6 * h)) {
    refuse(path, {.what = "the level set isn't aligned with the axes or has no voxel at the origin",
                  .expected = "voxel centres at integer multiples of the voxel, axes along LPS"});
  }
} catch (const openvdb::Exception& e) {  // a matrix that can't be inverted
  refuse(path, {.what = "the level set's transform is damaged", .got = e.what()});
}

/// Gives voxels without a value the mean of their neighbours that have one, layer by layer.
void fillOutwards(image::CtVolume& field, std::vector<char>& known) {
  std::vector<std::int64_t> front, next;
  for (std::int64_t n = 0; n < field.frame.voxelCount(); ++n)
    if (known[n]) front.push_back(n);
  constexpr char kQueued = 2;  // seen in this layer, not yet known
  while (!front.empty()) {
    next.clear();
    for (const std::int64_t n : front)
      image::forFaceNeighbours(field.frame, n, [&](std::int64_t m) {
        if (!known[m]) known[m] = kQueued, next.push_back(m);
      });
    for (const std::int64_t n : next) {
      double sum = 0;
      int count = 0;
      image::forFaceNeighbours(field.frame, n, [&](std::int64_t m) {
        if (known[m] == 1) sum += field.voxels[m], ++count;
      });
      field.voxels[n] = static_cast<float>(sum / count);
    }
    for (const std::int64_t n : next) known[n] = 1;
    front.swap(next);
  }
}

void checkValues(const std::string& path, const openvdb::FloatGrid& grid) {
  const auto limit = grid.background() * 1.5F;
  std::int64_t active = 0;
  for (auto leaf = grid.tree().cbeginLeaf(); leaf; ++leaf) {
    const float* values = leaf->buffer().data();
    for (openvdb::Index i = 0; i < openvdb::FloatTree::LeafNodeType::SIZE; ++i) {
      if (!std::isfinite(values[i])) refuse(path, {.what = "the level set holds values that aren't numbers"});
      if (std::abs(values[i]) > limit) refuse(path, {.what = "the level set holds values beyond its band"});
    }
    active += leaf->onVoxelCount();
  }
  if (active == 0) refuse(path, {.what = "the level set is empty"});
}

std::string uuidFrom(const std::string& bytes) {
  std::string hash = core::sha256(bytes.data(), bytes.size()).substr(0, 32);
  for (const std::size_t at : {8, 13, 18, 23}) hash.insert(at, "-");
  return hash;
}

}  // namespace

LevelSet readVdb(const std::string& path) {
  const openvdb::GridPtrVecPtr grids = readGrids(path);
  openvdb::FloatGrid::Ptr grid;
  for (const auto& candidate : *grids) {
    const auto as_float = openvdb::gridPtrCast<openvdb::FloatGrid>(candidate);
    if (!as_float || as_float->getGridClass() != openvdb::GRID_LEVEL_SET) continue;
    if (grid) refuse(path, {.what = "the file holds several level sets", .expected = "one"});
    grid = as_float;
  }
  if (!grid) refuse(path, {.what = "the file holds no float level set", .hint = "class must be 'level set'"});
  checkTransform(path, *grid);
  if (!(grid->background() > 0) || !std::isfinite(grid->background()))
    refuse(path, {.what = "the level set's background isn't positive"});
  checkValues(path, *grid);
  LevelSet out = wrap(grid);
  checkSpace(path, out);
  const double half_width = grid->background() / out.voxel_mm();
  if (std::abs(half_width - kHalfWidth_voxels) > 0.01) out = redistance(out);
  return out;
}

std::optional<image::CtVolume> readVdbField(const std::string& path) {
  constexpr double kMostVoxels = 1e9;
  openvdb::FloatGrid::Ptr grid;
  const openvdb::GridPtrVecPtr grids = readGrids(path);
  for (const auto& candidate : *grids) {
    const auto as_float = openvdb::gridPtrCast<openvdb::FloatGrid>(candidate);
    if (!as_float) continue;
    if (as_float->getGridClass() == openvdb::GRID_LEVEL_SET) return std::nullopt;
    if (grid) refuse(path, {.what = "the file holds several fields", .expected = "one float grid"});
    grid = as_float;
  }
  if (!grid) refuse(path, {.what = "the file holds no float grid"});
  checkTransform(path, *grid);
  const LevelSet meta = wrap(grid);
  checkSpace(path, meta);
  const openvdb::CoordBBox box = grid->evalActiveVoxelBoundingBox();
  if (box.empty()) refuse(path, {.what = "the field is empty"});
  const openvdb::Coord size = box.dim();
  if (double(size.x()) * size.y() * size.z() > kMostVoxels)
    refuse(path, {.what = "the field's box holds too many voxels", .expected = "at most 1e9"});
  image::Frame frame;
  frame.size = {size.x(), size.y(), size.z()};
  frame.spacing_mm.setConstant(meta.voxel_mm());
  frame.origin_mm = Eigen::Vector3d(box.min().x(), box.min().y(), box.min().z()) * meta.voxel_mm();
  frame.frame_id = meta.frameId();
  image::CtVolume field(frame);
  std::vector<char> known(field.voxels.size(), 0);
  auto access = grid->getConstAccessor();
  std::size_t n = 0;
  for (int k = 0; k < size.z(); ++k)
    for (int j = 0; j < size.y(); ++j)
      for (int i = 0; i < size.x(); ++i, ++n) {
        known[n] = access.probeValue(box.min().offsetBy(i, j, k), field.voxels[n]) ? 1 : 0;
        if (known[n] && !std::isfinite(field.voxels[n]))
          refuse(path, {.what = "the field holds values that aren't numbers"});
      }
  fillOutwards(field, known);
  return field;
}

void initializeVdb() {
  static std::once_flag once;
  std::call_once(once, [] { openvdb::initialize(); });
}

void writeGrids(const openvdb::GridCPtrVec& grids, const std::string& path) {
  try {
    openvdb::io::File file(path);
    file.setCompression(openvdb::io::COMPRESS_BLOSC | openvdb::io::COMPRESS_ACTIVE_MASK);
    file.write(grids);
  } catch (const std::exception& e) {
    throw core::Error(core::Exit::IoError, {.what = "writing the VDB file failed", .file = path, .got = e.what()});
  }
  std::string bytes = core::readFile(path, std::size_t{1} << 36);
  bytes.replace(kUuidAt, kUuidLength, kUuidLength, '0');
  bytes.replace(kUuidAt, kUuidLength, uuidFrom(bytes));
  core::writeFile(path, bytes);
}

void writeVdb(const LevelSet& level_set, const std::string& path, const std::string& grid_name) {
  initializeVdb();
  auto grid = openvdb::gridPtrCast<openvdb::FloatGrid>(level_set.grid().vdb->copyGrid());
  grid->setName(grid_name);
  grid->setGridClass(openvdb::GRID_LEVEL_SET);
  grid->insertMeta("space", openvdb::StringMetadata("LPS"));
  grid->insertMeta("voxel_mm", openvdb::DoubleMetadata(level_set.voxel_mm()));
  writeGrids({grid}, path);
}

bool isMeshFile(const std::string& path) {
  static const std::set<std::string> endings = {".stl", ".ply", ".obj", ".amf", ".3mf"};
  return endings.contains(core::extension(path));
}

LevelSet readSolid(const std::string& path, double voxel_mm) {
  return isMeshFile(path) ? fromMesh(mesh::readMesh(path), voxel_mm) : readVdb(path);
}

}  // namespace osteo::levelset
