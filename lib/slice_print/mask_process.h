#pragma once
#include "slice_print/part.h"
#include "slice_print/process.h"

namespace osteo::slice_print {

/// How the processes that print a mask at a time work. The defaults of each stand in apps/slice-print.md.
struct MaskSettings {
  double pixel_mm = 0.05;
  // Vat photopolymerisation: Jacobs' working curve, depth = Dp·ln(dose / Ec) (Jacobs 1992).
  double cure_depth_mm = 0.1;           ///< wanted
  double penetration_depth_mm = 0.05;   ///< Dp
  double critical_exposure_mj_cm2 = 5;  ///< Ec
  double irradiance_mw_cm2 = 10;        ///< of the lamp at the vat
  double growth_mm = 0;                 ///< by which cured outlines grow sideways: masks are drawn in by it
  int bottom_layers = 0;                ///< first layers, exposed bottom_factor times as long
  double bottom_factor = 1;
  double peel_s = 0;  ///< parting, raising and settling of a layer
  // Binder and material jetting.
  double saturation_percent = 100;  ///< of the pores of the powder, filled with binder
  double packing_percent = 55;      ///< of the powder bed that is solid
  double drop_pl = 30;
  double swath_mm = 65;                                         ///< width of the print head
  double print_mm_s = 200;                                      ///< speed of the print head
  double recoat_s = 0;                                          ///< spreading of a layer
  Eigen::Vector3d shrinkage_percent = Eigen::Vector3d::Zero();  ///< of lengths, when sintered: machine x, y, z
};

/// A number of the settings and the option that sets it.
struct NamedNumber {
  const char* option;
  double* value;
};
std::vector<NamedNumber> named(MaskSettings& settings);

bool isMaskProcess(Process process);
/// Options of masks that say nothing to this process.
std::vector<std::string> foreignMaskOptions(Process process);
MaskSettings maskDefaults(Process process);

/// Factors from the wanted to the printed size. Throws Usage for shrinkage to nothing.
Eigen::Vector3d scaleFor(const MaskSettings& settings);

/// What Jacobs' working curve says of a layer.
struct Exposure {
  double dose_mj_cm2 = 0, time_s = 0;
  int overcured_layers = 0;     ///< that light passes below a down-facing surface, to be left out of its columns
  double print_through_mm = 0;  ///< left below a down-facing surface after that, by its first exposure
  double grey_threshold = 0;    ///< darkest grey, 0 to 1, that still cures through its layer
};
/// Throws Usage when the wanted depth does not reach through the layer.
Exposure exposureFor(const MaskSettings& settings, double layer_mm);

/// What masks are made from: the process, its settings and, for material jetting, the mask stack of each body.
struct MaskPlan {
  Process process = Process::PbfLb;
  MaskSettings settings;
  int overcured_layers = 0;
  std::vector<int> stack_of_body;        ///< empty: one stack of the union
  std::vector<std::string> stack_names;  ///< of folders; one name "" for a single stack
  int stacks() const { return static_cast<int>(stack_names.size()); }
};
MaskPlan maskPlan(const Part& part, Process process, const MaskSettings& settings, double layer_mm);

/// What is exposed of layers [before, cuts.size()), for each stack of masks. Columns begin `overcured_layers` late
/// above what is not the plate (as many layers stand before the first, or the first is the job's); outlines are drawn
/// in by the growth.
std::vector<std::vector<Rings>> exposedMasks(const MaskPlan& plan, const std::vector<Outlines>& cuts, int before);

}  // namespace osteo::slice_print
