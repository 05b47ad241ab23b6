// An ExecuTorch program with a method "forward" for one example and perhaps "batch" for several at once: int64 ids
// (batch, n) in, or the bytes of images (batch, height, width, channels); one float tensor out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

#include "fault.hpp"
#include "job.hpp"

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

class Model {
 public:
  // Memory-maps the file, then loads the method for so many examples, which is when XNNPACK packs its weights. A
  // `tracer` hears of every operator.
  Model(const std::string& path, int batch, std::unique_ptr<rt::EventTracer> tracer = nullptr)
      : module_(path, et::Module::LoadMode::Mmap, std::move(tracer)), method_(batch == 1 ? "forward" : "batch") {
    expect(module_.load(rt::Program::Verification::InternalConsistency), "the program cannot be loaded");
    auto methods = module_.method_names();
    if (!methods.ok() || methods->count(method_) == 0) {
      throw Fault(kBadArtifact, "there is no method \"" + method_ + "\"");
    }
    check_signature(batch);
    expect(module_.load_method(method_), "its method cannot be loaded");
  }

  // Tensors that look at the inputs without copying them; `inputs` must outlive them.
  std::vector<et::TensorPtr> as_tensors(Inputs& inputs) const {
    return takes_images_ ? of_images(inputs.images) : of_texts(inputs.texts);
  }

  // What is timed: handing over the input, running, and copying the output out.
  void run(const et::TensorPtr& input, std::vector<float>& output) {
    auto result = module_.execute(method_, input);
    if (!result.ok()) throw Fault(kRunFailed, "the model stopped with " + described(result.error()));
    const auto& tensor = result->at(0).toTensor();
    const float* values = tensor.const_data_ptr<float>();
    output.assign(values, values + tensor.numel());
  }

 private:
  static void expect(rt::Error error, const char* otherwise) {
    if (error != rt::Error::Ok) throw Fault(kBadArtifact, std::string(otherwise) + ": " + described(error));
  }

  void check_signature(int batch) {
    const std::string its = "its method \"" + method_ + "\" ";
    const auto meta = module_.method_meta(method_);
    if (!meta.ok() || meta->num_inputs() != 1 || meta->num_outputs() != 1) {
      throw Fault(kBadArtifact, its + "must take one tensor and give one");
    }
    const auto input = meta->input_tensor_meta(0), output = meta->output_tensor_meta(0);
    if (!input.ok()) throw Fault(kBadArtifact, its + "does not say what it takes");
    sizes_.assign(input->sizes().begin(), input->sizes().end());
    takes_images_ = input->scalar_type() == executorch::aten::ScalarType::Byte && sizes_.size() == 4;
    const bool takes_texts = input->scalar_type() == executorch::aten::ScalarType::Long && sizes_.size() == 2;
    if (!(takes_images_ || takes_texts) || sizes_[0] != batch) {
      const std::string many = std::to_string(batch);
      throw Fault(kBadArtifact, its + "must take int64 ids of shape (" + many + ", n) or bytes (" + many +
                                    ", height, width, channels)");
    }
    if (!output.ok() || output->scalar_type() != executorch::aten::ScalarType::Float) {
      throw Fault(kBadArtifact, its + "must give floats");
    }
  }

  std::vector<et::TensorPtr> of_texts(std::vector<Ids>& texts) const {
    if (texts.empty()) throw Fault(kBadJob, "the inputs are images, but the artifact takes ids");
    std::vector<et::TensorPtr> tensors;
    tensors.reserve(texts.size());
    const size_t batch = static_cast<size_t>(sizes_[0]);
    for (Ids& ids : texts) {
      const size_t length = ids.size() / batch;
      const std::string which = "input " + std::to_string(tensors.size());
      if (length * batch != ids.size()) {
        throw Fault(kBadJob, which + " cannot be split into " + std::to_string(batch) + " texts of one length");
      }
      if (length > static_cast<size_t>(sizes_[1])) {
        throw Fault(kBadJob, which + " has " + std::to_string(length) + " ids; the artifact takes at most " +
                                 std::to_string(sizes_[1]));
      }
      const std::vector<executorch::aten::SizesType> sizes = {sizes_[0],
                                                              static_cast<executorch::aten::SizesType>(length)};
      tensors.push_back(et::from_blob(ids.data(), sizes, executorch::aten::ScalarType::Long));
    }
    return tensors;
  }

  std::vector<et::TensorPtr> of_images(std::vector<Bytes>& images) const {
    if (images.empty()) throw Fault(kBadJob, "the inputs are ids, but the artifact takes images");
    size_t wanted = 1;
    for (const auto size : sizes_) wanted *= static_cast<size_t>(size);
    std::vector<et::TensorPtr> tensors;
    tensors.reserve(images.size());
    for (Bytes& image : images) {
      if (image.size() != wanted) {
        throw Fault(kBadJob, "an input has " + std::to_string(image.size()) + " bytes; the artifact takes " +
                                 std::to_string(wanted));
      }
      tensors.push_back(et::from_blob(image.data(), sizes_, executorch::aten::ScalarType::Byte));
    }
    return tensors;
  }

  et::Module module_;
  std::string method_;
  std::vector<executorch::aten::SizesType> sizes_;
  bool takes_images_ = false;
};

}  // namespace edgewright
