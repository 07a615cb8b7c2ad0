#include <fmt/format.h>

#include <Eigen/Dense>
#include <charconv>
#include <cmath>
#include <map>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "registration/transform.h"

namespace osteo::registration {
namespace {

using Eigen::Matrix3d;
using Eigen::Vector3d;
using Numbers = std::vector<double>;

constexpr const char* kHead = "#Insight Transform File V1.0";

std::string line(const char* key, const Numbers& values) {
  std::string out = fmt::format("{}:", key);
  for (const double v : values) out += fmt::format(" {}", v == 0 ? 0.0 : v);  // no -0
  return out + "\n";
}

void appendRows(Numbers& list, const Matrix3d& m) {
  for (int i = 0; i < 9; ++i) list.push_back(m(i / 3, i % 3));
}
void append(Numbers& list, const Vector3d& v) { list.insert(list.end(), v.data(), v.data() + 3); }

std::string latticeText(const Lattice& lattice) {
  Numbers values, fixed;
  for (int axis = 0; axis < 3; ++axis)
    for (const auto& c : lattice.coefficients) values.push_back(c[axis]);
  append(fixed, lattice.size.cast<double>());
  append(fixed, lattice.origin_mm);
  append(fixed, lattice.spacing_mm);
  appendRows(fixed, lattice.direction);
  return "Transform: BSplineTransform_double_3_3\n" + line("Parameters", values) + line("FixedParameters", fixed);
}

std::string linearText(const Eigen::Affine3d& linear) {
  Numbers values;
  const Matrix3d& m = linear.linear();
  const bool rigid = (m * m.transpose() - Matrix3d::Identity()).cwiseAbs().maxCoeff() < 1e-9 && m.determinant() > 0;
  if (rigid) {
    Eigen::Quaterniond q(m);
    q.normalize();
    if (q.w() < 0) q.coeffs() *= -1;  // ITK keeps the three imaginary parts and takes w as positive
    append(values, q.vec());
  } else {
    appendRows(values, m);
  }
  append(values, linear.translation());
  return fmt::format("Transform: {}_double_3_3\n", rigid ? "VersorRigid3DTransform" : "AffineTransform") +
         line("Parameters", values) + line("FixedParameters", {0, 0, 0});
}

[[noreturn]] void unfit(const std::string& path, const std::string& what, const std::string& got = {}) {
  throw core::Error(core::Exit::DataError, {.what = what,
                                            .file = core::baseName(path),
                                            .expected = "one VersorRigid3D, Euler3D, Affine or BSpline transform",
                                            .got = got});
}

Numbers numbersOf(const std::string& text, const std::string& path) {
  Numbers values;
  const char *at = text.data(), *end = at + text.size();
  while (true) {
    while (at != end && std::isspace(static_cast<unsigned char>(*at))) ++at;
    if (at == end) return values;
    double value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || !std::isfinite(value)) unfit(path, "a parameter of the transform is no finite number");
    values.push_back(value);
    at = next;
  }
}

Matrix3d matrixOf(const double* values) {
  return Eigen::Map<const Eigen::Matrix<double, 3, 3, Eigen::RowMajor>>(values);
}

Matrix3d rotationOf(const std::string& kind, const Numbers& p, const Numbers& fixed) {
  if (kind == "VersorRigid3DTransform") {
    const Vector3d v = Vector3d::Map(p.data());
    return Eigen::Quaterniond(std::sqrt(std::max(0.0, 1 - v.squaredNorm())), v[0], v[1], v[2])
        .normalized()
        .toRotationMatrix();
  }
  const Eigen::AngleAxisd x(p[0], Vector3d::UnitX()), y(p[1], Vector3d::UnitY()), z(p[2], Vector3d::UnitZ());
  const bool zyx = fixed.size() == 4 && fixed[3] != 0;
  return zyx ? (z * y * x).toRotationMatrix() : (z * x * y).toRotationMatrix();
}

Transform linearFrom(const std::string& kind, const Numbers& p, const Numbers& fixed, const std::string& path) {
  const bool affine = kind == "AffineTransform" || kind == "MatrixOffsetTransformBase";
  if (p.size() != (affine ? 12U : 6U) || fixed.size() < 3) unfit(path, "the transform has too few parameters", kind);
  Transform out;
  out.linear.linear() = affine ? matrixOf(p.data()) : rotationOf(kind, p, fixed);
  const Vector3d centre = Vector3d::Map(fixed.data()), shift = Vector3d::Map(p.data() + p.size() - 3);
  out.linear.translation() = shift + centre - out.linear.linear() * centre;
  // Beyond the solar system sums of finite numbers may be none.
  constexpr double kFarthest = 1e15;
  if (!(out.linear.matrix().cwiseAbs().maxCoeff() < kFarthest)) unfit(path, "the transform leads nowhere");
  if (!(std::abs(out.linear.linear().determinant()) > 1e-9)) unfit(path, "the transform flattens space");
  return out;
}

Transform latticeFrom(const Numbers& p, const Numbers& fixed, const std::string& path) {
  if (fixed.size() != 18) unfit(path, "the B-spline has no lattice of 18 fixed parameters");
  Lattice lattice;
  for (int axis = 0; axis < 3; ++axis) {
    if (!(fixed[axis] >= 4 && fixed[axis] <= 4096 && fixed[6 + axis] > 0))
      unfit(path, "the B-spline's lattice is unfit");
    lattice.size[axis] = static_cast<int>(fixed[axis]);
  }
  lattice.origin_mm = Vector3d::Map(fixed.data() + 3);
  lattice.spacing_mm = Vector3d::Map(fixed.data() + 6);
  lattice.direction = matrixOf(fixed.data() + 9);
  if (!((lattice.direction * lattice.direction.transpose() - Matrix3d::Identity()).cwiseAbs().maxCoeff() < 1e-6))
    unfit(path, "the B-spline's axes are not at right angles");
  for (const Numbers* list : {&p, &fixed}) {
    for (const double v : *list)
      if (std::abs(v) > 1e15) unfit(path, "the transform leads nowhere");
  }
  const std::size_t count = lattice.index(0, 0, lattice.size[2]);
  if (p.size() != 3 * count) unfit(path, "the B-spline's coefficients don't fill its lattice");
  for (std::size_t i = 0; i < count; ++i) lattice.coefficients.emplace_back(p[i], p[count + i], p[2 * count + i]);
  Transform out;
  out.lattice = std::move(lattice);
  return out;
}

}  // namespace

