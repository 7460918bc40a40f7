// GFLOP/s of the convolution passes and milliseconds of whole blocks and of Conv4 networks, each
// the best of many short repetitions. Passes both directly and by Winograd's tiles (ratio).
// Arithmetic is counted as if there were no padding: 2 * 9 * pixels * in * out a convolution.
//   OMP_NUM_THREADS=1 build/<preset>/kernels_benchmark

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "cuttle/kernels/conv_block.hpp"
#include "kernels/dense_batch.hpp"

namespace {

using namespace cuttle::kernels;

constexpr double kSeconds = 0.4;  // of repetitions of each measurement

double best_of(const std::function<void()>& run, double seconds = kSeconds) {
  using Clock = std::chrono::steady_clock;
  double best = 1e30;
  const auto start = Clock::now();
  for (int i = 0; i < 5 || std::chrono::duration<double>(Clock::now() - start).count() < seconds;
       ++i) {
    const auto from = Clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - from).count());
  }
  return best;
}

std::vector<float> values(std::int64_t count, float scale = 1) {
  std::vector<float> result(static_cast<std::size_t>(count));
  std::uint32_t state = 12345;
  for (auto& v : result) {
    state = state * 1664525u + 1013904223u;
    v = scale * (static_cast<float>(state >> 8) * 0x1p-23f - 1);
  }
  return result;
}

struct Block {
  ConvBlockShape shape;
  std::vector<float> x, weight, gamma, beta, y, mean, inv_std, pooled, d, tx, tw, tg, tb, gd, gx,
      gw, gg, gb;
  std::vector<double> moments;
  std::vector<std::uint8_t> choice;

  explicit Block(const ConvBlockShape& s)
      : shape(s),
        x(values(s.pixels() * s.in)),
        weight(values(s.weight_elements(), 0.1f)),
        gamma(static_cast<std::size_t>(s.out), 1.0f),
        beta(static_cast<std::size_t>(s.out), 0.1f),
        y(values(s.conv_elements())),
        mean(gamma),
        inv_std(gamma),
        pooled(values(s.pooled_elements())),
        d(pooled),
        tx(x),
        tw(weight),
        tg(gamma),
        tb(beta),
        gd(pooled),
        gx(x),
        gw(weight),
        gg(gamma),
        gb(gamma),
        moments(static_cast<std::size_t>(s.moment_elements())),
        choice(pooled.size()) {
    find_moments();
  }
  void find_moments() {
    if (shape.by_patches()) patch_moments<float>(shape, x.data(), nullptr, moments.data());
  }
  BlockInputs<float> inputs() const {
    return {x.data(), weight.data(), gamma.data(), beta.data(), nullptr, moments.data()};
  }
  BlockSaved<float> saved() { return {y.data(), mean.data(), inv_std.data(), choice.data()}; }
  float* if_wanted(std::vector<float>& of_x) {
    return shape.input_gradient ? of_x.data() : nullptr;
  }
  void forward() { cuttle::kernels::forward(shape, inputs(), saved(), pooled.data()); }
  void backward() {
    cuttle::kernels::backward(
        shape, inputs(), saved(), d.data(),
        BlockGradients<float>{if_wanted(gx), gw.data(), gg.data(), gb.data()});
  }
  void double_backward() {
    cuttle::kernels::double_backward(
        shape, inputs(), saved(), d.data(),
        BlockCotangents<float>{if_wanted(tx), tw.data(), tg.data(), tb.data()},
        BlockSecondGradients<float>{gd.data(), if_wanted(gx), gw.data(), gg.data()});
  }
};

/// The convolutions alone, group after group as in the passes, one way or the other.
struct Convolutions {
  Block block;
  BlockInputs<float> inputs = block.inputs();
  Batch<float> batch{block.shape, inputs};
  Scratch scratch;
  PixelPlan plan{block.shape, batch.groups.size, scratch};
  PanelLayout ahead = forward_layout(block.shape, 1, batch.loops.lanes),
              back = transposed_layout(block.shape, 1, batch.loops.lanes);
  float* dy = scratch.take<float>(batch.groups.size * batch.image_pixels * batch.gradient_stride);

