// Runs a fuzz target without libFuzzer. Files named are replayed, and that is all. Otherwise inputs
// are made from a seed: noise, small numbers, and changed copies of earlier inputs and of the files
// in the folder behind --corpus, which are replayed first.
//
// MILLRACE_SEED, MILLRACE_FUZZ_INPUTS and MILLRACE_FUZZ_SECONDS choose the seed and how many inputs
// there are at most. The number that ran is printed: with it the same inputs come again.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Clock = std::chrono::steady_clock;
using Input = std::vector<std::uint8_t>;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

Input fresh(millrace::Random& random) {
    Input input(random.below(1U << random.below(13)));
    std::uint64_t bound = random.chance(0.5) ? 256 : 1 + random.below(16);
    for (std::uint8_t& byte : input) byte = static_cast<std::uint8_t>(random.below(bound));
    return input;
}

void change(Input& input, millrace::Random& random) {
    for (std::uint64_t left = 1 + random.below(4); left > 0 && !input.empty(); --left)
        input[random.below(input.size())] = static_cast<std::uint8_t>(random.next());
    if (random.chance(0.2)) input.resize(random.below(input.size() + 1));
}

Input replay(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "%s cannot be read\n", path.c_str());
        std::exit(1);
    }
    Input input{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    LLVMFuzzerTestOneInput(input.data(), input.size());
    return input;
}

std::vector<Input> replay_corpus(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> paths;
    if (std::filesystem::is_directory(folder)) {
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            paths.push_back(entry.path());
    }
    std::ranges::sort(paths);  // so that a seed means the same on every machine
    std::vector<Input> inputs;
    for (const auto& path : paths) inputs.push_back(replay(path));
    return inputs;
}

void run(const std::vector<Input>& corpus) {
    const std::uint64_t seed = from_environment("MILLRACE_SEED", 1);
    const std::uint64_t count = from_environment("MILLRACE_FUZZ_INPUTS", 200000);
    const std::chrono::seconds limit(from_environment("MILLRACE_FUZZ_SECONDS", 10));
    std::printf("seed %llu, %zu files of corpus\n", static_cast<unsigned long long>(seed),
                corpus.size());
    std::fflush(stdout);

    millrace::Random random(seed);
    std::vector<Input> kept(64);
    const auto end = Clock::now() + limit;
    std::uint64_t done = 0;
    for (; done < count && Clock::now() < end; ++done) {
        Input& input = kept[random.below(kept.size())];
        const double choice = random.unit();
        if (choice < 0.4) {
            input = fresh(random);
        } else {
            if (choice < 0.7 && !corpus.empty()) input = corpus[random.below(corpus.size())];
            change(input, random);
        }
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    std::printf("%llu inputs\n", static_cast<unsigned long long>(done));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::string(argv[1]) == "--corpus") {
        run(replay_corpus(argv[2]));
    } else if (argc > 1) {
        for (int i = 1; i < argc; ++i) replay(argv[i]);
    } else {
        run({});
    }
    return 0;
}
