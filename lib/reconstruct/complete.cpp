#include "reconstruct/complete.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <exception>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "learn/completion.h"
#include "mesh/measures.h"
#include "reconstruct/flap.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {
namespace {

constexpr float kFar = 1e3F;
constexpr double kAround_mm = 40;

/// A method's proposal and the hole it found.
struct Proposal {
  Whole whole;
  Candidate piece;
};

/// What the methods share.
struct Case {
  const levelset::LevelSet& bone;
  const Host& host;
  const image::Frame& seen;
  const CompletionOptions& options;
  CompletionReport& report;
  mutable std::exception_ptr no_mirror = {};  ///< why there is none, once that is known
};

Proposal byMirror(const Case& c) {
  if (c.no_mirror) std::rethrow_exception(c.no_mirror);
  try {
    if (!c.report.mirror) c.report.mirror = proposeMirror(c.bone, c.host, c.seen, c.options.piece);
  } catch (const core::Error&) {
    c.no_mirror = std::current_exception();
    throw;
  }
  return {c.report.mirror->whole, c.report.mirror->piece};
}

Proposal byShape(const Case& c) {
  if (!c.options.prior) {
    throw core::Error(core::Exit::DataError,
                      {.what = "there is no shape model of this bone", .hint = "give one with --prior bone.shape"});
  }
  Proposal out;
  c.report.shape = fitShape(*c.options.prior, c.host.points, c.options.length_mm);
  // The grid must hold what lies beyond the bone, too.
  const auto box = mesh::bounds(c.report.shape->surface);
  image::Frame grid = c.host.closed.frame;
  const Eigen::Vector3d low = box.min.cwiseMin(grid.origin_mm).array().floor() - 5;
  const Eigen::Vector3d high = box.max.cwiseMax(grid.toWorld(grid.size.cast<double>())).array().ceil() + 5;
  grid.origin_mm = low;
  grid.size = ((high - low).array() / grid.spacing_mm[0]).ceil().cast<int>();
  out.whole = wholeOfMesh(c.report.shape->surface, grid, c.bone.voxel_mm());
  PieceOptions options = c.options.piece;
  options.least_free_share = 0;
  out.piece = choose(findCandidates(c.host, out.whole, {grid, c.seen}, options), options);
  out.piece = grown(c.host, out.whole, {around(grid, out.piece, kAround_mm), c.seen}, out.piece, options);
  return out;
}

/// A ball about a point, out to the nearest bone, as the first guess of a hole.
Candidate ballAt(const Case& c, const Eigen::Vector3d& centre) {
  constexpr double kLeast_mm = 5, kMost_mm = 60;
  const image::Frame& grid = c.host.distance.frame;
  const double radius =
      std::clamp<double>(image::sampleLinear(c.host.distance, grid.toIndex(centre), kFar), kLeast_mm, kMost_mm);
  Candidate ball;
  ball.centre_mm = centre;
  ball.min_mm = centre - Eigen::Vector3d::Constant(radius);
  ball.max_mm = centre + Eigen::Vector3d::Constant(radius);
  ball.distance = image::CtVolume(around(grid, ball, 2 * kAround_mm));
  const image::Frame& frame = ball.distance.frame;
  for (int k = 0; k < frame.size[2]; ++k) {
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i)
        ball.distance.at(i, j, k) =
            static_cast<float>((frame.toWorld(Eigen::Vector3d(i, j, k)) - centre).norm() - radius);
    }
  }
  return ball;
}

/// The hole as the mirrored bone shows it; where it shows none, as on the midline, the place that was named.
Candidate firstGuess(const Case& c) {
  try {
    return byMirror(c).piece;
  } catch (const core::Error& e) {
    if (e.code() != core::Exit::DataError || !c.options.piece.defect_at_mm) throw;
    return ballAt(c, *c.options.piece.defect_at_mm);
  }
}

