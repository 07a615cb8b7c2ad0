#include "simulate/checkpoint.h"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"

namespace osteo::simulate {
namespace {

constexpr char kMagic[] = "osteoforge simulate checkpoint 1\n";

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <class T>
std::string hashOf(const std::vector<T>& values) {
  return core::sha256(values.data(), values.size() * sizeof(T));
}

/// Of everything that the displacements depend on.
std::string keyOf(const VoxelModel& model, const Conditions& conditions) {
  std::string all;
  const auto& f = model.frame;
  for (int c = 0; c < 3; ++c) all += fmt::format("{} {:.17g} ", f.size[c], f.spacing_mm[c]);
  for (int q = 0; q < Elastic::kEntries; ++q) all += fmt::format("{:.17g} ", model.stiffness.base[q]);
  all += hashOf(model.runs) + hashOf(model.stiffness.scale);
  for (const auto& values : model.stiffness.entry) all += hashOf(values);
  all += hashOf(conditions.fixed) + hashOf(conditions.force);
  return core::sha256(all.data(), all.size());
}

}  // namespace

int Checkpoint::begin(const VoxelModel& model, const Conditions& conditions, Field& u) {
  if (!isOn()) return 0;
  key_ = keyOf(model, conditions);
  last_s_ = now();
  before_ = 0;
  std::ifstream in(path_, std::ios::binary);
  if (!in) return 0;
  std::string magic(sizeof kMagic - 1, ' '), key(key_.size(), ' ');
  std::int64_t iterations = 0, size = 0;
  in.read(magic.data(), static_cast<std::streamsize>(magic.size()));
  in.read(key.data(), static_cast<std::streamsize>(key.size()));
  in.read(reinterpret_cast<char*>(&iterations), sizeof iterations);
  in.read(reinterpret_cast<char*>(&size), sizeof size);
  const std::int64_t expected = 3 * ((model.nodes + kPadding + 7) / 8 * 8);
  if (!in || magic != kMagic || key != key_ || size != expected || iterations < 0) {
    core::warn("the checkpoint " + core::baseName(path_) + " belongs to another model or load case and is not used");
    return 0;
  }
  Field read(static_cast<std::size_t>(size));
  in.read(reinterpret_cast<char*>(read.data()), static_cast<std::streamsize>(read.size() * sizeof(double)));
  if (!in || in.peek() != std::ifstream::traits_type::eof()) {
    core::warn("the checkpoint " + core::baseName(path_) + " is cut off and is not used");
    return 0;
  }
  for (const double v : read)
    if (!std::isfinite(v)) {
      core::warn("the checkpoint " + core::baseName(path_) + " holds no valid numbers and is not used");
      return 0;
    }
  u = std::move(read);
  before_ = static_cast<int>(iterations);
  core::info(fmt::format("goes on from the checkpoint after {} iterations", before_));
  return before_;
}

void Checkpoint::watch(const Field& u, int iterations) {
  if (!isOn() || now() - last_s_ < interval_s_) return;
  core::AtomicOutput file(path_, true);
  std::ofstream out(file.temporaryPath(), std::ios::binary);
  const std::int64_t total = before_ + iterations, size = static_cast<std::int64_t>(u.size());
  out.write(kMagic, sizeof kMagic - 1);
  out.write(key_.data(), static_cast<std::streamsize>(key_.size()));
  out.write(reinterpret_cast<const char*>(&total), sizeof total);
  out.write(reinterpret_cast<const char*>(&size), sizeof size);
  out.write(reinterpret_cast<const char*>(u.data()), static_cast<std::streamsize>(u.size() * sizeof(double)));
  out.close();
  if (!out) throw core::Error(core::Exit::IoError, {.what = "the checkpoint can't be written", .file = path_});
  file.commit();
  last_s_ = now();
}

void Checkpoint::finish() {
  if (!isOn()) return;
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

}  // namespace osteo::simulate
