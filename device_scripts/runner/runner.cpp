// Runs one ExecuTorch artifact as a job file says and prints one JSON document: times, memory, outputs.
//
// In:  argv[1], a job file (job.hpp). Out: the result on standard output and exit status 0,
//      or {"schema": 1, "error": {"kind", "message"}} and exit status 1. Logs go to standard error.
// One latency sample is: hand over the ids, run, copy the output out; by CLOCK_MONOTONIC.
// Memory is VmRSS before the model is loaded, with it, and after the last sample; and VmHWM, the highest ever.
// With "profile" a second copy of the model then says how long each operator takes, a mean of some passes.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "fault.hpp"
#include "job.hpp"
#include "memory.hpp"
#include "model.hpp"
#include "profile.hpp"
#include "sha256.hpp"

namespace edgewright {

double now_s() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Result {
  int64_t rss_start_bytes = 0;
  int64_t rss_loaded_bytes = 0;
  int64_t rss_steady_bytes = 0;
  int64_t peak_rss_bytes = 0;
  double load_ms = 0;
  double first_inference_ms = 0;
  std::vector<float> latency_ms;
  std::vector<std::vector<float>> outputs;
  double profiled_ms = 0;
  std::vector<OperatorTime> operators;  // of one inference
};

constexpr size_t kProfiledRuns = 50;

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
    return std::move(result_);
  }

 private:
  void run_plain() {
    result_.rss_start_bytes = resident_bytes();
    const double start = now_s();
    Model model(job_.artifact, job_.batch);
    result_.load_ms = (now_s() - start) * 1e3;
    result_.rss_loaded_bytes = resident_bytes();
    const std::vector<et::TensorPtr> tensors = model.as_tensors(inputs_);
    collect_outputs(model, tensors);
    if (job_.samples > 0) {
      warm_up(model, tensors);
      sample(model, tensors);
    }
    result_.rss_steady_bytes = resident_bytes();
    // The kernel updates its high-water mark lazily; it may lie a page below what was just seen.
    result_.peak_rss_bytes = std::max(
        {peak_resident_bytes(), result_.rss_start_bytes, result_.rss_loaded_bytes, result_.rss_steady_bytes});
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

  double timed_ms(Model& model, const et::TensorPtr& input) {
    const double start = now_s();
    model.run(input, scratch_);
    return (now_s() - start) * 1e3;
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
    const double start = now_s();
    for (int64_t i = 0; i < kMostSamples; ++i) {
      const double elapsed = now_s() - start;
      const bool enough =
          i >= job_.samples && elapsed >= job_.min_seconds && static_cast<size_t>(i) % tensors.size() == 0;
      if (i > 0 && (enough || elapsed >= job_.max_seconds)) break;
      result_.latency_ms.push_back(static_cast<float>(timed_ms(model, tensors[static_cast<size_t>(i) % tensors.size()])));
    }
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

void print_result(const Job& job, const Result& result) {
  std::printf("{\"schema\": 1, \"runtime\": \"executorch\", \"runtime_version\": \"%s\", \"sha256\": \"%s\", "
              "\"threads\": %d, \"load_ms\": %.6f, \"first_inference_ms\": %.6f, \"latency_ms\": ",
              EDGEWRIGHT_EXECUTORCH_VERSION, job.sha256.c_str(), job.threads, result.load_ms,
              result.first_inference_ms);
  print_floats(result.latency_ms);
  std::printf(", \"outputs\": [");
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    if (i > 0) std::printf(", ");
    print_floats(result.outputs[i]);
  }
  std::printf("]");
  if (job.profile) print_profile(result);
  std::printf(", \"peak_rss_bytes\": %lld, \"rss_start_bytes\": %lld, \"rss_loaded_bytes\": %lld, "
              "\"rss_steady_bytes\": %lld}\n",
              static_cast<long long>(result.peak_rss_bytes), static_cast<long long>(result.rss_start_bytes),
              static_cast<long long>(result.rss_loaded_bytes), static_cast<long long>(result.rss_steady_bytes));
}

int print_fault(const char* kind, const std::string& message) {
  const Json document = {{"schema", 1}, {"error", {{"kind", kind}, {"message", message}}}};
  std::printf("%s\n", document.dump(-1, ' ', true, Json::error_handler_t::replace).c_str());
  return 1;
}

int run(int argc, char** argv) {
  try {
    if (argc != 2) throw Fault(kBadJob, "give one argument: the path of a job file");
    const Job job = read_job(argv[1]);
    Inputs inputs = read_inputs(job.vectors);
    check_hash(job);
    set_threads(job.threads);
    print_result(job, Session(job, inputs).measure());
    return 0;
  } catch (const Fault& fault) {
    return print_fault(fault.kind(), fault.what());
  } catch (const std::bad_alloc&) {
    return print_fault(kRunFailed, "memory ran out");
  } catch (const std::exception& error) {
    return print_fault(kRunFailed, error.what());
  }
}

}  // namespace edgewright

int main(int argc, char** argv) {
  const int status = edgewright::run(argc, argv);
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  return written ? status : 1;
}
