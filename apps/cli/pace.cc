#include "cli/pace.h"

#include "env/shard.h"

namespace millrace::cli {

namespace {

constexpr std::int64_t rounds_in_a_turn = 64;
// A shorter wait is not worth a wake-up: the next one is longer.
constexpr Duration least_wait = Duration::milliseconds(2);

}  // namespace

Pace::Pace(env::Shard& shard, double rate) : shard_(shard), rate_(rate), began_(shard.now()) {}

Task<void> Pace::after(std::int64_t done) {
    Time now = shard_.now();
    if (rate_ == 0) {
        co_await env::sleep_until(shard_, Time::never());
    } else if (rate_ > 0) {
        auto due = static_cast<std::int64_t>(static_cast<double>(done) / rate_ * 1e6);
        Time next = began_ + Duration::microseconds(due);
        if (next - now >= least_wait) co_return co_await env::sleep_until(shard_, next);
    }
    if (done % rounds_in_a_turn == 0) co_await env::sleep_until(shard_, now);
}

}  // namespace millrace::cli
