#pragma once
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "mesh/triangle_mesh.h"
#include "simulate/checkpoint.h"
#include "simulate/fillings.h"
#include "simulate/results.h"
#include "simulate/standard_test.h"

namespace osteo::simulate {

enum class ModelType { Auto, Labels, Hu, Density, LevelSet };

struct StudyFiles {
  std::string model, loads, materials, host;  ///< host may be empty
  ModelType type = ModelType::Auto;
  double element_mm = 0;                  ///< level sets only; 0: chosen
  std::optional<StandardTest> test = {};  ///< instead of loads
  std::string homogenise;                 ///< "periodic" or "mixed", instead of both
  double modulus_mpa = 0, poisson = 0.3;  ///< instead of materials: one material in all labels or the level set
  Patient patient;                        ///< landmarks and body weight of the loads
  std::string calibration;                ///< instead of the materials' own: from HU to density
  std::string hu;                         ///< CT on the labels' grid, for materials with a density law; may be empty
  std::string implant;                    ///< a level set laid over labels or HU; may be empty
  double interface_mm = 0;                ///< bonded layer between implant and bone
  double cap_mm = 0;                      ///< end caps across cap_axis; 0: none
  std::optional<double> cap_embed_mm;     ///< absent: cap_mm
  int cap_axis = 2;
  std::string modulus_map;  ///< instead of the modulus: MPa per voxel of the labels
  std::string poisson_map;  ///< with modulus_map
  std::string checkpoint;   ///< file for an unfinished solve; may be empty
  double checkpoint_s = 60;
  Evaluation evaluation = {};
};

/// Whether coarse grids are asked first, and whether the full solve follows where they expect a larger error.
struct Method {
  bool is_coarse = false, may_escalate = false;
  double accuracy = 0.05;
};

/// A model with its load cases, ready to be solved. Not copied: parts refer to each other.
class Study {
 public:
  /// Reads everything and builds the mesh. Throws NoInput, DataError, Config.
  explicit Study(const StudyFiles& files);
  Study(const Study&) = delete;
  Study& operator=(const Study&) = delete;

  const VoxelModel& model() const { return model_; }
  const std::vector<LoadCase>& cases() const { return cases_; }
  double estimatedBytes() const;
  /// Throws Memory, with the estimate, when the solve would not fit.
  void requireMemory() const;
  /// What the record says of the model: elements, degrees of freedom, materials, walls, density chain, dropped pieces.
  nlohmann::json describe() const;

  struct Solved {
    Field displacement_mm;
    ElementResults elements;
  };
  /// Solves a case; `record` takes its numbers. Cases in a row that hold the same degrees of freedom share the solver's
  /// grids and are solved in a block, ahead of their turn.
  Solved solveCase(const LoadCase& load_case, const SolveOptions& options, nlohmann::json& record);

  /// What coarse grids predict of a case (simulate/prediction.h); false when it has to be solved in full, and the
  /// record keeps what they gave as "prediction", which solveCase compares with its own.
  bool predictCase(const LoadCase& load_case, const Method& method, const SolveOptions& options,
                   nlohmann::json& record);

  /// The record of the stiffness that the whole box stands for.
  nlohmann::json homogenise(const SolveOptions& options) const;

  const std::vector<Filler>& fillers() const { return body_.fillers; }

  /// The model's undeformed surface, with a value of the elements and the displacement at each vertex: triangles of the
  /// level set, else faces of voxels.
  struct Surface {
    mesh::TriangleMesh mesh;
    std::vector<float> values;
    std::vector<Eigen::Vector3d> displacement_mm;
  };
  Surface surface(const std::vector<float>& per_element, const Field& displacement_mm) const;

 private:
  Body body_;
  VoxelModel model_;
  std::unique_ptr<Operator> operator_;
  std::unique_ptr<Scene> scene_;
  std::vector<LoadCase> cases_;
  std::optional<StandardTest> test_;
  std::string homogenise_;
  Evaluation evaluation_;
  std::unique_ptr<Solver> solver_;
  Checkpoint checkpoint_{"", 0};
  struct Ahead {
    Field displacement_mm;
    SolveReport report;
  };
  std::set<std::string> is_predicted_;  ///< cases that need no solve
  std::map<std::string, Ahead> ahead_;  ///< cases that were solved in a block with one before them

  SolveReport solveFields(const LoadCase& load_case, Conditions& conditions, const SolveOptions& options, Field& u);
  std::unique_ptr<nlohmann::json> report_;
};

}  // namespace osteo::simulate
