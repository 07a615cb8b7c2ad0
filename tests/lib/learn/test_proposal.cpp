#include <catch2/catch.hpp>
#include <cmath>

#include "core/random.h"
#include "learn/proposal.h"

using namespace osteo::learn;

namespace {

/// x² = y has two answers: the class is the sign, which the second question tells or leaves open.
ProposalTable roots(std::int64_t step, std::int64_t count) {
  const osteo::core::Random random(3, static_cast<std::uint64_t>(step));
  ProposalTable out{Eigen::MatrixXd(count, 2), {}, Eigen::MatrixXd(count, 1)};
  for (std::int64_t n = 0; n < count; ++n) {
    const auto k = static_cast<std::uint64_t>(3 * n);
    const double x = 2 * random.uniform(k) - 1, told = random.uniform(k + 1) < 0.5 ? 1 : 0;
    out.inputs.row(n) << x * x, told * (x > 0 ? 1 : -1);
    out.classes.push_back(x > 0 ? 1 : 0);
    out.values(n, 0) = x;
  }
  return out;
}

ProposalTraining shortTraining() {
  ProposalTraining training{.width = 24, .judge_every = 100};
  training.loop.steps = 600;
  training.loop.batch = 128;
  training.loop.rate = 1e-2;
  return training;
}

}  // namespace

TEST_CASE("a question with two answers gets both, each with its odds") {
  const ProposalTrained trained =
      trainProposals([](std::int64_t step) { return roots(step, 128); }, roots(1000000, 200), 2, shortTraining());
  REQUIRE(trained.curve.size() == 6);
  Eigen::MatrixXd asked(3, 2);
  asked << 0.25, 0, 0.25, 1, 0.25, -1;
  const Proposals found = propose(trained.network, asked);
  CHECK(found.odds(0, 0) == Approx(0.5).margin(0.12));
  CHECK(found.odds.row(0).sum() == Approx(1));
  CHECK(found.odds(1, 1) > 0.95);
  CHECK(found.odds(2, 0) > 0.95);
  CHECK(found.mean(0, 0) == Approx(-0.5).margin(0.08));
  CHECK(found.mean(0, 1) == Approx(0.5).margin(0.08));
  CHECK(found.spread(0, 1) < 0.15);
}

TEST_CASE("what runs without torch is what torch trained, and impatience ends a training") {
  ProposalTraining training = shortTraining();
  training.loop.steps = 400;
  training.judge_every = 5;
  training.patience = 1;
  training.loop.rate = 0.3;  // too fast to get better every time
  const ProposalTrained trained =
      trainProposals([](std::int64_t step) { return roots(step, 128); }, roots(1000000, 200), 2, training);
  CHECK(trained.curve.size() < 80);
  Batch batch{.count = 1, .input = {0.3F, 1.0F}};
  const std::vector<float> raw = apply(trained.network, batch);
  Eigen::MatrixXd asked(1, 2);
  asked << 0.3F, 1.0F;
  const Proposals found = propose(trained.network, asked);
  REQUIRE(raw.size() == 6);
  CHECK(found.odds(0, 1) == Approx(1 / (1 + std::exp(static_cast<double>(raw[0] - raw[1])))).epsilon(1e-4));
  CHECK(found.mean(0, 1) == Approx(static_cast<double>(raw[3])).epsilon(1e-4));
}
