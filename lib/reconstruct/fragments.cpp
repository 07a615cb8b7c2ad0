#include "reconstruct/fragments.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/log.h"
#include "core/statistics.h"
#include "levelset/components.h"
#include "reconstruct/fragment_fit.h"

namespace osteo::reconstruct {

using Eigen::Isometry3d;
using Eigen::Vector3d;

namespace {

constexpr double kLeastOnTemplate = 0.4;  ///< of a fragment's surface: breaks and what differs may be the rest
constexpr double kLeastInContact = 0.35;  ///< of the smaller break
constexpr double kMostOverlap = 0.1;      ///< of a fragment's volume

/// The pieces of one bone, largest first.
std::vector<Fragment> piecesOf(const levelset::LevelSet& bone, double min_piece_mm3) {
  const levelset::Components components(bone, levelset::Components::Side::Inside);
  std::vector<const levelset::Piece*> pieces;
  for (const auto& piece : components.pieces())
    if (piece.volume_mm3 >= min_piece_mm3) pieces.push_back(&piece);
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const levelset::Piece* a, const levelset::Piece* b) { return a->volume_mm3 > b->volume_mm3; });
  std::vector<Fragment> out;
  for (const auto* wanted : pieces) {
    out.push_back({fmt::format("piece {}", out.size() + 1),
                   components.filtered([wanted](const levelset::Piece& p) { return &p == wanted; })});
  }
  return out;
}

/// The state of a reassembly.
struct Work {
  std::vector<Body> bodies;
  std::vector<char> placed;
  std::vector<double> share;
  std::size_t anchor = 0;

  std::vector<const Body*> others(std::size_t than) const {
    std::vector<const Body*> out;
    for (std::size_t j = 0; j < bodies.size(); ++j)
      if (j != than && placed[j] != 0) out.push_back(&bodies[j]);
    return out;
  }
  std::vector<char> freeOnes() const {
    std::vector<char> out = placed;
    out[anchor] = 0;
    return out;
  }
  std::vector<std::size_t> bySize() const {
    std::vector<std::size_t> order(bodies.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return bodies[a].volume_mm3 > bodies[b].volume_mm3; });
    return order;
  }
};

Work prepare(const std::vector<Fragment>& fragments) {
  Work work;
  for (const Fragment& fragment : fragments) work.bodies.push_back(makeBody(fragment.solid));
  work.placed.assign(fragments.size(), 0);
  work.share.assign(fragments.size(), 0);
  work.anchor = work.bySize()[0];
  work.placed[work.anchor] = 1;
  work.share[work.anchor] = 1;
  return work;
}

void placeOnTemplate(Work& work, const Reference& reference) {
  for (const std::size_t i : work.bySize()) {
    if (i == work.anchor) continue;
    const ReferenceFit fit = fitToReference(work.bodies[i], reference, work.others(i));
    work.share[i] = fit.fitting_share;
    if (fit.fitting_share < kLeastOnTemplate) continue;
    work.bodies[i].pose = fit.pose;
    work.placed[i] = 1;
  }
}

/// A candidate after it has been refined alone against what is placed.
ContactFit settled(Work& work, std::size_t i, ContactFit fit) {
  constexpr double kReach_mm = 3, kMeets_mm = 0.4;  // breaks that belong together meet closer than others
  Body& body = work.bodies[i];
  std::vector<char> is_free(work.bodies.size(), 0);
  is_free[i] = work.placed[i] = 1;
  body.pose = fit.pose;
  refineTogether(work.bodies, work.placed, is_free, nullptr, kReach_mm);
  fit.pose = body.pose;
  fit.score = touch(body, fit.pose, work.others(i), kMeets_mm).score();
  body.pose = Isometry3d::Identity();
  work.placed[i] = 0;
  return fit;
}

/// The fragment that fits best onto what is placed is placed next, until none fits.
void placeByBreaks(Work& work) {
  const std::size_t n = work.bodies.size();
  std::vector<std::vector<BreakFace>> faces;
  for (const Body& body : work.bodies) faces.push_back(breakFaces(body));
  std::vector<std::vector<ContactFit>> candidates(n);
  for (std::size_t newest = work.anchor;;) {
    std::size_t best = n;
    ContactFit best_fit{.score = 0};
    for (std::size_t i = 0; i < n; ++i) {
      if (work.placed[i] != 0) continue;
      for (const ContactFit& fit :
           fitContacts(work.bodies[i], faces[i], work.bodies[newest], faces[newest], work.others(i)))
        candidates[i].push_back(fit);
      for (const ContactFit& fit : candidates[i]) {
        const ContactFit tried = settled(work, i, fit);
        work.share[i] = std::max(work.share[i], tried.share());
        if (tried.share() < kLeastInContact) continue;
        if (tried.score * tried.share() > best_fit.score * best_fit.share()) best = i, best_fit = tried;
      }
    }
    if (best == n) return;
    work.bodies[best].pose = best_fit.pose;
    work.share[best] = best_fit.share();
    work.placed[best] = 1;
    newest = best;
  }
}

