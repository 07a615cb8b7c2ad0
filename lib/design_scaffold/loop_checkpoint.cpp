#include "design_scaffold/loop_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"

namespace osteo::design_scaffold {
namespace {

constexpr char kMagic[] = "osteoforge design loop checkpoint 2\n";

/// Cuts bytes off the front of what is left.
class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}
  std::string text(std::size_t size) {
    size = std::min(size, bytes_.size() - at_);
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  std::uint64_t number() {
    const std::string raw = text(sizeof(std::uint64_t));
    std::uint64_t value = 0;
    std::memcpy(&value, raw.data(), raw.size());
    return value;
  }
  std::size_t at() const { return at_; }

 private:
  const std::string& bytes_;
  std::size_t at_ = 0;
};

/// A point that moves freely with a region and is loaded: neither stands in the forces on the nodes.
std::string keyOf(const simulate::Remote& remote, const std::vector<simulate::FixedDof>& region) {
  std::string key;
  for (const Eigen::Vector3d& v : {remote.point_mm, remote.force_n, remote.moment_n_mm})
    key += fmt::format("{:.17g} {:.17g} {:.17g} ", v[0], v[1], v[2]);
  for (const auto& held : {remote.displacement_mm, remote.rotation_rad})
    for (const auto& value : held) key += value ? fmt::format("{:.17g} ", *value) : "free ";
  for (const simulate::FixedDof& f : region) key += fmt::format("{} ", f.dof);
  return key;
}

void append(std::string& bytes, std::uint64_t value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// What follows in the file has to be just what was written: its numbers are used unseen.
std::string sealOf(const std::string& bytes) { return core::sha256(bytes.data(), bytes.size()); }

}  // namespace

std::string keyOf(const DesignCase& design_case) {
  const simulate::Conditions& conditions = design_case.conditions;
  std::string key = fmt::format(" {:.17g} ", design_case.weight);
  key += core::sha256(conditions.force.data(), conditions.force.size() * sizeof(double));
  for (const auto& f : conditions.fixed) key += fmt::format("{} {:.17g} ", f.dof, f.value_mm);
  for (const auto& part : conditions.constraints)
    if (part.remote) key += keyOf(*part.remote, part.fixed);
  return key;
}

LoopCheckpoint::LoopCheckpoint(std::string path, const std::string& task)
    : path_(std::move(path)), key_(core::sha256(task.data(), task.size())) {}

std::vector<Tried> LoopCheckpoint::read() const {
  std::vector<Tried> tried;
  if (path_.empty() || !std::filesystem::exists(path_)) return tried;
  const std::string bytes = core::readFile(path_);
  Reader reader(bytes);
  const auto unused = [&](const char* why) {
    core::warn(fmt::format("the checkpoint {} {} and is not used", core::baseName(path_), why));
    return std::vector<Tried>();
  };
  if (reader.text(sizeof kMagic - 1) != kMagic || reader.text(key_.size()) != key_)
    return unused("belongs to another task");
  const std::string seal = reader.text(key_.size());
  if (seal != sealOf(bytes.substr(reader.at()))) return unused("is damaged");
  const std::uint64_t designs = reader.number();
  for (std::uint64_t n = 0; n < designs; ++n) {
    Tried t;
    const std::string words = reader.text(reader.number());
    t.numbers = nlohmann::json::parse(words);
    const std::string raw = reader.text(reader.number());
    t.density.resize(raw.size() / sizeof(double));
    std::memcpy(t.density.data(), raw.data(), t.density.size() * sizeof(double));
    t.wanted_fraction = t.numbers["wanted_volume_fraction"];
    tried.push_back(std::move(t));
  }
  core::info(fmt::format("goes on from the checkpoint after {} designs", tried.size()));
  return tried;
}

void LoopCheckpoint::write(const std::vector<Tried>& tried) const {
  if (path_.empty()) return;
  std::string bytes;
  append(bytes, tried.size());
  for (const Tried& t : tried) {
    const std::string words = t.numbers.dump();
    append(bytes, words.size());
    bytes += words;
    append(bytes, t.density.size() * sizeof(double));
    bytes.append(reinterpret_cast<const char*>(t.density.data()), t.density.size() * sizeof(double));
  }
  core::writeFileAtomic(path_, kMagic + key_ + sealOf(bytes) + bytes, true);
}

void LoopCheckpoint::finish() const {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

}  // namespace osteo::design_scaffold
