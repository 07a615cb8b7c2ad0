#include "learn/implicit_training.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <filesystem>
#include <numbers>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "learn/align.h"
#include "learn/bones.h"
#include "learn/implicit_score.h"
#include "learn/mesh_distance.h"
#include "mesh/formats.h"
#include "mesh/io.h"
#include "mesh/measures.h"

namespace osteo::learn {

using Eigen::Affine3d;
using Eigen::Vector3d;
using nlohmann::json;

namespace {

constexpr int kSamples = 30000;  // points with distances that each shape is learnt from

/// Points and distances of all shapes, one after the other.
struct Samples {
  std::vector<float> points, distances;
};

bool isHeldOut(const std::string& name, const std::vector<std::string>& held_out) {
  return std::any_of(held_out.begin(), held_out.end(),
                     [&](const std::string& start) { return name.starts_with(start); });
}

/// A few bad edges, as decimation leaves them, spoil the sign of a few samples; more means that there is no inside.
void requireNearlyClosed(const NamedMesh& m) {
  constexpr double kTolerated = 1e-3;
  const mesh::Topology topology = mesh::topology(m.mesh);
  if (topology.closed()) return;
  const auto bad =
      static_cast<double>(topology.boundary_edges + topology.nonmanifold_edges + topology.misoriented_edges);
  if (bad > kTolerated * 1.5 * static_cast<double>(m.mesh.triangles.size()))
    throw core::Error(core::Exit::DataError, {.what = "the mesh is not closed", .file = m.name});
  core::warn(fmt::format("{} has {} bad edges", m.name, bad));
}

/// Triangle that holds the share `at` of the area.
std::size_t triangleAt(const std::vector<double>& areas, double at) {
  const auto found = std::upper_bound(areas.begin(), areas.end(), at * areas.back());
  return static_cast<std::size_t>(
      std::min<std::ptrdiff_t>(found - areas.begin(), static_cast<std::ptrdiff_t>(areas.size()) - 1));
}

/// Nine of ten points lie near the surface, the others anywhere in the box.
void sampleShape(const mesh::TriangleMesh& mesh, const Vector3d& half, std::uint64_t stream, float* points,
                 float* distances) {
  const MeshDistance distance(mesh);
  std::vector<double> areas;
  double sum = 0;
  for (const mesh::Triangle& t : mesh.triangles) {
    const Vector3d &a = mesh.vertices[t[0]], &b = mesh.vertices[t[1]], &c = mesh.vertices[t[2]];
    areas.push_back(sum += (b - a).cross(c - a).norm());
  }
  core::parallelFor(kSamples, [&](std::int64_t i) {
    Draw draw(stream, static_cast<std::uint64_t>(i));
    Vector3d p;
    if (i % 10 == 0) {
      for (int a = 0; a < 3; ++a) p[a] = draw.between(-half[a], half[a]);
    } else {
      const mesh::Triangle& t = mesh.triangles[triangleAt(areas, draw.between(0, 1))];
      const double u = std::sqrt(draw.between(0, 1)), v = draw.between(0, 1), spread = i % 2 == 0 ? 1.5 : 6.0;
      p = (1 - u) * mesh.vertices[t[0]] + u * (1 - v) * mesh.vertices[t[1]] + u * v * mesh.vertices[t[2]];
      for (int a = 0; a < 3; ++a) p[a] += spread * draw.normal();
    }
    for (int a = 0; a < 3; ++a) points[3 * i + a] = static_cast<float>(p[a]);
    distances[i] = static_cast<float>(distance(p));
  });
}

/// Another bone of the kind: sides scaled by a few per cent and bent by long waves, so that codes between the few bones
/// that are given mean something.
mesh::TriangleMesh bent(mesh::TriangleMesh mesh, const Vector3d& half, std::uint64_t stream) {
  Draw draw(stream, 5);
  Vector3d scale, wave[3], shift[3];
  for (int a = 0; a < 3; ++a) scale[a] = 1 + 0.03 * draw.normal();
  for (int w = 0; w < 3; ++w) {
    wave[w] = draw.direction() * (2 * std::numbers::pi / (half.maxCoeff() * draw.between(0.5, 1.5)));
    shift[w] = draw.direction() * 1.5 * draw.normal();
  }
  const double phase = draw.between(0, 6);
  for (Vector3d& v : mesh.vertices) {
    Vector3d off = Vector3d::Zero();
    for (int w = 0; w < 3; ++w) off += std::sin(wave[w].dot(v) + phase + w) * shift[w];
    v = v.cwiseProduct(scale) + off;
  }
  return mesh;
}

/// All meshes laid onto the first and about the origin; half the box that holds them.
Vector3d alignAll(std::vector<NamedMesh>& meshes, bool mirror) {
  core::Progress progress("aligning", static_cast<std::int64_t>(meshes.size()));
  const mesh::TriangleMesh first = meshes.front().mesh;
  Eigen::AlignedBox3d box;
  for (NamedMesh& m : meshes) {
    const Alignment found = alignBones(m.mesh, first, mirror);
    m.mesh = moved(std::move(m.mesh), found.transform);
    core::debug(fmt::format("{}: {:.2f} mm from the first", m.name, found.residual_mm));
    for (const Vector3d& v : m.mesh.vertices) box.extend(v);
    progress.advance();
  }
  for (NamedMesh& m : meshes) m.mesh = moved(std::move(m.mesh), Affine3d(Eigen::Translation3d(-box.center())));
  return 0.525 * box.sizes() + Vector3d::Constant(12);
}

Samples sampleAll(const std::vector<mesh::TriangleMesh>& shapes, const Vector3d& half, std::uint64_t seed) {
  core::Progress progress("sampling", static_cast<std::int64_t>(shapes.size()));
  Samples out;
  out.points.resize(3 * kSamples * shapes.size());
  out.distances.resize(kSamples * shapes.size());
  for (std::size_t s = 0; s < shapes.size(); ++s) {
    sampleShape(shapes[s], half, core::mix(seed) + s, &out.points[3 * kSamples * s], &out.distances[kSamples * s]);
    progress.advance();
  }
  return out;
}

void fill(Batch& batch, const Samples& samples, std::int64_t step, const TrainingOptions& options) {
  const core::Random random(options.seed, 40 + static_cast<std::uint64_t>(step));
  const auto all = static_cast<double>(samples.distances.size());
  for (std::int64_t b = 0; b < options.batch; ++b) {
    const auto at = static_cast<std::size_t>(all * random.uniform(static_cast<std::uint64_t>(b)));
    for (std::size_t a = 0; a < 3; ++a) batch.input.push_back(samples.points[3 * at + a]);
    batch.target.push_back(samples.distances[at]);
    batch.ids.push_back(static_cast<std::int64_t>(at / kSamples));
  }
  batch.count = options.batch;
}

Network emptyNetwork(const ImplicitTraining& options, const Vector3d& half, std::size_t shapes) {
  return {"implicit-mlp",
          {{"shapes", static_cast<double>(shapes)},
           {"latent", options.latent},
           {"width", options.width},
           {"layers", options.layers},
           {"frequencies", options.frequencies},
           {"clamp_mm", options.clamp_mm},
           {"prior", 1e-4},
           {"half_x_mm", half[0]},
           {"half_y_mm", half[1]},
           {"half_z_mm", half[2]}},
          {}};
}

}  // namespace

std::vector<NamedMesh> readMeshes(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string ending = core::extension(entry.path().string());
    if (ending == ".stl" || ending == ".ply" || ending == ".obj") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.size() < 2) {
    throw core::Error(core::Exit::DataError, {.what = "a folder with at least two meshes is needed",
                                              .file = core::baseName(folder),
                                              .expected = ".stl, .ply or .obj"});
  }
  std::vector<NamedMesh> out;
  for (const std::string& path : paths) {
    out.push_back({core::baseName(path), mesh::readMesh(path)});
    requireNearlyClosed(out.back());
  }
  return out;
}

