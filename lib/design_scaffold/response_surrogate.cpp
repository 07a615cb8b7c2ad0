#include "design_scaffold/response_surrogate.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/schema.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3i;
using simulate::Vector6d;

constexpr double kMostCorrection = 4;  // of a logarithm

/// The point of the finer of two divisions of an axis that the middle of a step of the other lies in.
int nearest(int place, int of, int to) { return std::min(static_cast<int>((place + 0.5) * to / of), to - 1); }

double rootOf(double modulus, double most) { return std::cbrt(std::max(0.0, modulus / most)); }

}  // namespace

std::vector<std::size_t> placesInOutput(const CoarseBody& body) {
  const Vector3i &cells = body.cells(), &size = body.coarse().size;
  const auto count = static_cast<std::size_t>(cells.cast<std::int64_t>().prod());
  std::vector<std::size_t> out;
  for (const Vector3i& p : body.place()) {
    Vector3i s;
    for (int c = 0; c < 3; ++c) s[c] = nearest(p[c], size[c], kSub * cells[c]);
    const Vector3i cell = s / kSub, sub = s - kSub * cell;
    const auto channel = static_cast<std::size_t>(sub[0] + kSub * (sub[1] + kSub * sub[2]));
    out.push_back(channel * count + static_cast<std::size_t>(cell[0] + cells[0] * (cell[1] + cells[1] * cell[2])));
  }
  return out;
}

std::vector<std::int64_t> elementsOfOutput(const CoarseBody& body) {
  const Vector3i &cells = body.cells(), &size = body.coarse().size;
  std::vector<std::int64_t> at(static_cast<std::size_t>(size.cast<std::int64_t>().prod()), -1);
  for (std::size_t e = 0; e < body.place().size(); ++e) {
    const Vector3i& p = body.place()[e];
    at[static_cast<std::size_t>(p[0] + size[0] * (p[1] + std::int64_t{size[1]} * p[2]))] = static_cast<std::int64_t>(e);
  }
  std::vector<std::int64_t> out;
  for (int sub = 0; sub < kSubs; ++sub)
    for (int k = 0; k < cells[2]; ++k)
      for (int j = 0; j < cells[1]; ++j)
        for (int i = 0; i < cells[0]; ++i) {
          const int s[3] = {kSub * i + sub % kSub, kSub * j + sub / kSub % kSub, kSub * k + sub / kSub / kSub};
          int p[3];
          for (int c = 0; c < 3; ++c) p[c] = nearest(s[c], kSub * cells[c], size[c]);
          out.push_back(at[static_cast<std::size_t>(p[0] + size[0] * (p[1] + std::int64_t{size[1]} * p[2]))]);
        }
  return out;
}

std::vector<float> responseInput(const CoarseBody& body, const CoarseAnswer& answer) {
  const simulate::VoxelModel& fine = body.fine();
  const auto count = body.elementAt().size();
  std::vector<float> out(kResponseChannels * count, 0.0F);
  std::vector<double> modulus(static_cast<std::size_t>(fine.elements));
  for (std::size_t e = 0; e < modulus.size(); ++e) modulus[e] = simulate::youngsModulus(fine.stiffness.at(e));
  const double most = *std::max_element(modulus.begin(), modulus.end());
  const std::vector<std::int64_t> elements = elementsOfOutput(body);
  for (std::size_t v = 0; v < elements.size(); ++v)
    if (elements[v] >= 0) out[v] = static_cast<float>(rootOf(modulus[static_cast<std::size_t>(elements[v])], most));
  double squares = 0, force = 0;
  for (const Vector6d& s : answer.of_cells) squares += s.squaredNorm();
  for (const double f : answer.force_n) force += f;
  const double mean = std::sqrt(squares / static_cast<double>(answer.of_cells.size()));
  for (std::size_t cell = 0; cell < count; ++cell) {
    if (body.elementAt()[cell] < 0) continue;
    const auto e = static_cast<std::size_t>(body.elementAt()[cell]);
    const Vector6d& strain = answer.of_cells[e];
    const double size = strain.norm();
    float* const at = out.data() + kSubs * count + cell;
    for (int c = 0; c < 6; ++c)
      at[static_cast<std::size_t>(c) * count] = static_cast<float>(size > 0 ? strain[c] / size : 0);
    const double numbers[] = {
        size > 0 ? std::clamp(0.5 * std::log(size / mean), -3.0, 3.0) : -3, answer.bent[e],
        rootOf(simulate::youngsModulus(body.coarse().model.elastic(static_cast<std::int64_t>(e))), most),
        force > 0 ? std::sqrt(answer.force_n[e] / force) : 0, answer.held[e]};
    for (std::size_t n = 0; n < std::size(numbers); ++n) at[(6 + n) * count] = static_cast<float>(numbers[n]);
  }
  return out;
}

