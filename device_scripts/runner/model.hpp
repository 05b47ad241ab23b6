// An ExecuTorch program whose methods are called with any tensors. A program has no names for them: they go by order, the
// inputs first and then the state, and so do the outputs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/backend/backend_options_map.h>
#include <executorch/runtime/backend/options.h>
#include <executorch/runtime/core/exec_aten/util/dim_order_util.h>

#include "calls.hpp"
#include "fault.hpp"
#include "tensors.hpp"

// The SDK's library has these two symbols, but its headers leave them out.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  size_t get_thread_count() const;
  bool _unsafe_reset_threadpool(uint32_t num_threads);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace edgewright {

namespace et = executorch::extension;
namespace rt = executorch::runtime;

inline std::string described(rt::Error error) {
  return std::string(rt::to_string(error)) + " (ExecuTorch error " + std::to_string(static_cast<int>(error)) + ")";
}

// Must come before a program is loaded: its delegates take the pool as they find it.
inline void set_threads(int threads) {
  et::threadpool::ThreadPool* pool = et::threadpool::get_threadpool();
  if (pool == nullptr || !pool->_unsafe_reset_threadpool(static_cast<uint32_t>(threads)) ||
      pool->get_thread_count() != static_cast<size_t>(threads)) {
    throw Fault(kRunFailed, "the thread pool cannot be set to " + std::to_string(threads) + " threads");
  }
}

// A call with what the program is handed, ready to be made again and again.
struct PreparedCall {
  const Call* call = nullptr;
  std::vector<et::TensorPtr> tensors;  // keeps alive what the values point to
  std::vector<rt::EValue> values;
};

// What lives between calls: a buffer for each tensor of the state.
class CallState {
 public:
  explicit CallState(std::vector<TensorSpec> specs) : specs_(std::move(specs)) {
    for (const TensorSpec& spec : specs_) {
      buffers_.emplace_back(spec.bytes());
      tensors_.push_back(et::from_blob(buffers_.back().data(), spec.shape, spec.dtype->type));
    }
  }

  void reset() {
    for (Bytes& buffer : buffers_) std::fill(buffer.begin(), buffer.end(), uint8_t{0});
  }

  bool is_of(const std::vector<TensorSpec>& specs) const {
    return std::equal(specs.begin(), specs.end(), specs_.begin(), specs_.end(),
                      [](const TensorSpec& a, const TensorSpec& b) {
                        return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape;
                      });
  }

  const TensorSpec& spec(size_t place) const { return specs_[place]; }
  const et::TensorPtr& tensor(size_t place) const { return tensors_[place]; }
  Bytes& buffer(size_t place) { return buffers_[place]; }

 private:
  std::vector<TensorSpec> specs_;
  std::vector<Bytes> buffers_;
  std::vector<et::TensorPtr> tensors_;
};

// A program whose methods may share buffers: those that do lie in the second of their memories, in the same places.
class Shared : public et::Module {
 public:
  using et::Module::Module;

  static constexpr size_t kBuffers = 1;

  // Whether a program was exported so.
  static bool is_wanted(const std::string& path) {
    et::Module probe(path, et::Module::LoadMode::Mmap);
    const auto names = probe.method_names();
    if (!names.ok()) return false;
    return std::any_of(names->begin(), names->end(), [&probe](const std::string& name) {
      const auto meta = probe.method_meta(name);
      return meta.ok() && meta->num_memory_planned_buffers() == kBuffers + 1;
    });
  }

  // The buffers that methods share as they are at first. What is loaded later finds them so.
  void clear() {
    for (auto& each : methods_) {
      auto& spans = each.second.planned_memory->planned_spans;
      if (spans.size() > kBuffers) std::fill(spans[kBuffers].begin(), spans[kBuffers].end(), uint8_t{0});
    }
  }
};

class Model {
 public:
  // Memory-maps the file. A `tracer` hears of every operator.
  explicit Model(const std::string& path, std::unique_ptr<rt::EventTracer> tracer = nullptr)
      : is_shared_(Shared::is_wanted(path)),
        module_(path, et::Module::LoadMode::Mmap, std::move(tracer), nullptr, nullptr, is_shared_) {
    const auto verification = rt::Program::Verification::InternalConsistency;
    if (!is_shared_) {
      expect(module_.load(verification), "the program cannot be loaded");
      return;
    }
    // XNNPACK packs the weights of each method by itself unless it is told that others may have them, too.
    rt::BackendOptions<1> options;
    rt::LoadBackendOptionsMap all;
    expect(options.set_option("weight_cache_enabled", true), "weights cannot be shared");
    expect(all.set_options("XnnpackBackend", options.view()), "weights cannot be shared");
    expect(module_.load(all, verification), "the program cannot be loaded");
  }

  // Load the methods that are called, which is when XNNPACK packs its weights.
  void load(const std::vector<Call>& calls) {
    auto methods = module_.method_names();
    if (!methods.ok()) throw Fault(kBadArtifact, "the program does not name its methods");
    for (const Call& call : calls) {
      if (methods->count(call.entry) == 0) throw no_entry(call.entry, *methods);
      if (!module_.is_method_loaded(call.entry)) {
        expect(module_.load_method(call.entry), "its method \"" + call.entry + "\" cannot be loaded");
      }
    }
  }

  // Tensors that look at the calls' inputs and the state without copying them; both must outlive them. The methods must
  // be loaded.
  std::vector<PreparedCall> prepared(const std::vector<Call>& calls, const CallState& state) {
    std::vector<PreparedCall> all;
    all.reserve(calls.size());
    for (const Call& call : calls) {
      check(call, all.size(), state);
      PreparedCall one;
      one.call = &call;
      for (const InputTensor& input : call.inputs) {
        one.tensors.push_back(et::from_blob(input.data, input.spec.shape, input.spec.dtype->type));
      }
      for (const size_t place : call.state) one.tensors.push_back(state.tensor(place));
      one.values.assign(one.tensors.begin(), one.tensors.end());
      try_inputs(one, all.size());
      all.push_back(std::move(one));
    }
    return all;
  }

  // What is timed: handing over the inputs, running, and copying the outputs out, those of the state to the state.
  void run(const PreparedCall& call, CallState& state, std::vector<OutputTensor>& outputs) {
    auto result = module_.execute(call.call->entry, call.values);
    if (!result.ok()) throw Fault(kRunFailed, "the model stopped with " + described(result.error()));
    const std::vector<std::string>& names = call.call->outputs;
    outputs.resize(names.size());
    for (size_t place = 0; place < names.size(); ++place) {
      const auto& tensor = result->at(place).toTensor();
      OutputTensor& output = outputs[place];
      output.spec.dtype = dtype_of(tensor.scalar_type());
      output.spec.shape.assign(tensor.sizes().begin(), tensor.sizes().end());
      const auto* data = static_cast<const uint8_t*>(tensor.const_data_ptr());
      output.data.assign(data, data + tensor.nbytes());
    }
    for (size_t place = 0; place < call.call->state.size(); ++place) {
      const auto& tensor = result->at(names.size() + place).toTensor();
      Bytes& buffer = state.buffer(call.call->state[place]);
      if (tensor.nbytes() != buffer.size()) throw Fault(kRunFailed, "the model changed the size of its state");
      std::memcpy(buffer.data(), tensor.const_data_ptr(), buffer.size());
    }
    is_fresh_ = false;
  }

  // The state as it is at first: that of calls, and what a program keeps in buffers of its own. Where its methods share
  // those they are zeros, else the methods are loaded anew.
  void reset(CallState& state) {
    state.reset();
    if (is_fresh_) return;
    if (is_shared_) {
      module_.clear();
      is_fresh_ = true;
      return;
    }
    auto methods = module_.method_names();
    if (!methods.ok()) throw Fault(kRunFailed, "the program does not name its methods");
    for (const std::string& name : *methods) {
      if (!module_.unload_method(name)) continue;
      if (module_.load_method(name) != rt::Error::Ok) throw Fault(kRunFailed, "\"" + name + "\" cannot be loaded anew");
    }
    is_fresh_ = true;
  }

 private:
  static void expect(rt::Error error, const std::string& otherwise) {
    if (error != rt::Error::Ok) throw Fault(kBadArtifact, otherwise + ": " + described(error));
  }

  template <typename Names>
  static Fault no_entry(const std::string& entry, const Names& names) {
    std::string there;
    for (const std::string& name : std::set<std::string>(names.begin(), names.end())) {
      there += (there.empty() ? "\"" : ", \"") + name + "\"";
    }
    return Fault(kBadArtifact, "there is no entry \"" + entry + "\"; there are " + there);
  }

  void check(const Call& call, size_t number, const CallState& state) {
    const auto meta = module_.method_meta(call.entry);
    expect(meta.error(), "its method \"" + call.entry + "\" does not say what it takes");
    check_count("takes", meta->num_inputs(), call.inputs.size() + call.state.size(), call, number);
    check_count("gives", meta->num_outputs(), call.outputs.size() + call.state.size(), call, number);
    for (size_t place = 0; place < meta->num_inputs(); ++place) {
      const bool is_input = place < call.inputs.size();
      const TensorSpec& spec =
          is_input ? call.inputs[place].spec : state.spec(call.state[place - call.inputs.size()]);
      check_tensor(spec, meta->input_tensor_meta(place), /*exactly=*/!is_input, number);
    }
    for (size_t place = 0; place < meta->num_outputs(); ++place) {
      const auto output = meta->output_tensor_meta(place);
      if (place >= call.outputs.size()) {
        check_tensor(state.spec(call.state[place - call.outputs.size()]), output, /*exactly=*/true, number);
      } else if (!output.ok() || dtype_of(output->scalar_type()) == nullptr || !is_in_order(*output)) {
        throw Fault(kBadArtifact, "\"" + call.entry + "\" gives for \"" + call.outputs[place] +
                                      "\" no tensor of a dtype and order that results know");
      }
    }
  }

  static void check_count(const char* verb, size_t there, size_t asked, const Call& call, size_t number) {
    if (there == asked) return;
    throw Fault(kBadJob, "\"" + call.entry + "\" " + verb + " " + std::to_string(there) + " tensors, and call " +
                             std::to_string(number) + " names " + std::to_string(asked));
  }

  static bool is_in_order(const rt::TensorInfo& info) {
    return rt::is_contiguous_dim_order(info.dim_order().data(), info.dim_order().size());
  }

  // Sizes of a method are the most that it takes.
  static void check_tensor(const TensorSpec& spec, const rt::Result<rt::TensorInfo>& info, bool exactly, size_t number) {
    const std::string which = "the tensor \"" + spec.name + "\" of call " + std::to_string(number);
    if (!info.ok() || !is_in_order(*info)) throw Fault(kBadArtifact, which + " is none in the artifact");
    const DType* dtype = dtype_of(info->scalar_type());
    if (dtype != spec.dtype) {
      throw Fault(kBadJob, which + " is " + spec.dtype->name + "; the artifact takes " +
                               (dtype == nullptr ? "a dtype that jobs do not know" : dtype->name));
    }
    const auto most = info->sizes();
    bool fits = most.size() == spec.shape.size();
    for (size_t axis = 0; fits && axis < most.size(); ++axis) {
      fits = exactly ? spec.shape[axis] == most[axis] : spec.shape[axis] <= most[axis];
    }
    if (!fits) throw wrong_shape(which, spec, exactly ? "" : "at most ", most);
  }

  template <typename Most>
  static Fault wrong_shape(const std::string& which, const TensorSpec& spec, const char* how, const Most& most) {
    return Fault(kBadJob, which + " has shape " + shape_text(spec.shape) + "; the artifact takes " + how + shape_text(most));
  }

  // Whether a smaller size is taken only the program itself can say.
  void try_inputs(const PreparedCall& one, size_t number) {
    for (size_t place = 0; place < one.values.size(); ++place) {
      if (module_.set_input(one.call->entry, one.values[place], place) == rt::Error::Ok) continue;
      const TensorSpec& spec = one.call->inputs[std::min(place, one.call->inputs.size() - 1)].spec;
      throw wrong_shape("the tensor \"" + spec.name + "\" of call " + std::to_string(number), spec, "",
                        module_.method_meta(one.call->entry)->input_tensor_meta(place)->sizes());
    }
  }

  bool is_shared_;
  Shared module_;
  bool is_fresh_ = true;  // nothing ran since the methods were loaded
};

}  // namespace edgewright