  Convolutions(const ConvBlockShape& s, bool winograd) : block(s) {
    batch.winograd = winograd;
    const auto filled = values(batch.groups.size * batch.image_pixels * batch.gradient_stride);
    std::copy(filled.begin(), filled.end(), dy);
  }
  template <class Body>
  void over_groups(const Body& body) {
    for (std::int64_t g = 0; g < batch.groups.count; ++g)
      body(batch.first_pixel(g), batch.groups.images_of(g));
  }
  template <class From>
  void convolve(const PanelLayout& layout, Pack<float> pack, const From& source, float* to) {
    Scratch local;
    const float* weights = packed_weights<float>(batch, layout, pack, {block.weight.data()}, local);
    over_groups([&](auto first, auto images) {
      convolve_group(batch, plan, images, static_cast<const float*>(nullptr), layout, weights,
                     {source(first), {}}, to + first * layout.columns, layout.columns);
    });
  }
  void convolution() {
    const std::int64_t in = block.shape.in;
    convolve(
        ahead, pack_forward,
        [&](auto first) { return Source<float>{block.x.data() + first * in, in}; }, block.y.data());
  }
  void input_gradient() {
    convolve(
        back, pack_transposed, [&](auto) { return Source<float>{dy, batch.gradient_stride}; },
        block.gx.data());
  }
  void weight_gradient() {
    const ConvBlockShape& s = block.shape;
    Scratch local;
    const WeightSums<float> sums(batch, 1, local);
    GroupCorrelation<float> correlation(batch, local);
    over_groups([&](auto first, auto images) {
      correlation.add(images, block.x.data() + first * s.in, dy, static_cast<const float*>(nullptr),
                      sums.part(0));
    });
    sums.write(block.gw.data());
  }
};

/// Direct and by Winograd, in turns, so that other load on the machine meets both.
void convolutions(const ConvBlockShape& s) {
  Convolutions direct(s, false), winograd(s, true);
  const double flops = 2e-9 * static_cast<double>(s.pixels() * s.patch() * s.out);
  const auto both = [&](const char* what, void (Convolutions::*pass)()) {
    double slow = 1e30, fast = 1e30;
    for (int i = 0; i < 4; ++i) {
      slow = std::min(slow, best_of([&] { (direct.*pass)(); }, kSeconds / 4));
      fast = std::min(fast, best_of([&] { (winograd.*pass)(); }, kSeconds / 4));
    }
    std::printf("  %s %5.1f %5.1f (%.2f)", what, flops / slow, flops / fast, slow / fast);
  };
  both("convolution", &Convolutions::convolution);
  both("input gradient", &Convolutions::input_gradient);
  both("weight gradient", &Convolutions::weight_gradient);
  std::printf(" GFLOP/s%s", by_winograd(s) ? ", by Winograd" : "");
}

void measure(ConvBlockShape s) {
  std::printf("%3ld x %2ldx%2ldx%-3ld -> %3ld", s.images, s.height, s.width, s.in, s.out);
  if (!s.by_patches()) convolutions(s);
  Block block(s);
  const double moments = s.by_patches() ? best_of([&] { block.find_moments(); }) : 0;
  const double ahead = best_of([&] { block.forward(); });
  const double back = best_of([&] { block.backward(); });
  const double second = best_of([&] { block.double_backward(); });
  std::printf("  forward %7.3f  backward %7.3f  double %7.3f ms", 1e3 * ahead, 1e3 * back,
              1e3 * second);
  if (s.by_patches()) std::printf("  (moments %.3f)", 1e3 * moments);
  std::printf("\n");
  std::fflush(stdout);
}

/// Four blocks, one after the other, without what lies between them.
void network(std::int64_t images, std::int64_t size, std::int64_t in, std::int64_t out) {
  std::vector<Block> blocks;
  for (int i = 0; i < 4; ++i) {
    ConvBlockShape s{images, size, size, i == 0 ? in : out, out};
    s.input_gradient = i > 0;
    blocks.emplace_back(s);
    size /= 2;
  }
  double sum = 0;
  std::printf("Conv4-%ld, %ld images of %ld channels:", out, images, in);
  const auto all = [&](const char* what, void (Block::*pass)()) {
    const double seconds = best_of([&] {
      for (auto& block : blocks) (block.*pass)();
    });
    sum += seconds;
    std::printf("  %s %.2f", what, 1e3 * seconds);
  };
  all("forward", &Block::forward);
  all("backward", &Block::backward);
  all("double backward", &Block::double_backward);
  std::printf("  together %.2f ms\n", 1e3 * sum);
}

}  // namespace

int main() {
  for (const std::int64_t images : {5, 75}) {
    for (const std::int64_t size : {14, 7, 3}) measure({images, size, size, 64, 64});
  }
  for (const std::int64_t size : {42, 21, 10}) measure({25, size, size, 32, 32});
  for (const std::int64_t images : {5, 25}) {  // of resnet12
    std::int64_t size = 84;
    for (const std::int64_t width : {64, 160, 320, 640}) {
      measure({images, size, size, width, width, 3, 1, 1});
      size /= 2;
    }
  }
  for (const std::int64_t images : {5, 75}) {
    measure({images, 28, 28, 1, 64, 3, 2, 2, false, false});
  }
  measure({25, 84, 84, 3, 32, 3, 2, 2, false, false});
  measure({25, 84, 84, 3, 32});
  for (const std::int64_t images : {5, 25, 75}) network(images, 28, 1, 64);
  for (const std::int64_t images : {5, 25, 75}) network(images, 84, 3, 32);
  return 0;
}