double underEqualForce(const CoarseAnswer& answer, double work_n_mm) {
  return answer.is_moved ? 1 / (work_n_mm * work_n_mm) : 1;
}

ResponseSurrogate::ResponseSurrogate(learn::Weights weights) : weights_(std::move(weights)) {
  const auto& interval = weights_.training.at("interval_factor");
  energy_interval_ = interval.at("energy"), work_interval_ = interval.at("work"), peak_interval_ = interval.at("peak");
}

std::vector<ResponseGuess> ResponseSurrogate::operator()(const CoarseBody& body,
                                                         const std::vector<CoarseAnswer>& answers) const {
  const std::vector<std::size_t> places = placesInOutput(body);
  learn::Network network = weights_.network;
  network.settings["x"] = body.cells()[0], network.settings["y"] = body.cells()[1],
  network.settings["z"] = body.cells()[2];
  learn::Batch batch;
  batch.count = static_cast<std::int64_t>(answers.size());
  for (const CoarseAnswer& answer : answers) {
    const std::vector<float> own = responseInput(body, answer);
    batch.input.insert(batch.input.end(), own.begin(), own.end());
  }
  const std::vector<float> said = learn::applyAlone(network, batch);
  const std::size_t half = kSubs * body.elementAt().size();
  std::vector<ResponseGuess> out;
  for (std::size_t c = 0; c < answers.size(); ++c) {
    const CoarseAnswer& answer = answers[c];
    const float* const mean = said.data() + 2 * c * half;
    ResponseGuess guess;
    double sum = 0, spreads = 0;
    for (std::size_t e = 0; e < places.size(); ++e) {
      const double ratio =
          std::exp(std::clamp(static_cast<double>(mean[places[e]]), -kMostCorrection, kMostCorrection));
      const double spread = std::exp(0.5 * static_cast<double>(mean[half + places[e]]));
      guess.energy_n_mm.push_back(ratio * answer.energy_n_mm[e]);
      guess.energy_factor.push_back(std::exp(energy_interval_ * spread));
      guess.strain_scale.push_back(std::sqrt(ratio));
      sum += guess.energy_n_mm[e], spreads += guess.energy_n_mm[e] * spread;
    }
    const double spread = sum > 0 ? spreads / sum : 0;
    guess.work_factor = std::exp(work_interval_ * spread), guess.peak_factor = std::exp(peak_interval_ * spread);
    guess.work_n_mm = sum;
    if (answer.is_moved) {  // the same displacements: energies under one force tell the work's inverse
      guess.work_n_mm = answer.work_n_mm * answer.work_n_mm / sum;
      const double by = guess.work_n_mm / answer.work_n_mm;
      for (std::size_t e = 0; e < places.size(); ++e) guess.energy_n_mm[e] *= by * by, guess.strain_scale[e] *= by;
    }
    out.push_back(std::move(guess));
  }
  return out;
}

std::string responseFolder() {
  return (std::filesystem::path(core::configsFolder()).parent_path() / "data-samples/models/implant.response").string();
}

ResponseSurrogate readResponse(const std::string& folder) {
  learn::Weights weights = learn::readWeights(folder, "response-net");
  learn::requireSettings(weights.network, folder,
                         {{"channels", kResponseChannels, kResponseChannels},
                          {"outputs", kSubs, kSubs},
                          {"width", 4, 256},
                          {"blocks", 1, 8}});
  return learn::fromRecord(folder, "response", [&] { return ResponseSurrogate(std::move(weights)); });
}

}  // namespace osteo::design_scaffold
