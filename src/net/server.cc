#include "net/server.h"

#include <algorithm>
#include <fmt/core.h>

#include "net/log.h"

namespace millrace::net {

ConnectionCounts::Admission ConnectionCounts::admit(const ListenerInfo& listener,
                                                    const std::string& host) {
    Pace pace = throttle_ ? throttle_(listener, host) : Pace{};
    if (pace.again > Duration()) return {"", pace};
    if (pace.held > Duration()) return {"connection_creation_rate is exceeded", pace};
    return {reason_against(listener, host), pace};
}

std::string ConnectionCounts::reason_against(const ListenerInfo& listener,
                                             const std::string& host) {
    if (listener.name != limits_.of_brokers && total_ >= limits_.total)
        return fmt::format("max.connections is {}", limits_.total);
    std::size_t& on_listener = by_listener_[listener.name];
    auto own = limits_.per_listener.find(listener.name);
    if (own != limits_.per_listener.end() && on_listener >= own->second)
        return fmt::format("max.connections of listener {} is {}", listener.name, own->second);
    auto limit = limits_.per_ip_overrides.find(host);
    std::size_t most = limit == limits_.per_ip_overrides.end() ? limits_.per_ip : limit->second;
    std::size_t& count = by_host_[host];
    if (count >= most) {
        if (count == 0) by_host_.erase(host);
        return fmt::format("max.connections.per.ip is {} for {}", most, host);
    }
    ++count;
    ++on_listener;
    ++total_;
    return {};
}

void ConnectionCounts::release(const ListenerInfo& listener, const std::string& host) {
    auto found = by_host_.find(host);
    CHECK(found != by_host_.end() && found->second > 0 && total_ > 0);
    if (--found->second == 0) by_host_.erase(found);
    --by_listener_[listener.name];
    --total_;
}

Server::Server(env::Shard& shard, RequestHandler& handler, SessionLimits limits,
               std::size_t queued_bytes, ConnectionCounts& counts, metrics::Registry& metrics)
    : counts_(counts),
      shared_{shard, handler, limits, Budget(queued_bytes), Traffic(metrics, shard.id())},
      accepting_(shard),
      serving_(shard) {}

Server::~Server() = default;

Result<> Server::listen(ListenerInfo& info, const TlsProfiles* profiles) {
    ASSIGN_OR_RETURN(std::unique_ptr<env::Listener> listener,
                     shared_.shard.network().listen(info.bind, info.buffers));
    info.bind.port = listener->local().port;
    if (info.advertised.port == 0) info.advertised.port = info.bind.port;
    entrances_.push_back({std::move(listener), info, info.tls ? profiles : nullptr});
    accepting_.spawn(accept_all(entrances_.back()));
    return {};
}

// A listener that rests accepts nothing: who comes waits in the system's queue.
Task<void> Server::accept_all(const Entrance& entrance) {
    env::Shard& shard = shared_.shard;
    for (;;) {
        Result<std::unique_ptr<env::Connection>> accepted = co_await entrance.listener->accept();
        if (!accepted) {
            LOG_WARN("cannot accept on {}: {}", entrance.info.name, accepted.error().message);
            co_await env::sleep_for(shard, Duration::milliseconds(100));
            continue;
        }
        std::unique_ptr<env::Connection> connection = *std::move(accepted);
        ConnectionCounts::Admission admission = co_await admit(entrance, connection->peer().host);
        Duration delay = admission.pace.delay;
        if (admission.pace.held > Duration()) {
            serving_.spawn(hold(std::move(connection), admission.pace.held));
        } else if (admission.refused.empty()) {
            serving_.spawn(serve(std::move(connection), entrance, delay));
        } else {
            LOG_INFO("connection from {} refused: {}", connection->peer().to_string(),
                     admission.refused);
            connection.reset();
        }
        if (delay > Duration()) co_await env::sleep_for(shard, delay);
    }
}

Task<ConnectionCounts::Admission> Server::admit(const Entrance& entrance, const std::string& host) {
    auto ask = [&](env::Shard&) -> Task<ConnectionCounts::Admission> {
        co_return counts_.admit(entrance.info, host);
    };
    for (;;) {
        ConnectionCounts::Admission admission = co_await env::call_on(shared_.shard, 0, ask);
        if (admission.pace.again == Duration()) co_return admission;
        co_await env::sleep_for(shared_.shard, admission.pace.again);
    }
}

Task<void> Server::serve(std::unique_ptr<env::Connection> connection, const Entrance& entrance,
                         Duration delay) {
    env::Shard& shard = shared_.shard;
    std::string host = connection->peer().host;
    bool cancelled = false;
    try {
        if (delay > Duration()) co_await env::sleep_for(shard, delay);
        co_await run_session(std::move(connection), entrance);
    } catch (const Cancelled&) {
        cancelled = true;
    }
    Cancellation shield(shard);
    co_await env::call_on(shard, 0, [&](env::Shard&) -> Task<void> {
        counts_.release(entrance.info, host);
        co_return;
    }).under(shield);
    if (cancelled) throw Cancelled{};
}

Task<void> Server::run_session(std::unique_ptr<env::Connection> connection,
                               const Entrance& entrance) {
    auto peer = std::make_shared<Peer>();
    peer->listener = &entrance.info;
    peer->address = connection->peer();
    peer->id = ++accepted_ << 8U | static_cast<std::uint64_t>(shared_.shard.id());
    std::shared_ptr<const tls::Profile> profile;
    if (entrance.profiles != nullptr) {
        profile = entrance.profiles->by_listener.at(entrance.info.name);
    }
    Session session(shared_, std::move(connection), std::move(peer), std::move(profile));
    sessions_.push_back(&session);
    bool cancelled = false;
    try {
        co_await session.run();
    } catch (const Cancelled&) {
        cancelled = true;
    }
    std::erase(sessions_, &session);
    if (cancelled) throw Cancelled{};
}

Task<void> Server::hold(std::unique_ptr<env::Connection>, Duration held) {
    constexpr std::size_t most_held = 1000;
    if (held_ >= most_held) co_return;
    ++held_;
    bool cancelled = false;
    try {
        co_await env::sleep_for(shared_.shard, held);
    } catch (const Cancelled&) {
        cancelled = true;
    }
    --held_;
    if (cancelled) throw Cancelled{};
}

Task<void> Server::stop(Time deadline) {
    co_await accepting_.close();
    for (Entrance& entrance : entrances_) entrance.listener.reset();
    for (Session* session : sessions_) session->drain();
    co_await env::with_deadline(shared_.shard, deadline, serving_.join());
    co_await serving_.close();
}

}  // namespace millrace::net
