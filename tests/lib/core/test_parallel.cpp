#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/schema.h"

using namespace osteo::core;

TEST_CASE("A sum has the same bits for any thread count") {
  const Random random(7);
  const auto partial = [&](std::int64_t first, std::int64_t last) {
    double s = 0;
    for (auto i = first; i < last; ++i) s += random.normal(static_cast<std::uint64_t>(i)) * 1e6;
    return s;
  };
  setThreads(1);
  const double one = parallelSum(100003, 777, partial);
  setThreads(4);
  const double four = parallelSum(100003, 777, partial);
  CHECK(one == four);
  CHECK(threads() == 4);
}

TEST_CASE("Chunks cover the range once, and a failing body reaches the caller") {
  std::vector<int> hits(1001, 0);
  parallelChunks(1001, 10, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (auto i = first; i < last; ++i) ++hits[static_cast<std::size_t>(i)];
  });
  CHECK(hits == std::vector<int>(1001, 1));
  CHECK_THROWS_AS(parallelFor(5,
                              [](std::int64_t i) {
                                if (i == 3) throw std::runtime_error("x");
                              }),
                  std::runtime_error);
}

TEST_CASE("The environment limits the threads") {
  setenv("SLURM_CPUS_PER_TASK", "1", 1);
  CHECK(availableThreads() == 1);
  unsetenv("SLURM_CPUS_PER_TASK");
}

TEST_CASE("Counter-based normal numbers have mean 0, variance 1 and independent streams") {
  const Random a(1, 0), b(1, 1);
  const int n = 200000;
  double mean = 0, variance = 0, covariance = 0;
  for (int i = 0; i < n; ++i) {
    const auto k = static_cast<std::uint64_t>(i);
    mean += a.normal(k) / n;
    variance += a.normal(k) * a.normal(k) / n;
    covariance += a.normal(k) * b.normal(k) / n;
  }
  CHECK(std::abs(mean) < 0.01);
  CHECK(std::abs(variance - 1) < 0.015);
  CHECK(std::abs(covariance) < 0.01);
}

TEST_CASE("A schema violation names its place") {
  const nlohmann::json schema = {{"type", "object"}, {"properties", {{"a", {{"type", "integer"}, {"minimum", 1}}}}}};
  CHECK_NOTHROW(validateJson(schema, {{"a", 1}}, "f", Exit::DataError));
  try {
    validateJson(schema, {{"a", 1.5}}, "f", Exit::Config);
    FAIL("accepted 1.5 for an integer");
  } catch (const Error& e) {
    CHECK(e.code() == Exit::Config);
    CHECK(std::string(e.what()).find("[a]") != std::string::npos);
  }
}
