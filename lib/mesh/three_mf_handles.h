#pragma once
#include <Model/COM/NMR_DLLInterfaces.h>

#include <memory>
#include <string>

/// Handles of lib3mf; for this folder's .cpp files.
namespace osteo::mesh {

struct Release3mf {
  void operator()(NMR::PLib3MFBase* handle) const { NMR::lib3mf_release(handle); }
};
using Handle3mf = std::unique_ptr<NMR::PLib3MFBase, Release3mf>;

/// Runs one call of lib3mf; its error becomes a DataError with the library's own words.
void require3mf(LIB3MFRESULT code, NMR::PLib3MFBase* owner, const std::string& path);

/// A model read from bytes. Throws DataError for damaged, oversized or foreign packages.
Handle3mf model3mf(const std::string& bytes, const std::string& path, bool strict);
double unit3mf_mm(NMR::PLib3MFBase* model, const std::string& path);
std::string note3mf(NMR::PLib3MFBase* model, const std::string& path);  ///< all metadata values

}  // namespace osteo::mesh
