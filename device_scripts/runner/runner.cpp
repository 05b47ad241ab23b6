// Runs one ExecuTorch artifact as a job file says and prints one JSON document: times, memory, the machine, outputs.
//
// In:  argv[1], a job file (job.hpp). Out: the result on standard output and exit status 0,
//      or {"schema": 2, "error": {"kind", "message"}} and exit status 1. Logs go to standard error.
// One latency sample is one call: hand over its inputs, run, copy its outputs out; by CLOCK_MONOTONIC.
// State lives from call to call, also from one pass over the calls to the next, until a call resets it first.
// Memory is told phase by phase: before the model is loaded, with it, once every call was made, after the last sample.
// With "profile" a second copy of the model then says how long each operator takes, a mean of some passes; with "etdump"
// one more writes what ExecuTorch's own Inspector reads.
// With "serve" nothing is timed: each line of standard input is a document of calls (calls.hpp), and is answered by a line
// {"schema": 2, "outputs": [...]} or {"schema": 2, "error": ...}, after a first line that says "ready". State lives from
// line to line as long as lines name the same.
// With "prompts" in place of calls the program writes text of its own (prompts.hpp). A line of standard input may be such
// a document, too: then a line {"schema": 2, "token", "prompt"} comes with each token, and at last one
// {"schema": 2, "generated": [...]}. Ctrl-C and SIGTERM end that between two tokens, and what was made is told. A job may
// name another artifact that drafts (drafting.hpp), which prompts may then ask for.
// In place of a job, --copy-bandwidth asks how fast memory is copied: {"schema": 2, "copy_gb_s": [...], "block_bytes"}.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <executorch/devtools/etdump/etdump_flatcc.h>

#include "bandwidth.hpp"
#include "calls.hpp"
#include "crash.hpp"
#include "drafting.hpp"
#include "fault.hpp"
#include "generation.hpp"
#include "job.hpp"
#include "machine.hpp"
#include "memory.hpp"
#include "model.hpp"
#include "profile.hpp"
#include "prompts.hpp"
#include "sha256.hpp"
#include "tensors.hpp"

namespace edgewright {

using Outputs = std::vector<OutputTensor>;

struct Result {
  MemoryLog memory;
  Watch watch;
  double load_ms = 0;
  double first_inference_ms = 0;
  std::vector<double> latency_ms;
  std::vector<Outputs> outputs;  // of each call
  double profiled_ms = 0;
  std::vector<OperatorTime> operators;  // of one call
};

constexpr size_t kProfiledRuns = 50;
const std::string kCopyBandwidth = "--copy-bandwidth";

void check_hash(const std::string& artifact, const std::string& sha256) {
  const std::string found = sha256_of_file(artifact);
  if (found.empty()) throw Fault(kBadArtifact, "cannot read " + artifact);
  if (found != sha256) {
    throw Fault(kHashMismatch, artifact + " has sha256 " + found + ", the job expects " + sha256);
  }
}

void check_hash(const Job& job) { check_hash(job.artifact, job.sha256); }

// A model with its state, and calls made ready for it.
class Loaded {
 public:
  Loaded(const std::string& artifact, const Calls& calls, std::unique_ptr<rt::EventTracer> tracer = nullptr)
      : model_(artifact, std::move(tracer)), state_(calls.state) {
    model_.load(calls.calls);
  }

  void prepare(const Calls& calls) { calls_ = model_.prepared(calls.calls, state_); }
  size_t size() const { return calls_.size(); }

  double timed_ms(size_t call, Outputs& outputs) {
    if (calls_[call].call->reset) model_.reset(state_);
    const double start = now_s();
    model_.run(calls_[call], state_, outputs);
    const double took_s = now_s() - start;
    if (took_s < 0) throw Fault(kRunFailed, "the device's monotonic clock ran backwards");
    return took_s * 1e3;
  }

