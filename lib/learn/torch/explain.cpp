#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "learn/torch/architecture.h"

namespace osteo::learn {

namespace {

at::Tensor view(const std::vector<float>& values, at::IntArrayRef shape) {
  const std::int64_t wanted = c10::multiply_integers(shape);
  if (static_cast<std::int64_t>(values.size()) != wanted)
    throw std::invalid_argument("what is to be explained has another size than the network");
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat);
}

std::vector<float> plain(const at::Tensor& tensor) {
  const at::Tensor t = tensor.detach().contiguous();
  return {t.data_ptr<float>(), t.data_ptr<float>() + t.numel()};
}

/// The mean logit of the voxels that were asked for, and what it hangs on.
struct Asked {
  const Network& network;
  const Architecture& architecture;
  Parameters p;
  at::Tensor asked;
  double count;

  at::Tensor valueOf(const at::Tensor& logits) const { return (logits * asked).sum() / count; }
  double value(const at::Tensor& input) const {
    const at::NoGradGuard no_gradients;
    return valueOf(architecture.inspect(network, p, input).front()).item<float>();
  }
  at::Tensor gradient(const at::Tensor& input) const {
    const at::Tensor x = input.detach().clone().set_requires_grad(true);
    valueOf(architecture.inspect(network, p, x).front()).backward();
    return x.grad();
  }
};

/// The way from the baseline to the input in pieces, each with the gradient at its middle. What the value gains over a
/// piece is known, so the piece that misses most of it is halved next: a network with norms turns fastest where the
/// input is nearly constant.
class Way {
 public:
  Way(const Asked& asked, const at::Tensor& from, const at::Tensor& to)
      : asked_(asked), from_(from), way_(to - from), sum_(at::zeros_like(from, at::kDouble)) {
    constexpr int kFirst = 16;
    for (int s = 0; s < kFirst; ++s)
      add({static_cast<double>(s) / kFirst, (s + 1.0) / kFirst, valueAt(s, kFirst), valueAt(s + 1, kFirst), 0});
  }
  int pieces() const { return static_cast<int>(pieces_.size()); }
  at::Tensor attributions() const { return sum_ * way_; }
  /// How far the attributions are from what the value gains.
  double off() const {
    double out = 0;
    for (const Piece& piece : pieces_) out += piece.off;
    return std::abs(out);
  }
  void halveWorst() {
    const auto worst = std::max_element(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
      return std::abs(a.off) < std::abs(b.off);
    });
    const Piece old = *worst;
    pieces_.erase(worst);
    sum_ -= (old.to - old.from) * gradientOf(old);  // cheaper than to keep one of every piece
    const double middle = 0.5 * (old.from + old.to), value = asked_.value(from_ + middle * way_);
    add({old.from, middle, old.value_from, value, 0});
    add({middle, old.to, value, old.value_to, 0});
  }

 private:
  struct Piece {
    double from, to, value_from, value_to, off;
  };
  double valueAt(int step, int steps) const { return asked_.value(from_ + static_cast<double>(step) / steps * way_); }
  at::Tensor gradientOf(const Piece& piece) const {
    return asked_.gradient(from_ + 0.5 * (piece.from + piece.to) * way_).to(at::kDouble);
  }
  void add(Piece piece) {
    const at::Tensor part = (piece.to - piece.from) * gradientOf(piece);
    piece.off = (part * way_).sum().item<double>() - (piece.value_to - piece.value_from);
    sum_ += part;
    pieces_.push_back(piece);
  }

  const Asked& asked_;
  at::Tensor from_, way_, sum_;
  std::vector<Piece> pieces_;
};

at::Tensor activation(const Asked& asked, const at::Tensor& input) {
  const std::vector<at::Tensor> out =
      asked.architecture.inspect(asked.network, asked.p, input.detach().clone().set_requires_grad(true));
  at::Tensor deepest = out.back();
  deepest.retain_grad();
  asked.valueOf(out.front()).backward();
  const at::Tensor weight = deepest.grad().mean({2, 3, 4}, true);
  const at::Tensor map = at::relu((weight * deepest).sum(1, true)).detach();
  return at::upsample_trilinear3d(map, {input.size(2), input.size(3), input.size(4)}, false);
}

}  // namespace

Explained explainNetwork(const Network& network, const Question& question) {
  const Architecture& architecture = architectureOf(network);
  if (architecture.inspect == nullptr) throw std::invalid_argument("this network can't be explained");
  const auto whole = [&](const char* name) { return static_cast<std::int64_t>(network.setting(name)); };
  const std::vector<std::int64_t> size = {whole("patch_z"), whole("patch_y"), whole("patch_x")};
  const std::vector<std::int64_t> in = {1, whole("channels"), size[0], size[1], size[2]},
                                  out = {1, whole("regions"), size[0], size[1], size[2]};
  Asked asked{network, architecture, load(network, false), view(question.asked, out), 0};
  asked.count = asked.asked.abs().sum().item<float>();
  if (asked.count <= 0) throw std::invalid_argument("no voxel was asked for");
  const at::Tensor input = view(question.input, in), baseline = view(question.baseline, in);
  Explained told;
  told.value = asked.value(input);
  told.baseline = asked.value(baseline);
  const double wanted = told.value - told.baseline;
  Way way(asked, baseline, input);
  while (way.off() > question.tolerance * std::abs(wanted) && way.pieces() < question.most_steps) way.halveWorst();
  told.steps = way.pieces();
  told.gradients = plain(way.attributions().to(at::kFloat));
  told.activation = plain(activation(asked, input));
  return told;
}

}  // namespace osteo::learn
