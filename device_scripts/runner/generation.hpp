// Lets a program write: reads each prompt, then adds a token at a time (device_scripts/generation.py says how).
#pragma once

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "choosing.hpp"
#include "fault.hpp"
#include "machine.hpp"
#include "model.hpp"
#include "prompts.hpp"
#include "tensors.hpp"

namespace edgewright {

const std::string kInterrupted = "interrupted";

// What a draft was good for: the larger program's passes behind the prompt's, of how many drafted tokens it took how
// many, and the most by which logits of a pass of several and of one differed.
struct DraftUse {
  int64_t passes = 0;
  int64_t drafted = 0;
  int64_t accepted = 0;
  double drift = 0;
};

struct Text {
  Ids tokens;
  std::string ended = kInterrupted;
  int stop = -1;  // the stop sequence that ended it
  size_t prompt_tokens = 0;
  double prefill_ms = 0;
  std::vector<double> token_ms;  // the first from the prompt on
  Bytes logits;  // float32, of the prompt's last id, where they are asked for
  std::vector<double> margins;  // of each token, where logits are asked for
  std::optional<DraftUse> draft;
};

// Hears of a token as it comes, and of its milliseconds.
using OnChosen = std::function<void(int64_t, double)>;

constexpr size_t kUnusedSteps = 4;  // tokens that are added before a prompt is read again
constexpr double kSame = 1e-5;  // as a share of the largest logit

// Whether Ctrl-C or SIGTERM came, which ends what is written between two tokens.
class Interrupt {
 public:
  Interrupt() {
    came_ = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { came_ = 1; };
    action.sa_flags = SA_RESTART;  // a line that is being printed is printed whole
    sigaction(SIGINT, &action, &before_[0]);
    sigaction(SIGTERM, &action, &before_[1]);
  }
  ~Interrupt() {
    sigaction(SIGINT, &before_[0], nullptr);
    sigaction(SIGTERM, &before_[1], nullptr);
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  static bool came() { return came_ != 0; }

 private:
  inline static volatile std::sig_atomic_t came_ = 0;
  struct sigaction before_[2];
};

struct Chunk {
  std::string entry;
  size_t position;
  size_t size;
};

// The entry and size of the next call, with so many ids left of a prompt of `count`: an entry of just that size, one
// that reads some ids before them again, the largest that is below, or a single step.
inline std::pair<std::string, size_t> next_entry(const Program& program, int64_t left, int64_t count) {
  if (left == 1) return {program.decode, 1};
  std::vector<std::pair<int64_t, std::string>> enough, below;
  for (const Entry& each : program.prefill) {
    if (each.most >= left && each.least <= count) enough.emplace_back(std::max(left, each.least), each.name);
    if (each.least <= left) below.emplace_back(std::min(left, each.most), each.name);
  }
  if (!enough.empty()) {
    const auto& [size, name] = *std::min_element(enough.begin(), enough.end());
    if (size <= 2 * left || below.empty()) return {name, static_cast<size_t>(size)};
  }
  if (below.empty()) return {program.decode, 1};
  const auto& [size, name] = *std::max_element(below.begin(), below.end());
  return {name, static_cast<size_t>(size)};
}

inline std::vector<Chunk> chunks_of(const Program& program, size_t count, size_t done = 0) {
  std::vector<Chunk> found;
  while (done < count) {
    const size_t left = count - done;
    auto [entry, size] = next_entry(program, static_cast<int64_t>(left), static_cast<int64_t>(count));
    found.push_back({std::move(entry), size <= left ? done : count - size, size});
    done = std::min(done + size, count);
  }
  return found;
}

// A program that reads prompts and adds tokens; the methods that it names must be loaded.
class Writer {
 public:
  Writer(Model& model, const Program& program, const std::vector<TensorSpec>& state)
      : model_(model), program_(program), state_(state) {}
  virtual ~Writer() = default;

  // A call of each entry, by which a model loads them.
  static std::vector<Call> entries(const Program& program, bool with_verify = false) {
    std::vector<Call> calls(program.prefill.size() + 1);
    if (with_verify) calls.emplace_back().entry = program.verify;
    for (size_t place = 0; place < program.prefill.size(); ++place) calls[place].entry = program.prefill[place].name;
    calls[program.prefill.size()].entry = program.decode;
    return calls;
  }

