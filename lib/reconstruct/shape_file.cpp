#include <hdf5.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "reconstruct/shape_model.h"

namespace osteo::reconstruct {
namespace {

constexpr double kMostBytes = 2147483648.0;

/// An HDF5 handle that closes itself.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }  // NOLINT(google-explicit-constructor): stands for the handle in every call
  bool valid() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

[[noreturn]] void unfit(const std::string& path, const std::string& what, const std::string& got = {}) {
  throw core::Error(
      core::Exit::DataError,
      {.what = what, .file = core::baseName(path), .expected = "a shape model in statismo's HDF5 layout", .got = got});
}

/// A dataset of numbers as doubles, with its shape. Sizes are checked before anything is allocated.
struct Table {
  std::vector<hsize_t> size;
  std::vector<double> values;
};

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), file_(open(path), H5Fclose) {
    if (!file_.valid()) unfit(path, "the file is no HDF5 file, or damaged");
  }

  bool has(const std::string& name) const {
    for (std::size_t slash = name.find('/', 1);; slash = name.find('/', slash + 1)) {
      if (H5Lexists(file_, name.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
      if (slash == std::string::npos) return true;
    }
  }

  Table table(const std::string& name) const {
    if (!has(name)) unfit(path_, "the model has no " + name);
    const Handle data(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose);
    if (!data.valid()) unfit(path_, name + " can't be opened");
    const Handle space(H5Dget_space(data), H5Sclose), type(H5Dget_type(data), H5Tclose);
    const int rank = H5Sget_simple_extent_ndims(space);
    if (!isNumber(type) || rank < 0 || rank > 2) unfit(path_, name + " is no table of numbers");
    Table out;
    out.size.assign(static_cast<std::size_t>(rank), 0);
    H5Sget_simple_extent_dims(space, out.size.data(), nullptr);
    double count = 1;
    for (const hsize_t n : out.size) count *= static_cast<double>(n);
    if (count < 1 || count * sizeof(double) > kMostBytes) unfit(path_, name + " is empty or too large");
    requireStored(data, count * static_cast<double>(H5Tget_size(type)), name);
    out.values.resize(static_cast<std::size_t>(count));
    if (H5Dread(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.values.data()) < 0)
      unfit(path_, name + " can't be read: the file is damaged");
    for (const double v : out.values)
      if (!std::isfinite(v) || std::abs(v) > 1e12) unfit(path_, name + " holds values that are not finite");
    return out;
  }

  std::string words(const std::string& name) const {
    const Handle data(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose);
    const Handle type(data.valid() ? H5Dget_type(data) : -1, H5Tclose);
    const Handle space(data.valid() ? H5Dget_space(data) : -1, H5Sclose);
    if (!type.valid() || H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0 ||
        H5Tget_size(type) > 1000000 || H5Sget_simple_extent_npoints(space) != 1)
      unfit(path_, name + " is no text");
    requireStored(data, static_cast<double>(H5Tget_size(type)), name);
    std::string out(H5Tget_size(type), '\0');
    if (H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()) < 0) unfit(path_, name + " can't be read");
    return out.substr(0, out.find('\0'));
  }

 private:
  /// As a reader beside a writer: HDF5 1.10 then leaves out the cache of metadata that it overruns when an address in
  /// the file is damaged. There is no writer to wait for: one attempt is enough.
  static hid_t open(const std::string& path) {
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_metadata_read_attempts(access, 1);
    return H5Fopen(path.c_str(), H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, access);
  }
  /// It overruns its buffers on numbers with bits where no machine has them, so only whole ones are taken.
  static bool isNumber(hid_t type) {
    const hid_t known[] = {H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_IEEE_F64LE, H5T_IEEE_F64BE, H5T_STD_I8LE,
                           H5T_STD_I8BE,   H5T_STD_I16LE,  H5T_STD_I16BE,  H5T_STD_I32LE,  H5T_STD_I32BE,
                           H5T_STD_I64LE,  H5T_STD_I64BE,  H5T_STD_U8LE,   H5T_STD_U8BE,   H5T_STD_U16LE,
                           H5T_STD_U16BE,  H5T_STD_U32LE,  H5T_STD_U32BE,  H5T_STD_U64LE,  H5T_STD_U64BE};
    return std::any_of(std::begin(known), std::end(known), [type](hid_t k) { return H5Tequal(type, k) > 0; });
  }
  /// It also reads past the end of what is stored when a dataset claims more; and no other file is opened for one.
  void requireStored(hid_t data, double bytes, const std::string& name) const {
    const Handle how(H5Dget_create_plist(data), H5Pclose);
    const H5D_layout_t layout = H5Pget_layout(how);
    const bool whole = layout == H5D_COMPACT || layout == H5D_CONTIGUOUS;
    if (!(whole || layout == H5D_CHUNKED) || H5Pget_external_count(how) != 0 ||
        (whole && static_cast<double>(H5Dget_storage_size(data)) < bytes))
      unfit(path_, name + " is not wholly stored in the file");
  }

  std::string path_;
  Handle file_;
};

/// 3 × n tables, row by row: coordinate, then point.
void readMean(const Reader& reader, const std::string& path, ShapeModel& model) {
  const Table cells = reader.table("/representer/cells"), mean = reader.table("/model/mean");
  if (cells.size.size() != 2 || cells.size[0] != 3) unfit(path, "the model's mesh has no triangles");
  if (mean.values.size() % 3 != 0 || mean.values.size() < 12) unfit(path, "the mean is no list of points");
  const std::size_t vertices = mean.values.size() / 3, triangles = cells.values.size() / 3;
  model.mean.vertices.resize(vertices);
  for (std::size_t v = 0; v < vertices; ++v) model.mean.vertices[v] = Eigen::Vector3d::Map(&mean.values[3 * v]);
  model.mean.triangles.resize(triangles);
  for (std::size_t t = 0; t < triangles; ++t) {
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const double v = cells.values[corner * triangles + t];
      if (v < 0 || v >= static_cast<double>(vertices)) unfit(path, "a triangle names a vertex that does not exist");
      model.mean.triangles[t][corner] = static_cast<std::uint32_t>(v);
    }
  }
}