Weights trainImplicit(const std::vector<NamedMesh>& meshes, const std::vector<std::string>& held_out,
                      const ImplicitTraining& options) {
  module();
  std::vector<NamedMesh> aligned = meshes;
  const Vector3d half = alignAll(aligned, options.mirror);
  std::vector<mesh::TriangleMesh> shapes, unseen;
  std::vector<NamedMesh> learnt;
  json unseen_names = json::array();
  for (const NamedMesh& m : aligned) {
    if (isHeldOut(m.name, held_out)) {
      unseen.push_back(m.mesh);
      unseen_names.push_back(m.name);
      continue;
    }
    learnt.push_back(m);
    shapes.push_back(m.mesh);
    for (int v = 0; v < options.variants; ++v)
      shapes.push_back(bent(m.mesh, half, core::mix(options.loop.seed + shapes.size())));
  }
  if (shapes.empty()) throw core::Error(core::Exit::Usage, {.what = "--hold-out leaves no mesh to learn from"});
  const Samples samples = sampleAll(shapes, half, options.loop.seed);
  Weights out{emptyNetwork(options, half, shapes.size())};
  const double loss = runTraining(out.network, options.loop,
                                  [&](std::int64_t step, Batch& batch) { fill(batch, samples, step, options.loop); });
  out.training = {{"meshes", aligned.size() - unseen.size()},
                  {"shapes", shapes.size()},
                  {"steps", options.loop.steps},
                  {"batch", options.loop.batch},
                  {"rate", options.loop.rate},
                  {"seed", options.loop.seed},
                  {"loss", loss},
                  {"held_out", unseen_names}};
  if (unseen.empty()) return out;
  out.training["unseen"] = scoreCompleter(implicitCompleter(out), unseen, options.loop.seed);
  if (options.linear_model)
    out.training["linear_model"] = scoreCompleter(options.linear_model(learnt), unseen, options.loop.seed);
  return out;
}

}  // namespace osteo::learn
