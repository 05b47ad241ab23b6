// The prompts of a job or of a line of standard input, as device_scripts/generation.py describes them:
//   {"schema": 2, "state": [{"name", "dtype", "shape"}],
//    "program": {"prefill": [{"entry", "least", "most"}], "decode", "ids": {"name", "dtype"},
//                "position": {"name", "dtype"}, "logits", "state": [name], "context", "vocabulary",
//                "verify": {"entry", "size"}},
//    "prompts": [{"ids", "max_tokens", "temperature", "top_k", "top_p", "repetition_penalty", "seed", "stop",
//                 "logits"}],
//    "draft": {"state", "program", "spelling", "tie"}}, of which "logits", "verify" and "draft" may be left out
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "fault.hpp"
#include "job.hpp"
#include "tensors.hpp"

namespace edgewright {

using Ids = std::vector<int64_t>;

// An entry that takes so many ids at once.
struct Entry {
  std::string name;
  int64_t least = 1;
  int64_t most = 1;
};

struct Program {
  std::vector<Entry> prefill;
  std::string decode, ids, position, logits;
  const DType* ids_dtype = nullptr;
  const DType* position_dtype = nullptr;
  std::vector<size_t> state;  // places in the state
  int64_t context = 0;
  int64_t vocabulary = 0;
  std::string verify;       // the entry that reads a draft; empty where there is none
  int64_t verify_size = 0;  // how many ids it takes
};

struct Prompt {
  Ids ids;
  int64_t max_tokens = 1;
  int64_t top_k = 0;
  uint64_t seed = 0;
  double temperature = 0;
  double top_p = 1;
  double repetition_penalty = 1;
  std::vector<Ids> stop;
  bool wants_logits = false;  // of the prompt's last id
};

// A smaller program that drafts (device_scripts/drafting.py).
struct DraftPlan {
  std::vector<TensorSpec> state;
  Program program;
  std::vector<Ids> spelling;           // of each id of the larger program; empty where ids are the same
  std::map<int64_t, int64_t> larger;  // the larger program's id
  double tie = 0;

  // -1 where it has none.
  int64_t larger_id(int64_t token) const {
    if (spelling.empty()) return token;
    const auto found = larger.find(token);
    return found == larger.end() ? -1 : found->second;
  }
};

struct Prompts {
  std::vector<TensorSpec> state;
  Program program;
  std::vector<Prompt> prompts;
  std::optional<DraftPlan> draft;
};

constexpr size_t kMostPrompts = 10'000;
constexpr int64_t kMostIds = 1 << 20;
constexpr size_t kMostStops = 100;
constexpr int64_t kMostVerified = 1000;
constexpr size_t kLongestSpelling = 100;
constexpr double kLargestTie = 1e30;
constexpr int64_t kLargestSeed = (1ll << 53) - 1;

class PromptsReader : private CallsReader {
 public:
  PromptsReader(const Json& document, std::string path) : CallsReader(document, std::move(path)) {}

  Prompts read() {
    const Fields fields(document_);
    if (fields.required("schema") != kSchema) Fields::bad("schema", "must be " + std::to_string(kSchema));
    fields.refuse_others({"schema", "state", "program", "prompts", "draft"});
    read_state(fields);
    read_program(fields.required("program"));
    for (const Json& prompt : list_of(document_, "prompts", kMostPrompts)) {
      where_ = "prompt " + std::to_string(prompts_.prompts.size());
      prompts_.prompts.push_back(read_prompt(prompt));
    }
    if (prompts_.prompts.empty()) Fields::bad("prompts", "must be a list that is not empty");
    prompts_.state = std::move(calls_.state);
    if (fields.has("draft")) {
      for (size_t place = 0; place < prompts_.prompts.size(); ++place) {
        const Prompt& prompt = prompts_.prompts[place];
        if (prompt.temperature == 0 && prompt.repetition_penalty == 1) continue;
        throw Fault(kBadJob, "prompt " + std::to_string(place) +
                                 " takes other tokens than the likeliest, and a draft is for those alone; leave it out, or "
                                 "ask for temperature 0 and repetition_penalty 1");
      }
      prompts_.draft = PromptsReader(document_["draft"], path_).read_draft(prompts_.program);
    }
    return std::move(prompts_);
  }

  // Of the field "draft", for a program that is larger.
  DraftPlan read_draft(const Program& larger) {
    require_fields("draft", document_, {"state", "program", "spelling", "tie"});
    const Fields fields(document_);
    read_state(fields);
    read_program(fields.required("program"));
    DraftPlan plan;
    plan.tie = fields.number("tie", 0, kLargestTie);
    if (larger.verify.empty()) Fields::bad("draft", "needs a program that has a \"verify\"");
    read_spelling(fields.required("spelling"), static_cast<size_t>(larger.vocabulary), plan);
    plan.state = std::move(calls_.state);
    plan.program = std::move(prompts_.program);
    return plan;
  }

 private:
  static void require_fields(const std::string& which, const Json& document, const std::set<std::string>& known,
                             const std::set<std::string>& may = {}) {
    if (!document.is_object()) Fields::bad(which.c_str(), "must be an object");
    for (const std::string& name : known) {
      if (!document.contains(name)) Fields::bad(name.c_str(), "is missing in " + which);
    }
    for (const auto& item : document.items()) {
      if (known.count(item.key()) + may.count(item.key()) == 0) Fields::bad(item.key().c_str(), "is not a field of " + which);
    }
  }

