#include "client/connection_pool.h"

#include <fmt/core.h>

#include "client/log.h"

namespace millrace::client {
namespace {

std::string name_of_node(const std::string& kind, std::int32_t id) {
    return id < 0 ? fmt::format("bootstrap {}", kind) : fmt::format("{} {}", kind, id);
}

}  // namespace

Task<Result<std::shared_ptr<BrokerConnection>>> ConnectionPool::get(std::int32_t id,
                                                                    env::Address address,
                                                                    Lane lane) {
    Key key{id, lane};
    Place& place = places_[key];
    if (place.connection != nullptr && place.address != address) {
        place.connection->close(fmt::format("{} has moved to {}", name_of_node(options_.kind, id),
                                            address.to_string()));
    }
    if (place.connection != nullptr && place.connection->is_open()) co_return place.connection;
    if (place.address != address) {
        place.address = address;
        place.failures = 0;
        place.next_attempt = {};
    }
    std::uint64_t before = place.attempts;
    if (!place.connecting) scope_.spawn(connect(key, place));
    while (place.attempts == before) co_await place.ended.wait();
    if (place.connection != nullptr && place.connection->is_open()) co_return place.connection;
    co_return fail(place.error);
}

Result<> ConnectionPool::load_tls() {
    if (!options_.tls || options_.connection.tls) return {};
    ASSIGN_OR_RETURN(options_.connection.tls,
                     tls::Profile::load(*options_.tls, tls::Profile::Side::client, shard_.disk(),
                                        shard_.wall_ms()));
    return {};
}

Task<void> ConnectionPool::connect(Key key, Place& place) {
    struct AtEnd {
        explicit AtEnd(Place& p) : place(p) { place.connecting = true; }
        ~AtEnd() {
            place.connecting = false;
            ++place.attempts;
            place.ended.notify_all();
        }
        Place& place;
    };
    AtEnd at_end(place);
    place.connection = nullptr;
    place.error = {ErrorCode::network_exception, "this client was closed"};
    if (place.next_attempt > shard_.now()) co_await env::sleep_until(shard_, place.next_attempt);
    if (Result<> loaded = load_tls(); !loaded) {
        place.error = std::move(loaded).error();
        co_return;
    }
    ConnectionOptions options = options_.connection;
    Backoff setup{options.setup_timeout, options_.max_setup_timeout};
    if (place.failures > 0)
        options.setup_timeout = setup.after(place.failures + 1, shard_.random());
    auto made = co_await BrokerConnection::open(
        shard_, scope_, name_of_node(options_.kind, key.first), place.address, std::move(options));
    if (made) {
        place.connection = *std::move(made);
        place.error = {ErrorCode::network_exception,
                       place.connection->name() + " closed the connection at once"};
        place.failures = 0;
        place.next_attempt = {};
        co_return;
    }
    place.error = std::move(made).error();
    // Whoever waits for a call to succeed learns why it takes so long; once is enough.
    log::Level level = place.failures == 0 ? log::Level::warn : log::Level::debug;
    if (log_area.enabled(level)) log::line(log_area, level, "{}", place.error.message);
    place.next_attempt = shard_.now() + options_.reconnect.after(++place.failures, shard_.random());
}

const ConnectionPool::Place* ConnectionPool::find_place(std::int32_t id, Lane lane) const {
    auto at = places_.find({id, lane});
    return at == places_.end() ? nullptr : &at->second;
}

std::shared_ptr<BrokerConnection> ConnectionPool::find(std::int32_t id, Lane lane) const {
    const Place* place = find_place(id, lane);
    if (place == nullptr || place->connection == nullptr || !place->connection->is_open()) {
        return nullptr;
    }
    return place->connection;
}

std::uint64_t ConnectionPool::load(std::int32_t id) const {
    constexpr std::uint64_t not_open = 1 << 20;
    constexpr std::uint64_t failed = not_open << 1;
    if (auto connection = find(id, Lane::general)) return connection->unanswered();
    const Place* place = find_place(id, Lane::general);
    return place != nullptr && place->failures > 0 ? failed : not_open;
}

Time ConnectionPool::next_attempt(std::int32_t id) const {
    const Place* place = find_place(id, Lane::general);
    return place == nullptr ? Time() : place->next_attempt;
}

void ConnectionPool::close_all(const std::string& reason) {
    for (auto& [key, place] : places_) {
        if (place.connection != nullptr) place.connection->close(reason);
    }
}

}  // namespace millrace::client
