// The calls of a job, of a file or of a line of standard input:
//   {"schema": 2, "state": [{"name", "dtype", "shape"}],
//    "calls": [{"entry", "inputs": [{"name", "dtype", "shape", …}], "outputs": [name], "state": [name], "reset": false}]}
// An input's bytes lie in a file beside the document ("file", "offset"), or in a line as base64 ("data").
// "outputs" and "state" name, in order, what the entry gives; it takes its inputs first and then its state.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fault.hpp"
#include "job.hpp"
#include "tensors.hpp"

namespace edgewright {

struct Call {
  std::string entry;
  std::vector<InputTensor> inputs;
  std::vector<std::string> outputs;
  std::vector<size_t> state;  // places in the state of all calls
  bool reset = false;
};

struct Calls {
  std::vector<TensorSpec> state;
  std::vector<Call> calls;
  std::vector<std::unique_ptr<Bytes>> bytes;  // what the inputs point into
};

constexpr size_t kMostTensors = 1000;  // of one call
constexpr size_t kMostAxes = 16;
constexpr size_t kLargestState = 1ull << 30;  // bytes, all together
constexpr size_t kLongestName = 300;

class CallsReader {
 public:
  // Files lie beside the document's own `path`; without one, inputs are base64.
  CallsReader(const Json& document, std::string path) : document_(document), path_(std::move(path)) {}

  Calls read() {
    const Fields fields(document_);
    if (fields.required("schema") != kSchema) Fields::bad("schema", "must be " + std::to_string(kSchema));
    fields.refuse_others({"schema", "state", "calls"});
    read_state(fields);
    for (const Json& call : list_of(document_, "calls", static_cast<size_t>(kMostSamples))) {
      where_ = "call " + std::to_string(calls_.calls.size());
      calls_.calls.push_back(read_call(call));
    }
    if (calls_.calls.empty()) Fields::bad("calls", "must be a list that is not empty");
    return std::move(calls_);
  }

 protected:
  static const Json& list_of(const Json& of, const char* name, size_t most) {
    const auto found = of.find(name);
    if (found == of.end() || !found->is_array()) Fields::bad(name, "must be a list");
    if (found->size() > most) Fields::bad(name, "must have at most " + std::to_string(most) + " items");
    return *found;
  }

  void read_state(const Fields& fields) {
    size_t bytes = 0;
    where_ = "the state";
    if (!fields.has("state")) return;
    for (const Json& each : list_of(document_, "state", kMostTensors)) {
      TensorSpec spec = read_spec(each, {"name", "dtype", "shape"});
      for (const TensorSpec& other : calls_.state) {
        if (other.name == spec.name) bad("names the tensor \"" + spec.name + "\" twice");
      }
      bytes += spec.bytes();
      if (bytes > kLargestState) bad("takes more than 1 GB");
      calls_.state.push_back(std::move(spec));
    }
  }

  Call read_call(const Json& document) {
    if (!document.is_object()) bad("must be an object");
    for (const auto& item : document.items()) {
      if (kFields.count(item.key()) == 0) bad("has a field \"" + item.key() + "\" that no call has");
    }
    Call call;
    call.entry = name_in(document, "entry");
    for (const Json& input : list_of(document, "inputs", kMostTensors)) call.inputs.push_back(read_input(input));
    for (const Json& output : list_of(document, "outputs", kMostTensors)) call.outputs.push_back(checked_name(output));
    if (document.contains("state")) {
      for (const Json& name : list_of(document, "state", kMostTensors)) call.state.push_back(place_of(checked_name(name)));
    }
    if (document.contains("reset")) {
      if (!document["reset"].is_boolean()) bad("must have a \"reset\" that is true or false");
      call.reset = document["reset"].get<bool>();
    }
    refuse_repeated(call);
    return call;
  }

  void refuse_repeated(const Call& call) const {
    std::set<std::string> taken, given;
    for (const InputTensor& each : call.inputs) {
      if (!taken.insert(each.spec.name).second) bad("names the input \"" + each.spec.name + "\" twice");
    }
    for (const std::string& name : call.outputs) {
      if (!given.insert(name).second) bad("names the output \"" + name + "\" twice");
    }
    for (const size_t place : call.state) {
      const std::string& name = calls_.state[place].name;
      if (!taken.insert(name).second || !given.insert(name).second) bad("names the tensor \"" + name + "\" twice");
    }
  }

  size_t place_of(const std::string& name) const {
    for (size_t place = 0; place < calls_.state.size(); ++place) {
      if (calls_.state[place].name == name) return place;
    }
    bad("names the state \"" + name + "\", which is not there");
  }

