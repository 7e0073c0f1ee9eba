#include "broker/coordinators/group_hosts.h"

#include <algorithm>
#include <functional>

#include "core/metadata/topic_names.h"
#include "metrics/declared.h"

namespace millrace::broker {

GroupHosts::GroupHosts(env::Shard& shard, groups::GroupOptions options, metrics::Registry& registry)
    : Hosts(shard, metadata::consumer_offsets_topic),
      options_(std::move(options)),
      rebalances_{registry.counter(
                      metrics::declared::group_coordinator_metrics_consumer_group_rebalance_count),
                  registry.counter(
                      metrics::declared::group_coordinator_metrics_streams_group_rebalance_count)} {
    using Coordinator = groups::GroupCoordinator;
    auto count = [&](const metrics::GaugeDeclaration& declaration, metrics::Labels labels,
                     std::function<std::size_t(const Coordinator&)> of_host) {
        readings_.push_back(registry.read_gauge(declaration, std::move(labels),
                                                [this, of_host = std::move(of_host)] {
                                                    std::size_t total = 0;
                                                    for (const auto& [partition, host] : all())
                                                        total += of_host(host->coordinator());
                                                    return static_cast<double>(total);
                                                }));
    };
    auto classic = [](const Coordinator& host) { return host.classic_count(); };
    count(metrics::declared::group_metadata_manager_num_groups, {}, classic);
    const auto& by_protocol = metrics::declared::group_coordinator_metrics_group_count;
    count(by_protocol, {"classic"}, classic);
    count(by_protocol, {"consumer"},
          [](const Coordinator& host) { return host.consumers().all().size(); });
    count(by_protocol, {"share"},
          [](const Coordinator& host) { return host.shares().all().size(); });
    count(by_protocol, {"streams"},
          [](const Coordinator& host) { return host.streams().all().size(); });
    for (const char* state : {"Empty", "NotReady", "Assigning", "Reconciling", "Stable"}) {
        count(metrics::declared::group_coordinator_metrics_streams_group_count, {state},
              [state = std::string_view(state)](const Coordinator& host) {
                  return static_cast<std::size_t>(std::ranges::count_if(
                      host.streams().all(),
                      [state](const auto& group) { return group.second.state() == state; }));
              });
    }
    using State = groups::ConsumerGroupState;
    for (State state : {State::empty, State::assigning, State::reconciling, State::stable}) {
        count(metrics::declared::group_coordinator_metrics_consumer_group_count,
              {std::string(to_string(state))}, [state](const Coordinator& host) {
                  return static_cast<std::size_t>(std::ranges::count_if(
                      host.consumers().all(),
                      [state](const auto& group) { return group.second.state() == state; }));
              });
    }
}

std::shared_ptr<GroupHost> GroupHosts::make(const std::shared_ptr<Partition>& partition) {
    CHECK(verifier_ != nullptr && persister_ != nullptr);
    auto host = std::make_shared<GroupHost>(shard_, partition, options_, *verifier_, *persister_,
                                            rebalances_);
    host->set_image(image_);
    return host;
}

void GroupHosts::set_image(const metadata::ImagePtr& image) {
    image_ = image;
    for (const auto& [partition, host] : all()) host->set_image(image);
}

Task<void> GroupHosts::forget_topics(const std::set<std::string>& topics,
                                     const std::set<Uuid>& ids) {
    std::map<std::int32_t, std::shared_ptr<GroupHost>> hosts = all();
    for (auto& [partition, host] : hosts) co_await host->forget_topics(topics, ids);
}

}  // namespace millrace::broker