/// The shell through the rim may find the hole larger than the first guess, and then its rim is new.
Proposal byRim(const Case& c) {
  Proposal out{{}, firstGuess(c)};
  for (int round = 0; round < 3; ++round) {
    out.whole = wholeOfRim(c.host, out.piece, 0);
    PieceOptions nearby = c.options.piece;
    nearby.defect_at_mm = out.piece.centre_mm;
    const Field field{out.whole.coarse.frame, c.seen};
    const auto parts = findCandidates(c.host, out.whole, field, nearby);
    if (parts.empty())
      throw core::Error(core::Exit::DataError, {.what = "the shell through the rim adds nothing to the bone"});
    const double before = out.piece.volume_mm3;
    out.piece = grown(c.host, out.whole, field, choose(parts, nearby), nearby);
    if (out.piece.volume_mm3 < 1.1 * before) break;
  }
  return out;
}

/// The network sees the damaged bone and, where there is a mirror plane, the mirrored one around the hole.
Proposal byNetwork(const Case& c) {
  if (!c.options.network) {
    throw core::Error(core::Exit::DataError, {.what = "there is no network to complete the bone with",
                                              .hint = "give one with --weights data-samples/skull.completion"});
  }
  const Proposal mirror = byMirror(c);
  image::CtVolume mirrored(c.host.distance.frame, kFar);
  const image::Frame& frame = mirrored.frame;
  for (int k = 0; k < frame.size[2]; ++k) {
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i)
        mirrored.at(i, j, k) = static_cast<float>(coarseAt(mirror.whole, frame.toWorld(Eigen::Vector3d(i, j, k))));
    }
  }
  Proposal out;
  out.whole.coarse =
      learn::completeBone(*c.options.network, c.host.distance, &mirrored, {.defect_at_mm = mirror.piece.centre_mm});
  out.whole.fine = [distance = out.whole.coarse](const Eigen::Vector3d& p) -> double {
    return image::sampleLinear(distance, distance.frame.toIndex(p), kFar);
  };
  PieceOptions nearby = c.options.piece;
  nearby.defect_at_mm = mirror.piece.centre_mm;
  const Field field{around(c.host.closed.frame, mirror.piece, kAround_mm), c.seen};
  const auto parts = findCandidates(c.host, out.whole, field, nearby);
  if (parts.empty()) throw core::Error(core::Exit::DataError, {.what = "the network adds nothing to the bone"});
  out.piece = grown(c.host, out.whole, field, choose(parts, nearby), nearby);
  return out;
}

/// The piece at the bone's own resolution: the proposed bone, minus the bone, near the coarse piece.
levelset::LevelSet refine(const Case& c, const Whole& whole, const Candidate& piece) {
  const levelset::LevelSet& bone = c.bone;
  const image::CtVolume& closed = c.host.closed;
  const double voxel = bone.voxel_mm(), margin = 1.5 * closed.frame.spacing_mm[0];
  const auto missing = [&](const Eigen::Vector3d& p) {
    const double near = image::sampleLinear(piece.distance, piece.distance.frame.toIndex(p), kFar) - margin;
    if (near > 3 * voxel) return near;
    const double pores = image::sampleLinear(closed, closed.frame.toIndex(p), kFar) + 0.5 * closed.frame.spacing_mm[0];
    return std::max({near, whole.fine(p), -std::min(levelset::sample(bone, p), pores)});
  };
  const Eigen::Vector3d reach = Eigen::Vector3d::Constant(margin + 3 * voxel);
  levelset::LevelSet out = levelset::fromFunction(missing, piece.min_mm - reach, piece.max_mm + reach, voxel);
  const double opening = std::min(c.options.piece.opening_mm, 0.6);
  out = levelset::intersect(out, levelset::offset(levelset::offset(out, -opening), opening));
  out = levelset::largestComponent(levelset::subtract(out, bone));
  return levelset::fillCavities(out);
}

/// Offsets of the bent proposal's outer surface from the host's within a few millimetres of the piece.
void measureRim(const Case& c, const Whole& whole, const Candidate& piece, CompletionReport& report) {
  constexpr double kNear_mm = 6, kReach_mm = 5;
  std::vector<double> steps;
  for (const auto& point : c.host.points) {
    if (whole.two_sided && !facesOut(c.host, point.position, point.normal)) continue;
    const double away = image::sampleLinear(piece.distance, piece.distance.frame.toIndex(point.position), kFar);
    if (away < 0.5 || away > kNear_mm) continue;
    const Eigen::Vector3d gradient = registration::gradientAt(whole.coarse, point.position, kFar);
    const double step = std::abs(coarseAt(whole, point.position));
    if (gradient.norm() > 0.3 && gradient.normalized().dot(point.normal) > 0.8 && step < kReach_mm)
      steps.push_back(step);
  }
  if (steps.empty()) return;
  std::sort(steps.begin(), steps.end());
  report.rim_step_mm = steps[steps.size() / 2];
  report.rim_step_p95_mm = steps[steps.size() * 95 / 100];
}

