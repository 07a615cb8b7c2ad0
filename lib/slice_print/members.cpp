#include "slice_print/members.h"

#include <cmath>

namespace osteo::slice_print {

namespace {

constexpr double kTipSlope = 2;  // length of a conical end over the difference of its diameters
constexpr int kSides = 12;
constexpr double kTouch_mm = 2e-3;  // heights of the part are known to this

double tipLength(const MemberShape& shape) {
  return kTipSlope * std::max(0.0, shape.width_mm - shape.tip_mm) + 0.5 * shape.tip_mm;
}

void addUpright(const Point& at, double top, double bottom, double top_radius, double bottom_radius,
                std::vector<Member>& members) {
  if (top > bottom) members.push_back({{at.x(), at.y(), top}, {at.x(), at.y(), bottom}, top_radius, bottom_radius});
}

struct Branch {
  Point at;
  double z, top, radius;
  bool alive;
};

// Grows all branches downwards, a step in height at a time.
class Grower {
 public:
  Grower(const std::vector<Contact>& contacts, const Columns& columns, const MemberShape& shape)
      : columns_(columns), shape_(shape), step_(columns.pitch_mm()), tip_(tipLength(shape)) {
    waiting_ = contacts;
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const Contact& a, const Contact& b) { return a.top_mm > b.top_mm; });
    lean_ = std::tan(shape.lean_deg * M_PI / 180);
  }

  std::vector<Member> grow(std::int64_t& on_part) {
    if (waiting_.empty()) return {};
    std::size_t next = 0;
    const int levels = static_cast<int>(std::ceil(waiting_[0].top_mm / step_));
    for (int level = levels; level > 0; --level) {
      const double z = level * step_, below = (level - 1) * step_;
      for (; next < waiting_.size() && waiting_[next].top_mm > below; ++next) sprout(waiting_[next]);
      choose(below);
      for (Branch& branch : branches_) advance(branch, z, below, on_part);
      merge();
      std::erase_if(branches_, [](const Branch& b) { return !b.alive; });
    }
    return std::move(members_);
  }

 private:
  void sprout(const Contact& contact) {
    const double top = contact.top_mm - shape_.gap_mm;
    if (top > 0) branches_.push_back({contact.at, top, top, shape_.tip_mm / 2, true});
  }

  bool isTip(const Branch& branch, double below) const { return branch.top - below < tip_; }

  // Where each branch wants to go in this step: towards the nearest other one that it can meet above the plate.
  void choose(double below) {
    std::vector<std::size_t> by_x(branches_.size());
    for (std::size_t n = 0; n < by_x.size(); ++n) by_x[n] = n;
    std::sort(by_x.begin(), by_x.end(), [&](std::size_t a, std::size_t b) {
      return std::pair(branches_[a].at.x(), a) < std::pair(branches_[b].at.x(), b);
    });
    wish_.resize(branches_.size());
    for (std::size_t n = 0; n < by_x.size(); ++n) {
      const Branch& branch = branches_[by_x[n]];
      Point& wish = wish_[by_x[n]] = branch.at;
      if (isTip(branch, below)) continue;
      double nearest = std::min(2 * below * lean_, kReach * columns_.pitch_mm() * kCellsPerSpacing);
      const auto look = [&](std::size_t m) {
        const Branch& other = branches_[by_x[m]];
        const double distance = (other.at - branch.at).norm();
        if (distance < nearest && distance > 0 && !isTip(other, below)) nearest = distance, wish = other.at;
        return std::abs(other.at.x() - branch.at.x()) <= nearest;
      };
      for (std::size_t m = n; m-- > 0 && look(m);) {
      }
      for (std::size_t m = n + 1; m < by_x.size() && look(m); ++m) {
      }
      const double distance = (wish - branch.at).norm();
      if (distance > 0) wish = branch.at + (wish - branch.at) * (std::min(step_ * lean_, distance / 2) / distance);
    }
  }

  // How much room there is for a branch on its way down to a place: 0 none, then its middle, itself, and its clearance.
  int room(const Branch& branch, const Point& to, double z, double below) const {
    const bool is_tip = isTip(branch, below);
    // The part right above a young branch is what it holds.
    const double above = std::min(z, branch.top - (is_tip ? kTouch_mm : tip_ / 2));
    if (above <= below) return 3;
    const double reach[] = {0, branch.radius, branch.radius + shape_.clearance_mm};
    int fits = 0;
    while (fits < (is_tip ? 1 : 3) && columns_.isFree(to, reach[fits], below, above)) ++fits;
    return is_tip && fits == 1 ? 3 : fits;
  }

  // The way down with most room: as wished, else straight or aside.
  bool findWay(const Branch& branch, double z, double below, Point& target) const {
    constexpr int kWays = 16, kFull = 3;
    const Point wished = target;
    int most = room(branch, wished, z, below);
    if (most == kFull || isTip(branch, below)) return most > 0;
    double nearest = 0;
    for (int way = -1; way < kWays; ++way) {
      const double phi = 2 * M_PI * way / kWays;
      const Point p = way < 0 ? branch.at : Point(branch.at + step_ * lean_ * Point(std::cos(phi), std::sin(phi)));
      const int fits = room(branch, p, z, below);
      const double distance = (p - wished).norm();
      if (fits > most || (fits == most && distance < nearest)) most = fits, nearest = distance, target = p;
    }
    return most > 0;
  }

