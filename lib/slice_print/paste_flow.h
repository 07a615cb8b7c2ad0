#pragma once

namespace osteo::slice_print {

/// A fluid that flows above a yield stress: τ = τ₀ + K γ̇ⁿ (Herschel, Bulkley 1926).
struct Paste {
  double yield_stress_pa = 0;
  double consistency_pa_sn = 1;  ///< K, Pa·sⁿ
  double flow_index = 1;         ///< n
};

struct Needle {
  double diameter_mm = 0.4, length_mm = 12.7;  ///< of its cylindrical bore
};

/// What it takes to press a paste through a needle.
struct PasteFlow {
  double pressure_kpa = 0;  ///< over the needle alone
  double wall_shear_stress_pa = 0, wall_shear_rate_per_s = 0;
};

/// Steady laminar flow without slip, with its plug where the stress is below the yield stress; the limits are
/// Hagen–Poiseuille (n = 1, τ₀ = 0), Rabinowitsch–Mooney for power laws (τ₀ = 0) and Buckingham–Reiner (n = 1). R. B.
/// Bird, R. C. Armstrong, O. Hassager, Dynamics of Polymeric Liquids 1, 1987, chapter 4.
double flow_mm3_s(const Paste& paste, const Needle& needle, double pressure_kpa);

/// The pressure for a wanted flow; for no flow, that at which it begins.
PasteFlow pasteFlow(const Paste& paste, const Needle& needle, double wanted_mm3_s);

}  // namespace osteo::slice_print