  InputTensor read_input(const Json& document) {
    const bool in_file = !path_.empty();
    InputTensor input;
    input.spec = read_spec(document, in_file ? std::set<std::string>{"name", "dtype", "shape", "file", "offset"}
                                             : std::set<std::string>{"name", "dtype", "shape", "data"});
    const std::string its = "has the input \"" + input.spec.name + "\" ";
    const size_t bytes = input.spec.bytes();
    if (in_file) {
      Bytes& all = file_named(name_in(document, "file"));
      const auto offset = document.find("offset");
      const size_t step = input.spec.dtype->bytes;
      if (offset == document.end() || !offset->is_number_unsigned() || offset->get<uint64_t>() % step != 0) {
        bad(its + "whose \"offset\" is no multiple of " + std::to_string(step));
      }
      const uint64_t first = offset->get<uint64_t>();
      if (first > all.size() || bytes > all.size() - first) {
        bad(its + "of " + std::to_string(bytes) + " bytes from " + std::to_string(first) + " on, beyond the end of its file of " +
            std::to_string(all.size()));
      }
      input.data = all.data() + first;
      check_bools(input);
      return input;
    }
    const auto data = document.find("data");
    auto owned = std::make_unique<Bytes>();
    if (data == document.end() || !data->is_string() || !from_base64(data->get_ref<const std::string&>(), *owned)) {
      bad(its + "whose \"data\" is no base64");
    }
    if (owned->size() != bytes) {
      bad(its + "of " + std::to_string(owned->size()) + " bytes, and its shape has " + std::to_string(bytes));
    }
    input.data = owned->data();
    calls_.bytes.push_back(std::move(owned));
    check_bools(input);
    return input;
  }

  void check_bools(const InputTensor& input) const {
    if (input.spec.dtype->type != ScalarType::Bool) return;
    const size_t bytes = input.spec.bytes();
    if (std::any_of(input.data, input.data + bytes, [](uint8_t value) { return value > 1; })) {
      bad("has the input \"" + input.spec.name + "\" of bool whose bytes are not all 0 or 1");
    }
  }

  TensorSpec read_spec(const Json& document, const std::set<std::string>& known) const {
    if (!document.is_object()) bad("must name tensors as objects");
    for (const auto& item : document.items()) {
      if (known.count(item.key()) == 0) bad("has a tensor with a field \"" + item.key() + "\" that no tensor has here");
    }
    TensorSpec spec;
    spec.name = name_in(document, "name");
    spec.dtype = dtype_named(name_in(document, "dtype"));
    if (spec.dtype == nullptr) bad("has the tensor \"" + spec.name + "\" of a \"dtype\" that is none of jobs");
    const auto shape = document.find("shape");
    if (shape == document.end() || !shape->is_array() || shape->size() > kMostAxes) bad(shape_rule(spec));
    uint64_t bytes = spec.dtype->bytes;
    for (const Json& size : *shape) {
      if (!size.is_number_unsigned() || size.get<uint64_t>() < 1 || size.get<uint64_t>() > INT32_MAX) bad(shape_rule(spec));
      bytes *= size.get<uint64_t>();
      if (bytes > kLargestState) bad("has the tensor \"" + spec.name + "\" of more than 1 GB");
      spec.shape.push_back(size.get<int32_t>());
    }
    return spec;
  }

  static std::string shape_rule(const TensorSpec& spec) {
    return "has the tensor \"" + spec.name + "\" whose \"shape\" must be a list of at most " + std::to_string(kMostAxes) +
           " sizes from 1 to 2147483647";
  }

  std::string name_in(const Json& document, const char* field) const {
    const auto found = document.find(field);
    if (found == document.end()) bad(std::string("lacks its \"") + field + "\"");
    return checked_name(*found, field);
  }

  std::string checked_name(const Json& value, const char* field = "name") const {
    if (!value.is_string() || value.get_ref<const std::string&>().empty() ||
        value.get_ref<const std::string&>().size() > kLongestName) {
      bad(std::string("has a \"") + field + "\" that is no text of 1 to " + std::to_string(kLongestName) + " bytes");
    }
    return value.get<std::string>();
  }

  Bytes& file_named(const std::string& name) {
    const auto [found, added] = files_.try_emplace(beside(path_, name), nullptr);
    if (!added) return *found->second;
    const std::string& path = found->first;
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) throw Fault(kBadJob, "cannot read " + path);
    const std::streamoff size = file.tellg();
    if (size < 0 || size > kLargestFile - read_bytes_) throw Fault(kBadJob, path + " is larger than 256 MB");
    read_bytes_ += size;
    auto owned = std::make_unique<Bytes>(static_cast<size_t>(size));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(owned->data()), size);
    if (!file) throw Fault(kBadJob, "cannot read " + path);
    found->second = owned.get();
    calls_.bytes.push_back(std::move(owned));
    return *found->second;
  }

  [[noreturn]] void bad(const std::string& what) const { throw Fault(kBadJob, where_ + " " + what); }

  inline static const std::set<std::string> kFields = {"entry", "inputs", "outputs", "state", "reset"};
  const Json& document_;
  std::string path_, where_;
  std::map<std::string, Bytes*> files_;
  int64_t read_bytes_ = 0;  // of all files
  Calls calls_;
};

inline Calls read_calls(const std::string& path) {
  const Json document = read_json(path);
  return CallsReader(document, path).read();
}

}  // namespace edgewright
