#pragma once
#include <string>

#include "cli/app.h"

namespace osteo::cli {

// What the parameter table prints of itself.
std::string helpPage(const App& app, const Job& job);
std::string helpPage(const App& app);  ///< the jobs of a many-job app
std::string slicerXml(const App& app, const Job& job);
std::string slicerXml(const App& app);  ///< of the first job; Slicer knows one table an executable
std::string bashCompletion(const App& app);
std::string manPage(const App& app);
std::string guideHead(const App& app);

}  // namespace osteo::cli
