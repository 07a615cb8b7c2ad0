#include "slice_print/skins.h"

namespace osteo::slice_print {

namespace {

struct Piece {
  double low, high;
  Zone zone;
};

// What lies in all of the slices.
ScanLines within(ScanLines rows, const std::vector<const Rings*>& slices, const LineFrame& frame, double spacing) {
  for (const Rings* slice : slices) {
    if (slice) rows = intersection(rows, scanLines(frame.toLines(*slice), spacing));
  }
  return rows;
}

void addPieces(const ScanLines& rows, int row, Zone zone, std::vector<Piece>& pieces) {
  const int r = row - rows.first;
  if (r < 0 || r >= rows.rows()) return;
  for (std::size_t n = rows.start[r]; n + 1 < rows.start[r + 1]; n += 2)
    pieces.push_back({rows.x[n], rows.x[n + 1], zone});
}

// Short pieces go to the neighbour before them, or else to the one after.
std::vector<Piece> joined(const std::vector<Piece>& pieces, double least) {
  std::vector<Piece> result;
  for (Piece piece : pieces) {
    if (!result.empty() && result.back().high == piece.low) {
      Piece& before = result.back();
      const bool is_short = piece.high - piece.low < least, was_short = before.high - before.low < least;
      if (is_short || before.zone == piece.zone) {
        before.high = piece.high;
        continue;
      }
      if (was_short) {
        piece.low = before.low;
        result.pop_back();
        if (!result.empty() && result.back().high == piece.low && result.back().zone == piece.zone) {
          result.back().high = piece.high;
          continue;
        }
      }
    }
    result.push_back(piece);
  }
  return result;
}

}  // namespace

ScanLines zoneRows(const Rings& region, const Neighbours& neighbours, Zone zone, double least_mm,
                   const LineFrame& frame, double spacing_mm) {
  const ScanLines all = scanLines(frame.toLines(region), spacing_mm);
  const ScanLines held = within(all, neighbours.below, frame, spacing_mm);
  const ScanLines core = within(held, neighbours.above, frame, spacing_mm);
  const ScanLines down = difference(all, held), up = difference(held, core);
  ScanLines result;
  result.first = all.first;
  result.start.assign(all.start.empty() ? 0 : 1, 0);
  std::vector<Piece> pieces;
  for (int row = all.first; row < all.first + all.rows(); ++row) {
    pieces.clear();
    addPieces(core, row, Zone::Core, pieces);
    addPieces(up, row, Zone::UpSkin, pieces);
    addPieces(down, row, Zone::DownSkin, pieces);
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.low < b.low; });
    for (const Piece& piece : joined(pieces, least_mm)) {
      if (piece.zone == zone) result.x.push_back(piece.low), result.x.push_back(piece.high);
    }
    result.start.push_back(result.x.size());
  }
  return result;
}

}  // namespace osteo::slice_print
