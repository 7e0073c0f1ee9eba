#include "net/server.h"

#include <algorithm>
#include <fmt/core.h>

#include "base/finally.h"
#include "net/log.h"

namespace millrace::net {

Task<ConnectionCounts::Admission> ConnectionCounts::admit(const ListenerInfo& listener,
                                                          const std::string& host) {
    while (!has_room(listener)) co_await changed_.wait();
    Pace pace = throttle_ ? throttle_(listener, host) : Pace{};
    if (pace.again > Duration()) co_return Admission{"", pace};
    if (pace.held > Duration()) co_return Admission{"connection_creation_rate is exceeded", pace};
    co_return Admission{count_in(listener, host), pace};
}

bool ConnectionCounts::has_room(const ListenerInfo& listener) {
    auto own = limits_.per_listener.find(listener.name);
    if (own != limits_.per_listener.end() && by_listener_[listener.name] >= own->second)
        return false;
    return listener.name == limits_.of_brokers || of(listener).total < limits_.total;
}

// Unless there is a reason against it, which is returned.
std::string ConnectionCounts::count_in(const ListenerInfo& listener, const std::string& host) {
    Counts& counts = of(listener);
    auto limit = limits_.per_ip_overrides.find(host);
    std::size_t most = limit == limits_.per_ip_overrides.end() ? limits_.per_ip : limit->second;
    auto found = counts.by_host.find(host);
    if (found == counts.by_host.end() ? most == 0 : found->second >= most)
        return fmt::format("max.connections.per.ip is {} for {}", most, host);
    ++counts.by_host[host];
    ++by_listener_[listener.name];
    ++counts.total;
    changed();
    return {};
}

void ConnectionCounts::release(const ListenerInfo& listener, const std::string& host) {
    Counts& counts = of(listener);
    auto found = counts.by_host.find(host);
    CHECK(found != counts.by_host.end() && found->second > 0 && counts.total > 0);
    if (--found->second == 0) counts.by_host.erase(found);
    --by_listener_[listener.name];
    --counts.total;
    changed();
}

void ConnectionCounts::limit(Limits limits) {
    limits_ = std::move(limits);
    changed();
}

void ConnectionCounts::changed() {
    ++changes_;
    changed_.notify_all();
}

Task<ConnectionCounts::Excess> ConnectionCounts::excess() {
    for (;;) {
        if (of_brokers_.total > limits_.total)
            co_return Excess{false, limits_.of_brokers, changes_};
        if (of_controllers_.total > limits_.total) co_return Excess{true, "", changes_};
        co_await changed_.wait();
    }
}

Task<void> ConnectionCounts::changed_since(std::uint64_t changes) {
    while (changes_ == changes) co_await changed_.wait();
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
        return counts_.admit(entrance.info, host);
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
    Finally gone([&] {
        std::erase(sessions_, &session);
        one_gone_.notify_all();
    });
    co_await session.run();
}

std::optional<Server::Quiet> Server::least_recently_used(bool of_controllers,
                                                         std::string_view spared) const {
    std::optional<Quiet> least;
    for (const Session* session : sessions_) {
        const ListenerInfo& listener = *session->peer().listener;
        if (listener.is_controller != of_controllers || listener.name == spared) continue;
        if (!least || session->last_activity() < least->since)
            least = Quiet{session->last_activity(), session->peer().id};
    }
    return least;
}

Task<void> Server::close_connection(std::uint64_t id, std::string reason) {
    auto find = [&] {
        return std::ranges::find(sessions_, id, [](auto* each) { return each->peer().id; });
    };
    if (find() != sessions_.end()) (*find())->end(std::move(reason));
    while (find() != sessions_.end()) co_await one_gone_.wait();
}

Task<void> Server::hold(std::unique_ptr<env::Connection>, Duration held) {
    constexpr std::size_t most_held = 1000;
    if (held_ >= most_held) co_return;
    ++held_;
    Finally let_go([&] { --held_; });
    co_await env::sleep_for(shared_.shard, held);
}

Task<void> Server::stop(Time deadline) {
    co_await accepting_.close();
    for (Entrance& entrance : entrances_) entrance.listener.reset();
    for (Session* session : sessions_) session->drain();
    co_await env::with_deadline(shared_.shard, deadline, serving_.join());
    co_await serving_.close();
}

}  // namespace millrace::net
