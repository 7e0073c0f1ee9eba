// Runs a fuzz target without libFuzzer: over the files named, or over inputs made from a seed
// (MILLRACE_SEED, MILLRACE_FUZZ_INPUTS). Inputs are noise, small numbers, and changed copies of
// earlier inputs.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

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

int replay(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "%s cannot be read\n", path);
        return 1;
    }
    Input input{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    LLVMFuzzerTestOneInput(input.data(), input.size());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i)
        if (replay(argv[i]) != 0) return 1;
    if (argc > 1) return 0;

    const std::uint64_t seed = from_environment("MILLRACE_SEED", 1);
    const std::uint64_t count = from_environment("MILLRACE_FUZZ_INPUTS", 20000);
    std::printf("%llu inputs from seed %llu\n", static_cast<unsigned long long>(count),
                static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    millrace::Random random(seed);
    std::vector<Input> kept(64);
    for (std::uint64_t i = 0; i < count; ++i) {
        Input& input = kept[random.below(kept.size())];
        if (random.chance(0.5)) {
            input = fresh(random);
        } else {
            change(input, random);
        }
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    return 0;
}