/// Mean standard deviation of the shape model inside the piece.
double posteriorSd(const ShapePosterior& posterior, const Candidate& piece) {
  double sum = 0, count = 0;
  for (std::size_t v = 0; v < posterior.sd_mm.size(); ++v) {
    const Eigen::Vector3d& p = posterior.surface.vertices[v];
    if (image::sampleLinear(piece.distance, piece.distance.frame.toIndex(p), kFar) > 1.5) continue;
    sum += posterior.sd_mm[v] * posterior.sd_mm[v];
    ++count;
  }
  return count > 0 ? std::sqrt(sum / count) : 0;
}

Proposal propose(const Case& c, const std::string& method) {
  if (method == "mirror") return byMirror(c);
  if (method == "shape") return byShape(c);
  if (method == "network") return byNetwork(c);
  return byRim(c);
}

/// Share of the piece's edge that ends in the open instead of at the host: a mirrored piece does where its own other
/// side is missing, too.
double openShare(const Case& c, const Proposal& proposal) {
  constexpr double kOpen_mm = 3, kTouching_mm = 1.5, kWall = 0.5;
  const image::Frame& frame = proposal.piece.distance.frame;
  double open = 0, touching = 0;
  for (const std::int64_t v : proposal.piece.voxels) {
    const Eigen::Vector3d p = frame.centre(v);
    const double to_host = image::sampleLinear(c.host.distance, c.host.distance.frame.toIndex(p), kFar);
    touching += to_host < kTouching_mm ? 1 : 0;
    if (to_host < kOpen_mm || coarseAt(proposal.whole, p) < -1.2) continue;
    const Eigen::Vector3d gradient = registration::gradientAt(proposal.whole.coarse, p, kFar);
    open += std::abs(gradient.normalized().dot((p - c.host.centre_mm).normalized())) < kWall ? 1 : 0;
  }
  return open + touching > 0 ? open / (open + touching) : 0;
}

Trial attempt(const Case& c, const std::string& method) {
  Trial trial;
  trial.method = method;
  try {
    Proposal proposal = propose(c, method);
    trial.rim = fitRim(c.host, proposal.whole, proposal.piece);
    // The rim's own surface has seen all of the rim: another one, made without the ring, is judged in its place.
    if (method == "rim")
      judgeHidden(c.host, wholeOfRim(c.host, proposal.piece, hiddenWidth(proposal.piece)), proposal.piece, trial.rim);
    if (proposal.whole.two_sided) trial.open_share = openShare(c, proposal);
    trial.piece = std::move(proposal.piece);
    core::info(fmt::format(
        "{}: {:.0f} mm³, misses a hidden ring of {:.0f} mm by {:.2f} mm RMS, {:.0f} % of its edge open", method,
        trial.piece.volume_mm3, trial.rim.hidden_width_mm, trial.rim.hidden_error_mm, 100 * trial.open_share));
  } catch (const core::Error& e) {
    if (e.code() != core::Exit::DataError) throw;
    trial.failure = e.complaint().what + (e.complaint().got.empty() ? "" : " (" + e.complaint().got + ")");
    core::info(fmt::format("{}: {}", method, trial.failure));
    if (c.options.method != "auto") throw;
  }
  return trial;
}

