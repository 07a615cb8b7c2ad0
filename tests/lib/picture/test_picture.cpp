#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/parallel.h"
#include "lib/mesh/shapes.h"
#include "picture/render.h"

using namespace osteo;
using namespace osteo::picture;
namespace fs = std::filesystem;

namespace {

const Color kWhite = {255, 255, 255};

bool same(const Canvas& a, const Canvas& b) {
  if (a.width() != b.width() || a.height() != b.height()) return false;
  for (int y = 0; y < a.height(); ++y)
    for (int x = 0; x < a.width(); ++x)
      if (a.at(x, y) != b.at(x, y)) return false;
  return true;
}

std::string temporary(const std::string& name) {
  return (fs::temp_directory_path() / ("osteo_picture_" + std::to_string(::getpid()) + "_" + name)).string();
}

/// Pixels of a view, without the corners' writing, that are not background.
double coveredPixels(const Canvas& canvas) {
  double count = 0;
  for (int y = 30; y < canvas.height() - 80; ++y)
    for (int x = 0; x < canvas.width(); ++x) count += canvas.at(x, y) != kWhite;
  return count;
}

View front() {
  View view;
  view.from = {0, -1, 0};
  view.extent_mm = 100;
  view.width_px = view.height_px = 400;
  return view;
}

}  // namespace

TEST_CASE("a polygon's coverage is its area, holes left out") {
  Canvas canvas(40, 40);
  canvas.polygon({{{5.25, 5}, {25.25, 5}, {25.25, 25}, {5.25, 25}}, {{10, 10}, {20, 10}, {20, 20}, {10, 20}}},
                 {0, 0, 0});
  double area = 0;
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 40; ++x) area += (255 - canvas.at(x, y)[0]) / 255.0;
  CHECK(area == Approx(300).epsilon(0.002));
  CHECK(canvas.at(15, 15) == kWhite);
  CHECK(canvas.at(5, 10)[0] == Approx(64).margin(2));
}

TEST_CASE("lines have the width that was asked for") {
  Canvas canvas(60, 60);
  canvas.line({10, 10}, {50, 40}, {0, 0, 0}, 3);
  double ink = 0;
  for (int y = 0; y < 60; ++y)
    for (int x = 0; x < 60; ++x) ink += (255 - canvas.at(x, y)[0]) / 255.0;
  CHECK(ink == Approx(50 * 3 + 7).epsilon(0.05));
  canvas.line({-1e5, 30}, {1e5, 31}, {0, 0, 0});
  canvas.text(-20, 55, "clipped at every edge", {0, 0, 0}, 3);
}

TEST_CASE("a PNG gives its pixels back and the same bytes each time") {
  Canvas canvas(37, 21);
  for (int y = 0; y < 21; ++y)
    for (int x = 0; x < 37; ++x) canvas.at(x, y) = {std::uint8_t(x * 6), std::uint8_t(y * 11), std::uint8_t(x * y)};
  const auto a = temporary("a.png"), b = temporary("b.png");
  writePng(canvas, a);
  ::usleep(1100000);
  writePng(canvas, b);
  CHECK(core::sha256File(a) == core::sha256File(b));
  CHECK(same(readPng(a), canvas));
  CHECK(core::readFile(a).find("tIME") == std::string::npos);
  for (const double part : {0.0, 0.02, 0.5, 0.98}) {
    const auto bytes = core::readFile(a);
    core::writeFile(b, bytes.substr(0, static_cast<std::size_t>(part * static_cast<double>(bytes.size()))));
    CHECK_THROWS_AS(readPng(b), core::Error);
  }
  fs::remove(a);
  fs::remove(b);
}

