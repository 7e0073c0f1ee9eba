#include "net/server.h"

#include <algorithm>
#include <fmt/core.h>

#include "net/log.h"

namespace millrace::net {

ConnectionCounts::Admission ConnectionCounts::admit(const std::string& host) {
    Duration held = throttle_ ? throttle_(host) : Duration();
    if (held > Duration()) return {"connection_creation_rate is exceeded", held};
    return {reason_against(host), {}};
}

std::string ConnectionCounts::reason_against(const std::string& host) {
    if (total_ >= limits_.total) return fmt::format("max.connections is {}", limits_.total);
    auto limit = limits_.per_ip_overrides.find(host);
    std::size_t most = limit == limits_.per_ip_overrides.end() ? limits_.per_ip : limit->second;
    std::size_t& count = by_host_[host];
    if (count >= most) {
        if (count == 0) by_host_.erase(host);
        return fmt::format("max.connections.per.ip is {} for {}", most, host);
    }
    ++count;
    ++total_;
    return {};
}

void ConnectionCounts::release(const std::string& host) {
    auto found = by_host_.find(host);
    CHECK(found != by_host_.end() && found->second > 0 && total_ > 0);
    if (--found->second == 0) by_host_.erase(found);
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

Task<void> Server::accept_all(const Entrance& entrance) {
    for (;;) {
        Result<std::unique_ptr<env::Connection>> connection = co_await entrance.listener->accept();
        if (!connection) {
            LOG_WARN("cannot accept on {}: {}", entrance.info.name, connection.error().message);
            co_await env::sleep_for(shared_.shard, Duration::milliseconds(100));
            continue;
        }
        serving_.spawn(serve(std::move(*connection), entrance));
    }
}

Task<void> Server::serve(std::unique_ptr<env::Connection> connection, const Entrance& entrance) {
    env::Shard& shard = shared_.shard;
    std::string host = connection->peer().host;
    auto admit = [&](env::Shard&) -> Task<ConnectionCounts::Admission> {
        co_return counts_.admit(host);
    };
    ConnectionCounts::Admission admission = co_await env::call_on(shard, 0, admit);
    if (admission.held > Duration()) co_return co_await hold(admission.held);
    if (!admission.refused.empty()) {
        LOG_INFO("connection from {} refused: {}", connection->peer().to_string(),
                 admission.refused);
        co_return;
    }
    auto peer = std::make_shared<Peer>();
    peer->listener = &entrance.info;
    peer->address = connection->peer();
    peer->id = ++accepted_ << 8U | static_cast<std::uint64_t>(shard.id());
    bool cancelled = false;
    {
        std::shared_ptr<const tls::Profile> profile;
        if (entrance.profiles != nullptr) {
            profile = entrance.profiles->by_listener.at(entrance.info.name);
        }
        Session session(shared_, std::move(connection), std::move(peer), std::move(profile));
        sessions_.push_back(&session);
        try {
            co_await session.run();
        } catch (const Cancelled&) {
            cancelled = true;
        }
        std::erase(sessions_, &session);
    }
    Cancellation shield(shard);
    co_await env::call_on(shard, 0, [&](env::Shard&) -> Task<void> {
        counts_.release(host);
        co_return;
    }).under(shield);
    if (cancelled) throw Cancelled{};
}

Task<void> Server::hold(Duration held) {
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