void readBasis(const Reader& reader, const std::string& path, ShapeModel& model) {
  const Table basis = reader.table("/model/pcaBasis"), variance = reader.table("/model/pcaVariance");
  const auto rows = 3 * static_cast<Eigen::Index>(model.mean.vertices.size());
  const auto columns = static_cast<Eigen::Index>(variance.values.size());
  if (basis.size.size() != 2 || static_cast<Eigen::Index>(basis.size[0]) != rows ||
      static_cast<Eigen::Index>(basis.size[1]) != columns)
    unfit(path, "basis, variance and mean don't belong together");
  // Before version 0.9 the basis already bore the standard deviations.
  const bool scaled = reader.has("/version/minorVersion") && reader.table("/version/minorVersion").values[0] < 9 &&
                      reader.table("/version/majorVersion").values[0] == 0;
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  model.basis = Eigen::Map<const RowMajor>(basis.values.data(), rows, columns);
  for (Eigen::Index k = 0; k < columns; ++k) {
    if (variance.values[k] < 0) unfit(path, "a variance is negative");
    if (!scaled) model.basis.col(k) *= std::sqrt(variance.values[k]);
  }
}

class Writer {
 public:
  explicit Writer(const std::string& path)
      : path_(path),
        access_(H5Pcreate(H5P_FILE_ACCESS), H5Pclose),
        file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access_), H5Fclose) {
    check(file_.valid());
  }

  void group(const std::string& name) const {
    const Handle properties(H5Pcreate(H5P_GROUP_CREATE), H5Pclose);
    H5Pset_obj_track_times(properties, 0);
    const Handle made(H5Gcreate2(file_, name.c_str(), H5P_DEFAULT, properties, H5P_DEFAULT), H5Gclose);
    check(made.valid());
  }

  template <class T>
  void table(const std::string& name, hid_t type, const std::vector<hsize_t>& size,
             const std::vector<T>& values) const {
    const Handle space(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr), H5Sclose);
    const Handle data(create(name, type, space), H5Dclose);
    check(data.valid() && H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
  }

  void words(const std::string& name, const std::string& text) const {
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose), space(H5Screate(H5S_SCALAR), H5Sclose);
    H5Tset_size(type, text.size() + 1);
    const Handle data(create(name, type, space), H5Dclose);
    check(data.valid() && H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.c_str()) >= 0);
  }

  void attribute(const std::string& object, const std::string& name, const std::string& text) const {
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose), space(H5Screate(H5S_SCALAR), H5Sclose);
    H5Tset_size(type, text.size() + 1);
    const Handle made(
        H5Acreate_by_name(file_, object.c_str(), name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        H5Aclose);
    check(made.valid() && H5Awrite(made, type, text.c_str()) >= 0);
  }

 private:
  void check(bool good) const {
    if (!good) throw core::Error(core::Exit::IoError, {.what = "the shape model can't be written", .file = path_});
  }
  hid_t create(const std::string& name, hid_t type, hid_t space) const {
    const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_obj_track_times(properties, 0);
    return H5Dcreate2(file_, name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
  }
  std::string path_;
  Handle access_, file_;
};