  void advance(Branch& branch, double z, double below, std::int64_t& on_part) {
    const auto n = static_cast<std::size_t>(&branch - branches_.data());
    Point target = wish_[n];
    const double from = std::min(z, branch.z);
    if (!findWay(branch, from, below, target)) {
      const double base = columns_.floorBelow(branch.at, from);
      addUpright(branch.at, from, base, branch.radius, std::max(shape_.tip_mm / 2, branch.radius / 2), members_);
      branch.alive = false;
      ++on_part;
      return;
    }
    const double grown = std::min(1.0, (branch.top - below) / tip_);
    const double radius = isTip(branch, below) ? shape_.tip_mm / 2 + grown * (shape_.width_mm - shape_.tip_mm) / 2
                                               : std::max(branch.radius, shape_.width_mm / 2);
    members_.push_back({{branch.at.x(), branch.at.y(), from}, {target.x(), target.y(), below}, branch.radius, radius});
    branch.at = target, branch.z = below, branch.radius = radius;
    last_.resize(branches_.size());
    last_[n] = members_.size() - 1;
  }

  // Branches that overlap become one in their middle, weighted by cross-section; the wider their stem.
  void merge() {
    std::vector<std::size_t> by_x;
    for (std::size_t n = 0; n < branches_.size(); ++n) {
      if (branches_[n].alive) by_x.push_back(n);
    }
    std::sort(by_x.begin(), by_x.end(), [&](std::size_t a, std::size_t b) {
      return std::pair(branches_[a].at.x(), a) < std::pair(branches_[b].at.x(), b);
    });
    for (std::size_t a = 0; a < by_x.size(); ++a) {
      Branch& one = branches_[by_x[a]];
      for (std::size_t b = a + 1; one.alive && b < by_x.size(); ++b) {
        Branch& two = branches_[by_x[b]];
        if (two.at.x() - one.at.x() > kThickest * shape_.width_mm) break;
        if (!two.alive || (one.at - two.at).norm() > (one.radius + two.radius) / 2) continue;
        const double w1 = one.radius * one.radius, w2 = two.radius * two.radius;
        one.at = (one.at * w1 + two.at * w2) / (w1 + w2);
        one.radius = std::min(std::sqrt(w1 + w2), kThickest * shape_.width_mm / 2);
        one.top = std::max(one.top, two.top);
        two.alive = false;
        for (const std::size_t n : {by_x[a], by_x[b]}) members_[last_[n]].bottom.head<2>() = one.at;
      }
    }
  }

  static constexpr double kReach = 8;       // spacings within which branches seek each other
  static constexpr double kThickest = 2.5;  // of a stem over a twig
  const Columns& columns_;
  MemberShape shape_;
  double step_, tip_, lean_;
  std::vector<Contact> waiting_;
  std::vector<Branch> branches_;
  std::vector<Point> wish_;
  std::vector<std::size_t> last_;  // member that leads to a branch's end
  std::vector<Member> members_;
};

}  // namespace

std::vector<Member> struts(const std::vector<Contact>& contacts, const MemberShape& shape) {
  std::vector<Member> members;
  const double wide = shape.width_mm / 2, narrow = std::min(wide, shape.tip_mm / 2);
  for (const Contact& contact : contacts) {
    const double top = contact.top_mm - shape.gap_mm, base = contact.base_mm;
    if (top <= base) continue;
    const double tip = std::min(tipLength(shape), (top - base) / (contact.on_part ? 2 : 1));
    const double foot = contact.on_part ? tip : 0;
    addUpright(contact.at, top, top - tip, narrow, wide, members);
    addUpright(contact.at, top - tip, base + foot, wide, wide, members);
    addUpright(contact.at, base + foot, base, wide, narrow, members);
  }
  return members;
}

std::vector<Member> tree(const std::vector<Contact>& contacts, const Columns& columns, const MemberShape& shape,
                         std::int64_t& on_part) {
  return Grower(contacts, columns, shape).grow(on_part);
}

Ring crossSection(const Member& member, double z_mm) {
  const double height = member.top.z() - member.bottom.z(), t = height > 0 ? (member.top.z() - z_mm) / height : 0;
  const Point at = (member.top + t * (member.bottom - member.top)).head<2>();
  const double circle = member.top_radius_mm + t * (member.bottom_radius_mm - member.top_radius_mm);
  const double radius = circle * std::sqrt(2 * M_PI / (kSides * std::sin(2 * M_PI / kSides)));
  Ring ring;
  for (int k = 0; k < kSides; ++k) {
    const double phi = 2 * M_PI * (k + 0.5) / kSides;
    ring.push_back(at + radius * Point(std::cos(phi), std::sin(phi)));
  }
  return ring;
}

}  // namespace osteo::slice_print
