// Runs one ExecuTorch artifact as a job file says and prints one JSON document: times, memory, the machine, outputs.
//
// In:  argv[1], a job file (job.hpp). Out: the result on standard output and exit status 0,
//      or {"schema": 1, "error": {"kind", "message"}} and exit status 1. Logs go to standard error.
// One latency sample is: hand over the ids, run, copy the output out; by CLOCK_MONOTONIC.
// Memory is told phase by phase: before the model is loaded, with it, once every input ran, after the last sample.
// With "profile" a second copy of the model then says how long each operator takes, a mean of some passes; with "etdump"
// one more writes what ExecuTorch's own Inspector reads.
// With "serve" nothing is timed: each line of standard input is a document of inputs as the vectors' file has them, and is
// answered by a line {"schema": 1, "outputs": [...]} or {"schema": 1, "error": ...}, after a first line that says "ready".
// In place of a job, --copy-bandwidth asks how fast memory is copied: {"schema": 1, "copy_gb_s": [...], "block_bytes"}.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <executorch/devtools/etdump/etdump_flatcc.h>

#include "bandwidth.hpp"
#include "crash.hpp"
#include "fault.hpp"
#include "job.hpp"
#include "machine.hpp"
#include "memory.hpp"
#include "model.hpp"
#include "profile.hpp"
#include "sha256.hpp"

namespace edgewright {

struct Result {
  MemoryLog memory;
  Watch watch;
  double load_ms = 0;
  double first_inference_ms = 0;
  std::vector<float> latency_ms;
  std::vector<std::vector<float>> outputs;
  double profiled_ms = 0;
  std::vector<OperatorTime> operators;  // of one inference
};

constexpr size_t kProfiledRuns = 50;
const std::string kCopyBandwidth = "--copy-bandwidth";

void check_hash(const Job& job) {
  const std::string found = sha256_of_file(job.artifact);
  if (found.empty()) throw Fault(kBadArtifact, "cannot read " + job.artifact);
  if (found != job.sha256) {
    throw Fault(kHashMismatch, job.artifact + " has sha256 " + found + ", the job expects " + job.sha256);
  }
}

void check_finite(const std::vector<float>& output, size_t input) {
  for (size_t i = 0; i < output.size(); ++i) {
    if (!std::isfinite(output[i])) {
      throw Fault(kRunFailed, "output value " + std::to_string(i) + " of input " + std::to_string(input) + " is " +
                                  (std::isnan(output[i]) ? "not a number" : "infinite"));
    }
  }
}

class Session {
 public:
  Session(const Job& job, Inputs& inputs) : job_(job), inputs_(inputs) {}

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
    Model model(job_.artifact, job_.batch);
    result_.load_ms = (now_s() - start) * 1e3;
    result_.memory.end("loaded");
    const std::vector<et::TensorPtr> tensors = model.as_tensors(inputs_);
    collect_outputs(model, tensors);
    result_.memory.end("first");
    if (job_.samples > 0) {
      warm_up(model, tensors);
      sample(model, tensors);
    }
    result_.memory.end("steady");
  }

  // At least two whole passes over the inputs, after one that does not count.
  void run_profiled() {
    auto tracer = std::make_unique<Profile>();
    Profile& profile = *tracer;
    Model model(job_.artifact, job_.batch, std::move(tracer));
    const std::vector<et::TensorPtr> tensors = model.as_tensors(inputs_);
    for (const et::TensorPtr& input : tensors) timed_ms(model, input);
    profile.reset();
    const size_t passes = std::max<size_t>(2, (kProfiledRuns + tensors.size() - 1) / tensors.size());
    for (size_t pass = 0; pass < passes; ++pass) {
      for (const et::TensorPtr& input : tensors) result_.profiled_ms += timed_ms(model, input);
    }
    const double runs = static_cast<double>(passes * tensors.size());
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
    Model model(job_.artifact, job_.batch, std::move(tracer));
    const std::vector<et::TensorPtr> tensors = model.as_tensors(inputs_);
    for (const et::TensorPtr& input : tensors) timed_ms(model, input);
    dump.reset();
    for (const et::TensorPtr& input : tensors) timed_ms(model, input);
    const executorch::etdump::ETDumpResult data = dump.get_etdump_data();
    std::FILE* file = data.buf == nullptr ? nullptr : std::fopen(job_.etdump.c_str(), "wbe");
    const bool written = file != nullptr && std::fwrite(data.buf, 1, data.size, file) == data.size;
    const bool closed = file != nullptr && std::fclose(file) == 0;
    std::free(data.buf);
    if (!written || !closed) throw Fault(kRunFailed, "cannot write " + job_.etdump);
  }