void writeTransform(const Transform& transform, const std::string& path) {
  core::writeFile(path, fmt::format("{}\n#Transform 0\n", kHead) +
                            (transform.lattice ? latticeText(*transform.lattice) : linearText(transform.linear)));
}

Transform readTransform(const std::string& path) {
  core::requireInput(path);
  std::istringstream text(core::readFile(path));
  std::string row, kind;
  if (!std::getline(text, row) || row.rfind(kHead, 0) != 0) unfit(path, "this is no text transform of ITK");
  std::map<std::string, Numbers> values;
  while (std::getline(text, row)) {
    const std::size_t colon = row.find(':');
    if (row.empty() || row[0] == '#' || colon == std::string::npos) continue;
    const std::string key = row.substr(0, colon), rest = row.substr(colon + 1);
    if (key != "Transform") {
      values[key] = numbersOf(rest, path);
    } else if (kind.empty()) {
      kind = rest.substr(rest.find_first_not_of(' ') == std::string::npos ? 0 : rest.find_first_not_of(' '));
    } else {
      unfit(path, "the file holds several transforms");
    }
  }
  const std::string name = kind.substr(0, kind.find('_'));
  const Numbers &p = values["Parameters"], &fixed = values["FixedParameters"];
  if (name == "BSplineTransform") return latticeFrom(p, fixed, path);
  if (name != "AffineTransform" && name != "MatrixOffsetTransformBase" && name != "VersorRigid3DTransform" &&
      name != "Euler3DTransform")
    unfit(path, "this class of transform is not read", kind);
  return linearFrom(name, p, fixed, path);
}

}  // namespace osteo::registration
