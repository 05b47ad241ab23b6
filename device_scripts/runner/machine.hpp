// How the machine is doing while a model runs: whose processor time it is, clock, temperature, throttling, energy.
// Whatever a machine does not tell is left out; nothing is guessed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fault.hpp"
#include "job.hpp"

namespace edgewright {

inline double clock_s(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

inline double now_s() { return clock_s(CLOCK_MONOTONIC); }

// Must come before any thread is started: each takes the cores of the one that starts it.
inline void keep_to(const std::vector<int>& cores) {
  if (cores.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<size_t>(core), &set);
  cpu_set_t taken;
  CPU_ZERO(&taken);
  if (sched_setaffinity(0, sizeof set, &set) != 0 || sched_getaffinity(0, sizeof taken, &taken) != 0 ||
      !CPU_EQUAL(&set, &taken)) {
    throw Fault(kBadJob, "\"cores\" must be cores that are there and on, and that this process may use");
  }
}

// Make the next one who reads a file read it from storage, as far as the kernel lets us.
inline void drop_cached(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);  // a page that is yet to be written is not dropped
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  close(file);
}

inline std::vector<std::string> matching(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  return paths;
}

// The first word of a small file; empty where it cannot be read.
inline std::string word_of(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return "";
  char word[128] = "";
  if (std::fscanf(file, "%127s", word) != 1) word[0] = '\0';
  std::fclose(file);
  return word;
}

inline bool number_of(const std::string& path, double& value) {
  const std::string word = word_of(path);
  char* rest = nullptr;
  value = std::strtod(word.c_str(), &rest);
  return !word.empty() && *rest == '\0';
}

// What the machine said at one moment of the sampling.
struct State {
  double s = 0;
  double clock_khz = -1;
  double temperature_mc = -1;
  std::string throttled;
};

struct Energy {
  std::string source;
  double joules = 0;
};

// A counter of microjoules, or power in microwatts that is integrated over time: `power` itself, or voltage × current.
class EnergySource {
 public:
  EnergySource(std::string name, std::string counter, double wraps_at, std::string power, std::string volts,
               std::string amperes)
      : name_(std::move(name)),
        counter_(std::move(counter)),
        wraps_at_(wraps_at),
        power_(std::move(power)),
        volts_(std::move(volts)),
        amperes_(std::move(amperes)) {}

  void read(double s) {
    double value = 0;
    if (!now(value)) return;
    if (readings_++ > 0) {
      if (counter_.empty()) {
        joules_ += (value + last_) / 2 * (s - last_s_) * 1e-6;
      } else {
        joules_ += (value >= last_ ? value - last_ : value + wraps_at_ - last_) * 1e-6;
      }
    }
    last_ = value;
    last_s_ = s;
  }

  bool is_known() const { return readings_ > 1; }
  Energy total() const { return {name_, joules_}; }

 private:
  bool now(double& value) const {
    if (!counter_.empty()) return number_of(counter_, value);
    if (!power_.empty()) return number_of(power_, value);
    double millivolts = 0, milliamperes = 0;
    if (!number_of(volts_, millivolts) || !number_of(amperes_, milliamperes)) return false;
    value = millivolts * milliamperes;
    return true;
  }