  double pass_ms(Outputs& outputs) {
    double took_ms = 0;
    for (size_t call = 0; call < calls_.size(); ++call) took_ms += timed_ms(call, outputs);
    return took_ms;
  }

 private:
  Model model_;
  CallState state_;
  std::vector<PreparedCall> calls_;
};

// Outputs with their names, once they are known to be numbers; `number` is the call's.
Outputs named(const Outputs& outputs, const Call& call, size_t number) {
  Outputs all = outputs;
  for (size_t place = 0; place < all.size(); ++place) {
    all[place].spec.name = call.outputs[place];
    check_finite(all[place], number);
  }
  return all;
}

class Session {
 public:
  Session(const Job& job, const Calls& calls) : job_(job), calls_(calls) {}

  Result measure() {
    run_plain();
    if (job_.profile) run_profiled();
    if (!job_.etdump.empty()) write_etdump();
    return std::move(result_);
  }

 private:
  void run_plain() {
    if (job_.cold) drop_cached(job_.artifact);
    result_.memory.end("start");
    const double start = now_s();
    Loaded model(job_.artifact, calls_);
    result_.load_ms = (now_s() - start) * 1e3;
    result_.memory.end("loaded");
    model.prepare(calls_);
    collect_outputs(model);
    result_.memory.end("first");
    if (job_.samples > 0) {
      warm_up(model);
      sample(model);
    }
    result_.memory.end("steady");
  }

  // At least two whole passes over the calls, after one that does not count.
  void run_profiled() {
    auto tracer = std::make_unique<Profile>();
    Profile& profile = *tracer;
    Loaded model(job_.artifact, calls_, std::move(tracer));
    model.prepare(calls_);
    model.pass_ms(scratch_);
    profile.reset();
    const size_t passes = std::max<size_t>(2, (kProfiledRuns + model.size() - 1) / model.size());
    for (size_t pass = 0; pass < passes; ++pass) result_.profiled_ms += model.pass_ms(scratch_);
    const double runs = static_cast<double>(passes * model.size());
    result_.profiled_ms /= runs;
    result_.operators = profile.operators();
    for (OperatorTime& each : result_.operators) {
      each.calls = std::llround(static_cast<double>(each.calls) / runs);
      each.ms /= runs;
    }
  }

  // One pass that does not count, as it holds what is only done once, and one that does.
  void write_etdump() {
    auto tracer = std::make_unique<executorch::etdump::ETDumpGen>();
    executorch::etdump::ETDumpGen& dump = *tracer;
    Loaded model(job_.artifact, calls_, std::move(tracer));
    model.prepare(calls_);
    model.pass_ms(scratch_);
    dump.reset();
    model.pass_ms(scratch_);
    const executorch::etdump::ETDumpResult data = dump.get_etdump_data();
    std::FILE* file = data.buf == nullptr ? nullptr : std::fopen(job_.etdump.c_str(), "wbe");
    const bool written = file != nullptr && std::fwrite(data.buf, 1, data.size, file) == data.size;
    const bool closed = file != nullptr && std::fclose(file) == 0;
    std::free(data.buf);
    if (!written || !closed) throw Fault(kRunFailed, "cannot write " + job_.etdump);
  }

  void collect_outputs(Loaded& model) {
    result_.outputs.reserve(model.size());
    for (size_t call = 0; call < model.size(); ++call) {
      const double took_ms = model.timed_ms(call, scratch_);
      if (call == 0) result_.first_inference_ms = took_ms;
      result_.outputs.push_back(named(scratch_, calls_.calls[call], call));
    }
  }

  void warm_up(Loaded& model) {
    const double start = now_s();
    for (int64_t i = 0; i < job_.warmup_runs || now_s() - start < job_.warmup_s; ++i) {
      model.timed_ms(static_cast<size_t>(i) % model.size(), scratch_);
    }
  }

