// How long each operator takes: ExecuTorch's own kernels, and the parts of a delegate as far as that tells them.
// To look costs time itself, so a profiled model is another one than the one that is timed.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <executorch/runtime/core/event_tracer.h>
#include <executorch/runtime/platform/clock.h>
#include <executorch/runtime/platform/platform.h>

namespace edgewright {

struct OperatorTime {
  std::string name;
  bool delegated = false;
  int64_t calls = 0;
  double ms = 0;
};

class Profile final : public executorch::runtime::EventTracer {
 public:
  using ChainID = executorch::runtime::ChainID;
  using DebugHandle = executorch::runtime::DebugHandle;
  using DelegateDebugIntId = executorch::runtime::DelegateDebugIntId;
  using EventTracerEntry = executorch::runtime::EventTracerEntry;
  using Tensor = executorch::aten::Tensor;

  // Forget what was seen so far: loading and warming up.
  void reset() {
    operators_.clear();
    places_.clear();
  }

  // Every operator that ran; a delegate's calls as a whole are under kDelegateCall.
  const std::vector<OperatorTime>& operators() const { return operators_; }

  static constexpr const char* kDelegateCall = "DELEGATE_CALL";

  EventTracerEntry start_profiling(const char* name, ChainID, DebugHandle) override {
    return entry(own_name(name), /*delegated=*/false);
  }

  void end_profiling(EventTracerEntry started) override { end(started); }

  EventTracerEntry start_profiling_delegate(const char* name, DelegateDebugIntId index) override {
    return entry(delegate_name(name, index), /*delegated=*/true);
  }

  void end_profiling_delegate(EventTracerEntry started, const void*, size_t) override { end(started); }

  void log_profiling_delegate(const char* name, DelegateDebugIntId index, et_timestamp_t start, et_timestamp_t end,
                              const void*, size_t) override {
    add(place_of(delegate_name(name, index), /*delegated=*/true), end - start);
  }

  void create_event_block(const char*) override {}
  void track_allocation(executorch::runtime::AllocatorID, size_t) override {}
  executorch::runtime::AllocatorID track_allocator(const char*) override { return 0; }
  executorch::runtime::Result<bool> log_evalue(const executorch::runtime::EValue&,
                                               executorch::runtime::LoggedEValueType) override {
    return false;
  }
  executorch::runtime::Result<bool> log_intermediate_output_delegate(const char*, DelegateDebugIntId,
                                                                     const Tensor&) override {
    return false;
  }
  executorch::runtime::Result<bool> log_intermediate_output_delegate(
      const char*, DelegateDebugIntId, const executorch::runtime::ArrayRef<Tensor>) override {
    return false;
  }
  executorch::runtime::Result<bool> log_intermediate_output_delegate(const char*, DelegateDebugIntId,
                                                                     const int&) override {
    return false;
  }
  executorch::runtime::Result<bool> log_intermediate_output_delegate(const char*, DelegateDebugIntId,
                                                                     const bool&) override {
    return false;
  }
  executorch::runtime::Result<bool> log_intermediate_output_delegate(const char*, DelegateDebugIntId,
                                                                     const double&) override {
    return false;
  }
  void set_delegation_intermediate_output_filter(executorch::runtime::EventTracerFilterBase*) override {}

 private:
  // "native_call_add.out" → "add.out". What is around kernels (loading, the whole method, a call's bookkeeping) is "".
  static std::string own_name(const char* name) {
    const std::string given = name == nullptr ? "" : name, prefix = "native_call_";
    if (given.compare(0, prefix.size(), prefix) == 0) return given.substr(prefix.size());
    return given == kDelegateCall ? given : "";
  }

  // "Convert #3" → "Convert": the number tells one call from the next.
  static std::string delegate_name(const char* name, DelegateDebugIntId index) {
    if (name == nullptr) return "part " + std::to_string(index);
    const std::string given = name;
    const size_t number = given.rfind(" #");
    const bool counted = number != std::string::npos && number + 2 < given.size() &&
                         given.find_first_not_of("0123456789", number + 2) == std::string::npos;
    return counted ? given.substr(0, number) : given;
  }

  size_t place_of(const std::string& name, bool delegated) {
    const auto [found, added] = places_.try_emplace((delegated ? "d " : "o ") + name, operators_.size());
    if (added) operators_.push_back({name, delegated, 0, 0});
    return found->second;
  }

  EventTracerEntry entry(const std::string& name, bool delegated) {
    EventTracerEntry started{};
    started.event_id = name.empty() ? -1 : static_cast<int64_t>(place_of(name, delegated));
    started.start_time = executorch::runtime::pal_current_ticks();
    return started;
  }

  void end(const EventTracerEntry& started) {
    const et_timestamp_t now = executorch::runtime::pal_current_ticks();
    // An event that began before the last reset has no place any more.
    if (started.event_id < 0 || started.event_id >= static_cast<int64_t>(operators_.size())) return;
    add(static_cast<size_t>(started.event_id), now - started.start_time);
  }

  void add(size_t place, et_timestamp_t ticks) {
    operators_[place].calls += 1;
    operators_[place].ms += static_cast<double>(executorch::runtime::ticks_to_ns(ticks)) * 1e-6;
  }

  std::vector<OperatorTime> operators_;
  std::unordered_map<std::string, size_t> places_;
};

}  // namespace edgewright
