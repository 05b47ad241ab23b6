// What /proc says of this process's memory, in bytes; -1 where the kernel does not say.
#pragma once

#include <array>
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

// The "Name:   123 kB" lines of a file of /proc, all of one reading.
template <typename... Names>
std::array<int64_t, sizeof...(Names)> told_bytes(const char* path, Names... names) {
  const std::array<const char*, sizeof...(Names)> wanted{names...};
  std::array<int64_t, sizeof...(Names)> told;
  told.fill(-1);
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return told;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    for (size_t place = 0; place < wanted.size(); ++place) {
      const size_t length = std::strlen(wanted[place]);
      long long kilobytes;
      if (std::strncmp(line, wanted[place], length) == 0 && line[length] == ':' &&
          std::sscanf(line + length + 1, "%lld", &kilobytes) == 1) {
        told[place] = static_cast<int64_t>(kilobytes) * 1024;
      }
    }
  }
  std::fclose(file);
  return told;
}

// What is resident now. The counters behind `status` lag: a thread adds what it touched after 64 faults before Linux
// 6.2, each of which may map sixteen pages, and each processor after 32 pages since. `smaps_rollup` counts the pages
// themselves; Linux has it since 4.14.
inline Memory held(const char* phase) {
  const auto [resident, anonymous] = told_bytes("/proc/self/smaps_rollup", "Rss", "Anonymous");
  if (resident >= 0 && anonymous >= 0) return {phase, resident, anonymous, resident - anonymous, -1};
  const auto [counted, of_none, of_files] = told_bytes("/proc/self/status", "VmRSS", "RssAnon", "RssFile");
  return {phase, counted, of_none, of_files, -1};
}

// Memory phase by phase. Each phase's peak is its own, as the kernel's high-water mark is set back when one ends.
class MemoryLog {
 public:
  // Ends a phase. It is also told on standard error, for whoever has to say what a runner held when it was killed.
  const Memory& end(const char* phase) {
    Memory now = held(phase);
    const auto [highest] = told_bytes("/proc/self/status", "VmHWM");
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
