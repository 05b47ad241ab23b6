// A tensor as jobs and results carry it: its dtype by name, its shape, and its numbers as little-endian bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <executorch/runtime/core/exec_aten/exec_aten.h>

#include "fault.hpp"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are handed over as their bytes");

namespace edgewright {

using ScalarType = executorch::aten::ScalarType;
using Sizes = std::vector<executorch::aten::SizesType>;
using Bytes = std::vector<uint8_t>;

struct DType {
  const char* name;
  ScalarType type;
  size_t bytes;
};

constexpr std::array<DType, 9> kDTypes{{{"bool", ScalarType::Bool, 1},
                                        {"int8", ScalarType::Char, 1},
                                        {"uint8", ScalarType::Byte, 1},
                                        {"int16", ScalarType::Short, 2},
                                        {"int32", ScalarType::Int, 4},
                                        {"int64", ScalarType::Long, 8},
                                        {"float16", ScalarType::Half, 2},
                                        {"float32", ScalarType::Float, 4},
                                        {"float64", ScalarType::Double, 8}}};

// The dtype of that name or type; null where jobs know none.
inline const DType* dtype_named(const std::string& name) {
  for (const DType& each : kDTypes) {
    if (name == each.name) return &each;
  }
  return nullptr;
}

inline const DType* dtype_of(ScalarType type) {
  for (const DType& each : kDTypes) {
    if (type == each.type) return &each;
  }
  return nullptr;
}

struct TensorSpec {
  std::string name;
  const DType* dtype = nullptr;
  Sizes shape;

  size_t bytes() const {
    size_t count = dtype->bytes;
    for (const auto size : shape) count *= static_cast<size_t>(size);
    return count;
  }
};

// An input: its bytes belong to whoever read the job.
struct InputTensor {
  TensorSpec spec;
  uint8_t* data = nullptr;
};

struct OutputTensor {
  TensorSpec spec;
  Bytes data;
};

// "(1, 16)"
template <typename Shape>
std::string shape_text(const Shape& shape) {
  std::string text = "(";
  for (const auto size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ")";
}

enum class Finite { kYes, kNotANumber, kInfinite };

template <typename Bits>
Finite finite_bits(const uint8_t* data, Bits exponent, Bits mantissa) {
  Bits bits;
  std::memcpy(&bits, data, sizeof bits);
  if ((bits & exponent) != exponent) return Finite::kYes;
  return (bits & mantissa) != 0 ? Finite::kNotANumber : Finite::kInfinite;
}

inline Finite finite_value(const DType& dtype, const uint8_t* data) {
  switch (dtype.type) {
    case ScalarType::Half:
      return finite_bits<uint16_t>(data, 0x7c00, 0x03ff);
    case ScalarType::Float:
      return finite_bits<uint32_t>(data, 0x7f800000, 0x007fffff);
    case ScalarType::Double:
      return finite_bits<uint64_t>(data, 0x7ff0000000000000, 0x000fffffffffffff);
    default:
      return Finite::kYes;
  }
}

// Refuses numbers that no model should give; `call` counts from 0.
inline void check_finite(const OutputTensor& output, size_t call) {
  for (size_t place = 0; place < output.data.size(); place += output.spec.dtype->bytes) {
    const Finite found = finite_value(*output.spec.dtype, output.data.data() + place);
    if (found == Finite::kYes) continue;
    throw Fault(kRunFailed, "value " + std::to_string(place / output.spec.dtype->bytes) + " of the output \"" +
                                output.spec.name + "\" of call " + std::to_string(call) + " is " +
                                (found == Finite::kNotANumber ? "not a number" : "infinite"));
  }
}

constexpr const char* kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

inline std::string base64_of(const Bytes& bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t place = 0; place < bytes.size(); place += 3) {
    const size_t there = std::min<size_t>(3, bytes.size() - place);
    uint32_t bits = static_cast<uint32_t>(bytes[place]) << 16;
    if (there > 1) bits |= static_cast<uint32_t>(bytes[place + 1]) << 8;
    if (there > 2) bits |= bytes[place + 2];
    for (size_t digit = 0; digit < 4; ++digit) text += digit <= there ? kBase64[bits >> (18 - 6 * digit) & 63] : '=';
  }
  return text;
}

// False for what is no base64 with its padding.
inline bool from_base64(const std::string& text, Bytes& bytes) {
  if (text.size() % 4 != 0) return false;
  bytes.clear();
  bytes.reserve(text.size() / 4 * 3);
  for (size_t place = 0; place < text.size(); place += 4) {
    size_t digits = 4;
    if (place + 4 == text.size() && text[place + 3] == '=') digits = text[place + 2] == '=' ? 2 : 3;
    uint32_t bits = 0;
    for (size_t digit = 0; digit < digits; ++digit) {
      const char* found = text[place + digit] == '\0' ? nullptr : std::strchr(kBase64, text[place + digit]);
      if (found == nullptr) return false;
      bits |= static_cast<uint32_t>(found - kBase64) << (18 - 6 * digit);
    }
    for (size_t byte = 0; byte + 1 < digits; ++byte) bytes.push_back(static_cast<uint8_t>(bits >> (16 - 8 * byte)));
  }
  return true;
}

}  // namespace edgewright
