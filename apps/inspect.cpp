#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "image/resample.h"
#include "inspect/describe.h"
#include "inspect/kind.h"
#include "inspect/memory.h"
#include "levelset/level_set.h"
#include "mesh/io.h"
#include "picture/render.h"
#include "slice_print/gcode_read.h"

namespace osteo::cli {

namespace {

using inspect::Kind;

/// Two opposite views of a surface.
picture::Canvas drawSurface(const mesh::TriangleMesh& mesh, const std::string& name) {
  picture::View view;
  const auto front = picture::render({{.mesh = &mesh}}, view);
  view.from = -view.from;
  view.from.z() *= -1;
  return picture::tile({front, picture::render({{.mesh = &mesh}}, view)}, {name, "from behind"}, 2);
}

/// The three slices through the middle of what the file shows.
picture::Canvas drawSlices(const image::CtVolume& ct, const image::LabelVolume* labels, const std::string& name) {
  Eigen::Vector3i middle = ct.frame.size / 2;
  const image::Box box = labels ? image::boundingBox(*labels) : image::Box{};
  if (!box.empty()) middle = box.low + box.size / 2;
  auto sorted = ct.voxels;
  const auto at = [&](double share) {
    const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(sorted.size() - 1));
    std::nth_element(sorted.begin(), nth, sorted.end());
    return double{*nth};
  };
  const bool air = at(0.01) < -500;  // a CT in HU: soft tissue to cortical bone
  const double low = air ? -300 : at(0.01), high = air ? 1500 : std::max(at(0.995), low + 1);
  std::vector<picture::Canvas> slices;
  for (const int axis : {2, 1, 0})
    slices.push_back(picture::renderSlice(ct, labels, axis, middle[picture::indexAxis(ct.frame, axis)], low, high));
  return picture::tile(slices, {name + " axial", "coronal", "sagittal"}, 3);
}

picture::Canvas draw(const std::string& path, Kind kind) {
  const std::string name = core::baseName(path);
  if (kind == Kind::Mesh) return drawSurface(mesh::readMesh(path), name);
  if (kind == Kind::LevelSet) return drawSurface(levelset::toMesh(levelset::readVdb(path)), name);
  if (kind == Kind::Png) return picture::readPng(path);  // a sheet of one
  if (kind == Kind::Volume) return drawSlices(image::readVolume(path), nullptr, name);
  if (kind == Kind::Labels) {
    const auto labels = image::readSegmentation(path).labels;
    image::CtVolume ground(labels.frame, 0);  // light below the labels' tint
    std::transform(labels.voxels.begin(), labels.voxels.end(), ground.voxels.begin(), [](int v) { return v > 0; });
    return drawSlices(ground, &labels, name);
  }
  throw core::Error(core::Exit::Usage, {.what = "--picture: there is nothing to draw in a " + std::string(nameOf(kind)),
                                        .file = path,
                                        .expected = "a volume, labels, a level set or a mesh",
                                        .got = {},
                                        .hint = {}});
}

/// Several pictures become one sheet; equal file names give way to the names of their folders.
void drawSheet(Context& ctx, const std::vector<std::string>& paths) {
  for (const std::string& path : paths)
    if (inspect::kindOf(path) != Kind::Png || !ctx.given("picture"))
      throw core::Error(core::Exit::Usage, {.what = "several files are only taken to make one sheet of pictures",
                                            .file = path,
                                            .expected = "PNG files and --picture sheet.png",
                                            .got = {},
                                            .hint = {}});
  if (ctx.dryRun(inspect::drawingSheetBytes(paths))) return;
  std::vector<picture::Canvas> parts;
  std::vector<std::string> names, folders;
  for (const std::string& path : paths) {
    constexpr int kWidth_px = 800;
    parts.push_back(picture::shrink(picture::readPng(path), kWidth_px));
    names.push_back(core::baseName(path));
    folders.push_back(std::filesystem::path(path).parent_path().filename().string());
  }
  const bool alike = std::equal(names.begin() + 1, names.end(), names.begin());
  picture::writePng(picture::stack(parts, alike ? folders : names, parts.size() > 4 ? 3 : 2), ctx.output("picture"));
}

void run(Context& ctx) {
  const std::vector<std::string> paths = ctx.inputs("file");
  if (paths.size() > 1) return drawSheet(ctx, paths);
  const std::string& path = paths.front();
  if (ctx.dryRun(inspect::describingBytes(path, ctx.given("picture")))) return;
  auto description = inspect::describe(path);
  if (core::extension(path) == ".gcode") {
    description["kind"] = "print job (G-code)";
    description["statistics"] = nlohmann::ordered_json::parse(slice_print::gcodeRecord(path).dump());
  }
  if (const auto picture = ctx.output("picture"); !picture.empty()) {
    writePng(draw(path, inspect::kindOf(path)), picture);
    ctx.results() = nlohmann::json::parse(description.value("statistics", nlohmann::ordered_json::object()).dump());
  }
  using Json = nlohmann::ordered_json;
  ctx.print(ctx.flag("json") ? description.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"
                             : inspect::asText(description));
}

}  // namespace

App describe() {
  Job job;
  job.summary = "Print what a file of ours holds: frame, statistics and where it comes from";
  job.examples = {
      "phantom skull-cap -o ct.nrrd --labels labels.seg.nrrd --spacing-mm 2",
      "inspect ct.nrrd",
      "inspect labels.seg.nrrd --picture labels.png",
      "inspect ct.nrrd --json",
  };
  Parameter file =
      inputFolder("file",
                  "Volume, labels, level set, mesh, point cloud, JSON, print job, G-code, SVG or PNG, or a folder "
                  "of layers; several PNG files make one sheet");
  file.count = 0;
  job.parameters = {
      file,
      flag("json", "Print JSON instead of lines"),
      picture("Slices of a volume, two views of a surface, or a sheet of pictures"),
  };
  job.run = run;
  return {.name = "inspect", .summary = job.summary, .jobs = {job}};
}

}  // namespace osteo::cli
