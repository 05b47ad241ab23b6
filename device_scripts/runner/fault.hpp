// A failure with the kind that the result document gives it.
#pragma once

#include <stdexcept>
#include <string>

namespace edgewright {

constexpr const char* kBadJob = "bad-job";
constexpr const char* kBadArtifact = "bad-artifact";
constexpr const char* kHashMismatch = "hash-mismatch";
constexpr const char* kRunFailed = "run-failed";
constexpr const char* kOutOfMemory = "out-of-memory";

class Fault : public std::runtime_error {
 public:
  Fault(const char* kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  const char* kind() const { return kind_; }

 private:
  const char* kind_;
};

}  // namespace edgewright
