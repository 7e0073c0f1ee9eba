#pragma once

#include <cstdint>

namespace millrace {

// xoshiro256++ from one seed: the same seed gives the same numbers everywhere. Not for secrets.
class Random {
  public:
    explicit Random(std::uint64_t seed);

    std::uint64_t next();
    // In [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound);
    // In [low, high].
    std::int64_t between(std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
    }
    double unit() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
    bool chance(double probability) { return unit() < probability; }
    // A generator of its own whose numbers are independent of this one's further use.
    Random fork() { return Random(next()); }

  private:
    std::uint64_t state_[4];
};

}  // namespace millrace
