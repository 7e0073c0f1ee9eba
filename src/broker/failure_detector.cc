#include "broker/failure_detector.h"

#include <utility>
#include <vector>

#include "broker/log.h"
#include "core/controller/heartbeat.h"
#include "env/refusal.h"

namespace millrace::broker {

FailureDetector::FailureDetector(env::Shard& shard, quorum::MetadataQuorum& quorum,
                                 MetadataCache& metadata, const config::BrokerConfig& config)
    : shard_(shard),
      quorum_(quorum),
      metadata_(metadata),
      config_(config),
      window_(Duration::milliseconds(config.broker_session_refusal_ms())),
      scope_(shard) {}

void FailureDetector::start() {
    if (window_ > Duration() && config_.is_controller())
        scope_.spawn(watch_terms(config_.node_id()));
}

Task<void> FailureDetector::stop() {
    stopped_ = true;
    return scope_.close();
}

void FailureDetector::heard(const net::Peer& from, std::int32_t broker, std::int64_t epoch) {
    if (from.listener->is_controller) heartbeats_.insert_or_assign(from.id, Life{broker, epoch});
}

void FailureDetector::closed(const net::Peer& peer) {
    auto at = heartbeats_.find(peer.id);
    if (at == heartbeats_.end()) return;
    Life life = at->second;
    heartbeats_.erase(at);
    bool concerns = !stopped_ && window_ > Duration() && quorum_.leader_id() == config_.node_id();
    if (concerns) suspect(life);
}

Task<void> FailureDetector::watch_terms(std::int32_t self) {
    for (std::int32_t leader = raft::no_node;; leader = quorum_.leader_id()) {
        if (leader == self) {
            metadata::ImagePtr image = metadata_.image();
            for (const auto& [id, broker] : image->brokers) {
                if (id != self) suspect({id, broker->epoch});
            }
        }
        co_await quorum_.leader_changed(leader);
    }
}

void FailureDetector::suspect(Life life) {
    metadata::ImagePtr image = metadata_.image();
    const metadata::Broker* broker = image->brokers.find(life.broker);
    if (broker == nullptr || broker->epoch != life.epoch || broker->fenced) return;
    std::vector<env::Address> addresses;
    for (const config::Endpoint& each : broker->endpoints)
        addresses.push_back({each.host, each.port});
    scope_.spawn(look_for(life, std::move(addresses), shard_.now()));
}

Task<void> FailureDetector::look_for(Life life, std::vector<env::Address> addresses, Time since) {
    if (!co_await env::all_refuse(shard_, std::move(addresses), window_)) co_return;
    auto tell = [&](env::Shard&) {
        return quorum_.submit(controller::FenceGoneBroker{life.broker, life.epoch, since});
    };
    auto told = co_await env::call_on(shard_, 0, tell);
    if (told && told->response.fenced) {
        LOG_WARN(
            "broker {} has ended: its connection closed and its listeners refuse others; it "
            "is fenced",
            life.broker);
    }
}

}  // namespace millrace::broker
