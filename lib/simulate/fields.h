#pragma once
#include <string>
#include <vector>

#include "simulate/results.h"

namespace osteo::simulate {

/// Names of the fields: demand, displacement, fatigue, principal_strain, sed (strain energy density, MPa), shielding,
/// stress, von_mises.
const std::vector<std::string>& fieldNames();

/// A field and the file that it goes to.
struct FieldFile {
  std::string field, path;
};
/// Reads "von_mises=vm.nrrd". Throws Usage for other names and endings than .nrrd and .vdb.
FieldFile fieldFile(const std::string& text);

/// With several load cases each gets its own file: vm.nrrd becomes vm-<case>.nrrd.
std::string pathOfCase(const std::string& path, const std::string& name, std::size_t cases);

/// A field's values per element, channel fastest.
const std::vector<float>& fieldValues(const ElementResults& results, const std::string& name);

/// The grid that fields are written on: the file's, or the model's own where caps lead beyond it.
const image::Frame& fieldFrame(const VoxelModel& model);

/// The same on that grid; 0 where there is no element.
std::vector<float> fieldOnGrid(const VoxelModel& model, const ElementResults& results, const std::string& name,
                               int& channels);

/// Throws DataError when the model has no such field, or none that a file of this ending can hold.
void requireField(const VoxelModel& model, const std::vector<Filler>& fillers, const std::string& name,
                  const std::string& path);

/// Writes a field as .nrrd, or as .vdb: a float grid of its name, a vector grid for the displacement, a float grid for
/// each component of stress and principal strain; active where there are elements, LPS, voxels at integer multiples of
/// the voxel where the model's grid has them there. The same bytes for the same input. Throws DataError, IoError.
void writeField(const VoxelModel& model, const ElementResults& results, const std::string& name,
                const std::string& path);

/// The unstructured grid of all elements as VTK's XML with raw appended data: LPS in mm, nodal displacement, and per
/// element von_mises, sed, stress (xx yy zz yz xz xy), principal_strain, demand, fatigue where it is known, and the
/// material's index in `fillers`. Throws IoError.
void writeVtu(const VoxelModel& model, const Field& u, const ElementResults& results,
              const std::vector<Filler>& fillers, const std::string& path);

}  // namespace osteo::simulate
