#include "client/retry.h"

#include <fmt/core.h>

#include "client/log.h"

namespace millrace::client {

Task<std::optional<Error>> Attempts::after(Error error) {
    if (!is_retriable(error.code)) co_return error;
    if (asks_for_metadata(error.code)) cluster_.request_refresh();
    LOG_DEBUG("{}: {}; trying again", what_, error.message);
    last_ = std::move(error);
    env::Shard& shard = cluster_.shard();
    Time next = shard.now() + cluster_.options().retry.after(++failures_, shard.random());
    if (next >= deadline_ || failures_ > cluster_.options().max_retries) co_return timed_out();
    co_await env::sleep_until(shard, next);
    co_return std::nullopt;
}

Error Attempts::timed_out() const {
    std::string tries = failures_ == 0 ? "" : fmt::format(" and {} attempts", failures_);
    std::string last = last_.message.empty() ? std::string(name_of(last_.code)) : last_.message;
    if (failures_ == 0) last = "no answer came";
    return {ErrorCode::request_timed_out,
            fmt::format("{}: the time is over after {} ms{}: {}", what_,
                        (cluster_.shard().now() - started_).ms(), tries, last)};
}

}  // namespace millrace::client
