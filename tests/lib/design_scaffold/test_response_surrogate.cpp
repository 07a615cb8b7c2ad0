#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "design_scaffold/proposals.h"
#include "design_scaffold/response_training.h"

using namespace osteo;
using namespace osteo::design_scaffold;

namespace {

/// A bar along z, held as a test of tension holds it, pulled by a force at its upper end.
struct Bar {
  simulate::VoxelModel model;
  simulate::Conditions conditions;
};
Bar barOf(double modulus_mpa, double force_n) {
  simulate::Filling filling;
  filling.frame.size = {8, 8, 24};
  filling.material.assign(static_cast<std::size_t>(filling.frame.voxelCount()), 1);
  Bar out{simulate::buildModel(filling, [&](auto, float, float) { return simulate::isotropic(modulus_mpa, 0.3); }), {}};
  const simulate::Operator K(out.model);
  out.conditions.force = K.zeros();
  simulate::forEachNode(out.model, [&](std::int64_t n, int i, int j, int k) {
    const double share = (i % 8 == 0 ? 0.5 : 1) * (j % 8 == 0 ? 0.5 : 1) / 64;
    if (k == 24) out.conditions.force[static_cast<std::size_t>(2 * K.stride() + n)] = force_n * share;
    if (k == 0) out.conditions.fixed.push_back({2 * K.stride() + n, 0});
    if (i == 0) out.conditions.fixed.push_back({n, 0});
    if (j == 0) out.conditions.fixed.push_back({K.stride() + n, 0});
  });
  return out;
}

/// A network that corrects nothing and doubts by e^−2 in each logarithm's spread.
ResponseSurrogate silent() {
  learn::Weights weights;
  weights.network.architecture = "response-net";
  weights.network.settings = {
      {"channels", kResponseChannels}, {"outputs", kSubs}, {"width", 4}, {"blocks", 1}, {"x", 8}, {"y", 8}, {"z", 8}};
  const auto add = [&](const std::string& name, std::int64_t from, std::int64_t to, std::int64_t kernel, float bias) {
    weights.network.tensors.push_back(
        {name + ".w",
         {to, from, kernel, kernel, kernel},
         std::vector<float>(static_cast<std::size_t>(to * from * kernel * kernel * kernel), 0.0F)});
    weights.network.tensors.push_back({name + ".b", {to}, std::vector<float>(static_cast<std::size_t>(to), bias)});
  };
  add("in", kResponseChannels, 4, 3, 0), add("block0.1", 4, 4, 3, 0), add("block0.2", 4, 4, 3, 0);
  add("mean", 4, kSubs, 1, 0), add("spread", 4, kSubs, 1, -4);
  weights.training["interval_factor"] = {{"work", 1.0}, {"peak", 1.0}, {"energy", 1.0}};
  return ResponseSurrogate(weights);
}

}  // namespace

TEST_CASE("larger elements tell the energy of a bar under tension exactly, everywhere alike") {
  const Bar bar = barOf(1000, 64);
  CoarseBody body(bar.model);
  const auto answer = solveCoarsely(body, bar.conditions);
  REQUIRE(answer);
  CHECK(body.cells() == Eigen::Vector3i(2, 2, 6));
  CHECK(answer->work_n_mm == Approx(64.0 * 24 / 1000).epsilon(1e-3));  // F² L / (E A)
  for (const double e : answer->energy_n_mm) CHECK(e == Approx(1e-3).epsilon(2e-3));
  const ResponseGuess guess = silent()(body, {*answer}).front();
  CHECK(guess.work_n_mm == Approx(64.0 * 24 / 1000).epsilon(2e-3));
  CHECK(guess.work_factor == Approx(std::exp(std::exp(-2))));
  CHECK(solveFully(bar.model, bar.conditions).work_n_mm == Approx(64.0 * 24 / 1000).epsilon(1e-3));
}

TEST_CASE("the network's input does not know the size of loads and moduli, and stresses follow the load") {
  const Bar bar = barOf(1000, 64), twice = barOf(1000, 128), stiff = barOf(4096, 64);
  CoarseBody body(bar.model), loaded(twice.model), harder(stiff.model);
  const auto a = solveCoarsely(body, bar.conditions), b = solveCoarsely(loaded, twice.conditions),
             c = solveCoarsely(harder, stiff.conditions);
  REQUIRE((a && b && c));
  CHECK(responseInput(body, *a) == responseInput(loaded, *b));
  const auto soft = responseInput(body, *a), hard = responseInput(harder, *c);
  for (std::size_t n = 0; n < soft.size(); ++n) REQUIRE(hard[n] == Approx(soft[n]).margin(1e-3));
  for (std::size_t e = 0; e < a->strain.size(); ++e) REQUIRE(b->strain[e] == (2 * a->strain[e]).eval());
}

