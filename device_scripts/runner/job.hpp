// The job: one JSON file that says what to load, where the calls to make of it lie and how long to measure.
// Every field is checked here, so that the rest of the runner may trust it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "fault.hpp"

namespace edgewright {

using Json = nlohmann::json;

struct Job {
  std::string artifact;
  std::string sha256;
  std::string calls;  // the file of calls.hpp; empty where they come line by line, or there are prompts
  std::string prompts;  // in place of calls: the file of prompts.hpp
  std::string draft;  // another artifact, which drafts for the first; empty: none
  std::string draft_sha256;
  int threads = 1;
  int64_t warmup_runs = 0;
  double warmup_s = 0;
  int64_t samples = 0;
  double min_seconds = 0;
  double max_seconds = 0;
  bool profile = false;  // also run a copy of the model that tells the time of each operator
  bool cold = false;  // read the artifact from storage, not from the kernel's cache
  std::vector<int> cores;  // the only ones to run on; none: any
  std::string etdump;  // where to write an ETDump of one pass over the calls; empty: nowhere
  bool serve = false;  // answer calls given line by line on standard input until it ends; nothing is timed
};

constexpr int kSchema = 2;  // of jobs, calls and results
constexpr int64_t kLargestFile = 256ll << 20;
constexpr int64_t kMostSamples = 100'000;
constexpr uint64_t kMostCores = 1024;

// Parse one JSON object in a file.
inline Json read_json(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw Fault(kBadJob, "cannot read " + path);
  if (file.tellg() > kLargestFile) throw Fault(kBadJob, path + " is larger than 256 MB");
  file.seekg(0);
  try {
    Json document = Json::parse(file);
    if (!document.is_object()) throw Fault(kBadJob, path + " is not a JSON object");
    return document;
  } catch (const Json::exception& error) {
    throw Fault(kBadJob, path + " is not valid JSON: " + error.what());
  }
}

// Parse one JSON object given as text; `what` names it in a fault.
inline Json parsed_json(const std::string& text, const std::string& what) {
  try {
    Json document = Json::parse(text);
    if (!document.is_object()) throw Fault(kBadJob, what + " is not a JSON object");
    return document;
  } catch (const Json::exception& error) {
    throw Fault(kBadJob, what + " is not valid JSON: " + error.what());
  }
}

class Fields {
 public:
  explicit Fields(const Json& document) : document_(document) {}

  std::string text(const char* name) const {
    const Json& value = required(name);
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) bad(name, "must be a text that is not empty");
    return value.get<std::string>();
  }

  int64_t integer(const char* name, int64_t least, int64_t most) const {
    const Json& value = required(name);
    const std::string range = "must be an integer from " + std::to_string(least) + " to " + std::to_string(most);
    if (!value.is_number_integer()) bad(name, range);
    const int64_t number = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)
                               ? INT64_MAX
                               : value.get<int64_t>();
    if (number < least || number > most) bad(name, range);
    return number;
  }

  double number(const char* name, double least, double most) const {
    const Json& value = required(name);
    if (!value.is_number() || !(value.get<double>() >= least && value.get<double>() <= most)) {
      char range[64];
      std::snprintf(range, sizeof range, "must be a number from %g to %g", least, most);
      bad(name, range);
    }
    return value.get<double>();
  }

  bool has(const char* name) const { return document_.contains(name); }

  double seconds(const char* name, bool optional = false) const {
    if (optional && !document_.contains(name)) return 0;
    const Json& value = required(name);
    if (!value.is_number() || !(value.get<double>() >= 0) || value.get<double>() > 86400) {
      bad(name, "must be a number of seconds from 0 to 86400");
    }
    return value.get<double>();
  }

  // False where it is not given.
  bool flag(const char* name) const {
    const auto found = document_.find(name);
    if (found == document_.end()) return false;
    if (!found->is_boolean()) bad(name, "must be true or false");
    return found->get<bool>();
  }

  const Json& required(const char* name) const {
    const auto found = document_.find(name);
    if (found == document_.end()) bad(name, "is missing");
    return *found;
  }

  void refuse_others(const std::set<std::string>& known) const {
    for (const auto& item : document_.items()) {
      if (known.count(item.key()) == 0) bad(item.key().c_str(), "is not a field here");
    }
  }

  [[noreturn]] static void bad(const char* name, const std::string& what) {
    throw Fault(kBadJob, std::string("\"") + name + "\" " + what);
  }

 private:
  const Json& document_;
};

// Relative paths in a job are relative to the directory of the job.
inline std::string beside(const std::string& job_path, const std::string& path) {
  if (path[0] == '/') return path;
  const size_t slash = job_path.rfind('/');
  return slash == std::string::npos ? path : job_path.substr(0, slash + 1) + path;
}

inline std::vector<int> read_cores(const Json& document) {
  const auto found = document.find("cores");
  if (found == document.end()) return {};
  const std::string wanted = "must be a list of cores from 0 to " + std::to_string(kMostCores - 1);
  if (!found->is_array()) Fields::bad("cores", wanted);
  std::vector<int> cores;
  for (const Json& core : *found) {
    if (!core.is_number_unsigned() || core.get<uint64_t>() >= kMostCores) Fields::bad("cores", wanted);
    cores.push_back(core.get<int>());
  }
  return cores;
}

inline void require_sha256(const std::string& text) {
  if (text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos) return;
  Fields::bad("sha256", "must be 64 lower-case hexadecimal digits");
}

inline Job read_job(const std::string& path) {
  const Json document = read_json(path);
  const Fields fields(document);
  if (fields.required("schema") != kSchema) Fields::bad("schema", "must be " + std::to_string(kSchema));
  fields.refuse_others({"schema", "artifact", "sha256", "calls", "threads", "warmup_runs", "warmup_s", "samples",
                        "min_seconds", "max_seconds", "profile", "cold", "cores", "etdump", "serve", "prompts", "draft"});
  Job job;
  job.artifact = beside(path, fields.text("artifact"));
  job.sha256 = fields.text("sha256");
  job.threads = static_cast<int>(fields.integer("threads", 1, 256));
  job.warmup_runs = fields.integer("warmup_runs", 0, kMostSamples);
  job.warmup_s = fields.seconds("warmup_s");
  job.samples = fields.integer("samples", 0, kMostSamples);
  job.min_seconds = fields.seconds("min_seconds", /*optional=*/true);
  job.max_seconds = fields.seconds("max_seconds");
  job.profile = fields.flag("profile");
  job.cold = fields.flag("cold");
  job.cores = read_cores(document);
  job.serve = fields.flag("serve");
  if (fields.has("prompts")) job.prompts = beside(path, fields.text("prompts"));
  if (!job.serve && job.prompts.empty()) job.calls = beside(path, fields.text("calls"));
  if (document.contains("etdump")) job.etdump = beside(path, fields.text("etdump"));
  require_sha256(job.sha256);
  if (fields.has("draft")) {
    if (!document["draft"].is_object()) Fields::bad("draft", "must be an object of \"artifact\" and \"sha256\"");
    const Fields draft(document["draft"]);
    for (const auto& item : document["draft"].items()) {
      if (item.key() != "artifact" && item.key() != "sha256") Fields::bad(item.key().c_str(), "is not a field of draft");
    }
    job.draft = beside(path, draft.text("artifact"));
    job.draft_sha256 = draft.text("sha256");
    require_sha256(job.draft_sha256);
  }
  return job;
}

}  // namespace edgewright
