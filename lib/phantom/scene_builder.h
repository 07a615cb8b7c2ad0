#pragma once
#include <optional>
#include <string>
#include <vector>

#include "phantom/draw.h"
#include "phantom/scene.h"

namespace osteo::phantom {

/// Who is scanned.
struct Person {
  double size = 1;     ///< of lengths
  double density = 1;  ///< of spongy bone; 0.3 is severe osteoporosis
  double cortex = 1;   ///< of cortical thickness
  double cortical_hu = 1350;
  double marrow_hu = -50;  ///< yellow marrow
  double muscle_hu = 55;
  double fat_mm = 10;     ///< under the skin
  bool contrast = false;  ///< in the vessels
  double vessel_hu = 42;
};
/// What is asked of a person; what is absent is drawn.
struct PersonWish {
  std::optional<double> density;
  std::optional<bool> contrast;
};
Person drawPerson(Draw& draw, const PersonWish& wish);

/// A straight piece of shaft, where a whole section may be missing.
struct Shaft {
  int bone = 0;
  Eigen::Vector3d a = Eigen::Vector3d::Zero(), b = Eigen::Vector3d::Zero();
  double radius_mm = 10;  ///< of a cylinder that holds the bone's section
};

/// A scene in the making, and what later steps may use of it.
struct Plan {
  Scene scene;
  Person person;
  std::vector<Shaft> shafts;
  std::vector<Eigen::Vector3d> foci;  ///< what a scan may be centred on
  std::vector<int> lesion_bones;      ///< where a defect may lie
  double extent_mm = 200;             ///< of the anatomy worth showing
};

/// How thick and how dense a bone is.
struct Make {
  double cortex_mm = 1;  ///< at the ends
  double shaft_mm = 1;   ///< in the middle of the shaft
  double spongiosa_hu = 200;
  double rise_hu = 150;      ///< more towards the cortex, over 2.5 mm
  Distance along = nullptr;  ///< 0 at the ends, 1 in the shaft, where marrow fills the bone; null: an end everywhere
};

/// Puts a bone together and returns its place in the scene.
int addBone(Plan& plan, const std::string& name, const Shape& shape, const Make& make, Draw& draw);

/// Muscle with fascia between its bundles, which run along z; fat with septa.
std::function<double(const Eigen::Vector3d&)> muscle(const Person& person, Draw& draw, double bundle_mm);
std::function<double(const Eigen::Vector3d&)> fat(Draw& draw);
std::function<double(const Eigen::Vector3d&)> mottled(double hu, double amplitude_hu, double cell_mm, Draw& draw);

/// A tube through points, painted over what is there; vessels take the person's contrast.
void addTube(std::vector<Tissue>& to, const std::vector<Eigen::Vector3d>& points, double radius_mm,
             const std::function<double(const Eigen::Vector3d&)>& hu);
void addBlob(std::vector<Tissue>& to, const Lobe& lobe, const std::function<double(const Eigen::Vector3d&)>& hu,
             std::uint16_t label = image::Background);

/// A limb or trunk about the z axis: elliptic sections of semi-axes `at(z)` about `middle(z)`, skin over fat over
/// muscle.
struct Outline {
  std::function<Eigen::Vector2d(double z)> semi_axes_mm, middle_mm;
};
void addBodyTissue(Plan& plan, const Outline& outline, double bundle_mm, Draw& draw);

/// The kinds of scene.
Plan kneeScene(std::uint64_t seed, const PersonWish& wish);
Plan forearmScene(std::uint64_t seed, const PersonWish& wish);  ///< forearm or lower leg: two parallel shafts
Plan footScene(std::uint64_t seed, const PersonWish& wish);
Plan spineScene(std::uint64_t seed, const PersonWish& wish);
Plan hipScene(std::uint64_t seed, const PersonWish& wish);
Plan headScene(std::uint64_t seed, const PersonWish& wish);

}  // namespace osteo::phantom
