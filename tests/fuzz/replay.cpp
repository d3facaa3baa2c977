// Runs a fuzz target without libFuzzer: every file of a corpus, then mutations of them from a seed.
//
//   fuzz_parse_replay CORPUS|FILE [MUTATIONS [SEED [FIRST]]]
//
// Mutation i depends on the seed and i alone, so that one that failed is replayed by FIRST = i.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#ifdef SALUT_INPUT_IS_A_FRAME
#include "../unit/wire/packets.hpp"
#endif

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> read_corpus(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_regular_file(folder)) {
    paths.push_back(folder);
  } else {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> files;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return files;
}

void mutate(Bytes& bytes, const std::vector<Bytes>& corpus, std::mt19937_64& rng) {
  const auto byte = static_cast<std::uint8_t>(rng());
  const std::size_t at = bytes.empty() ? 0 : rng() % bytes.size();
  switch (rng() % 6) {
    case 0:
      bytes.resize(at);
      return;
    case 1:
      bytes.resize(bytes.size() + rng() % 64, byte);
      return;
    case 2: {
      const Bytes& other = corpus[rng() % corpus.size()];
      if (at < other.size()) {
        bytes.resize(at);
        bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(at), other.end());
      }
      return;
    }
    case 3:
      if (!bytes.empty()) bytes[at] = byte % 2 == 0 ? 0 : 0xff;
      return;
    case 4:
      if (!bytes.empty()) bytes[at] = byte;
      return;
    default:
      if (!bytes.empty()) bytes[at] ^= static_cast<std::uint8_t>(1 << byte % 8);
  }
}

void run_mutation(const std::vector<Bytes>& corpus, std::uint64_t seed, std::uint64_t number) {
  std::mt19937_64 rng(seed * 0x9e3779b97f4a7c15 + number);
  Bytes bytes = corpus[rng() % corpus.size()];
  for (std::uint64_t i = 1 + rng() % 6; i > 0; --i) mutate(bytes, corpus, rng);
#ifdef SALUT_INPUT_IS_A_FRAME
  // Past the checksums, half of the time.
  if (rng() % 2 == 0 && bytes.size() >= 34) salut::wire::test::fix_checksums(bytes);
#endif
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS [MUTATIONS [SEED [FIRST]]]\n", argv[0]);
    return 2;
  }
  const auto number = [&](int i, std::uint64_t otherwise) {
    return i < argc ? std::strtoull(argv[i], nullptr, 10) : otherwise;
  };
  const std::vector<Bytes> corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no files\n", argv[1]);
    return 1;
  }
  const std::uint64_t mutations = number(2, 100'000);
  const std::uint64_t seed = number(3, 1);
  const std::uint64_t first = number(4, 0);
  for (const Bytes& file : corpus) LLVMFuzzerTestOneInput(file.data(), file.size());
  for (std::uint64_t i = first; i < first + mutations; ++i) {
    // Known before it runs, so that it is on the screen when the process dies in it.
    if (i % 1000 == 0) std::fprintf(stderr, "seed %lu, from mutation %lu\n", seed, i);
    run_mutation(corpus, seed, i);
  }
  std::printf("%zu files, %lu mutations, seed %lu\n", corpus.size(), mutations, seed);
  return 0;
}
