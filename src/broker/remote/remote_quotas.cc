#include "broker/remote/remote_quotas.h"

#include <algorithm>
#include <limits>

namespace millrace::broker {
namespace {

constexpr std::int64_t no_bound = std::numeric_limits<std::int64_t>::max();
constexpr Duration longest_sleep = Duration::seconds(1);  // the bound may change meanwhile

storage::remote::RateQuota::Window window(std::int32_t samples, std::int32_t seconds) {
    return {.samples = samples, .size = Duration::seconds(seconds)};
}

}  // namespace

RemoteQuotas::RemoteQuotas(const config::BrokerConfig& config)
    : copies_(config.remote_log_manager_copy_max_bytes_per_second(),
              window(config.remote_log_manager_copy_quota_window_num(),
                     config.remote_log_manager_copy_quota_window_size_seconds())),
      fetches_(config.remote_log_manager_fetch_max_bytes_per_second(),
               window(config.remote_log_manager_fetch_quota_window_num(),
                      config.remote_log_manager_fetch_quota_window_size_seconds())) {}

Task<void> RemoteQuotas::copy(env::Shard& here, std::int64_t bytes_per_second,
                              std::uint64_t bytes) {
    if (bytes_per_second == no_bound) co_return;
    auto ask = [&](env::Shard& there) -> Task<Duration> {
        copies_.set(bytes_per_second);
        Duration wait = copies_.throttle(there.now());
        if (wait == Duration()) copies_.record(bytes, there.now());
        co_return wait;
    };
    for (;;) {
        Duration wait = co_await env::call_on(here, 0, ask);
        if (wait == Duration()) co_return;
        co_await env::sleep_for(here, std::min(wait, longest_sleep));
    }
}

Task<void> RemoteQuotas::fetch(env::Shard& here, std::int64_t bytes_per_second) {
    if (bytes_per_second == no_bound) co_return;
    auto ask = [&](env::Shard& there) -> Task<Duration> {
        fetches_.set(bytes_per_second);
        co_return fetches_.throttle(there.now());
    };
    for (;;) {
        Duration wait = co_await env::call_on(here, 0, ask);
        if (wait == Duration()) co_return;
        co_await env::sleep_for(here, std::min(wait, longest_sleep));
    }
}

Task<void> RemoteQuotas::fetched(env::Shard& here, std::int64_t bytes_per_second,
                                 std::uint64_t bytes) {
    if (bytes_per_second == no_bound) co_return;
    auto note = [&](env::Shard& there) -> Task<void> {
        fetches_.record(bytes, there.now());
        co_return;
    };
    co_await env::call_on(here, 0, note);
}

}  // namespace millrace::broker
