// Lets a smaller program draft tokens that a larger one reads all at once (device_scripts/drafting.py says how).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "fault.hpp"
#include "generation.hpp"
#include "model.hpp"
#include "prompts.hpp"

namespace edgewright {

// The smaller program, which proposes how a text of the larger one's ids goes on.
class Drafter {
 public:
  Drafter(Model& model, const DraftPlan& plan) : plan_(plan), writer_(model, plan.program, plan.state) {}

  const DraftPlan& plan() const { return plan_; }

  // Another text begins.
  void begin() {
    writer_.reset();
    taken_ = 0;
    own_.clear();
    read_.clear();
  }

  // At most so many ids: fewer where the smaller one's context ends, or one has no id in the larger one.
  Ids proposed(const Ids& prompt, const Ids& tokens, size_t count) {
    for (; taken_ < prompt.size() + tokens.size(); ++taken_) {
      spell(taken_ < prompt.size() ? prompt[taken_] : tokens[taken_ - prompt.size()]);
    }
    Ids ids = own_, found;
    while (!ids.empty() && found.size() < count && ids.size() <= static_cast<size_t>(plan_.program.context)) {
      const std::vector<float>& row = logits(ids);
      const int64_t token = std::max_element(row.begin(), row.end()) - row.begin();
      const int64_t larger = plan_.larger_id(token);
      if (larger < 0) break;
      found.push_back(larger);
      ids.push_back(token);
    }
    return found;
  }

 private:
  void spell(int64_t id) {
    if (plan_.spelling.empty()) {
      own_.push_back(id);
      return;
    }
    const Ids& spelt = plan_.spelling[static_cast<size_t>(id)];
    own_.insert(own_.end(), spelt.begin(), spelt.end());
  }

  // Those of the last id; what the cache has of the text is not read again.
  const std::vector<float>& logits(const Ids& ids) {
    size_t same = 0;
    while (same < std::min(read_.size(), ids.size() - 1) && read_[same] == ids[same]) ++same;
    writer_.read(ids, same);
    read_ = ids;
    return writer_.row();
  }

  const DraftPlan& plan_;
  Writer writer_;
  size_t taken_ = 0;  // of the text
  Ids own_, read_;    // the text as it is spelt here, and what the cache has
};

// A program that writes, with a smaller one that drafts for it.
class DraftedWriter : public Writer {
 public:
  DraftedWriter(Model& model, const Prompts& prompts, Drafter& drafter)
      : Writer(model, prompts.program, prompts.state), drafter_(drafter) {}

  // The same, and that tokens which were verified in vain are overwritten.
  void check_reset(const Prompt& prompt, const std::function<void()>& after_reading) override {
    Writer::check_reset(prompt, after_reading);
    const size_t position = prompt.ids.size();
    if (position + std::max<size_t>(size(), 2) > static_cast<size_t>(program_.context)) return;
    const int64_t token = prompt.ids.back();
    const auto after = [&] {
      run(program_.decode, position, &token, 1);
      run(program_.decode, position + 1, &token, 1);
      return row_;
    };
    const std::vector<float> first = after();
    verify(position, Ids(size(), (token + 1) % program_.vocabulary));
    const std::vector<float> again = after();
    float largest = 1, differ = 0;
    for (size_t id = 0; id < first.size(); ++id) {
      largest = std::max(largest, std::abs(first[id]));
      differ = std::max(differ, std::abs(first[id] - again[id]));
    }
    if (differ > kSame * largest) {
      char text[32];
      std::snprintf(text, sizeof text, "%.3g", static_cast<double>(differ));
      throw Fault(kBadArtifact, "what a draft left in its state is not overwritten: the same ids gave logits up to " +
                                    std::string(text) + " apart; export the model again");
    }
  }

  Text write(const Prompt& prompt, const OnChosen& on_token) override {
    drafter_.begin();
    Writing writing(prompt, on_token);
    begin(writing);
    DraftUse use;
    if (!Interrupt::came()) take(writing);
    while (writing.text.ended == kInterrupted && !Interrupt::came()) advance(writing, use);
    writing.text.draft = use;
    return std::move(writing.text);
  }

 private:
  size_t size() const { return static_cast<size_t>(program_.verify_size); }

  // Draft some tokens, read them in one pass, and take those that are the program's own and one more.
  void advance(Writing& writing, DraftUse& use) {
    const size_t position = writing.position();
    const Ids proposed = drafter_.proposed(writing.prompt.ids, writing.text.tokens, room(writing));
    if (proposed.empty()) {
      single(writing, position, use);
      take(writing);
      return;
    }
    Ids ids{writing.text.tokens.back()};
    ids.insert(ids.end(), proposed.begin(), proposed.end());
    verify(position, ids);
    ++use.passes;
    use.drafted += static_cast<int64_t>(proposed.size());
    for (size_t place = 0; place < ids.size(); ++place) {
      const auto vocabulary = static_cast<std::ptrdiff_t>(program_.vocabulary);
      const auto from = rows_.begin() + static_cast<std::ptrdiff_t>(place) * vocabulary;
      row_.assign(from, from + vocabulary);
      if (!(lead() >= drafter_.plan().tie)) decide(writing, position + place, use);
      check_numbers(row_);
      take(writing);
      if (place == proposed.size() || writing.text.tokens.back() != proposed[place]) break;
      ++use.accepted;
      if (writing.text.ended != kInterrupted || Interrupt::came()) break;
    }
  }

  // The logits behind the last token, by a pass of it alone.
  void single(const Writing& writing, size_t position, DraftUse& use) {
    ++use.passes;
    run(program_.decode, position, &writing.text.tokens.back(), 1);
  }

  // The same, where those of the pass of several leave it open which is the likeliest.
  void decide(const Writing& writing, size_t position, DraftUse& use) {
    const std::vector<float> found = row_;
    single(writing, position, use);
    for (size_t id = 0; id < found.size(); ++id) {
      use.drift = std::max(use.drift, std::abs(static_cast<double>(found[id]) - static_cast<double>(row_[id])));
    }
  }

  // How many tokens may be drafted: what is read at once has to fit the context.
  size_t room(const Writing& writing) const {
    if (writing.position() + size() > static_cast<size_t>(program_.context)) return 0;
    const size_t left = static_cast<size_t>(writing.prompt.max_tokens) - writing.text.tokens.size() - 1;
    return std::min(size() - 1, left);
  }

  // The logits of each of the ids, the first of which stands at that position; what follows them may be anything.
  void verify(size_t position, Ids ids) {
    ids.resize(size(), ids.back());
    ask(program_.verify, position, ids.data(), ids.size(), /*column=*/true, rows_);
  }

  // By how much the largest logit of the row lies above the next one.
  double lead() const {
    float first = -std::numeric_limits<float>::infinity(), second = first;
    for (const float each : row_) {
      if (each > first) {
        second = first;
        first = each;
      } else {
        second = std::max(second, each);
      }
    }
    return static_cast<double>(first) - static_cast<double>(second);
  }

  Drafter& drafter_;
  std::vector<float> rows_;
};

}  // namespace edgewright