void writeMesh(const Writer& writer, const ShapeModel& model) {
  const auto vertices = model.mean.vertices.size(), triangles = model.mean.triangles.size();
  std::vector<int> cells(3 * triangles);
  std::vector<float> points(3 * vertices), mean(3 * vertices);
  for (std::size_t corner = 0; corner < 3; ++corner) {
    for (std::size_t t = 0; t < triangles; ++t)
      cells[corner * triangles + t] = static_cast<int>(model.mean.triangles[t][corner]);
    for (std::size_t v = 0; v < vertices; ++v) {
      const auto x = static_cast<float>(model.mean.vertices[v][static_cast<Eigen::Index>(corner)]);
      points[corner * vertices + v] = mean[3 * v + corner] = x;
    }
  }
  writer.group("/representer");
  writer.attribute("/representer", "name", "itkStandardMeshRepresenter");
  writer.attribute("/representer", "datasetType", "POLYGON_MESH");
  writer.attribute("/representer", "version/majorVersion", "0");
  writer.attribute("/representer", "version/minorVersion", "9");
  writer.table("/representer/cells", H5T_NATIVE_INT, {3, triangles}, cells);
  writer.table("/representer/points", H5T_NATIVE_FLOAT, {3, vertices}, points);
  writer.group("/model");
  writer.table("/model/mean", H5T_NATIVE_FLOAT, {3 * vertices}, mean);
}

void writeBasis(const Writer& writer, const ShapeModel& model) {
  const Eigen::Index rows = model.basis.rows(), columns = model.basis.cols();
  std::vector<float> basis(static_cast<std::size_t>(rows * columns)), variance(columns);
  for (Eigen::Index k = 0; k < columns; ++k) {
    const double norm = model.basis.col(k).norm();
    variance[k] = static_cast<float>(norm * norm);
    for (Eigen::Index r = 0; r < rows; ++r)
      basis[r * columns + k] = norm > 0 ? static_cast<float>(model.basis(r, k) / norm) : 0.0F;
  }
  writer.table("/model/pcaBasis", H5T_NATIVE_FLOAT, {static_cast<hsize_t>(rows), static_cast<hsize_t>(columns)}, basis);
  writer.table("/model/pcaVariance", H5T_NATIVE_FLOAT, {static_cast<hsize_t>(columns)}, variance);
  writer.table<float>("/model/noiseVariance", H5T_NATIVE_FLOAT, {1},
                      {static_cast<float>(model.noise_mm * model.noise_mm)});
}

}  // namespace

ShapeModel readShapeModel(const std::string& path) {
  core::requireInput(path);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  const Reader reader(path);
  ShapeModel model;
  readMean(reader, path, model);
  readBasis(reader, path, model);
  if (reader.has("/osteoforge/training")) {
    model.training = reader.words("/osteoforge/training");
    const Table own = reader.table("/osteoforge/fit");
    const Table calibration = reader.has("/osteoforge/calibration") ? reader.table("/osteoforge/calibration") : Table{};
    if (own.values.size() != 2 || calibration.values.size() % 2 != 0 || !nlohmann::json::accept(model.training))
      unfit(path, "the values of /osteoforge are damaged");
    model.noise_mm = own.values[0];
    model.free_size = own.values[1] != 0;
    for (std::size_t i = 0; i < calibration.values.size(); i += 2)
      model.calibration.push_back({calibration.values[i], calibration.values[i + 1]});
  }
  if (!(model.noise_mm > 0)) unfit(path, "the noise is not positive");
  return model;
}

void writeShapeModel(const ShapeModel& model, const std::string& path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  const Writer writer(path);
  writer.group("/version");
  writer.table<int>("/version/majorVersion", H5T_NATIVE_INT, {1}, {0});
  writer.table<int>("/version/minorVersion", H5T_NATIVE_INT, {1}, {9});
  writeMesh(writer, model);
  writeBasis(writer, model);
  writer.group("/osteoforge");
  writer.words("/osteoforge/training", model.training);
  writer.table<double>("/osteoforge/fit", H5T_NATIVE_DOUBLE, {2}, {model.noise_mm, model.free_size ? 1.0 : 0.0});
  if (model.calibration.empty()) return;
  std::vector<double> calibration;
  for (const auto& c : model.calibration) calibration.insert(calibration.end(), {c.missing_share, c.sd_scale});
  writer.table("/osteoforge/calibration", H5T_NATIVE_DOUBLE, {calibration.size() / 2, 2}, calibration);
}

}  // namespace osteo::reconstruct
