// What /proc says of this process's memory, in bytes; -1 where the kernel does not say.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>

namespace edgewright {

// One "Name:   123 kB" line of /proc/self/status.
inline int64_t status_bytes(const char* name) {
  std::FILE* status = std::fopen("/proc/self/status", "re");
  if (status == nullptr) return -1;
  char line[256];
  const size_t length = std::strlen(name);
  long long kilobytes = -1;
  while (kilobytes < 0 && std::fgets(line, sizeof line, status) != nullptr) {
    if (std::strncmp(line, name, length) == 0 && line[length] == ':') std::sscanf(line + length + 1, "%lld", &kilobytes);
  }
  std::fclose(status);
  return kilobytes < 0 ? -1 : static_cast<int64_t>(kilobytes) * 1024;
}

inline int64_t resident_bytes() { return status_bytes("VmRSS"); }

inline int64_t peak_resident_bytes() { return status_bytes("VmHWM"); }

}  // namespace edgewright
