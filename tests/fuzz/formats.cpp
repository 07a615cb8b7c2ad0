#include "formats.h"

#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "image/intake.h"
#include "image/io.h"
#include "inspect/describe.h"
#include "levelset/level_set.h"
#include "lib/image/dicom_files.h"
#include "lib/image/nifti_files.h"
#include "lib/image/shapes.h"
#include "lib/mesh/shapes.h"
#include "mesh/io.h"
#include "mesh/zip_package.h"
#include "reconstruct/shape_model.h"
#include "registration/geometry.h"
#include "registration/transform.h"
#include "slice_print/cli_file.h"
#include "slice_print/gcode_read.h"

namespace osteo::fuzz {
namespace {

namespace shapes = image::shapes;
using Seeds = std::vector<std::string>;

image::CtVolume ramp() {
  image::CtVolume volume(shapes::obliqueFrame(6, 5, 4));
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) volume.voxels[i] = static_cast<float>(i) - 100;
  return volume;
}

std::string written(const std::string& path, const std::function<void(const std::string&)>& write) {
  write(path);
  const std::string bytes = core::readFile(path);
  std::filesystem::remove(path);
  return bytes;
}

Seeds nrrdSeeds(const std::string& folder) {
  image::Segmentation labels;
  labels.labels = shapes::box(shapes::obliqueFrame(6, 5, 4), {1, 1, 1}, {2, 2, 2});
  const std::string path = folder + "/seed.nrrd";
  std::string ascii =
      "NRRD0004\ntype: short\ndimension: 3\nspace: right-anterior-superior\nsizes: 3 2 2\n"
      "space directions: (2,0,0) (0,2,0) (0,0,3)\nencoding: ascii\nspace origin: (1,2,3)\n\n"
      "1 2 3 4 5 6\n7 8 9 10 11 12\n";
  return {
      written(path, [](auto& p) { image::writeVolume(ramp(), p); }),
      written(path, [&](auto& p) { image::writeSegmentation(labels, p); }),
      written(path, [](auto& p) { image::writeVolume(ramp(), p, true); }),
      written(path, [](auto& p) { image::writeChannels(shapes::obliqueFrame(3, 2, 2), std::vector<float>(24), 2, p); }),
      ascii};
}

Seeds niftiSeeds(const std::string&) {
  std::string voxels;
  for (int i = 0; i < 24; ++i) voxels += {static_cast<char>(i), 0};
  shapes::NiftiSpec turned{.slope = 2, .intercept = -3, .qform = 1, .sform = 0};
  return {shapes::niftiBytes({}, voxels), shapes::niftiBytes(turned, voxels)};
}

void gzipTo(const std::string& bytes, const std::string& path) {
  gzFile file = gzopen(path.c_str(), "wb1");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
}

Seeds gzippedNiftiSeeds(const std::string& folder) {
  const std::string path = folder + "/seed.gz";
  return {written(path, [&](auto& p) { gzipTo(niftiSeeds("").front(), p); })};
}

/// The mutated slice lies between two good ones.
Seeds dicomSeeds(const std::string& folder) {
  shapes::SliceSpec spec;
  for (const int k : {-1, 1}) {
    spec.position = {0, 0, 1.0 * k};
    spec.instance_uid = "1.2.3.4" + std::to_string(k + 1);
    shapes::writeSlice(spec, folder + "/" + std::to_string(k) + ".dcm");
  }
  return {shapes::dicomBytes({})};
}

/// As inspect reads it: as grey values, as labels, and its header alone.
void readVolumes(const std::string& path) {
  image::readInfo(path);
  inspect::describe(path);
  try {
    image::readVolume(path);
  } catch (const core::Error& e) {
    if (e.code() != core::Exit::DataError) throw;
  }
  image::readSegmentation(path);
}

void takeIn(const std::string& path) {
  nlohmann::json results;
  const auto intake = image::planIntake(path, "", image::Repair::Resample, results);
  constexpr double kEnough = 2e8;  // resampling to a long gap is told beforehand, and a user's own choice
  if (intake.peakBytes() < kEnough) image::runIntake(intake, results);
}

std::function<Seeds(const std::string&)> meshSeeds(const std::string& ending) {
  return [ending](const std::string& folder) -> Seeds {
    mesh::TriangleMesh sphere = test::sphere(10, 4, {1, 2, 3});
    sphere.frame_id = "0123456789abcdef";
    return {written(folder + "/seed" + ending,
                    [&](auto& p) {
                      mesh::writeMesh(test::cube(2, {0, 0, 0}), p);
                    }),
            written(folder + "/seed" + ending, [&](auto& p) { mesh::writeMesh(sphere, p); })};
  };
}

Seeds textMeshSeeds(const std::string&) {
  return {
      "solid SPACE=LPS FRAME=f\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 2 0\nendloop\n"
      "endfacet\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex -1 0 0\nvertex 0 -2 "
      ".5\nendloop\nendfacet\nendsolid\n"};
}

Seeds textPlySeeds(const std::string&) {
  return {
      "ply\nformat ascii 1.0\ncomment SPACE=LPS\nelement vertex 4\nproperty float x\nproperty float y\nproperty "
      "float z\nelement face 2\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n1 1 0\n0 1 "
      "0\n4 0 1 2 3\n3 0 2 1\n",
      "ply\nformat ascii 1.0\ncomment SPACE=RAS FRAME=a\nelement vertex 2\nproperty float x\nproperty float "
      "y\nproperty float z\nproperty uchar label\nend_header\n1 2 3 7\n4 5 6 7\n"};
}

Seeds cloudSeeds(const std::string& folder) {
  const mesh::PointCloud cloud{.points = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}},
                               .normals = {{0, 0, 1}, {0, 1, 0}, {1, 0, 0}},
                               .labels = {1, 2, 3},
                               .hu = {1, 2, 3},
                               .frame_id = "f"};
  return {written(folder + "/seed.ply", [&](auto& p) { mesh::writePointCloud(cloud, p); })};
}

