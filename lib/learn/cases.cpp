#include "learn/cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/random.h"
#include "core/schema.h"
#include "image/io.h"
#include "learn/regions.h"
#include "learn/regrid.h"

namespace osteo::learn {

using nlohmann::json;

namespace {

constexpr std::size_t kPlaces = 4000;   // voxels a label that are kept as places
constexpr std::size_t kSample = 10000;  // foreground values a case

[[noreturn]] void unfit(const Case& one, const std::string& what, const std::string& got = {}) {
  throw core::Error(core::Exit::DataError, {.what = "case " + one.name + ": " + what, .got = got});
}

/// Runs a step of one case; what it complains of names the case and is unfit data.
template <class Step>
auto named(const Case& one, const Step& step) {
  try {
    return step();
  } catch (const core::Error& e) {
    if (e.code() == core::Exit::Memory) throw;
    core::Complaint complaint = e.complaint();
    complaint.what = "case " + one.name + ": " + complaint.what;
    throw core::Error(core::Exit::DataError, complaint);
  }
}

void requireMatch(const Case& one) {
  named(one, [&] {
    for (const std::string& path : {one.ct, one.labels})
      if (!std::filesystem::exists(path)) unfit(one, "a file is missing", core::baseName(path));
    const image::Frame ct = image::readInfo(one.ct).frame, labels = image::readInfo(one.labels).frame;
    image::requireSameFrame(ct.frame_id, core::baseName(one.ct), labels.frame_id, core::baseName(one.labels));
    image::requireSameGrid(ct, core::baseName(one.ct), labels, core::baseName(one.labels));
    return 0;
  });
}

/// Splits by the seed: every case draws a number, and the smallest are tested and validated.
void split(std::vector<Case>& cases, const std::vector<std::size_t>& open, std::uint64_t seed) {
  const core::Random random(seed, 77);
  std::vector<std::size_t> order = open;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return random.uniform(a) < random.uniform(b); });
  const std::size_t held = (order.size() * 3 + 9) / 10;  // at least one of two
  for (std::size_t i = 0; i < order.size(); ++i)
    cases[order[i]].split = i >= held ? Split::Train : i % 2 == 0 ? Split::Validation : Split::Test;
}

std::uint8_t prepared(std::uint16_t label) {
  if (label <= image::Defect) return static_cast<std::uint8_t>(label);
  return label >= 10 ? kSomeBone : kUnknown;
}

/// Every so many-th of the voxels, so that at most `most` are left, from a seeded start.
std::vector<std::int64_t> thinned(const std::vector<std::int64_t>& all, std::size_t most, std::uint64_t seed) {
  const std::size_t step = all.size() / most + 1;
  std::vector<std::int64_t> out;
  for (std::size_t i = core::mix(seed) % step; i < all.size(); i += step) out.push_back(all[i]);
  return out;
}

}  // namespace

std::vector<Case> readCases(const std::string& path, std::uint64_t seed) {
  const std::string schema_path = core::configsFolder() + "/schema/cases.json";
  const json schema = core::parseJson(core::readFile(schema_path), schema_path, core::Exit::Config);
  const json document = core::parseJson(core::readFile(path), core::baseName(path), core::Exit::DataError);
  core::validateJson(schema, document, core::baseName(path), core::Exit::DataError);
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::vector<Case> out;
  std::vector<std::size_t> open;
  std::set<std::string> names;
  for (const json& from : document.at("cases")) {
    Case one;
    one.name = from.at("name");
    one.ct = (folder / from.at("ct").get<std::string>()).string();
    one.labels = (folder / from.at("labels").get<std::string>()).string();
    one.margin = from.value("margin", "");
    one.phantom = from.value("origin", "scan") == "phantom";
    const std::string split = from.value("split", "");
    one.split = split == "validation" ? Split::Validation : split == "test" ? Split::Test : Split::Train;
    if (split.empty()) open.push_back(out.size());
    if (!names.insert(one.name).second) unfit(one, "the name is there twice");
    requireMatch(one);
    out.push_back(one);
  }
  split(out, open, seed);
  if (std::none_of(out.begin(), out.end(), [](const Case& c) { return c.split == Split::Train; }))
    throw core::Error(core::Exit::DataError, {.what = "no case is there to train on", .file = core::baseName(path)});
  return out;
}

std::string hashOf(const std::vector<Case>& cases) {
  std::string all;
  for (const Case& c : cases)
    all += fmt::format("{}\n{}\n{}\n{}\n{}\n", c.name, static_cast<int>(c.split), c.margin, core::sha256File(c.ct),
                       core::sha256File(c.labels));
  return core::sha256(all.data(), all.size());
}

CaseFacts factsOf(const Case& one, std::uint64_t seed) {
  return named(one, [&] {
    const image::CtVolume ct = image::readVolume(one.ct);
    const image::LabelVolume labels = image::readSegmentation(one.labels).labels;
    CaseFacts out{ct.frame.size, ct.frame.spacing_mm, {}, {}};
    std::vector<std::int64_t> foreground, metal;
    bool bone = false;
    for (std::size_t v = 0; v < labels.voxels.size(); ++v) {
      const std::uint8_t label = prepared(labels.voxels[v]);
      if (label == image::Background || label == kUnknown) continue;
      foreground.push_back(static_cast<std::int64_t>(v));
      if (label == image::Metal) metal.push_back(static_cast<std::int64_t>(v));
      bone = bone || label == image::Cortical || label == image::Cancellous || label == kSomeBone;
    }
    if (!bone) unfit(one, "its labels hold no bone");
    for (const std::int64_t v : thinned(foreground, kSample, seed))
      out.foreground_hu.push_back(ct.voxels[static_cast<std::size_t>(v)]);
    for (const std::int64_t v : thinned(metal, kSample, seed))
      out.metal_hu.push_back(ct.voxels[static_cast<std::size_t>(v)]);
    return out;
  });
}

PreparedCase prepare(const Case& one, const Eigen::Vector3d& spacing_mm, std::uint64_t seed) {
  return named(one, [&] {
    PreparedCase out;
    out.name = one.name, out.margin = one.margin;
    const image::CtVolume ct = image::readVolume(one.ct);
    const image::LabelVolume labels = image::readSegmentation(one.labels).labels;
    const image::Frame frame = regridded(ct.frame, spacing_mm);
    out.ct = regrid(ct, frame);
    out.labels.resize(out.ct.voxels.size());
    out.places.resize(kLabels);
    std::vector<std::vector<std::int64_t>> all(kLabels);
    for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
      const std::int64_t row = frame.size[0], slice = row * frame.size[1];
      const std::int64_t at[3] = {v % row, v % slice / row, v / slice};
      int from[3];
      for (int a = 0; a < 3; ++a)
        from[a] = std::min(static_cast<int>((static_cast<double>(at[a]) + 0.5) * labels.frame.size[a] / frame.size[a]),
                           labels.frame.size[a] - 1);
      const std::uint8_t label = prepared(labels.at(from[0], from[1], from[2]));
      out.labels[static_cast<std::size_t>(v)] = label;
      if (label == kSomeBone) all[image::Cortical].push_back(v);
      if (label > 0 && label < kLabels) all[label].push_back(v);
    }
    for (std::size_t l = 0; l < all.size(); ++l) out.places[l] = thinned(all[l], kPlaces, seed + l);
    return out;
  });
}

}  // namespace osteo::learn
