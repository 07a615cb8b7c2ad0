#include "mesh/welder.h"

#include <bit>
#include <cstring>

#include "core/error.h"
#include "core/random.h"

namespace osteo::mesh {
namespace {

std::uint64_t hashOf(const Eigen::Vector3d& p) {
  std::uint64_t bits[3];
  std::memcpy(bits, p.data(), sizeof bits);
  return core::mix(bits[0] * 0x9e3779b97f4a7c15ULL ^ std::rotl(bits[1], 21) * 0xd1342543de82ef95ULL ^
                   std::rotl(bits[2], 42));
}

}  // namespace

Welder::Welder(std::size_t expected_vertices) {
  vertices_.reserve(expected_vertices);
  grow(std::bit_ceil(std::max<std::size_t>(64, 2 * expected_vertices)));
}

void Welder::grow(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::size_t i = 0; i < vertices_.size(); ++i) {
    const std::uint64_t hash = hashOf(vertices_[i]);
    std::size_t slot = hash & (slots - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots - 1);
    slots_[slot] = (hash & 0xffffffff00000000ULL) | (i + 1);
  }
}

std::uint32_t Welder::add(const Eigen::Vector3d& point) {
  const Eigen::Vector3d p = point + Eigen::Vector3d::Zero();  // turns -0 into +0
  if (vertices_.size() * 2 >= slots_.size()) grow(slots_.size() * 2);
  const std::uint64_t hash = hashOf(p), tag = hash & 0xffffffff00000000ULL;
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    if ((slots_[slot] & 0xffffffff00000000ULL) != tag) continue;
    const auto index = static_cast<std::uint32_t>(slots_[slot]) - 1;
    if (vertices_[index] == p) return index;
  }
  if (vertices_.size() >= 0xfffffffeULL)
    throw core::Error(core::Exit::DataError,
                      {.what = "the mesh has too many vertices", .expected = "fewer than 2^32 - 1"});
  vertices_.push_back(p);
  slots_[slot] = tag | vertices_.size();
  return static_cast<std::uint32_t>(vertices_.size() - 1);
}

}  // namespace osteo::mesh