Seeds cliSeeds(const std::string&) {
  using namespace slice_print;
  Seeds seeds;
  for (const auto encoding : {CliEncoding::Binary, CliEncoding::Ascii}) {
    Layer layer;
    layer.top_mm = 0.03;
    layer.contours = {Ring{{0, 0}, {4, 0}, {4, 4}, {0, 4}}};
    layer.hatches = {{{0, 1}, {4, 1}}, {{4, 2}, {0, 2}}};
    seeds.push_back(cliHeader(encoding, {4, 4, 1}, 1) + cliLayer(encoding, layer) + cliEnd(encoding));
  }
  return seeds;
}

Seeds levelSetSeeds(const std::string& folder) {
  Seeds seeds;
  for (const double radius : {3.0, 6.0}) {
    const auto ball = levelset::fromFunction([&](const Eigen::Vector3d& p) { return p.norm() - radius; },
                                             Eigen::Vector3d::Constant(-9), Eigen::Vector3d::Constant(9), 1);
    seeds.push_back(written(folder + "/seed.vdb", [&](auto& p) { levelset::writeVdb(ball, p, "bone"); }));
  }
  return seeds;
}

Seeds xmlSeeds(const std::string& folder, const std::string& ending, const std::string& entry) {
  Seeds seeds;
  for (const std::string& package : meshSeeds(ending)(folder))
    seeds.push_back(mesh::looksZipped(package) ? mesh::unzipEntry(package, "seed", entry) : package);
  return seeds;
}

/// The mutated model in a package that is well otherwise.
void zipTo(const std::string& bytes, const std::string& path) {
  const bool model = path.ends_with(".3mf");
  const std::string package = std::filesystem::path(path).parent_path() / "package.3mf";
  if (!model) return mesh::writeZip({{"m.amf", bytes}}, path);
  const std::string good = core::readFile(package);
  std::vector<std::pair<std::string, std::string>> files;
  for (const std::string entry : {"[Content_Types].xml", "_rels/.rels"})
    files.emplace_back(entry, mesh::unzipEntry(good, "seed", entry));
  files.emplace_back("3D/3dmodel.model", bytes);
  mesh::writeZip(files, path);
}

Seeds modelSeeds(const std::string& folder) {
  mesh::writeMesh(test::cube(2, {0, 0, 0}), folder + "/package.3mf");
  return xmlSeeds(folder, ".3mf", ".model");
}

Seeds pictureSeeds(const std::string&) {
  const std::string head("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde", 33);
  const std::string data(
      "\0\0\0\x0cIDATx\x9c"
      "c\xf8\xcf\xc0\0\0\3\1\1\0\xc9\xfe\x92\xef",
      24);
  return {head + data +
          std::string("\0\0\0\0IEND\xae"
                      "B`\x82",
                      12)};
}

Seeds shapeSeeds(const std::string& folder) {
  Seeds seeds;
  for (const int components : {1, 3}) {
    reconstruct::ShapeModel model;
    model.mean = test::sphere(10, 4, {1, 2, 3});
    model.basis = Eigen::MatrixXd::Identity(3 * static_cast<Eigen::Index>(model.mean.vertices.size()), components);
    model.training = R"({"cases": 3})";
    if (components > 1) model.calibration = {{0.1, 1.5}, {0.3, 2}};
    seeds.push_back(written(folder + "/seed.shape", [&](auto& p) { reconstruct::writeShapeModel(model, p); }));
  }
  return seeds;
}

/// As reconstruct uses it.
void readShape(const std::string& path) {
  const reconstruct::ShapeModel model = reconstruct::readShapeModel(path);
  reconstruct::instance(model, Eigen::VectorXd::Ones(model.components()));
  reconstruct::vertexNormals(model.mean);
  for (const double share : {0.0, 0.2, 1.0}) model.sdScale(share);
}

