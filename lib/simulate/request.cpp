#include "simulate/request.h"

#include <algorithm>

#include "core/error.h"
#include "core/files.h"

namespace osteo::simulate {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& expected = "") {
  throw core::Error(core::Exit::Usage, {.what = what, .expected = expected});
}

void requireModel(const StudyFiles& files) {
  if (int(files.modulus_mpa > 0) + int(!files.modulus_map.empty()) + int(!files.materials.empty()) != 1)
    refuse("say what the model is made of", "one of --materials, --modulus-mpa and --modulus-map");
  if (!files.poisson_map.empty() && files.modulus_map.empty()) refuse("--poisson-map goes with --modulus-map");
  if (files.interface_mm > 0 && files.implant.empty()) refuse("--interface-mm goes with --implant");
  if (files.cap_embed_mm && files.cap_mm <= 0) refuse("--cap-embed-mm goes with --cap-mm");
}

}  // namespace

ModelType modelType(const std::string& name) {
  if (name == "auto") return ModelType::Auto;
  if (name == "labels") return ModelType::Labels;
  if (name == "hu") return ModelType::Hu;
  if (name == "density") return ModelType::Density;
  if (name == "levelset") return ModelType::LevelSet;
  refuse("no model type is named " + name);
}

void requireSense(const Request& r) {
  const StudyFiles& files = r.files;
  const bool homogenises = !files.homogenise.empty();
  if (int(files.test.has_value()) + int(!files.loads.empty()) + int(homogenises) != 1)
    refuse("say how the model is loaded", "one of --loads, --test and --homogenise");
  requireModel(files);
  if (!r.vtu.empty() && core::extension(r.vtu) != ".vtu") refuse("--vtu takes a file.vtu");
  if (homogenises && r.writesFields()) refuse("--homogenise has neither fields, a mesh, a table nor a picture");
  if (!r.intact.empty() && (homogenises || !files.checkpoint.empty()))
    refuse("--intact goes neither with --homogenise nor with --checkpoint");
  const bool wants_shielding =
      std::any_of(r.fields.begin(), r.fields.end(), [](const FieldFile& f) { return f.field == "shielding"; });
  if (wants_shielding && r.intact.empty()) refuse("the field shielding needs --intact");
  if (r.method.is_coarse && (homogenises || r.writesFields() || !r.intact.empty() || !files.checkpoint.empty()))
    refuse(
        "--method coarse and auto predict numbers alone: no fields, mesh, table, picture, shielding, homogenised "
        "stiffness or checkpoint",
        "--method full");
}

std::vector<std::string> filesOfCase(const Request& request, const std::string& name, std::size_t cases) {
  std::vector<std::string> files;
  for (const auto& f : request.fields) files.push_back(pathOfCase(f.path, name, cases));
  if (!request.vtu.empty()) files.push_back(pathOfCase(request.vtu, name, cases));
  return files;
}

void writeCase(const Request& request, const Study& study, const Study::Solved& solved,
               const std::vector<std::string>& files) {
  for (std::size_t f = 0; f < request.fields.size(); ++f)
    writeField(study.model(), solved.elements, request.fields[f].field, files[f]);
  if (!request.vtu.empty())
    writeVtu(study.model(), solved.displacement_mm, solved.elements, study.fillers(), files.back());
}

StudyFiles intactFiles(const Request& request) {
  StudyFiles files = request.files;
  files.model = request.intact;
  files.implant = "";
  files.interface_mm = 0;
  return files;
}

}  // namespace osteo::simulate
