#include "net/excess_connections.h"

#include <optional>

#include "net/log.h"

namespace millrace::net {
namespace {

struct Chosen {
    int shard = 0;
    Server::Quiet connection;
};

Task<std::optional<Chosen>> least_recently_used(env::Shard& shard,
                                                const ConnectionCounts::Excess& excess,
                                                const std::vector<Server*>& servers) {
    std::optional<Chosen> chosen;
    for (std::size_t i = 0; i < servers.size(); ++i) {
        auto look = [&](env::Shard&) -> Task<std::optional<Server::Quiet>> {
            co_return servers[i]->least_recently_used(excess.of_controllers, excess.spared);
        };
        auto found = co_await env::call_on(shard, static_cast<int>(i), look);
        if (found && (!chosen || found->since < chosen->connection.since))
            chosen = Chosen{static_cast<int>(i), *found};
    }
    co_return chosen;
}

}  // namespace

Task<void> close_excess_connections(env::Shard& shard, ConnectionCounts& counts,
                                    std::vector<Server*> servers) {
    for (;;) {
        ConnectionCounts::Excess excess = co_await counts.excess();
        auto chosen = co_await least_recently_used(shard, excess, servers);
        if (chosen) {
            LOG_INFO("there are more than max.connections: the least recently used is closed");
            co_await env::call_on(shard, chosen->shard, [&](env::Shard&) {
                return servers[static_cast<std::size_t>(chosen->shard)]->close_connection(
                    chosen->connection.id, "others have come, and max.connections is reached");
            });
        }
        co_await counts.changed_since(excess.changes);
    }
}

}  // namespace millrace::net