  // Read a prompt, add some tokens and read it again: what is left of them must change nothing.
  virtual void check_reset(const Prompt& prompt, const std::function<void()>& after_reading) {
    model_.reset(state_);
    read(prompt.ids);
    const std::vector<float> first = row_;
    after_reading();
    const size_t most = std::min(static_cast<size_t>(program_.context), prompt.ids.size() + kUnusedSteps);
    for (size_t position = prompt.ids.size(); position < most; ++position) {
      const int64_t likeliest = std::max_element(row_.begin(), row_.end()) - row_.begin();
      run(program_.decode, position, &likeliest, 1);
    }
    read(prompt.ids);
    float largest = 1, differ = 0;
    for (size_t id = 0; id < row_.size(); ++id) {
      largest = std::max(largest, std::abs(first[id]));
      differ = std::max(differ, std::abs(first[id] - row_[id]));
    }
    if (differ > kSame * largest) {
      char text[32];
      std::snprintf(text, sizeof text, "%.3g", static_cast<double>(differ));
      throw Fault(kBadArtifact, "its state does not reset: read a second time, the same prompt gave logits up to " +
                                    std::string(text) + " apart; export the model again");
    }
  }

  // What came after a prompt; `on_token` hears of each token as it comes, and of its milliseconds.
  virtual Text write(const Prompt& prompt, const OnChosen& on_token) {
    Writing writing(prompt, on_token);
    begin(writing);
    while (!Interrupt::came()) {
      take(writing);
      if (writing.text.ended != kInterrupted) break;
      writing.mark = now_s();
      run(program_.decode, writing.position(), &writing.text.tokens.back(), 1);
    }
    return std::move(writing.text);
  }

  void reset() { model_.reset(state_); }

  // Read a text whose first ids are in the cache.
  void read(const Ids& ids, size_t done = 0) {
    for (const Chunk& chunk : chunks_of(program_, ids.size(), done)) {
      run(chunk.entry, chunk.position, ids.data() + chunk.position, chunk.size);
    }
  }

  // The logits of the last id that was read.
  const std::vector<float>& row() const { return row_; }

 protected:
  // What comes after one prompt, as it is taken token by token.
  struct Writing {
    Writing(const Prompt& of, const OnChosen& hear) : prompt(of), on_token(hear), chooser(of) {}
    // Where the last token stands, which is not read yet.
    size_t position() const { return prompt.ids.size() + text.tokens.size() - 1; }

    const Prompt& prompt;
    const OnChosen& on_token;
    Chooser chooser;
    Text text;
    double mark = 0;  // when the time of the next token began
  };

  // Read the prompt.
  void begin(Writing& writing) {
    reset();
    Text& text = writing.text;
    text.prompt_tokens = writing.prompt.ids.size();
    writing.mark = now_s();
    read(writing.prompt.ids);
    text.prefill_ms = since_ms(writing.mark);
    if (!writing.prompt.wants_logits) return;
    text.logits.resize(row_.size() * sizeof(float));
    std::memcpy(text.logits.data(), row_.data(), text.logits.size());
  }

  // Choose the next token by the row of logits, and see whether it is the last.
  void take(Writing& writing) {
    Text& text = writing.text;
    const Prompt& prompt = writing.prompt;
    text.tokens.push_back(writing.chooser.choose(row_));
    if (prompt.wants_logits) text.margins.push_back(margin_of(text.tokens.back()));
    const double now = now_s();
    text.token_ms.push_back(took_ms(writing.mark, now));
    writing.mark = now;
    writing.on_token(text.tokens.back(), text.token_ms.back());
    text.stop = stopped_by(prompt, text.tokens);
    if (text.stop >= 0) text.ended = "stop";
    else if (text.tokens.size() == static_cast<size_t>(prompt.max_tokens)) text.ended = "length";
    else if (writing.position() == static_cast<size_t>(program_.context)) text.ended = "context";
  }

  // A call with what it points into.
  struct Ready {
    std::vector<Call> calls;
    Bytes ids, position;
    std::vector<PreparedCall> prepared;
  };

  static double since_ms(double start) { return took_ms(start, now_s()); }