/// Voxels inside a body and inside another, in mm³.
double overlap_mm3(const Body& body, const std::vector<const Body*>& others) {
  const auto& frame = body.distance.frame;
  const std::int64_t row = frame.size[0], slice = row * frame.size[1];
  std::int64_t count = 0;
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    if (body.distance.voxels[v] >= 0) continue;
    const Vector3d p =
        body.pose * frame.toWorld(Vector3d(static_cast<double>(v % row), static_cast<double>(v % slice / row),
                                           static_cast<double>(v / slice)));
    count += std::any_of(others.begin(), others.end(), [&](const Body* other) {
      const auto& map = other->distance;
      return image::sampleLinear(map, map.frame.toIndex(other->pose.inverse() * p), 1) < 0;
    });
  }
  return static_cast<double>(count) * frame.voxelVolume_mm3();
}

void measureContact(const Body& body, const std::vector<const Body*>& others, FragmentPlace& place) {
  constexpr double kNear_mm = 2, kTouching_mm = 1;
  std::vector<double> gaps;
  for (const auto& point : body.points) {
    for (const Body* other : others) {
      const Away away = awayFrom(other->distance, other->pose, body.pose * point.position);
      const double d = std::abs(away.distance_mm);
      if (d > kNear_mm || away.direction.dot(body.pose.linear() * point.normal) > -0.6) continue;
      gaps.push_back(d);
      place.contact_mm2 += d < kTouching_mm ? body.area_mm2 : 0;
    }
  }
  place.gap_mm = core::quantile(std::move(gaps), 0.5);
}

FragmentPlace measure(const Work& work, std::size_t i, const Reference* reference) {
  constexpr double kNear_mm = 3;
  FragmentPlace place;
  const Body& body = work.bodies[i];
  place.placed = work.placed[i] != 0;
  place.motion = body.pose;
  place.volume_mm3 = body.volume_mm3;
  place.displacement_mm = shiftOf(body.pose, body.centre);
  place.turn_deg = turnOf(body.pose) * 180 / M_PI;
  place.fitting_share = std::clamp(work.share[i], 0.0, 1.0);
  if (!place.placed) return place;
  measureContact(body, work.others(i), place);
  place.overlap_mm3 = overlap_mm3(body, work.others(i));
  place.residual_mm = place.gap_mm;
  if (reference == nullptr) return place;
  std::vector<double> near;
  for (const auto& point : body.points) {
    const Away away = awayFrom(reference->distance, reference->from_patient.inverse(), body.pose * point.position);
    if (std::abs(away.distance_mm) < kNear_mm && away.direction.dot(body.pose.linear() * point.normal) > 0.6)
      near.push_back(std::abs(away.distance_mm));
  }
  place.residual_mm = core::quantile(std::move(near), 0.5);
  return place;
}

/// Weight of a square millimetre on the template against one of a break. Breaks fit to about 0.1 mm, point by point; a
/// template of the other side is off by more, and by the same over some 100 mm².
double templateWeight(const Reference& reference) {
  constexpr double kShared = 0.01, kBreak_mm = 0.1;
  const double ratio = kBreak_mm / std::max(1e-3, reference.residual_mm);
  return std::min(reference.weight, kShared * ratio * ratio);
}

/// First mostly by the template, then mostly by the breaks, unless these don't meet: then the template's word stands.
void refineOnTemplate(Work& work, Reference reference) {
  constexpr double kFar_mm = 5, kNear_mm = 3, kMeets_mm = 0.3, kMoved_mm = 2;
  refineTogether(work.bodies, work.placed, work.freeOnes(), &reference, kFar_mm);
  std::vector<Isometry3d> before;
  for (const Body& body : work.bodies) before.push_back(body.pose);
  reference.weight = templateWeight(reference);
  refineTogether(work.bodies, work.placed, work.freeOnes(), &reference, kNear_mm);
  for (std::size_t i = 0; i < work.bodies.size(); ++i) {
    if (i == work.anchor || work.placed[i] == 0) continue;
    Body& body = work.bodies[i];
    const Isometry3d change = body.pose * before[i].inverse();
    const double moved = shiftOf(change, before[i] * body.centre) + turnOf(change) * body.radius;
    FragmentPlace place;
    measureContact(body, work.others(i), place);
    if (place.gap_mm > kMeets_mm && moved > kMoved_mm) body.pose = before[i];
  }
}

