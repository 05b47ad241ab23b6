// How fast one core copies memory, over a block far larger than any cache.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "fault.hpp"
#include "machine.hpp"
#include "memory.hpp"

namespace edgewright {

struct Bandwidth {
  size_t block_bytes = 0;
  std::vector<double> gb_s;  // 10^9 bytes copied a second, a copy each
};

constexpr size_t kLargestBlock = 64u << 20, kSmallestBlock = 8u << 20;
constexpr int kCopies = 15;

// The block and its copy take at most a quarter of what memory is available.
inline Bandwidth copy_bandwidth() {
  const auto [available] = told_bytes("/proc/meminfo", "MemAvailable");
  size_t size = kLargestBlock;
  if (available >= 0) size = std::min(size, static_cast<size_t>(available) / 8);
  if (size < kSmallestBlock) throw Fault(kOutOfMemory, "memory is too short to measure how fast it is copied");
  const std::unique_ptr<char[]> from(new char[size]), to(new char[size]);
  // Both are written once before, so that no page is given out while a copy is timed.
  std::memset(from.get(), 1, size);
  std::memset(to.get(), 2, size);
  Bandwidth found;
  found.block_bytes = size;
  for (int i = 0; i < kCopies; ++i) {
    from[static_cast<size_t>(i)] = static_cast<char>(i);
    const double start = now_s();
    std::memcpy(to.get(), from.get(), size);
    const double took_s = now_s() - start;
    if (to[static_cast<size_t>(i)] != static_cast<char>(i) || took_s <= 0) {
      throw Fault(kRunFailed, "memory could not be copied, or the device's clock stood still");
    }
    found.gb_s.push_back(static_cast<double>(size) / took_s * 1e-9);
  }
  return found;
}

}  // namespace edgewright
