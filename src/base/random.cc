#include "base/random.h"

#include <bit>

#include "base/check.h"

namespace millrace {

Random::Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {  // splitmix64 spreads a small seed over the whole state
        seed += 0x9e3779b97f4a7c15U;
        std::uint64_t z = seed;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        word = z ^ (z >> 31U);
    }
}

std::uint64_t Random::next() {
    std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
    CHECK(bound > 0);
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64U);
}

}  // namespace millrace
