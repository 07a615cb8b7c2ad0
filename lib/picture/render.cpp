#include "picture/render.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "picture/annotate.h"
#include "picture/rasterizer.h"

namespace osteo::picture {
namespace {

constexpr int kSupersample = 2;
constexpr double kMarginFactor = 1.1;  // around the scene when the view fits it
constexpr double kColorBarRoom_px = 90;
constexpr float kCreaseCosine = 0.75F;  // a corner whose smooth normal is further off is shaded flat
constexpr float kInsideTint = 0.62F;    // of back sides
constexpr float kCutTint = 0.8F;        // of back sides seen through the clip plane, shaded as a flat cut

/// A drawn mesh: its projection and smooth normals.
struct Drawn {
  const Actor* actor;
  Projection projection;
  std::vector<Eigen::Vector3f> normals;  ///< area-weighted, LPS, unit
};

/// Everything that the shading of one sample needs.
struct Scene {
  Camera camera;
  bool capped = false;  ///< the clip plane faces the eye
  Eigen::Vector3f cap_normal = Eigen::Vector3f::Zero();
  std::vector<Drawn> drawn;
};

Eigen::Vector3d faceNormal(const mesh::TriangleMesh& mesh, const mesh::Triangle& t) {
  return (mesh.vertices[t[1]] - mesh.vertices[t[0]]).cross(mesh.vertices[t[2]] - mesh.vertices[t[0]]).normalized();
}

std::vector<Eigen::Vector3f> smoothNormals(const mesh::TriangleMesh& mesh) {
  std::vector<Eigen::Vector3f> normals(mesh.vertices.size(), Eigen::Vector3f::Zero());
  for (const auto& [i, j, k] : mesh.triangles) {
    const Eigen::Vector3f n =
        (mesh.vertices[j] - mesh.vertices[i]).cross(mesh.vertices[k] - mesh.vertices[i]).cast<float>();
    normals[i] += n, normals[j] += n, normals[k] += n;
  }
  for (auto& n : normals) n.normalize();
  return normals;
}

Camera makeCamera(const std::vector<Actor>& actors, const View& view) {
  Camera camera;
  camera.width = view.width_px * kSupersample;
  camera.height = view.height_px * kSupersample;
  const Eigen::Vector3d eye = view.from.normalized();
  Eigen::Vector3d right = view.up.cross(eye);
  if (right.norm() < 1e-6) right = Eigen::Vector3d(0, -1, 0).cross(eye);  // from above: the nose points up
  if (right.norm() < 1e-6) right = Eigen::Vector3d::UnitX();
  right.normalize();
  camera.axes << right.transpose(), eye.cross(right).transpose(), eye.transpose();
  Eigen::Vector3d low = Eigen::Vector3d::Constant(1e300), high = -low;
  for (const auto& actor : actors)
    for (const auto& v : actor.mesh->vertices) {
      if (view.clip && view.clip->head<3>().dot(v) + (*view.clip)[3] > 0) continue;
      const Eigen::Vector3d p = camera.axes * v;
      low = low.cwiseMin(p), high = high.cwiseMax(p);
    }
  if (low.x() > high.x()) low = high = Eigen::Vector3d::Zero();
  const Eigen::Vector3d size = high - low;
  const double bar_px = view.scalar_title.empty() ? 0 : kColorBarRoom_px;
  const double aspect = (view.width_px - bar_px) / view.height_px;
  const double fit = std::max({size.y(), size.x() / aspect, 1e-3}) * kMarginFactor;
  camera.samples_per_mm = camera.height / (view.extent_mm > 0 ? view.extent_mm : fit);
  const Eigen::Vector3d beside_bar(bar_px / 2 * kSupersample / camera.samples_per_mm, 0, 0);
  camera.centre_mm = view.focus_mm.value_or(camera.axes.transpose() * ((low + high) / 2 + beside_bar));
  return camera;
}

/// Light of a surface with unit normal n: a key light over the left shoulder, a fill light from the eye, a bright sky.
float light(const Eigen::Vector3f& n, const Camera& camera) {
  static const Eigen::Vector3f key = Eigen::Vector3f(-0.45F, 0.6F, 0.66F).normalized();
  const Eigen::Vector3f view = camera.axes.cast<float>() * n;
  const float sky = 0.5F + 0.5F * view.y();
  return 0.36F + 0.14F * sky + 0.42F * std::max(0.0F, view.dot(key)) + 0.24F * std::max(0.0F, view.z());
}

Eigen::Vector3f shadingNormal(const Drawn& drawn, const mesh::Triangle& t, const Eigen::Vector3f& weights,
                              const Eigen::Vector3f& flat) {
  Eigen::Vector3f n = Eigen::Vector3f::Zero();
  for (int c = 0; c < 3; ++c) {
    const auto& smooth = drawn.normals[t[c]];
    n += weights[c] * (smooth.dot(flat) < kCreaseCosine ? flat : smooth);
  }
  return n.normalized();
}

/// The colour of one sample, 0…255 per channel, before occlusion.
Eigen::Vector3f shade(const Scene& scene, const Drawn& drawn, std::uint32_t triangle, int x, int y) {
  const auto& mesh = *drawn.actor->mesh;
  const auto& t = mesh.triangles[triangle];
  const Eigen::Vector3f weights = weightsAt(drawn.projection, t, x, y);
  Color base = drawn.actor->color;
  if (!drawn.actor->scalars.empty()) {
    float value = 0;
    for (int c = 0; c < 3; ++c) value += weights[c] * drawn.actor->scalars[t[c]];
    base = colorMap((value - drawn.actor->low) / (drawn.actor->high - drawn.actor->low));
  }
  const Eigen::Vector3f flat = faceNormal(mesh, t).cast<float>();
  const bool back = flat.dot(scene.camera.axes.row(2).transpose().cast<float>()) < 0;
  float brightness;
  if (back && scene.capped)
    brightness = kCutTint * light(scene.cap_normal, scene.camera);
  else if (back)
    brightness = kInsideTint * light(-shadingNormal(drawn, t, weights, flat), scene.camera);
  else
    brightness = light(shadingNormal(drawn, t, weights, flat), scene.camera);
  return brightness * Eigen::Vector3f(base[0], base[1], base[2]);
}

/// Share of light that reaches a sample between the surfaces around it: screen-space ambient occlusion (Mittring 2007)
/// over fixed offsets on a spiral.
float openness(const VisibilityBuffer& buffer, const Camera& camera, int x, int y) {
  constexpr int kTaps = 20;
  const float reach = 0.025F * static_cast<float>(buffer.height);
  const float reach_mm = reach / static_cast<float>(camera.samples_per_mm);
  const float here = buffer.depth[buffer.at(x, y)];
  float closed = 0;
  for (int tap = 0; tap < kTaps; ++tap) {
    const float turn = 2.39996F * static_cast<float>(tap),
                r = reach * std::sqrt((static_cast<float>(tap) + 0.5F) / kTaps);
    const int u = x + static_cast<int>(std::lround(r * std::cos(turn))),
              v = y + static_cast<int>(std::lround(r * std::sin(turn)));
    if (u < 0 || v < 0 || u >= buffer.width || v >= buffer.height) continue;
    const float above = (buffer.depth[buffer.at(u, v)] - here) / reach_mm;
    closed += std::clamp((above - 0.15F) / 0.85F, 0.0F, 1.0F) * std::clamp(3.0F - above, 0.0F, 1.0F);
  }
  return 1.0F - 0.8F * closed / kTaps;
}

/// Where the eye looks through the clip plane at a back side, it looks at cut material: its depth becomes the plane's.
void raiseCuts(const Scene& scene, const Eigen::Vector4d& clip, VisibilityBuffer& buffer) {
  const Camera& camera = scene.camera;
  const Eigen::Vector3d n = camera.axes * clip.head<3>();
  const double offset = clip.head<3>().dot(camera.centre_mm) + clip[3];
  core::parallelFor(buffer.height, [&](std::int64_t row) {
    const int y = static_cast<int>(row);
    for (int x = 0; x < buffer.width; ++x) {
      const std::size_t at = buffer.at(x, y);
      if (buffer.triangle[at] == VisibilityBuffer::kNone) continue;
      const auto& mesh = *scene.drawn[buffer.actor[at]].actor->mesh;
      if (faceNormal(mesh, mesh.triangles[buffer.triangle[at]]).dot(camera.axes.row(2).transpose()) >= 0) continue;
      const double right = (x + 0.5 - camera.width / 2.0) / camera.samples_per_mm;
      const double up = (camera.height / 2.0 - y - 0.5) / camera.samples_per_mm;
      buffer.depth[at] = static_cast<float>(-(n.x() * right + n.y() * up + offset) / n.z());
    }
  });
}

std::vector<Eigen::Vector3f> shadeOpaque(const Scene& scene, const VisibilityBuffer& buffer) {
  std::vector<Eigen::Vector3f> image(buffer.depth.size(), Eigen::Vector3f::Constant(255));
  core::parallelFor(buffer.height, [&](std::int64_t row) {
    const int y = static_cast<int>(row);
    for (int x = 0; x < buffer.width; ++x) {
      const std::size_t at = buffer.at(x, y);
      if (buffer.triangle[at] == VisibilityBuffer::kNone) continue;
      const auto& drawn = scene.drawn[buffer.actor[at]];
      image[at] = shade(scene, drawn, buffer.triangle[at], x, y) * openness(buffer, scene.camera, x, y);
    }
  });
  return image;
}

/// Blends the nearest layer of each see-through actor over the image, the farthest first.
void blendLayers(const Scene& scene, const VisibilityBuffer& opaque, const std::vector<VisibilityBuffer>& layers,
                 std::vector<Eigen::Vector3f>& image) {
  core::parallelFor(opaque.height, [&](std::int64_t row) {
    const int y = static_cast<int>(row);
    std::vector<const VisibilityBuffer*> order;
    for (int x = 0; x < opaque.width; ++x) {
      const std::size_t at = opaque.at(x, y);
      order.clear();
      for (const auto& layer : layers)
        if (layer.triangle[at] != VisibilityBuffer::kNone && layer.depth[at] > opaque.depth[at])
          order.push_back(&layer);
      std::stable_sort(order.begin(), order.end(), [&](auto* a, auto* b) { return a->depth[at] < b->depth[at]; });
      for (const auto* layer : order) {
        const auto& drawn = scene.drawn[layer->actor[at]];
        const auto alpha = static_cast<float>(std::clamp(drawn.actor->opacity, 0.0, 1.0));
        image[at] += alpha * (shade(scene, drawn, layer->triangle[at], x, y) - image[at]);
      }
    }
  });
}

Canvas downsample(const std::vector<Eigen::Vector3f>& image, int width, int height) {
  Canvas canvas(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      Eigen::Vector3f sum = Eigen::Vector3f::Zero();
      for (int s = 0; s < kSupersample * kSupersample; ++s) {
        const auto row = static_cast<std::size_t>(y * kSupersample + s / kSupersample);
        sum += image[row * static_cast<std::size_t>(width * kSupersample) +
                     static_cast<std::size_t>(x * kSupersample + s % kSupersample)];
      }
      for (int c = 0; c < 3; ++c)
        canvas.at(x, y)[static_cast<std::size_t>(c)] =
            static_cast<std::uint8_t>(std::lround(std::clamp(sum[c] / (kSupersample * kSupersample), 0.0F, 255.0F)));
    }
  return canvas;
}

void annotate(Canvas& canvas, const std::vector<Actor>& actors, const View& view, const Camera& camera) {
  drawScaleBar(canvas, camera.samples_per_mm / kSupersample);
  drawTriad(canvas, camera);
  if (!view.caption.empty())
    haloText(canvas, 14, 12, view.caption, textWidth(view.caption, 2) + 28 <= canvas.width() ? 2 : 1);
  if (view.scalar_title.empty()) return;
  const auto colored = std::find_if(actors.begin(), actors.end(), [](const Actor& a) { return !a.scalars.empty(); });
  if (colored != actors.end()) drawColorBar(canvas, colored->low, colored->high, view.scalar_title);
}

}  // namespace

Canvas render(const std::vector<Actor>& actors, const View& view) {
  for (const auto& actor : actors)
    if (!actor.scalars.empty() && actor.scalars.size() != actor.mesh->vertices.size())
      throw core::Error(core::Exit::Software, {.what = "scalars of a picture don't match the mesh's vertices",
                                               .file = {},
                                               .expected = {},
                                               .got = {},
                                               .hint = {}});
  Scene scene;
  scene.camera = makeCamera(actors, view);
  if (view.clip) {
    scene.cap_normal = view.clip->head<3>().normalized().cast<float>();
    scene.capped = scene.cap_normal.dot(scene.camera.axes.row(2).transpose().cast<float>()) > 0;
  }
  for (const auto& actor : actors)
    scene.drawn.push_back({&actor, project(*actor.mesh, scene.camera, view.clip), smoothNormals(*actor.mesh)});
  VisibilityBuffer opaque(scene.camera.width, scene.camera.height);
  std::vector<VisibilityBuffer> layers;
  for (std::size_t i = 0; i < actors.size(); ++i) {
    const bool see_through = actors[i].opacity < 1;
    if (see_through) layers.emplace_back(scene.camera.width, scene.camera.height);
    rasterize(*actors[i].mesh, scene.drawn[i].projection, static_cast<std::uint8_t>(i),
              see_through ? layers.back() : opaque);
  }
  if (scene.capped) raiseCuts(scene, *view.clip, opaque);
  auto image = shadeOpaque(scene, opaque);
  blendLayers(scene, opaque, layers, image);
  Canvas canvas = downsample(image, view.width_px, view.height_px);
  annotate(canvas, actors, view, scene.camera);
  return canvas;
}

}  // namespace osteo::picture
