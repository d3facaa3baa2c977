// Loaded in front of dperf by bench/suite/dperf.py: EAL gets its first two arguments (the name and
// the lcores) and the words of DPERF_EAL, instead of the PCI address that dperf would allow.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

extern "C" int rte_eal_init(int argc, char** argv) {
  static std::vector<std::string> words;  // EAL keeps pointers into them
  static std::vector<char*> pointers;
  const auto real = reinterpret_cast<int (*)(int, char**)>(dlsym(RTLD_NEXT, "rte_eal_init"));
  const char* given = std::getenv("DPERF_EAL");
  if (real == nullptr || given == nullptr || argc < 2) {
    std::fputs("dperf_eal: needs DPERF_EAL, and DPDK as a shared library\n", stderr);
    std::exit(2);
  }
  words = {argv[0], argv[1]};
  std::istringstream more(given);
  for (std::string word; more >> word;) words.push_back(word);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return real(static_cast<int>(words.size()), pointers.data());
}