TEST_CASE("pictures of unlike heights lie in columns, each below the shortest, and none is cut or covered") {
  const auto plain = [](int width, int height, picture::Color color) {
    picture::Canvas out(width, height);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) out.at(x, y) = color;
    return out;
  };
  const picture::Color red{255, 0, 0}, green{0, 255, 0}, blue{0, 0, 255};
  const picture::Canvas sheet = picture::stack({plain(40, 200, red), plain(60, 50, green), plain(30, 70, blue)}, {}, 2);
  int counts[3] = {0, 0, 0}, green_low = 0, blue_high = sheet.height();
  for (int y = 0; y < sheet.height(); ++y)
    for (int x = 0; x < sheet.width(); ++x) {
      const auto& c = sheet.at(x, y);
      counts[0] += c == red, counts[1] += c == green, counts[2] += c == blue;
      if (c == green) green_low = std::max(green_low, y);
      if (c == blue) blue_high = std::min(blue_high, y);
    }
  CHECK(counts[0] == 40 * 200);
  CHECK(counts[1] == 60 * 50);
  CHECK(counts[2] == 30 * 70);
  CHECK(blue_high > green_low);  // below the green one, in the shorter column
  CHECK(sheet.height() < 250);
}

TEST_CASE("a sphere covers its disc, to scale") {
  const auto mesh = test::sphere(30, 60, {50, -70, 20});
  const auto canvas = render({{.mesh = &mesh}}, front());
  CHECK(coveredPixels(canvas) == Approx(M_PI * 120 * 120).epsilon(0.01));
}

TEST_CASE("left lies right, superior up, seen from the front") {
  const auto mesh = test::cube(20, {0, 0, 0});
  auto view = front();
  view.focus_mm = Eigen::Vector3d::Zero();
  const auto canvas = render({{.mesh = &mesh}}, view);
  CHECK(canvas.at(240, 160) != kWhite);  // +x, +z of the centre
  CHECK(canvas.at(160, 160) == kWhite);
  CHECK(canvas.at(240, 240) == kWhite);
}

TEST_CASE("the nearer actor hides, a see-through one tints") {
  const auto near = test::sphere(10, 30, {0, -40, 0}), far = test::sphere(20, 30, {0, 40, 0});
  Actor red{.mesh = &near, .color = {255, 0, 0}}, blue{.mesh = &far, .color = {0, 0, 255}};
  auto view = front();
  const auto hidden = render({blue, red}, view);
  CHECK(hidden.at(200, 200)[2] == 0);
  CHECK(hidden.at(200, 140)[2] > 50);
  red.opacity = 0.5;
  const auto tinted = render({red, blue}, view);
  CHECK(tinted.at(200, 200)[0] > 60);
  CHECK(tinted.at(200, 200)[2] > 60);
}

TEST_CASE("the clip plane removes what lies beyond it and shows the cut") {
  const auto mesh = test::sphere(30, 60, {0, 0, 0});
  auto view = front();
  view.clip = Eigen::Vector4d(1, 0, 0, 0);  // keeps x <= 0
  view.focus_mm = Eigen::Vector3d::Zero();
  const auto half = render({{.mesh = &mesh}}, view);
  CHECK(half.at(230, 200) == kWhite);
  CHECK(half.at(170, 200) != kWhite);
  CHECK(coveredPixels(half) == Approx(M_PI * 120 * 120 / 2).epsilon(0.02));
  view.clip = Eigen::Vector4d(0, -1, 0, 0);  // keeps y >= 0: the eye looks at a flat cut
  const auto cut = render({{.mesh = &mesh}}, view);
  CHECK(cut.at(200, 200) == cut.at(260, 150));
  CHECK(cut.at(200, 200)[0] < 255);
}

TEST_CASE("scalars colour the surface from low to high") {
  const auto mesh = test::sphere(30, 60, {0, 0, 0});
  Actor actor{.mesh = &mesh};
  for (const auto& v : mesh.vertices) actor.scalars.push_back(static_cast<float>(v.z()));
  actor.low = -30, actor.high = 30;
  auto view = front();
  view.scalar_title = "height (mm)";
  const auto canvas = render({actor}, view);
  CHECK(canvas.at(200, 90)[0] > canvas.at(200, 90)[2]);    // yellow above
  CHECK(canvas.at(200, 300)[2] > canvas.at(200, 300)[1]);  // violet below
  actor.scalars.pop_back();
  CHECK_THROWS_AS(render({actor}, view), core::Error);
}

