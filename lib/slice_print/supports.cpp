#include "slice_print/supports.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "slice_print/block.h"
#include "slice_print/members.h"
#include "slice_print/region.h"

namespace osteo::slice_print {

namespace {

Ring strip(const Segment& middle, double width) {
  const Point along = middle.b - middle.a, side = Point(-along.y(), along.x()) * (width / 2 / along.norm());
  return {middle.a - side, middle.b - side, middle.b + side, middle.a + side};
}

void append(Rings& rings, Rings more) {
  for (Ring& ring : more) rings.push_back(std::move(ring));
}

}  // namespace

const std::vector<std::string>& supportKindNames() {
  static const std::vector<std::string> names = {"none", "block", "tree", "struts"};
  return names;
}

SupportKind supportKindNamed(const std::string& name) {
  const auto& names = supportKindNames();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw core::Error(core::Exit::Usage, {.what = "unknown kind of support", .got = name});
  return static_cast<SupportKind>(found - names.begin());
}

struct Supports::Plan {
  SupportSettings settings;
  Demand demand;
  std::unique_ptr<Block> block;
  std::vector<Member> members;
  Slabs slabs;
  std::int64_t on_part = 0;
};

Supports::Supports(const Part& part, const std::vector<PlacedIsland>& islands, const SupportSettings& settings)
    : plan_(std::make_unique<Plan>()) {
  Plan& plan = *plan_;
  plan.settings = settings;
  if (settings.kind == SupportKind::None) return;
  const double spacing = settings.rule.spacing_mm;
  const Columns columns(part.machineMesh(), spacing / kCellsPerSpacing);
  plan.demand = demandOf(columns, islands, settings.rule);
  const MemberShape shape{settings.width_mm, settings.tip_mm, settings.gap_mm, settings.clearance_mm,
                          settings.lean_deg};
  std::vector<Contact> posts;
  for (const Contact& contact : plan.demand.contacts) {
    plan.on_part += contact.on_part;
    if (!contact.node || settings.kind != SupportKind::Block) posts.push_back(contact);
  }
  if (settings.kind == SupportKind::Block) {
    plan.block = std::make_unique<Block>(plan.demand.gaps, columns,
                                         BlockShape{spacing, std::min(settings.tip_mm, spacing), settings.gap_mm,
                                                    settings.clearance_mm, settings.perforation_percent / 100});
  }
  if (settings.kind == SupportKind::Tree) plan.on_part = 0;
  plan.members = settings.kind == SupportKind::Tree ? tree(posts, columns, shape, plan.on_part) : struts(posts, shape);
  for (const Member& member : plan.members) plan.slabs.add(member.bottom.z(), member.top.z());
}

Supports::~Supports() = default;
Supports::Supports(Supports&&) noexcept = default;

SupportSection Supports::at(double z_mm, const Rings& slice) const {
  SupportSection section;
  Rings bars, strips;
  for (const std::uint32_t m : plan_->slabs.at(z_mm)) {
    const Member& member = plan_->members[m];
    if (member.bottom.z() <= z_mm && z_mm < member.top.z()) bars.push_back(crossSection(member, z_mm));
  }
  if (!bars.empty()) section.bars = subtracted(united(bars), slice);
  if (plan_->block) section.walls = plan_->block->walls(z_mm, slice);
  for (const Segment& wall : section.walls) strips.push_back(strip(wall, plan_->settings.wall_mm));
  if (strips.empty()) {
    section.region = section.bars;
  } else {
    append(strips, section.bars);
    section.region = subtracted(united(strips), slice);
  }
  return section;
}

double Supports::supportedArea_mm2() const { return plan_->demand.area_mm2; }
std::int64_t Supports::contacts() const { return static_cast<std::int64_t>(plan_->demand.contacts.size()); }
std::int64_t Supports::onPart() const { return plan_->on_part; }

std::vector<PlacedIsland> findIslands(const std::vector<Slicer>& bodies, const Stack& stack, double spacing_mm) {
  constexpr int kRun = 16;
  const int runs = (stack.layers + kRun - 1) / kRun;
  std::vector<std::vector<PlacedIsland>> found(static_cast<std::size_t>(runs));
  core::Progress progress("islands", runs);
  core::parallelFor(runs, [&](std::int64_t run) {
    const int first = std::max(1, static_cast<int>(run) * kRun),
              last = std::min(stack.layers, first / kRun * kRun + kRun);
    progress.advance();
    if (first >= last) return;
    const std::vector<Outlines> cuts = outlines(bodies, first - 1, last - first + 1);
    for (int layer = first; layer < last; ++layer) {
      const std::size_t n = static_cast<std::size_t>(layer - first) + 1;
      for (Island& island : islands(cuts[n].slice, cuts[n - 1].slice, spacing_mm))
        found[static_cast<std::size_t>(run)].push_back({stack.top_mm(layer - 1), std::move(island)});
    }
  });
  std::vector<PlacedIsland> all;
  for (auto& some : found) {
    for (PlacedIsland& placed : some) all.push_back(std::move(placed));
  }
  return all;
}

}  // namespace osteo::slice_print