  // Whole passes over the calls until `samples` and `min_seconds` are both reached; less once `max_seconds` end.
  // Whole passes, because calls of unlike sizes take unlike times, and each shall weigh the same.
  void sample(Loaded& model) {
    result_.latency_ms.reserve(static_cast<size_t>(job_.samples));
    result_.watch.start();
    const double start = now_s();
    for (int64_t i = 0; i < kMostSamples; ++i) {
      const double elapsed = now_s() - start;
      const size_t call = static_cast<size_t>(i) % model.size();
      const bool enough = i >= job_.samples && elapsed >= job_.min_seconds && call == 0;
      if (i > 0 && (enough || elapsed >= job_.max_seconds)) break;
      result_.latency_ms.push_back(model.timed_ms(call, scratch_));
      result_.watch.look_if_due();
    }
    result_.watch.stop();
  }

  const Job& job_;
  const Calls& calls_;
  Outputs scratch_;
  Result result_;
};

void print(const Json& document) {
  std::printf("%s\n", document.dump(-1, ' ', true, Json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

Json operators_json(const Result& result) {
  Json operators = Json::array();
  for (const OperatorTime& each : result.operators) {
    operators.push_back({{"name", each.name}, {"delegated", each.delegated}, {"calls", each.calls}, {"ms", each.ms}});
  }
  return operators;
}

Json memory_json(const MemoryLog& log) {
  Json phases = Json::array();
  for (const Memory& each : log) {
    phases.push_back({{"phase", each.phase},
                      {"rss_bytes", each.rss_bytes},
                      {"anonymous_bytes", each.anonymous_bytes},
                      {"file_bytes", each.file_bytes},
                      {"peak_bytes", each.peak_bytes}});
  }
  return phases;
}

// What a machine does not tell is null or not there.
Json known_or_null(double value) { return value < 0 ? Json() : Json(value); }

Json watch_json(const Watch& watch) {
  const Sampling& sampling = watch.sampling();
  Json states = Json::array(), energy = Json::array();
  for (const State& each : watch.states()) {
    states.push_back({{"s", each.s},
                      {"clock_khz", known_or_null(each.clock_khz)},
                      {"temperature_mc", known_or_null(each.temperature_mc)},
                      {"throttled", each.throttled.empty() ? Json() : Json(each.throttled)}});
  }
  for (const Energy& each : watch.energy()) energy.push_back({{"source", each.source}, {"joules", each.joules}});
  return {{"seconds", sampling.seconds},
          {"own_cpu_s", sampling.own_cpu_s},
          {"all_cpu_s", known_or_null(sampling.all_cpu_s)},
          {"steal_s", known_or_null(sampling.steal_s)},
          {"preemptions", sampling.preemptions},
          {"suspended_s", sampling.suspended_s},
          {"states", states},
          {"energy", energy}};
}

Json outputs_json(const std::vector<Outputs>& calls) {
  Json document = Json::array();
  for (const Outputs& outputs : calls) {
    Json of_call = Json::array();
    for (const OutputTensor& each : outputs) {
      of_call.push_back({{"name", each.spec.name},
                         {"dtype", each.spec.dtype->name},
                         {"shape", each.spec.shape},
                         {"data", base64_of(each.data)}});
    }
    document.push_back(std::move(of_call));
  }
  return document;
}

// What every answer about a model says of what ran.
Json identity_json(const Job& job) {
  return {{"schema", kSchema},
          {"runtime", "executorch"},
          {"runtime_version", EDGEWRIGHT_EXECUTORCH_VERSION},
          {"sha256", job.sha256},
          {"threads", job.threads}};
}

// The clock tells whole nanoseconds; what lies beyond them is rounding.
double rounded(double ms) { return std::round(ms * 1e6) / 1e6; }

Json result_json(const Job& job, const Result& result) {
  Json document = identity_json(job);
  document["load_ms"] = result.load_ms;
  document["first_inference_ms"] = result.first_inference_ms;
  document["latency_ms"] = Json::array();
  for (const double each : result.latency_ms) document["latency_ms"].push_back(rounded(each));
  document["outputs"] = outputs_json(result.outputs);
  if (job.profile) {
    document["profiled_ms"] = result.profiled_ms;
    document["operators"] = operators_json(result);
  }
  if (job.samples > 0) document["sampling"] = watch_json(result.watch);
  document["peak_rss_bytes"] = result.memory.peak_bytes();
  document["memory"] = memory_json(result.memory);
  return document;
}

int print_fault(const char* kind, const std::string& message) {
  print({{"schema", kSchema}, {"error", {{"kind", kind}, {"message", message}}}});
  return 1;
}

Json text_json(const Text& text) {
  Json further = Json::array();
  for (size_t place = 1; place < text.token_ms.size(); ++place) further.push_back(rounded(text.token_ms[place]));
  Json document = {{"tokens", text.tokens},
                   {"ended", text.ended},
                   {"stop", text.stop < 0 ? Json() : Json(text.stop)},
                   {"prompt_tokens", text.prompt_tokens},
                   {"prefill_ms", rounded(text.prefill_ms)},
                   {"first_token_ms", text.token_ms.empty() ? Json() : Json(rounded(text.token_ms.front()))},
                   {"token_ms", further}};
  if (!text.logits.empty()) {
    document["logits"] = base64_of(text.logits);
    document["margins"] = text.margins;
  }
  if (text.draft) {
    document["draft"] = {{"passes", text.draft->passes},
                         {"drafted", text.draft->drafted},
                         {"accepted", text.draft->accepted},
                         {"drift", text.draft->drift}};
  }
  return document;
}

// Hears of the number of a prompt, and of a token as it comes and its milliseconds.
using OnToken = std::function<void(size_t, int64_t, double)>;

// What came after each prompt until an interrupt.
Json written(Writer& writer, const Prompts& prompts, const OnToken& on_token) {
  Json texts = Json::array();
  for (size_t place = 0; place < prompts.prompts.size(); ++place) {
    const auto hear = [&on_token, place](int64_t token, double ms) { on_token(place, token, ms); };
    texts.push_back(text_json(writer.write(prompts.prompts[place], hear)));
    if (Interrupt::came()) break;
  }
  return texts;
}

// The model that drafts, which is loaded when it is first asked for.
class Drafting {
 public:
  explicit Drafting(const Job& job) : job_(job) {}

  // What writes after the prompts, with a draft where they ask for one; its methods are loaded.
  std::unique_ptr<Writer> writer(Model& model, const Prompts& prompts) {
    model.load(Writer::entries(prompts.program, prompts.draft.has_value()));
    if (!prompts.draft) return std::make_unique<Writer>(model, prompts.program, prompts.state);
    if (job_.draft.empty()) Fields::bad("draft", "is in the prompts, and the job names no artifact that drafts");
    if (model_ == nullptr) {
      check_hash(job_.draft, job_.draft_sha256);
      model_ = std::make_unique<Model>(job_.draft);
    }
    model_->load(Writer::entries(prompts.draft->program));
    drafter_ = std::make_unique<Drafter>(*model_, *prompts.draft);
    return std::make_unique<DraftedWriter>(model, prompts, *drafter_);
  }

 private:
  const Job& job_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Drafter> drafter_;  // of the last prompts
};

Json generated_json(const Job& job) {
  const Prompts prompts = read_prompts(job.prompts);
  check_hash(job);
  set_threads(job.threads);
  MemoryLog memory;
  Watch watch;
  if (job.cold) drop_cached(job.artifact);
  memory.end("start");
  const double start = now_s();
  Model model(job.artifact);
  Drafting drafting(job);
  const std::unique_ptr<Writer> writer = drafting.writer(model, prompts);
  Json document = identity_json(job);
  document["load_ms"] = (now_s() - start) * 1e3;
  memory.end("loaded");
  writer->check_reset(prompts.prompts.front(), [&memory] { memory.end("prefill"); });
  watch.start();
  document["generated"] = written(*writer, prompts, [&watch](size_t, int64_t, double) { watch.look_if_due(); });
  watch.stop();
  memory.end("decode");
  document["sampling"] = watch_json(watch);
  document["peak_rss_bytes"] = memory.peak_bytes();
  document["memory"] = memory_json(memory);
  return document;
}

// A model that answers line after line; its state is kept as long as lines name the same.
class Server {
 public:
  explicit Server(const Job& job) : model_(job.artifact), drafting_(job) {}

  // Print what comes after the prompts of a document, token by token; false where that was interrupted.
  bool write(const Json& document) {
    const Prompts prompts = PromptsReader(document, "").read();
    const Interrupt interrupt;
    const std::unique_ptr<Writer> writer = drafting_.writer(model_, prompts);
    bool& is_checked = prompts.draft ? is_draft_checked_ : is_checked_;
    if (!is_checked) writer->check_reset(prompts.prompts.front(), [] {});
    is_checked = true;
    const Json texts = written(*writer, prompts, [](size_t prompt, int64_t token, double ms) {
      print({{"schema", kSchema}, {"token", token}, {"prompt", prompt}, {"ms", rounded(ms)}});
    });
    print({{"schema", kSchema}, {"generated", texts}});
    return !Interrupt::came();
  }

  std::vector<Outputs> answered(const Json& document) {
    const Calls calls = CallsReader(document, "").read();
    if (state_ == nullptr || !state_->is_of(calls.state)) state_ = std::make_unique<CallState>(calls.state);
    model_.load(calls.calls);
    std::vector<Outputs> all;
    for (const PreparedCall& call : model_.prepared(calls.calls, *state_)) {
      if (call.call->reset) model_.reset(*state_);
      Outputs outputs;
      model_.run(call, *state_, outputs);
      all.push_back(named(outputs, *call.call, all.size()));
    }
    return all;
  }

 private:
  Model model_;
  Drafting drafting_;
  std::unique_ptr<CallState> state_;
  bool is_checked_ = false, is_draft_checked_ = false;
};

void serve(const Job& job) {
  Server server(job);
  Json ready = identity_json(job);
  ready["ready"] = true;
  print(ready);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      const Json document = parsed_json(line, "a line of standard input");
      if (document.contains("prompts")) {
        if (!server.write(document)) return;
        continue;
      }
      print({{"schema", kSchema}, {"outputs", outputs_json(server.answered(document))}});
    } catch (const Fault& fault) {
      print_fault(fault.kind(), fault.what());
    }
  }
}

int run(int argc, char** argv) {
  try {
    if (argc != 2) throw Fault(kBadJob, "give one argument: the path of a job file, or --copy-bandwidth");
    if (argv[1] == kCopyBandwidth) {
      const Bandwidth found = copy_bandwidth();
      print({{"schema", kSchema}, {"copy_gb_s", found.gb_s}, {"block_bytes", found.block_bytes}});
      return 0;
    }
    const Job job = read_job(argv[1]);
    keep_to(job.cores);
    if (job.serve) {
      check_hash(job);
      set_threads(job.threads);
      serve(job);
      return 0;
    }
    if (!job.prompts.empty()) {
      const Interrupt interrupt;
      print(generated_json(job));
      return 0;
    }
    const Calls calls = read_calls(job.calls);
    check_hash(job);
    set_threads(job.threads);
    print(result_json(job, Session(job, calls).measure()));
    return 0;
  } catch (const Fault& fault) {
    return print_fault(fault.kind(), fault.what());
  } catch (const std::bad_alloc&) {
    return print_fault(kOutOfMemory, "memory ran out");
  } catch (const std::exception& error) {
    return print_fault(kRunFailed, error.what());
  }
}

}  // namespace edgewright

int main(int argc, char** argv) {
  edgewright::tell_of_illegal_instructions();
  const int status = edgewright::run(argc, argv);
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  return written ? status : 1;
}