  void read_program(const Json& document) {
    require_fields("program", document,
                   {"prefill", "decode", "ids", "position", "logits", "state", "context", "vocabulary"}, {"verify"});
    where_ = "the program";
    Program& program = prompts_.program;
    const Fields fields(document);
    for (const Json& each : list_of(document, "prefill", 100)) {
      require_fields("prefill", each, {"entry", "least", "most"});
      const Fields entry(each);
      const int64_t least = entry.integer("least", 1, kMostIds);
      program.prefill.push_back({entry.text("entry"), least, entry.integer("most", least, kMostIds)});
    }
    program.decode = name_in(document, "decode");
    read_index(document["ids"], "ids", program.ids, program.ids_dtype);
    read_index(document["position"], "position", program.position, program.position_dtype);
    program.logits = name_in(document, "logits");
    for (const Json& name : list_of(document, "state", kMostTensors)) {
      program.state.push_back(place_of(checked_name(name)));
    }
    program.context = fields.integer("context", 1, kMostIds);
    program.vocabulary = fields.integer("vocabulary", 1, 1ll << 31);
    if (!fields.has("verify")) return;
    require_fields("verify", document["verify"], {"entry", "size"});
    const Fields verify(document["verify"]);
    program.verify = verify.text("entry");
    program.verify_size = verify.integer("size", 2, kMostVerified);
  }

  void read_spelling(const Json& values, size_t count, DraftPlan& plan) const {
    const auto own = static_cast<uint64_t>(prompts_.program.vocabulary);
    if (values.is_null()) {
      if (own != count) Fields::bad("spelling", "must be given where the vocabularies differ");
      return;
    }
    if (!values.is_array() || values.size() != count) {
      Fields::bad("spelling", "must be a list of " + std::to_string(count));
    }
    plan.spelling.reserve(count);
    for (const Json& value : values) {
      Ids ids;
      const auto add = [&ids, own](const Json& id) {
        if (id.is_number_unsigned() && id.get<uint64_t>() < own && ids.size() < kLongestSpelling) {
          ids.push_back(id.get<int64_t>());
          return;
        }
        Fields::bad("spelling", "must have ids from 0 to " + std::to_string(own - 1) + ", at most " +
                                    std::to_string(kLongestSpelling) + " for one");
      };
      if (value.is_array()) {
        for (const Json& id : value) add(id);
      } else {
        add(value);
      }
      if (ids.size() == 1) plan.larger.emplace(ids.front(), static_cast<int64_t>(plan.spelling.size()));
      plan.spelling.push_back(std::move(ids));
    }
  }

  void read_index(const Json& document, const char* field, std::string& name, const DType*& dtype) {
    require_fields(field, document, {"name", "dtype"});
    name = name_in(document, "name");
    dtype = dtype_named(name_in(document, "dtype"));
    if (dtype == nullptr || (dtype->type != ScalarType::Int && dtype->type != ScalarType::Long)) {
      Fields::bad(field, "must have a \"dtype\" of int32 or int64");
    }
  }

  Prompt read_prompt(const Json& document) {
    require_fields(where_, document,
                   {"ids", "max_tokens", "temperature", "top_k", "top_p", "repetition_penalty", "seed", "stop"},
                   {"logits"});
    const Fields fields(document);
    Prompt prompt;
    prompt.ids = read_ids(document["ids"], static_cast<size_t>(kMostIds), where_);
    const auto count = static_cast<int64_t>(prompt.ids.size());
    const int64_t context = prompts_.program.context;
    if (count > context) {
      bad("has " + std::to_string(count) + " ids, " + std::to_string(count - context) + " more than the context of " +
          std::to_string(context) + "; shorten it, or ask for it to be cut");
    }
    prompt.max_tokens = fields.integer("max_tokens", 1, kMostIds);
    prompt.top_k = fields.integer("top_k", 0, INT32_MAX);
    prompt.seed = static_cast<uint64_t>(fields.integer("seed", 0, kLargestSeed));
    prompt.temperature = fields.number("temperature", 0, 100);
    prompt.top_p = fields.number("top_p", 1e-9, 1);
    if (document.contains("logits")) {
      if (!document["logits"].is_boolean()) Fields::bad("logits", "must be true or false");
      prompt.wants_logits = document["logits"].get<bool>();
    }
    prompt.repetition_penalty = fields.number("repetition_penalty", 0.01, 100);
    for (const Json& each : list_of(document, "stop", kMostStops)) {
      prompt.stop.push_back(read_ids(each, kMostStops, "a stop sequence of " + where_));
    }
    return prompt;
  }

  Ids read_ids(const Json& values, size_t most, const std::string& which) const {
    if (!values.is_array() || values.size() > most) {
      throw Fault(kBadJob, which + " must be a list of at most " + std::to_string(most) + " ids");
    }
    if (values.empty()) {
      throw Fault(kBadJob, which + " has no ids; give one at least, such as the id that begins a text");
    }
    const auto vocabulary = static_cast<uint64_t>(prompts_.program.vocabulary);
    Ids ids;
    ids.reserve(values.size());
    for (const Json& value : values) {
      if (!value.is_number_unsigned() || value.get<uint64_t>() >= vocabulary) {
        throw Fault(kBadJob, which + " has the id " + value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 30) +
                                 ", and the vocabulary has those from 0 to " + std::to_string(vocabulary - 1));
      }
      ids.push_back(value.get<int64_t>());
    }
    return ids;
  }

  Prompts prompts_;
};

inline Prompts read_prompts(const std::string& path) {
  const Json document = read_json(path);
  return PromptsReader(document, path).read();
}

}  // namespace edgewright
