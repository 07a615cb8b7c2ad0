#include "simulate/vdb_field.h"

#include <fmt/format.h>
#include <openvdb/openvdb.h>

#include "core/error.h"
#include "levelset/vdb_file.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
constexpr double kRounding = 1e-4;  // of a voxel: what single precision in an image's header may leave

/// Index (0, 0, 0) of the VDB lies at `rest_mm`, which is 0 where the grid fits the house's level sets.
struct Lattice {
  double voxel_mm;
  Vector3d rest_mm;
  openvdb::Coord at(const Vector3d& point_mm) const {
    const Vector3d index = (point_mm - rest_mm) / voxel_mm;
    return {int(std::lround(index[0])), int(std::lround(index[1])), int(std::lround(index[2]))};
  }
};

Lattice latticeOf(const image::Frame& frame) {
  Lattice lattice{frame.spacing_mm[0], Vector3d::Zero()};
  for (int c = 0; c < 3; ++c) {
    const double index = frame.origin_mm[c] / lattice.voxel_mm, off = index - std::round(index);
    if (std::abs(off) > kRounding) lattice.rest_mm[c] = off * lattice.voxel_mm;
  }
  return lattice;
}

template <class GridType, class Value>
typename GridType::Ptr makeGrid(const VoxelModel& model, const std::string& name, const Value& value) {
  const Lattice lattice = latticeOf(model.frame);
  auto grid = GridType::create();
  grid->setName(name);
  auto transform = openvdb::math::Transform::createLinearTransform(lattice.voxel_mm);
  transform->postTranslate({lattice.rest_mm[0], lattice.rest_mm[1], lattice.rest_mm[2]});
  grid->setTransform(transform);
  grid->insertMeta("space", openvdb::StringMetadata("LPS"));
  grid->insertMeta("voxel_mm", openvdb::DoubleMetadata(lattice.voxel_mm));
  if (!model.frame.frame_id.empty()) grid->insertMeta("frame_id", openvdb::StringMetadata(model.frame.frame_id));
  auto accessor = grid->getAccessor();
  forEachElement(model, [&](std::int64_t e, int i, int j, int k, const auto&) {
    accessor.setValue(lattice.at(model.elementPoint(i, j, k)), value(e));
  });
  return grid;
}

}  // namespace

void requireVdbFrame(const image::Frame& frame, const std::string& path) {
  const auto& s = frame.spacing_mm;
  const bool is_cubic = (s.array() - s[0]).abs().maxCoeff() <= kRounding * s[0];
  // Over the whole grid no voxel may be off by more than the rounding.
  const double off = 1 - frame.direction.cwiseAbs().colwise().maxCoeff().minCoeff();
  const bool is_straight = std::sqrt(2 * std::max(0.0, off)) * frame.size.maxCoeff() < 0.1;
  if (is_cubic && is_straight) return;
  throw core::Error(
      core::Exit::DataError,
      {.what = "a VDB field needs elements that are cubes along the LPS axes",
       .file = path,
       .got = is_cubic ? "an oblique grid" : fmt::format("elements of {:g} × {:g} × {:g} mm", s[0], s[1], s[2]),
       .hint = "write .nrrd or --vtu, or resample the model to cubic voxels along the axes"});
}

void writeVdbField(const VoxelModel& model, const std::vector<float>& values, const std::string& name,
                   const std::string& path) {
  static const std::vector<std::string> kTensor = {"_xx", "_yy", "_zz", "_yz", "_xz", "_xy"},
                                        kPrincipal = {"_1", "_2", "_3"};
  levelset::initializeVdb();
  const auto channels = values.size() / static_cast<std::size_t>(model.elements);
  openvdb::GridCPtrVec grids;
  if (name == "displacement") {
    auto grid = makeGrid<openvdb::Vec3SGrid>(model, name, [&](std::int64_t e) {
      return openvdb::Vec3f(values[3 * e], values[3 * e + 1], values[3 * e + 2]);
    });
    grid->setVectorType(openvdb::VEC_CONTRAVARIANT_RELATIVE);
    grids.push_back(grid);
  } else {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::string part = channels == 1 ? "" : (channels == 6 ? kTensor : kPrincipal)[c];
      grids.push_back(makeGrid<openvdb::FloatGrid>(
          model, name + part, [&](std::int64_t e) { return values[channels * static_cast<std::size_t>(e) + c]; }));
    }
  }
  levelset::writeGrids(grids, path);
}

}  // namespace osteo::simulate
