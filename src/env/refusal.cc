#include "env/refusal.h"

#include <optional>

#include "env/shard.h"

namespace millrace::env {
namespace {

Task<bool> refuses(Shard& shard, const Address& address) {
    auto connection = co_await shard.network().connect(address);
    co_return !connection && is_refusal(connection.error());
}

Task<bool> all_refuse_now(Shard& shard, const std::vector<Address>& addresses) {
    for (const Address& each : addresses) {
        if (!co_await refuses(shard, each)) co_return false;
    }
    co_return true;
}

}  // namespace

// The system's reason is all that a network's errors have beside their one code.
bool is_refusal(const Error& error) {
    return error.code == ErrorCode::network_exception &&
           error.message.ends_with("Connection refused");
}

Task<bool> all_refuse(Shard& shard, std::vector<Address> addresses, Duration window) {
    if (addresses.empty()) co_return false;
    Time deadline = shard.now() + window * 10;
    std::optional<Time> since;
    while (shard.now() < deadline) {
        Time began = shard.now();
        auto refused =
            co_await with_deadline(shard, began + window, all_refuse_now(shard, addresses));
        if (!refused.value_or(false)) {
            since.reset();
        } else if (!since) {
            since = began;
        } else if (began - *since >= window) {
            co_return true;
        }
        // Whoever answers may be about to end: it is asked again, though not often.
        co_await sleep_for(shard, since ? window / 4 : window);
    }
    co_return false;
}

}  // namespace millrace::env