  double timed_ms(Model& model, const et::TensorPtr& input) {
    const double start = now_s();
    model.run(input, scratch_);
    const double took_s = now_s() - start;
    if (took_s < 0) throw Fault(kRunFailed, "the device's monotonic clock ran backwards");
    return took_s * 1e3;
  }

  void collect_outputs(Model& model, const std::vector<et::TensorPtr>& tensors) {
    for (size_t i = 0; i < tensors.size(); ++i) {
      const double took_ms = timed_ms(model, tensors[i]);
      if (i == 0) result_.first_inference_ms = took_ms;
      check_finite(scratch_, i);
      result_.outputs.push_back(scratch_);
    }
  }

  void warm_up(Model& model, const std::vector<et::TensorPtr>& tensors) {
    const double start = now_s();
    for (int64_t i = 0; i < job_.warmup_runs || now_s() - start < job_.warmup_s; ++i) {
      timed_ms(model, tensors[static_cast<size_t>(i) % tensors.size()]);
    }
  }

  // Whole passes over the inputs until `samples` and `min_seconds` are both reached; less once `max_seconds` end.
  // Whole passes, because inputs of unlike lengths take unlike times, and each shall weigh the same.
  void sample(Model& model, const std::vector<et::TensorPtr>& tensors) {
    result_.latency_ms.reserve(static_cast<size_t>(job_.samples));
    result_.watch.start();
    const double start = now_s();
    for (int64_t i = 0; i < kMostSamples; ++i) {
      const double elapsed = now_s() - start;
      const bool enough =
          i >= job_.samples && elapsed >= job_.min_seconds && static_cast<size_t>(i) % tensors.size() == 0;
      if (i > 0 && (enough || elapsed >= job_.max_seconds)) break;
      result_.latency_ms.push_back(static_cast<float>(timed_ms(model, tensors[static_cast<size_t>(i) % tensors.size()])));
      result_.watch.look_if_due();
    }
    result_.watch.stop();
  }

  const Job& job_;
  Inputs& inputs_;
  std::vector<float> scratch_;
  Result result_;
};

// Nine digits give every float back exactly.
void print_floats(const std::vector<float>& values) {
  std::putchar('[');
  for (size_t i = 0; i < values.size(); ++i) std::printf(i == 0 ? "%.9g" : ", %.9g", static_cast<double>(values[i]));
  std::putchar(']');
}

void print_profile(const Result& result) {
  Json operators = Json::array();
  for (const OperatorTime& each : result.operators) {
    operators.push_back({{"name", each.name}, {"delegated", each.delegated}, {"calls", each.calls}, {"ms", each.ms}});
  }
  std::printf(", \"profiled_ms\": %.6f, \"operators\": %s", result.profiled_ms,
              operators.dump(-1, ' ', true, Json::error_handler_t::replace).c_str());
}

void print_memory(const MemoryLog& log) {
  std::printf(", \"peak_rss_bytes\": %lld, \"memory\": [", static_cast<long long>(log.peak_bytes()));
  for (const Memory& each : log) {
    std::printf("%s{\"phase\": \"%s\", \"rss_bytes\": %lld, \"anonymous_bytes\": %lld, \"file_bytes\": %lld, "
                "\"peak_bytes\": %lld}",
                &each == log.begin() ? "" : ", ", each.phase, static_cast<long long>(each.rss_bytes),
                static_cast<long long>(each.anonymous_bytes), static_cast<long long>(each.file_bytes),
                static_cast<long long>(each.peak_bytes));
  }
  std::printf("]");
}

// What a machine does not tell is null or not there.
Json known_or_null(double value) { return value < 0 ? Json() : Json(value); }