/// What lies in others after all has been tried goes back to where the CT has it.
void takeBackOverlapping(Work& work) {
  const auto order = work.bySize();
  for (auto i = order.rbegin(); i != order.rend(); ++i) {
    if (*i == work.anchor || work.placed[*i] == 0) continue;
    if (overlap_mm3(work.bodies[*i], work.others(*i)) <= kMostOverlap * work.bodies[*i].volume_mm3) continue;
    work.placed[*i] = 0;
    work.bodies[*i].pose = Isometry3d::Identity();
  }
}

}  // namespace

std::vector<Fragment> findFragments(const image::Segmentation& segmentation, const image::CtVolume* ct,
                                    const SurfaceOptions& options, double min_piece_mm3, SurfaceReport& report) {
  std::vector<Fragment> out;
  const bool one_bone = *options.labels.rbegin() <= image::Cancellous || options.labels.size() == 1;
  if (one_bone) {
    out = piecesOf(boneSurface(segmentation.labels, ct, options, report), min_piece_mm3);
  } else {
    for (const int value : options.labels) {
      SurfaceOptions one = options;
      one.labels = {value};
      SurfaceReport part;
      const auto name = segmentation.names.find(value);
      out.push_back({name == segmentation.names.end() ? fmt::format("label {}", value) : name->second,
                     boneSurface(segmentation.labels, ct, one, part)});
      report.components += part.components;
      report.dust_removed += part.dust_removed;
      report.cavities_filled += part.cavities_filled;
      report.dust_mm3 += part.dust_mm3;
      report.blur_sigma_mm = std::max(report.blur_sigma_mm, part.blur_sigma_mm);
    }
  }
  if (out.size() < 2)
    throw core::Error(core::Exit::DataError,
                      {.what = "there is only one fragment to reassemble",
                       .expected = fmt::format("two labels, or two pieces of at least {:g} mm³", min_piece_mm3),
                       .got = fmt::format("{}", out.size()),
                       .hint = "pieces that touch need labels of their own; --min-piece-mm3 leaves out small ones"});
  return out;
}

Reassembly reassemble(const std::vector<Fragment>& fragments, const mesh::TriangleMesh* surface) {
  constexpr double kBreakReach_mm = 3;
  Work work = prepare(fragments);
  Reassembly out;
  out.anchor = work.anchor;
  out.with_template = surface != nullptr;
  Reference reference;
  if (surface != nullptr) {
    reference = findReference(*surface, work.bodies, work.anchor);
    out.mirrored = reference.mirrored;
    out.template_residual_mm = reference.residual_mm;
    placeOnTemplate(work, reference);
  } else {
    placeByBreaks(work);
  }
  const Reference* given = surface != nullptr ? &reference : nullptr;
  if (given != nullptr)
    refineOnTemplate(work, reference);
  else
    refineTogether(work.bodies, work.placed, work.freeOnes(), nullptr, kBreakReach_mm);
  takeBackOverlapping(work);
  if (std::count(work.placed.begin(), work.placed.end(), 1) < 2)
    throw core::Error(core::Exit::DataError,
                      {.what = "no fragment fits onto the largest one",
                       .expected = "displacements to about 20 mm and 30 degrees, breaks that match",
                       .hint = surface != nullptr ? "is it a template of this bone?" : "a --template may help"});
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    out.places.push_back(measure(work, i, given));
    if (!out.places[i].placed) core::warn(fmt::format("'{}' fits nowhere and stays where it is", fragments[i].name));
  }
  return out;
}

levelset::LevelSet assembled(const std::vector<Fragment>& fragments, const Reassembly& reassembly) {
  levelset::LevelSet whole = fragments[reassembly.anchor].solid;
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    if (i == reassembly.anchor) continue;
    const levelset::LevelSet& solid = fragments[i].solid;
    if (!reassembly.places[i].placed) {
      whole = levelset::unite(whole, solid);
      continue;
    }
    mesh::TriangleMesh mesh = levelset::toMesh(solid);
    for (auto& v : mesh.vertices) v = reassembly.places[i].motion * v;
    whole = levelset::unite(whole, levelset::fromMesh(mesh, solid.voxel_mm()));
  }
  return whole;
}

}  // namespace osteo::reconstruct