/// The method that misses the hidden ring least among those that close the hole, or among all when none does. The rim,
/// which takes nothing from elsewhere, need not be better: within a tenth it is preferred.
const Trial& best(const std::vector<Trial>& trials) {
  constexpr double kOpen = 0.15;
  const auto worse = [&](const Trial& a, const Trial& b) {
    const bool a_open = a.open_share > kOpen, b_open = b.open_share > kOpen;
    const auto error = [](const Trial& t) { return (t.method == "rim" ? 0.9 : 1) * t.rim.hidden_error_mm; };
    return a_open != b_open ? a_open : error(a) > error(b);
  };
  const Trial* out = nullptr;
  std::string reasons;
  for (const Trial& t : trials) {
    reasons += (reasons.empty() ? "" : "; ") + t.method + ": " + t.failure;
    if (!t.failure.empty()) continue;
    if (out == nullptr || worse(*out, t)) out = &t;
  }
  if (out == nullptr) {
    throw core::Error(core::Exit::DataError,
                      {.what = "no missing piece found",
                       .got = reasons,
                       .hint = "name the place with --defect-at-mm x,y,z, give a --prior, or, for a gap "
                               "narrower than twice --closing-mm, lower that and --opening-mm"});
  }
  return *out;
}

levelset::LevelSet completeHole(const levelset::LevelSet& bone, const image::Frame& seen,
                                const CompletionOptions& options, CompletionReport& report) {
  std::vector<std::string> methods{options.method};
  if (options.method == "auto") {
    methods = {"mirror", "rim"};
    if (options.prior) methods.emplace_back("shape");
  }
  core::Progress progress("completion", static_cast<std::int64_t>(methods.size()) + 2);
  const Host host = prepareHost(bone, seen, options.closing_mm);
  if (host.points.size() < 200) {
    throw core::Error(core::Exit::DataError,
                      {.what = "no missing piece found: there is hardly any bone in view", .hint = "check the labels"});
  }
  progress.advance();
  const Case c{bone, host, seen, options, report};
  std::vector<Trial> trials;
  for (const std::string& method : methods) {
    trials.push_back(attempt(c, method));
    progress.advance();
  }
  const Trial& taken = best(trials);
  constexpr double kMostlyOpen = 0.5;
  if (taken.open_share > kMostlyOpen) {
    core::warn(
        fmt::format("{:.0f} % of the piece's edge ends in the open: it hardly closes a hole; name the place with "
                    "--defect-at-mm, or the bone may not be symmetric",
                    100 * taken.open_share));
  }
  levelset::LevelSet out = refine(c, taken.rim.corrected, taken.piece);
  if (out.empty()) {
    throw core::Error(core::Exit::DataError, {.what = "no missing piece found: it is thinner than the voxels resolve",
                                              .hint = "choose a smaller --voxel-mm"});
  }
  if (!bone.frameId().empty()) out.setMeta("frame_id", bone.frameId());
  report.method = taken.method;
  report.free_share = taken.piece.free_share;
  report.piece = measurePiece(out, bone, host);
  report.expected_error_mm = taken.rim.hidden_error_mm;
  if (taken.method == "shape")
    report.expected_error_mm = std::max(report.expected_error_mm, posteriorSd(*report.shape, taken.piece));
  measureRim(c, taken.rim.corrected, taken.piece, report);
  for (Trial& t : trials) {
    t.rim.corrected = {};
    t.piece.distance = {};
    t.piece.voxels.clear();
  }
  report.trials = std::move(trials);
  progress.advance();
  return out;
}

}  // namespace

levelset::LevelSet complete(const levelset::LevelSet& bone, const image::Frame& seen, const CompletionOptions& options,
                            CompletionReport& report) {
  try {
    return completeHole(bone, seen, options, report);
  } catch (const core::Error& e) {
    if (e.code() != core::Exit::DataError) throw;
    // A bone flap that was put back fills the hole that is looked for.
    auto flap = findFlap(bone, prepareHost(bone, seen, options.closing_mm), options.piece.min_piece_mm3);
    if (!flap) throw;
    core::warn(
        fmt::format("a loose piece of {:.0f} mm³ lies in the bone's wall, with a gap along {:.0f} % of its edge: it "
                    "is taken for a bone flap and left out of the bone; the missing piece takes its place",
                    flap->volume_mm3, 100 * flap->open_share));
    report = {};
    levelset::LevelSet piece = completeHole(flap->host, seen, options, report);
    report.flap = std::move(flap);
    return piece;
  }
}

}  // namespace osteo::reconstruct