  std::string name_, counter_;
  double wraps_at_;
  std::string power_, volts_, amperes_;
  int readings_ = 0;
  double last_ = 0, last_s_ = 0, joules_ = 0;
};

inline std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

inline std::string file_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "power1_input" → "power1_label" beside it, else the chip's name and the file's.
inline std::string label_of(const std::string& input) {
  const std::string stem = input.substr(0, input.rfind('_'));
  const std::string label = word_of(stem + "_label");
  return label.empty() ? word_of(folder_of(input) + "/name") + " " + file_of(stem) : label;
}

// The processor's packages (RAPL), and rails that a board's chips watch (hwmon; on Jetsons an INA3221).
inline std::vector<EnergySource> energy_sources() {
  std::vector<EnergySource> sources;
  for (const std::string& counter : matching("/sys/class/powercap/*:*/energy_uj")) {
    const std::string folder = folder_of(counter), zone = file_of(folder);
    if (zone.find(':') != zone.rfind(':')) continue;  // a part of another zone
    double wraps_at = 0;
    number_of(folder + "/max_energy_range_uj", wraps_at);
    sources.emplace_back(word_of(folder + "/name"), counter, wraps_at, "", "", "");
  }
  for (const std::string& input : matching("/sys/class/hwmon/hwmon*/energy*_input")) {
    sources.emplace_back(label_of(input), input, 0, "", "", "");
  }
  for (const std::string& input : matching("/sys/class/hwmon/hwmon*/power*_input")) {
    sources.emplace_back(label_of(input), "", 0, input, "", "");
  }
  for (const std::string& current : matching("/sys/class/hwmon/hwmon*/curr*_input")) {
    const std::string number = file_of(current).substr(4, file_of(current).find('_') - 4), folder = folder_of(current);
    const std::string volts = folder + "/in" + number + "_input";
    if (access((folder + "/power" + number + "_input").c_str(), R_OK) == 0 || access(volts.c_str(), R_OK) != 0) continue;
    sources.emplace_back(label_of(volts), "", 0, "", volts, current);
  }
  return sources;
}

// Processor time: this process's, everybody's, and what the machine's own host took from it.
struct ProcessorTime {
  double own_s = 0;
  double all_s = -1;
  double steal_s = -1;
  int64_t preemptions = 0;
};

inline ProcessorTime processor_time() {
  ProcessorTime time;
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& value) {
    return static_cast<double>(value.tv_sec) + static_cast<double>(value.tv_usec) * 1e-6;
  };
  time.own_s = seconds(used.ru_utime) + seconds(used.ru_stime);
  time.preemptions = used.ru_nivcsw;
  std::FILE* stat = std::fopen("/proc/stat", "re");
  if (stat == nullptr) return time;
  long long user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, soft = 0, steal = 0;
  if (std::fscanf(stat, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &user, &nice, &system, &idle, &waiting, &irq,
                  &soft, &steal) == 8) {
    const double tick_s = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
    time.all_s = static_cast<double>(user + nice + system + irq + soft) * tick_s;
    time.steal_s = static_cast<double>(steal) * tick_s;
  }
  std::fclose(stat);
  return time;
}

struct Sampling {
  double seconds = 0;
  double own_cpu_s = 0;
  double all_cpu_s = -1;
  double steal_s = -1;
  int64_t preemptions = 0;
  double suspended_s = 0;  // the machine slept, or its clock was moved
};

constexpr double kLookEvery_s = 0.25;

// Looks at the machine from time to time, between samples and never within one.
class Watch {
 public:
  Watch()
      : clocks_(matching("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")),
        zones_(matching("/sys/class/thermal/thermal_zone[0-9]*/temp")),
        energy_(energy_sources()) {}

  void start() {
    before_ = processor_time();
    start_s_ = now_s();
    asleep_s_ = clock_s(CLOCK_BOOTTIME) - start_s_;
    look();
  }

  void look_if_due() {
    if (now_s() >= next_s_) look();
  }

  void stop() {
    look();
    const ProcessorTime after = processor_time();
    const double end_s = now_s();
    sampling_.seconds = end_s - start_s_;
    sampling_.own_cpu_s = after.own_s - before_.own_s;
    sampling_.preemptions = after.preemptions - before_.preemptions;
    if (before_.all_s >= 0 && after.all_s >= 0) {
      sampling_.all_cpu_s = after.all_s - before_.all_s;
      sampling_.steal_s = after.steal_s - before_.steal_s;
    }
    sampling_.suspended_s = std::max(0.0, clock_s(CLOCK_BOOTTIME) - end_s - asleep_s_);
  }

  const Sampling& sampling() const { return sampling_; }
  const std::vector<State>& states() const { return states_; }

  std::vector<Energy> energy() const {
    std::vector<Energy> known;
    for (const EnergySource& source : energy_) {
      if (source.is_known()) known.push_back(source.total());
    }
    return known;
  }

 private:
  void look() {
    const double s = now_s() - start_s_;
    State state;
    state.s = s;
    state.clock_khz = highest(clocks_);
    state.temperature_mc = highest(zones_);
    state.throttled = word_of("/sys/devices/platform/soc/soc:firmware/get_throttled");
    for (EnergySource& source : energy_) source.read(s);
    states_.push_back(std::move(state));
    next_s_ = now_s() + kLookEvery_s;
  }

  static double highest(const std::vector<std::string>& paths) {
    double found = -1, value = 0;
    for (const std::string& path : paths) {
      if (number_of(path, value)) found = std::max(found, value);
    }
    return found;
  }

  std::vector<std::string> clocks_, zones_;
  std::vector<EnergySource> energy_;
  ProcessorTime before_;
  Sampling sampling_;
  std::vector<State> states_;
  double start_s_ = 0, asleep_s_ = 0, next_s_ = 0;
};

}  // namespace edgewright
