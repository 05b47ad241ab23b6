// Which token comes next, by the steps that device_scripts/generation.py describes, to the bit: every runner chooses the
// same. Must be compiled without contracting a product and a sum to one operation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include "prompts.hpp"

namespace edgewright {

// e to a number that is not above 0, by the same steps on every machine: a library's own may differ in a bit.
inline double exponential(double value) {
  constexpr double kLeast = -700.0, kLog2E = 1.4426950408889634;
  constexpr double kLn2High = 0.693147180369123816490, kLn2Low = 1.90821492927058770002e-10;
  if (value < kLeast) return 0.0;
  const double whole = std::floor(value * kLog2E + 0.5);
  double rest = value - whole * kLn2High;
  rest = rest - whole * kLn2Low;
  double total = 1.0;
  for (int divisor = 13; divisor > 0; --divisor) {
    total = total * rest;
    total = total / divisor;
    total = total + 1.0;
  }
  return std::ldexp(total, static_cast<int>(whole));
}

// Chooses the tokens of one prompt.
class Chooser {
 public:
  explicit Chooser(const Prompt& prompt)
      : prompt_(prompt), random_(prompt.seed), seen_(prompt.ids.begin(), prompt.ids.end()) {}

  int64_t choose(const std::vector<float>& logits) {
    values_.assign(logits.begin(), logits.end());
    const double penalty = prompt_.repetition_penalty;
    if (penalty != 1) {
      for (const int64_t id : seen_) {
        double& value = values_[static_cast<size_t>(id)];
        value = value > 0 ? value / penalty : value * penalty;
      }
    }
    const int64_t token = prompt_.temperature == 0 ? likeliest() : drawn();
    seen_.insert(token);
    return token;
  }

 private:
  // The first of several.
  int64_t likeliest() const { return std::max_element(values_.begin(), values_.end()) - values_.begin(); }

  int64_t drawn() {
    for (double& value : values_) value = value / prompt_.temperature;
    const double largest = *std::max_element(values_.begin(), values_.end());
    order_.resize(values_.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    const auto top_k = static_cast<size_t>(prompt_.top_k);
    const bool narrowed = top_k > 0 && top_k < order_.size();
    const auto is_before = [this](size_t a, size_t b) {
      return values_[a] != values_[b] ? values_[a] > values_[b] : a < b;
    };
    if (narrowed) {
      std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(top_k), order_.end(), is_before);
      order_.resize(top_k);
    } else if (prompt_.top_p < 1) {
      std::sort(order_.begin(), order_.end(), is_before);
    }
    sums_.clear();
    double sum = 0;
    for (const size_t id : order_) {
      const double weight = exponential(values_[id] - largest);
      sum = sum + weight;
      sums_.push_back(sum);
    }
    size_t kept = sums_.size();
    if (prompt_.top_p < 1) {
      const auto enough = std::lower_bound(sums_.begin(), sums_.end(), prompt_.top_p * sums_.back());
      kept = std::min(kept, static_cast<size_t>(enough - sums_.begin()) + 1);
    }
    const auto end = sums_.begin() + static_cast<std::ptrdiff_t>(kept);
    const auto found = std::upper_bound(sums_.begin(), end, uniform() * sums_[kept - 1]);
    return static_cast<int64_t>(order_[std::min(static_cast<size_t>(found - sums_.begin()), kept - 1)]);
  }

  // From 0 to below 1, by SplitMix64.
  double uniform() {
    random_ += 0x9E3779B97F4A7C15u;
    uint64_t mixed = random_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return static_cast<double>((mixed ^ (mixed >> 31)) >> 11) * 0x1.0p-53;
  }

  const Prompt& prompt_;
  uint64_t random_;
  std::set<int64_t> seen_;
  std::vector<double> values_, sums_;
  std::vector<size_t> order_;
};

}  // namespace edgewright
