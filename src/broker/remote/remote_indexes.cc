#include "broker/remote/remote_indexes.h"

#include <fmt/core.h>

#include "env/shard.h"

namespace millrace::broker {
namespace {

constexpr Duration sweep_interval = Duration::seconds(30);

storage::remote::IndexCacheOptions options(const config::BrokerConfig& config) {
    std::int64_t ttl = config.remote_log_index_file_cache_ttl_ms();
    return {.directory = fmt::format("{}/{}", config.log_directories().front(),
                                     storage::remote::IndexCache::directory_name),
            .most_bytes =
                static_cast<std::uint64_t>(config.remote_log_index_file_cache_total_size_bytes()),
            .ttl = ttl < 0 ? Duration::max() : Duration::milliseconds(ttl)};
}

}  // namespace

RemoteIndexes::RemoteIndexes(env::Shard& shard, storage::remote::ObjectStore& store,
                             const config::BrokerConfig& config)
    : shard_(shard),
      config_(config),
      cache(shard, store, options(config)),
      reader(shard, store, cache),
      scope_(shard) {}

Task<Result<>> RemoteIndexes::start() {
    CO_RETURN_IF_ERROR(co_await cache.open());
    scope_.spawn(sweep());
    co_return Result<>{};
}

Task<void> RemoteIndexes::sweep() {
    for (;;) {
        co_await env::sleep_for(shard_, sweep_interval);
        cache.resize(
            static_cast<std::uint64_t>(config_.remote_log_index_file_cache_total_size_bytes()));
        co_await cache.sweep();
    }
}

}  // namespace millrace::broker