void print_watch(const Watch& watch) {
  const Sampling& sampling = watch.sampling();
  Json states = Json::array(), energy = Json::array();
  for (const State& each : watch.states()) {
    states.push_back({{"s", each.s},
                      {"clock_khz", known_or_null(each.clock_khz)},
                      {"temperature_mc", known_or_null(each.temperature_mc)},
                      {"throttled", each.throttled.empty() ? Json() : Json(each.throttled)}});
  }
  for (const Energy& each : watch.energy()) energy.push_back({{"source", each.source}, {"joules", each.joules}});
  const Json document = {{"seconds", sampling.seconds},
                         {"own_cpu_s", sampling.own_cpu_s},
                         {"all_cpu_s", known_or_null(sampling.all_cpu_s)},
                         {"steal_s", known_or_null(sampling.steal_s)},
                         {"preemptions", sampling.preemptions},
                         {"suspended_s", sampling.suspended_s},
                         {"states", states},
                         {"energy", energy}};
  std::printf(", \"sampling\": %s", document.dump(-1, ' ', true, Json::error_handler_t::replace).c_str());
}

void print_outputs(const std::vector<std::vector<float>>& outputs) {
  std::printf("\"outputs\": [");
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (i > 0) std::printf(", ");
    print_floats(outputs[i]);
  }
  std::printf("]");
}

void print_result(const Job& job, const Result& result) {
  std::printf("{\"schema\": 1, \"runtime\": \"executorch\", \"runtime_version\": \"%s\", \"sha256\": \"%s\", "
              "\"threads\": %d, \"load_ms\": %.6f, \"first_inference_ms\": %.6f, \"latency_ms\": ",
              EDGEWRIGHT_EXECUTORCH_VERSION, job.sha256.c_str(), job.threads, result.load_ms,
              result.first_inference_ms);
  print_floats(result.latency_ms);
  std::printf(", ");
  print_outputs(result.outputs);
  if (job.profile) print_profile(result);
  if (job.samples > 0) print_watch(result.watch);
  print_memory(result.memory);
  std::printf("}\n");
}

void print_bandwidth(const Bandwidth& found) {
  const Json document = {{"schema", 1}, {"copy_gb_s", found.gb_s}, {"block_bytes", found.block_bytes}};
  std::printf("%s\n", document.dump().c_str());
}

int print_fault(const char* kind, const std::string& message) {
  const Json document = {{"schema", 1}, {"error", {{"kind", kind}, {"message", message}}}};
  std::printf("%s\n", document.dump(-1, ' ', true, Json::error_handler_t::replace).c_str());
  return 1;
}

// What the model makes of one line of standard input.
std::vector<std::vector<float>> answered(const Job& job, Model& model, const std::string& line) {
  Inputs inputs = inputs_of(parsed_json(line, "a line of standard input"), job.vectors);
  std::vector<std::vector<float>> outputs;
  for (const et::TensorPtr& tensor : model.as_tensors(inputs)) {
    outputs.emplace_back();
    model.run(tensor, outputs.back());
    check_finite(outputs.back(), outputs.size() - 1);
  }
  return outputs;
}

void serve(const Job& job) {
  Model model(job.artifact, job.batch);
  std::printf("{\"schema\": 1, \"ready\": true, \"runtime\": \"executorch\", \"runtime_version\": \"%s\", "
              "\"sha256\": \"%s\", \"threads\": %d}\n",
              EDGEWRIGHT_EXECUTORCH_VERSION, job.sha256.c_str(), job.threads);
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      const std::vector<std::vector<float>> outputs = answered(job, model, line);
      std::printf("{\"schema\": 1, ");
      print_outputs(outputs);
      std::printf("}\n");
    } catch (const Fault& fault) {
      print_fault(fault.kind(), fault.what());
    }
    std::fflush(stdout);
  }
}

int run(int argc, char** argv) {
  try {
    if (argc != 2) throw Fault(kBadJob, "give one argument: the path of a job file, or --copy-bandwidth");
    if (argv[1] == kCopyBandwidth) {
      print_bandwidth(copy_bandwidth());
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
    Inputs inputs = read_inputs(job.vectors);
    check_hash(job);
    set_threads(job.threads);
    print_result(job, Session(job, inputs).measure());
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