TEST_CASE("an element's place in the output speaks of it") {
  const Bar bar = barOf(1, 1);  // four by four by four of its elements are a larger one
  const CoarseBody body(bar.model);
  const auto places = placesInOutput(body);
  const auto elements = elementsOfOutput(body);
  REQUIRE(places.size() == elements.size());
  for (std::size_t e = 0; e < places.size(); ++e) REQUIRE(elements[places[e]] == static_cast<std::int64_t>(e));
}

TEST_CASE("a turned example turned back is the same, and a mirrored one is another") {
  const ResponseExample example = drawnExample({10, 3}, 4);
  Turn turn;
  turn.order = {1, 2, 0};
  const ResponseExample once = turned(example, turn), thrice = turned(turned(once, turn), turn);
  CHECK(once.input != example.input);
  CHECK(thrice.input == example.input);
  CHECK(thrice.target == example.target);
  CHECK(thrice.weight == example.weight);
  Turn mirror;
  mirror.mirrored = 5;
  mirror.negative = true;
  CHECK(turned(example, mirror).input != example.input);
  CHECK(turned(turned(example, mirror), mirror).input == example.input);
}

TEST_CASE("cases repeat by their seed, and every kind of body has some") {
  for (const auto* kinds : {&teachingBodies(), &calibratingBodies(), &judgingBodies()})
    for (const std::string& kind : *kinds) {
      const ResponseCase a = drawnResponseCase(kind, 11), b = drawnResponseCase(kind, 11);
      CHECK(a.model->elements > 500);
      CHECK(a.model->stiffness.entry == b.model->stiffness.entry);
      CHECK(a.conditions.force == b.conditions.force);
    }
}

TEST_CASE("weights that are absent are named, with the way to train them") {
  Goal goal;
  try {
    Proposals("/nowhere/implant.response", goal);
    FAIL("read");
  } catch (const core::Error& error) {
    CHECK(error.code() == core::Exit::Unavailable);
    CHECK(error.complaint().hint.find("train_response") != std::string::npos);
  }
}

TEST_CASE("bench: unseen bodies by the network, by larger elements and by the solver", "[.][response]") {
  const char* const folder = std::getenv("WEIGHTS");
  REQUIRE(folder != nullptr);
  const ResponseSurrogate surrogate = readResponse(folder);
  const auto seconds = [](const auto& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::vector<JudgedResponse> judged;

  for (std::uint64_t n = 0; n < 80; ++n) {
    const double scale = n % 4 == 0 ? 1.5 : 1;
    const ResponseCase c = drawnResponseCase(judgingBodies()[n % 4], 900000 + n, scale);
    if (const auto one = judgeResponse(surrogate, c)) judged.push_back(*one);
    CoarseBody body(*c.model);
    std::optional<CoarseAnswer> answer;
    const double coarse_s = seconds([&] { answer = solveCoarsely(body, c.conditions); });
    if (!answer) continue;
    const double net_s = seconds([&] { surrogate(body, {*answer}); });
    FullAnswer full;
    const double full_s = seconds([&] { full = solveFully(*c.model, c.conditions); });
    std::string line = "case " + c.kind + " elements " + std::to_string(c.model->elements) + " full_s " +
                       std::to_string(full_s) + " coarse_s " + std::to_string(coarse_s) + " net_s " +
                       std::to_string(net_s);
    for (const int factor : {3, 2}) {
      CoarseBody finer(*c.model, factor);
      std::optional<CoarseAnswer> own;
      const double own_s = seconds([&] { own = solveCoarsely(finer, c.conditions); });
      if (own && full.work_n_mm > 0)
        line += " factor" + std::to_string(factor) + "_s " + std::to_string(own_s) + " factor" +
                std::to_string(factor) + "_error " + std::to_string(std::log(own->work_n_mm / full.work_n_mm));
    }
    std::printf("%s\n", line.c_str());  // Catch2 would break lines anywhere
  }
  std::printf("summary %s\n", summary(judged).dump().c_str());
}