  static double took_ms(double start, double end) {
    const double took_s = end - start;
    if (took_s < 0) throw Fault(kRunFailed, "the device's monotonic clock ran backwards");
    return took_s * 1e3;
  }

  // By how much a token's logit lies above the largest of the others.
  double margin_of(int64_t token) const {
    double next = -std::numeric_limits<double>::infinity();
    for (size_t id = 0; id < row_.size(); ++id) {
      if (id != static_cast<size_t>(token)) next = std::max(next, static_cast<double>(row_[id]));
    }
    return row_.size() > 1 ? static_cast<double>(row_[static_cast<size_t>(token)]) - next : 0.0;
  }

  static int stopped_by(const Prompt& prompt, const Ids& tokens) {
    for (size_t place = 0; place < prompt.stop.size(); ++place) {
      const Ids& stop = prompt.stop[place];
      if (stop.size() <= tokens.size() && std::equal(stop.rbegin(), stop.rend(), tokens.rbegin())) {
        return static_cast<int>(place);
      }
    }
    return -1;
  }

  // Hands over the ids, of which the first stands at that position, and keeps the logits of the last.
  void run(const std::string& entry, size_t position, const int64_t* ids, size_t count) {
    ask(entry, position, ids, count, /*column=*/false, row_);
    check_numbers(row_);
  }

  // The same, without a look at the logits: of the last id, or of each where they are handed over as a column.
  void ask(const std::string& entry, size_t position, const int64_t* ids, size_t count, bool column,
           std::vector<float>& found) {
    Ready& ready = ready_for(entry, count, column);
    for (size_t place = 0; place < count; ++place) put(ready.ids, place, ids[place], *program_.ids_dtype);
    put(ready.position, 0, static_cast<int64_t>(position), *program_.position_dtype);
    model_.run(ready.prepared.front(), state_, outputs_);
    const OutputTensor& logits = outputs_.front();
    const size_t wanted = (column ? count : 1) * static_cast<size_t>(program_.vocabulary);
    found.resize(logits.data.size() / sizeof(float));
    if (logits.spec.dtype->type != ScalarType::Float || found.size() != wanted) {
      throw Fault(kBadArtifact, "\"" + entry + "\" gives " + logits.spec.dtype->name + " " + shape_text(logits.spec.shape) +
                                    " for logits, not float32 of " + std::to_string(wanted));
    }
    std::memcpy(found.data(), logits.data.data(), logits.data.size());
  }

  static void check_numbers(const std::vector<float>& row) {
    for (size_t id = 0; id < row.size(); ++id) {
      if (std::isfinite(row[id])) continue;
      throw Fault(kRunFailed, "the logit of the id " + std::to_string(id) + " is " +
                                  (std::isnan(row[id]) ? "not a number" : "infinite") + "; export the model again");
    }
  }

  static void put(Bytes& bytes, size_t place, int64_t value, const DType& dtype) {
    std::memcpy(bytes.data() + place * dtype.bytes, &value, dtype.bytes);  // the lower bytes come first
  }

  Ready& ready_for(const std::string& entry, size_t count, bool column) {
    std::unique_ptr<Ready>& found = ready_[{entry, count}];
    if (found != nullptr) return *found;
    auto ready = std::make_unique<Ready>();
    ready->ids.resize(count * program_.ids_dtype->bytes);
    ready->position.resize(program_.position_dtype->bytes);
    Call call;
    call.entry = entry;
    const auto size = static_cast<int32_t>(count);
    const Sizes shape = column ? Sizes{size, 1} : Sizes{1, size};
    call.inputs.push_back({{program_.ids, program_.ids_dtype, shape}, ready->ids.data()});
    call.inputs.push_back({{program_.position, program_.position_dtype, {1}}, ready->position.data()});
    call.outputs = {program_.logits};
    call.state = program_.state;
    ready->calls.push_back(std::move(call));
    ready->prepared = model_.prepared(ready->calls, state_);
    found = std::move(ready);
    return *found;
  }

  Model& model_;
  const Program& program_;
  CallState state_;
  std::map<std::pair<std::string, size_t>, std::unique_ptr<Ready>> ready_;
  std::vector<OutputTensor> outputs_;
  std::vector<float> row_;
};

}  // namespace edgewright