TEST_CASE("one thread and three give the same picture") {
  const auto mesh = test::torus(30, 12, 200, 100);
  Actor actor{.mesh = &mesh, .opacity = 0.6};
  View view;
  view.clip = Eigen::Vector4d(0, 0, 1, -3);
  core::setThreads(1);
  const auto one = render({{.mesh = &mesh}, actor}, view);
  core::setThreads(3);
  const auto three = render({{.mesh = &mesh}, actor}, view);
  core::setThreads(core::availableThreads());
  CHECK(same(one, three));
}

TEST_CASE("a mesh without gaps is drawn without gaps") {
  auto mesh = test::torus(25, 12, 150, 300);
  for (auto& v : mesh.vertices) v = (v * 0.9173).eval();
  View view = front();
  view.from = {0.1, -0.2, 1};
  const auto canvas = render({{.mesh = &mesh, .color = {10, 10, 10}}}, view);
  int gaps = 0;
  for (int y = 100; y < 300; ++y)
    for (int x = 100; x < 300; ++x) {
      const auto dark = [&](int u, int v) { return canvas.at(u, v)[0] < 60; };
      gaps += !dark(x, y) && dark(x - 1, y) && dark(x + 1, y) && dark(x, y - 1) && dark(x, y + 1);
    }
  CHECK(gaps == 0);
}

TEST_CASE("slices follow the anatomical convention whatever the order of the voxels") {
  image::Frame frame;
  frame.size = {20, 30, 40};
  frame.spacing_mm = {2, 1, 1};
  image::CtVolume ct(frame, 0);
  ct.at(18, 3, 35) = 1000;  // left, anterior, superior
  const auto brightest = [](const Canvas& c) {
    Eigen::Vector2d best(0, 0);
    for (int y = 0; y < c.height() - 60; ++y)
      for (int x = 25; x < c.width() - 20; ++x)
        if (c.at(x, y)[2] > 200) best = Eigen::Vector2d(double(x) / c.width(), double(y) / c.height());
    return best;
  };
  const auto axial = renderSlice(ct, nullptr, 2, 35, 0, 1000, 300);
  CHECK(axial.width() == 400);
  CHECK(brightest(axial).x() == Approx(0.925).margin(0.03));
  CHECK(brightest(axial).y() == Approx(0.117).margin(0.03));
  const auto coronal = renderSlice(ct, nullptr, 1, 3, 0, 1000, 300);
  CHECK(brightest(coronal).y() == Approx(0.1125).margin(0.03));
  CHECK(brightest(coronal).x() == Approx(0.925).margin(0.03));
  image::CtVolume turned = ct;  // the same patient, x and y stored backwards
  turned.frame.direction.diagonal() = Eigen::Vector3d(-1, -1, 1);
  std::fill(turned.voxels.begin(), turned.voxels.end(), 0.0F);
  turned.at(1, 26, 35) = 1000;
  CHECK(same(renderSlice(turned, nullptr, 2, 35, 0, 1000, 300), axial));
}

TEST_CASE("labels are outlined in their colour") {
  image::Frame frame;
  frame.size = {20, 20, 4};
  image::CtVolume ct(frame, 0);
  image::LabelVolume labels(frame, 0);
  for (int j = 5; j < 15; ++j)
    for (int i = 5; i < 15; ++i) labels.at(i, j, 2) = image::Defect;
  const auto canvas = renderSlice(ct, &labels, 2, 2, 0, 1000, 200);
  CHECK(canvas.at(50, 100)[0] > 190);
  CHECK(canvas.at(100, 100)[0] > canvas.at(100, 100)[1] + 30);
  CHECK(canvas.at(30, 30) == Color{0, 0, 0});
}

TEST_CASE("a plot draws every series, and nothing breaks on empty or odd ones") {
  const auto canvas = plot({{"a", {0, 1, 2}, {0, 1, 4}}, {"b", {0, 2}, {4, 0}}}, "x (mm)", "y (N)");
  int blue = 0;
  for (int y = 0; y < canvas.height(); ++y)
    for (int x = 0; x < canvas.width(); ++x) blue += canvas.at(x, y) == Color{0, 114, 178};
  CHECK(blue > 200);
  plot({}, "x", "y");
  plot({{"", {1, 2}, {3, 3}}, {"nan", {0, 1}, {std::nan(""), 1}}}, "x", "y");
}
