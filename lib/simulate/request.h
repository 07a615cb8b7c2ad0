#pragma once
#include <string>
#include <vector>

#include "simulate/fields.h"
#include "simulate/study.h"

namespace osteo::simulate {

/// What a run is asked for.
struct Request {
  StudyFiles files;
  std::string intact;  ///< the bone before it was implanted; may be empty
  Method method;
  SolveOptions solve;
  std::vector<FieldFile> fields;
  std::string vtu;
  bool has_table = false, has_picture = false;

  bool writesFields() const { return !fields.empty() || !vtu.empty() || has_table || has_picture; }
};

/// What the voxels mean, by the names of --model-type. Throws Usage.
ModelType modelType(const std::string& name);

/// Throws Usage where something is missing or doesn't go together.
void requireSense(const Request& request);

/// The files of a case's fields and mesh, in the order in which writeCase takes them.
std::vector<std::string> filesOfCase(const Request& request, const std::string& name, std::size_t cases);
void writeCase(const Request& request, const Study& study, const Study::Solved& solved,
               const std::vector<std::string>& files);

/// The study of the intact bone: the same without what is laid over it.
StudyFiles intactFiles(const Request& request);

}  // namespace osteo::simulate
