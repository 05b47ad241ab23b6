// Operators of Edgewright's own that a program may call, beside those of ExecuTorch. The runner is built with them; as a
// library of their own they are loaded into a Python process that checks what a program gives.
#include <algorithm>
#include <initializer_list>
#include <optional>
#include <vector>

#include <executorch/runtime/core/evalue.h>
#include <executorch/runtime/core/event_tracer_hooks.h>
#include <executorch/runtime/kernel/kernel_includes.h>
#include <executorch/runtime/kernel/operator_registry.h>

#include "attention.hpp"

namespace edgewright {
namespace {

namespace rt = executorch::runtime;
using rt::KernelRuntimeContext;
using Tensor = executorch::aten::Tensor;
using OptionalTensor = std::optional<Tensor>;
using SizesType = executorch::aten::SizesType;

bool is_float(const Tensor& tensor, int dimensions) {
  return tensor.scalar_type() == executorch::aten::ScalarType::Float && tensor.dim() == dimensions;
}

rt::Error resized(Tensor& tensor, std::initializer_list<int64_t> wanted) {
  SizesType sizes[4];
  size_t count = 0;
  for (const int64_t size : wanted) sizes[count++] = static_cast<SizesType>(size);
  return rt::resize_tensor(tensor, {sizes, count});
}

// The arguments of the schema in toolchain/models/attention_operator.py, in its order, and the outputs behind them.
void attend_out(KernelRuntimeContext& context, rt::Span<rt::EValue*> stack) {
  rt::internal::EventTracerProfileOpScope scope(context.internal_event_tracer(), "native_call_attend.out");
  ET_KERNEL_CHECK(context, stack.size() >= 13, InvalidArgument, );
  const Tensor& projected = stack[0]->toTensor();
  const OptionalTensor cosines = stack[1]->toOptional<Tensor>(), sines = stack[2]->toOptional<Tensor>();
  const Tensor &cache_k = stack[3]->toTensor(), &cache_v = stack[4]->toTensor(), &position = stack[5]->toTensor();
  const int64_t layer = stack[6]->toInt(), groups = stack[7]->toInt(), queries = stack[8]->toInt();
  const int64_t window = stack[9]->toInt();
  Tensor &attended = stack[10]->toTensor(), &keys = stack[11]->toTensor(), &values = stack[12]->toTensor();
  ET_KERNEL_CHECK(context, is_float(projected, 2) && is_float(cache_k, 4) && is_float(cache_v, 4), InvalidArgument, );
  ET_KERNEL_CHECK(context, position.scalar_type() == executorch::aten::ScalarType::Long && position.numel() == 1,
                  InvalidArgument, );
  AttentionSizes sizes{};
  sizes.length = projected.size(0), sizes.position = position.const_data_ptr<int64_t>()[0];
  sizes.context = cache_k.size(2), sizes.width = cache_k.size(3);
  sizes.groups = groups, sizes.queries = queries, sizes.window = window;
  ET_KERNEL_CHECK(context, 0 <= sizes.position && sizes.position + sizes.length <= sizes.context, InvalidArgument, );
  ET_KERNEL_CHECK(context, 0 < sizes.width && sizes.width <= kWidestHead && 0 < queries && 0 < groups, InvalidArgument, );
  ET_KERNEL_CHECK(context, groups <= cache_k.size(1) && 0 <= layer && layer < cache_k.size(0), InvalidArgument, );
  ET_KERNEL_CHECK(context, cache_v.numel() == cache_k.numel() &&
                               projected.size(1) == (groups * queries + 2 * groups) * sizes.width,
                  InvalidArgument, );
  for (const OptionalTensor& each : {cosines, sines}) {
    ET_KERNEL_CHECK(context, !each.has_value() || each->numel() == sizes.length * (sizes.width / 2), InvalidArgument, );
  }
  const bool fit = resized(attended, {sizes.length, groups * queries * sizes.width}) == rt::Error::Ok &&
                   resized(keys, {cache_k.size(1), sizes.length, sizes.width}) == rt::Error::Ok &&
                   resized(values, {cache_k.size(1), sizes.length, sizes.width}) == rt::Error::Ok;
  ET_KERNEL_CHECK(context, fit, InvalidArgument, );
  const int64_t of_layer = layer * cache_k.size(1) * sizes.context * sizes.width;
  AttentionTensors tensors{};
  tensors.projected = projected.const_data_ptr<float>();
  if (cosines.has_value() && sines.has_value()) {
    tensors.cosines = cosines->const_data_ptr<float>(), tensors.sines = sines->const_data_ptr<float>();
  }
  tensors.cache_k = cache_k.const_data_ptr<float>() + of_layer;
  tensors.cache_v = cache_v.const_data_ptr<float>() + of_layer;
  tensors.attended = attended.mutable_data_ptr<float>();
  tensors.keys = keys.mutable_data_ptr<float>(), tensors.values = values.mutable_data_ptr<float>();
  static thread_local std::vector<float> weights;
  weights.resize(static_cast<size_t>(sizes.position + sizes.length));
  attend(sizes, tensors, weights.data());
  const size_t filled = static_cast<size_t>(groups * sizes.length * sizes.width);  // a layer with fewer groups than most
  std::fill(tensors.keys + filled, tensors.keys + keys.numel(), 0.0f);
  std::fill(tensors.values + filled, tensors.values + values.numel(), 0.0f);
}

const rt::Kernel kKernels[] = {rt::Kernel("edgewright::attend.out", attend_out)};
const rt::Error kRegistered = rt::register_kernels({kKernels, 1});

}  // namespace

// Whether programs find them.
bool has_operators() { return kRegistered == rt::Error::Ok; }

}  // namespace edgewright
