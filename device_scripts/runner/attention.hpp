// Attention of some tokens to a cache and to each other, on what a layer's matrix made of them, in one pass and without
// copies. Of the cache only the rows that are filled are read. toolchain/models/attention_operator.py has the same in
// PyTorch and says what each argument is.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgewright {

constexpr int64_t kWidestHead = 256;

// Sizes of one call: `heads` of queries, of which `queries` read the same key/value head.
struct AttentionSizes {
  int64_t length, position, context, width, groups, queries, window;
};

struct AttentionTensors {
  const float* projected;  // (length, (groups × queries + 2 × groups) × width)
  const float* cosines;    // (length, width / 2), or null where nothing is turned
  const float* sines;
  const float* cache_k;  // (groups, context, width) of this layer
  const float* cache_v;
  float* attended;  // (length, groups × queries × width)
  float* keys;      // (groups, length, width)
  float* values;
};

#define EDGEWRIGHT_INLINE inline __attribute__((always_inline))
#if defined(__x86_64__)
// By the processor that it runs on; on aarch64 all have the vectors that are needed.
#define EDGEWRIGHT_CLONES __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512")))
#else
#define EDGEWRIGHT_CLONES
#endif

EDGEWRIGHT_INLINE float dot(const float* a, const float* b, int64_t width) {
  float sum = 0;
  for (int64_t i = 0; i < width; ++i) sum += a[i] * b[i];
  return sum;
}

// Channel i and the one half a head further are a pair.
EDGEWRIGHT_INLINE void turn(const float* from, const float* cosines, const float* sines, float scale, int64_t width,
                            float* to) {
  const int64_t half = width / 2;
  if (cosines == nullptr) {
    for (int64_t i = 0; i < width; ++i) to[i] = from[i] * scale;
    return;
  }
  for (int64_t i = 0; i < half; ++i) {
    const float first = from[i], second = from[half + i], cosine = cosines[i] * scale, sine = sines[i] * scale;
    to[i] = first * cosine - second * sine;
    to[half + i] = second * cosine + first * sine;
  }
}

// One query's scores become weights, and those the mean of the values: rows `from` to `position` of the cache, then
// `own` of these tokens.
EDGEWRIGHT_INLINE void attend_row(const float* query, const float* cache_k, const float* cache_v, const float* keys,
                                  const float* values, int64_t from, int64_t position, int64_t own_from, int64_t own,
                                  int64_t width, float* weights, float* to) {
  const int64_t past = std::max<int64_t>(position - from, 0);
  float* own_weights = weights + past;
  for (int64_t i = 0; i < past; ++i) weights[i] = dot(query, cache_k + (from + i) * width, width);
  for (int64_t i = own_from; i < own; ++i) own_weights[i - own_from] = dot(query, keys + i * width, width);
  const int64_t count = past + own - own_from;
  float largest = weights[0], sum = 0;
  for (int64_t i = 1; i < count; ++i) largest = std::max(largest, weights[i]);
  for (int64_t i = 0; i < count; ++i) sum += weights[i] = std::exp(weights[i] - largest);
  float mixed[kWidestHead];
  for (int64_t i = 0; i < width; ++i) mixed[i] = 0;
  for (int64_t row = 0; row < past; ++row) {
    const float weight = weights[row];
    const float* value = cache_v + (from + row) * width;
    for (int64_t i = 0; i < width; ++i) mixed[i] += weight * value[i];
  }
  for (int64_t row = own_from; row < own; ++row) {
    const float weight = own_weights[row - own_from];
    const float* value = values + row * width;
    for (int64_t i = 0; i < width; ++i) mixed[i] += weight * value[i];
  }
  const float share = 1 / sum;
  for (int64_t i = 0; i < width; ++i) to[i] = mixed[i] * share;
}

EDGEWRIGHT_INLINE void attend_of(const AttentionSizes& sizes, const AttentionTensors& tensors, int64_t width,
                                 float* weights) {
  const int64_t heads = sizes.groups * sizes.queries, inner = (heads + 2 * sizes.groups) * width;
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  float query[kWidestHead];
  for (int64_t group = 0; group < sizes.groups; ++group) {
    float* keys = tensors.keys + group * sizes.length * width;
    float* values = tensors.values + group * sizes.length * width;
    const float* cache_k = tensors.cache_k + group * sizes.context * width;
    const float* cache_v = tensors.cache_v + group * sizes.context * width;
    for (int64_t token = 0; token < sizes.length; ++token) {
      const float* row = tensors.projected + token * inner;
      const int64_t pair = token * (width / 2);
      const float* cosines = tensors.cosines == nullptr ? nullptr : tensors.cosines + pair;
      const float* sines = tensors.sines == nullptr ? nullptr : tensors.sines + pair;
      turn(row + (heads + group) * width, cosines, sines, 1, width, keys + token * width);
      const float* value = row + (heads + sizes.groups + group) * width;
      for (int64_t i = 0; i < width; ++i) values[token * width + i] = value[i];
      const int64_t first = sizes.window > 0 ? std::max<int64_t>(sizes.position + token - sizes.window + 1, 0) : 0;
      const int64_t from = std::min(first, sizes.position);
      const int64_t own_from = std::max<int64_t>(first - sizes.position, 0);
      for (int64_t of_group = 0; of_group < sizes.queries; ++of_group) {
        const int64_t head = group * sizes.queries + of_group;
        turn(row + head * width, cosines, sines, scale, width, query);
        attend_row(query, cache_k, cache_v, keys, values, from, sizes.position, own_from, token + 1, width, weights,
                   tensors.attended + (token * heads + head) * width);
      }
    }
  }
}

// Widths that are known at compile time need no loops.
EDGEWRIGHT_CLONES void attend(const AttentionSizes& sizes, const AttentionTensors& tensors, float* weights) {
  switch (sizes.width) {
    case 32: return attend_of(sizes, tensors, 32, weights);
    case 64: return attend_of(sizes, tensors, 64, weights);
    case 96: return attend_of(sizes, tensors, 96, weights);
    case 128: return attend_of(sizes, tensors, 128, weights);
    default: return attend_of(sizes, tensors, sizes.width, weights);
  }
}

}  // namespace edgewright
