// Says which instruction a core does not know before the process ends by it.
#pragma once

#include <csignal>
#include <cstdint>
#include <cstring>

#include <unistd.h>

namespace edgewright {

// Only what is safe in a signal handler: the instruction's first four bytes in hex, as one line on standard error.
inline void on_illegal_instruction(int number, siginfo_t* info, void*) {
  uint32_t word = 0;
  if (info->si_addr != nullptr) std::memcpy(&word, info->si_addr, sizeof word);
  char line[] = "\nedgewright-illegal 0x00000000\n";
  for (int place = 0; place < 8; ++place) line[22 + place] = "0123456789abcdef"[word >> (28 - 4 * place) & 0xf];
  if (write(STDERR_FILENO, line, sizeof line - 1) < 0) _exit(128 + number);
  std::signal(number, SIG_DFL);
  std::raise(number);
}

inline void tell_of_illegal_instructions() {
  struct sigaction action {};
  action.sa_sigaction = on_illegal_instruction;
  action.sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER;
  sigaction(SIGILL, &action, nullptr);
}

}  // namespace edgewright
