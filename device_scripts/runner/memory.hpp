// What /proc says of this process's memory, in bytes; -1 where the kernel does not say.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace edgewright {

// Resident memory, the share of it that no file stands behind and the rest, and the highest since the last phase.
struct Memory {
  const char* phase = "";
  int64_t rss_bytes = -1;
  int64_t anonymous_bytes = -1;
  int64_t file_bytes = -1;
  int64_t peak_bytes = -1;
};

// One "Name:   123 kB" line of a file of /proc.
inline int64_t told_bytes(const char* path, const char* name) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return -1;
  char line[256];
  const size_t length = std::strlen(name);
  long long kilobytes = -1;
  while (kilobytes < 0 && std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, name, length) == 0 && line[length] == ':') std::sscanf(line + length + 1, "%lld", &kilobytes);
  }
  std::fclose(file);
  return kilobytes < 0 ? -1 : static_cast<int64_t>(kilobytes) * 1024;
}

inline int64_t status_bytes(const char* name) { return told_bytes("/proc/self/status", name); }

// What is resident now. The counters behind `status` lag: a thread adds what it touched after 64 faults before Linux
// 6.2, each of which may map sixteen pages, and each processor after 32 pages since. `smaps_rollup` counts the pages
// themselves; Linux has it since 4.14.
inline Memory held(const char* phase) {
  const int64_t resident = told_bytes("/proc/self/smaps_rollup", "Rss");
  const int64_t anonymous = told_bytes("/proc/self/smaps_rollup", "Anonymous");
  if (resident >= 0 && anonymous >= 0) return {phase, resident, anonymous, resident - anonymous, -1};
  return {phase, status_bytes("VmRSS"), status_bytes("RssAnon"), status_bytes("RssFile"), -1};
}

// Memory phase by phase. Each phase's peak is its own, as the kernel's high-water mark is set back when one ends.
class MemoryLog {
 public:
  // Ends a phase. It is also told on standard error, for whoever has to say what a runner held when it was killed.
  const Memory& end(const char* phase) {
    Memory now = held(phase);
    const int64_t highest = status_bytes("VmHWM");
    // The mark is of the counters that lag: it may lie below what was just seen.
    if (highest >= 0 && is_own_) now.peak_bytes = highest > now.rss_bytes ? highest : now.rss_bytes;
    if (highest > peak_bytes_) peak_bytes_ = highest;
    if (now.rss_bytes > peak_bytes_) peak_bytes_ = now.rss_bytes;
    std::fprintf(stderr, "edgewright-memory %s %lld\n", phase, static_cast<long long>(now.rss_bytes));
    is_own_ = set_back();
    phases_[count_] = now;
    return phases_[count_++];
  }

  const Memory* begin() const { return phases_; }
  const Memory* end() const { return phases_ + count_; }

  // The highest of all phases.
  int64_t peak_bytes() const { return peak_bytes_; }

 private:
  static bool set_back() {
    const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file < 0) return false;
    const bool done = write(file, "5", 1) == 1;
    close(file);
    return done;
  }

  static constexpr size_t kMostPhases = 4;
  Memory phases_[kMostPhases];
  size_t count_ = 0;
  int64_t peak_bytes_ = -1;
  bool is_own_ = true;  // whether the mark was set back when this phase began
};

}  // namespace edgewright