Seeds transformSeeds(const std::string& folder) {
  const std::string path = folder + "/seed.tfm";
  registration::Transform rigid, affine, bent;
  rigid.linear.rotate(Eigen::AngleAxisd(0.3, Eigen::Vector3d(1, 2, 3).normalized()))
      .pretranslate(Eigen::Vector3d(4, 5, 6));
  affine.linear.linear() = Eigen::Vector3d(1, 2, 3).asDiagonal();
  bent.lattice = registration::makeLattice({0, 0, 0}, {10, 10, 10}, 20);
  Seeds seeds{
      "#Insight Transform File V1.0\n#Transform 0\nTransform: Euler3DTransform_double_3_3\nParameters: 0.1 0.2 -0.3 1 "
      "2 "
      "3\nFixedParameters: 1 2 3 1\n"};
  for (const auto& transform : {rigid, affine, bent})
    seeds.push_back(written(path, [&](auto& p) { registration::writeTransform(transform, p); }));
  return seeds;
}

void readTransform(const std::string& path) {
  const registration::Transform transform = registration::readTransform(path);
  for (const Eigen::Vector3d& p : {Eigen::Vector3d(1, 2, 3), Eigen::Vector3d(-1e5, 0, 1e5)}) {
    if (!transform(p).allFinite()) throw std::runtime_error("a transform that maps to no place was read");
    transform.inverse(p);
    transform.jacobian(p);
  }
}

Seeds markupSeeds(const std::string&) {
  return {
      R"({"@schema": "x", "markups": [{"type": "Fiducial", "coordinateSystem": "RAS", "controlPoints": [{"id": "1", "label": "a", "position": [1, -2.5e1, 3.0]}, {"id": "2", "position": [4, 5, 6]}]}]})",
      R"({"space": "LPS", "frame_id": "f", "points_mm": {"a": [1, 2, 3], "b": [-4.5, 5, 6]}})"};
}

Seeds fcsvSeeds(const std::string&) {
  return {
      "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n# columns = "
      "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\nv_1,1.5,-2,3e1,0,0,0,1,1,1,0,a,,\nv_2,4,5,6,0,0,"
      "0,1,"
      "1,1,0,b,,\n",
      "# CoordinateSystem = 0\r\na,1,2,3\r\nb,4,5,6\r\n"};
}

void readPoints(const std::string& path) {
  const registration::Geometry points = registration::readGeometry(path);
  std::vector<Eigen::Vector3d> a, b;
  registration::pairPoints(points, points, a, b);
}

void describe(const std::string& path) { inspect::asText(inspect::describe(path)); }

}  // namespace

const std::vector<Format>& formats() {
  static const std::vector<Format> all = {
      {"nrrd", "m.nrrd", nrrdSeeds, readVolumes},
      {"nrrd-import", "m.nrrd", nrrdSeeds, takeIn},
      {"nifti", "m.nii", niftiSeeds, readVolumes},
      {"nifti-import", "m.nii", niftiSeeds, takeIn},
      {"nifti-gz", "m.nii.gz", gzippedNiftiSeeds, readVolumes},
      {"nifti-in-gz", "m.nii.gz", niftiSeeds, takeIn, gzipTo},
      {"dicom", "study/m.dcm", dicomSeeds, [](auto& p) { takeIn(std::filesystem::path(p).parent_path()); }},
      {"stl", "m.stl", meshSeeds(".stl"), describe},
      {"stl-ascii", "m.stl", textMeshSeeds, describe},
      {"ply", "m.ply", meshSeeds(".ply"), describe},
      {"ply-ascii", "m.ply", textPlySeeds, describe},
      {"ply-cloud", "m.ply", cloudSeeds, [](auto& p) { describe(p), mesh::readPointCloud(p); }},
      {"obj", "m.obj", meshSeeds(".obj"), describe},
      {"amf", "m.amf", meshSeeds(".amf"), describe},
      {"amf-in-zip", "m.amf", [](auto& f) { return xmlSeeds(f, ".amf", ".amf"); }, describe, zipTo},
      {"3mf", "m.3mf", meshSeeds(".3mf"), describe},
      {"3mf-in-zip", "m.3mf", modelSeeds, describe, zipTo},
      {"vdb", "m.vdb", levelSetSeeds, describe},
      {"gcode", "m.gcode",
       [](auto&) {
         return Seeds{
             "G21\nG90\nM83\nM204 P500\nG1 Z0.2 F600\n;TYPE:FILL\nG1 X10 Y-2.5 E0.4 F1200\nG92 E0\nM82\nG4 P5\n"};
       },
       [](auto& p) { slice_print::gcodeRecord(p), describe(p); }},
      {"cli", "m.cli", cliSeeds, [](auto& p) { slice_print::readCli(p), describe(p); }},
      {"json", "m.json",
       [](auto&) { return Seeds{R"({"a": [1, -2.5e3, "x\u00e4"], "instrument": {"c": null}, "result": []})"}; },
       describe},
      {"png", "m.png", pictureSeeds, describe},
      {"shape", "m.shape", shapeSeeds, readShape},
      {"tfm", "m.tfm", transformSeeds, readTransform},
      {"mrk-json", "m.mrk.json", markupSeeds, readPoints},
      {"fcsv", "m.fcsv", fcsvSeeds, readPoints},
  };
  return all;
}

}  // namespace osteo::fuzz
