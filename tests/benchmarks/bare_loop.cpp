// The least that times an ExecuTorch program: load, one input of so many ids, a loop. Shares no source with the runner.
//
//   bare-loop MODEL.pte IDS WARM_SECONDS SECONDS  →  a line for each sample, in ms

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

// The SDK's library has these two symbols, but its headers leave them out.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(uint32_t num_threads);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

static double now_s() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

int main(int argc, char** argv) {
  namespace et = executorch::extension;
  if (argc != 5) return 2;
  et::threadpool::get_threadpool()->_unsafe_reset_threadpool(1);
  et::Module module(argv[1], et::Module::LoadMode::Mmap);
  std::vector<int64_t> ids(static_cast<size_t>(std::atoi(argv[2])), 1);
  const auto input = et::from_blob(ids.data(), {1, static_cast<int>(ids.size())}, executorch::aten::ScalarType::Long);
  for (const double start = now_s(); now_s() - start < std::atof(argv[3]);) {
    if (!module.forward(input).ok()) return 1;
  }
  std::vector<double> taken_ms;
  for (const double start = now_s(); now_s() - start < std::atof(argv[4]);) {
    const double before = now_s();
    if (!module.forward(input).ok()) return 1;
    taken_ms.push_back((now_s() - before) * 1e3);
  }
  for (const double sample : taken_ms) std::printf("%.6f\n", sample);
  return 0;
}
