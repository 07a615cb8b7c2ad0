#pragma once
#include <string>
#include <vector>

namespace osteo::slice_print {

struct Settings;

/// Families of additive manufacturing (ISO/ASTM 52900:2021): powder bed fusion by laser, material extrusion, vat
/// photopolymerisation, binder jetting, material jetting.
enum class Process { PbfLb, Mex, Vpp, Bjt, Mjt };

/// Names of the processes that can be asked for, such as "pbf-lb".
std::vector<std::string> processNames();
const char* nameOf(Process process);
/// Throws Usage for an unknown name.
Process processNamed(const std::string& name);

/// What holds unless it is set: every option whose default depends on the process. Sources: apps/slice-print.md.
Settings defaultsOf(Process process);

/// Throws Usage unless the process writes files of this ending ("/" is a folder of masks); names those that it has.
void requireEnding(Process process, const std::string& ending);

}  // namespace osteo::slice_print
