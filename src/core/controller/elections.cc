#include "core/controller/elections.h"

#include <utility>

#include "base/check.h"
#include "core/controller/state.h"

namespace millrace::controller {

using metadata::no_leader;

namespace {

void append_change(const State& state, const BrokerEvent& event, const metadata::Topic& topic,
                   std::int32_t index, metadata::Records& records) {
    const metadata::Partition& partition = *topic.partition(index);
    auto may_lead = [&](std::int32_t broker) {
        if (broker == event.removed || broker == event.shut_down_uncleanly) return false;
        if (broker != event.added && !state.is_active(broker)) return false;
        const metadata::Broker* registered = state.broker(broker);
        return registered != nullptr &&
               registered->has_online_directory(partition.directory_of(broker));
    };
    PartitionChange change = partition_change(state, topic, index, partition, may_lead);
    if (state.elects_unclean_leaders(topic.name)) change.set_election(Election::unclean);
    if (event.shut_down_uncleanly != no_leader)
        change.set_unclean_shutdown(event.shut_down_uncleanly);
    metadata::BrokerIds isr;
    for (std::int32_t id : partition.isr) {
        if (id != event.removed && id != event.shut_down_uncleanly) isr.push_back(id);
    }
    change.set_isr(std::move(isr));
    if (auto record = change.build()) records.push_back(*std::move(record));
}

BrokerRegistrationChangeRecord registration_change(const State& state, std::int32_t broker) {
    const metadata::Broker* registered = state.broker(broker);
    CHECK(registered != nullptr);
    BrokerRegistrationChangeRecord record;
    record.broker_id = broker;
    record.broker_epoch = registered->epoch;
    return record;
}

}  // namespace

PartitionChange partition_change(const State& state, const metadata::Topic& topic,
                                 std::int32_t index, const metadata::Partition& partition,
                                 std::function<bool(std::int32_t broker)> may_lead) {
    return PartitionChange(
        topic.id, index, partition,
        {.version = state.metadata_version(),
         .elr_enabled = state.elr_enabled(),
         .min_insync_replicas = state.min_insync_replicas(topic),
         .may_lead = std::move(may_lead),
         .default_directory = [&state](std::int32_t id) { return state.default_directory(id); }});
}

PartitionChange partition_change(const State& state, const metadata::Topic& topic,
                                 std::int32_t index, const metadata::Partition& partition) {
    return partition_change(state, topic, index, partition, [&](std::int32_t broker) {
        return state.is_active(broker) &&
               state.broker(broker)->has_online_directory(partition.directory_of(broker));
    });
}

void append_partition_changes(const State& state, const BrokerEvent& event,
                              const PartitionKeys& partitions, metadata::Records& records) {
    for (const PartitionKey& key : partitions) {
        const metadata::Topic* topic = state.image().topics.find(key.topic);
        CHECK(topic != nullptr);
        append_change(state, event, *topic, key.index, records);
    }
}

void append_fence(const State& state, std::int32_t broker, metadata::Records& records) {
    append_partition_changes(state, {.removed = broker}, state.partitions().in_isr(broker),
                             records);
    BrokerRegistrationChangeRecord change = registration_change(state, broker);
    change.fenced = 1;
    records.push_back({std::move(change), 0});
}

void append_unfence(const State& state, std::int32_t broker, metadata::Records& records) {
    BrokerRegistrationChangeRecord change = registration_change(state, broker);
    change.fenced = -1;
    records.push_back({std::move(change), 0});
    append_partition_changes(state, {.added = broker}, state.partitions().leaderless(), records);
}

void append_controlled_shutdown(const State& state, std::int32_t broker,
                                metadata::Records& records) {
    if (!state.broker(broker)->in_controlled_shutdown) {
        BrokerRegistrationChangeRecord change = registration_change(state, broker);
        change.in_controlled_shutdown = 1;
        records.push_back({std::move(change), 1});
    }
    append_partition_changes(state, {.removed = broker}, state.partitions().in_isr(broker),
                             records);
}

void append_unregister(const State& state, std::int32_t broker, metadata::Records& records) {
    append_partition_changes(state, {.removed = broker}, state.partitions().in_isr(broker),
                             records);
    append_partition_changes(state, {.removed = broker}, state.partitions().in_elr(broker),
                             records);
    UnregisterBrokerRecord record;
    record.broker_id = broker;
    record.broker_epoch = state.broker(broker)->epoch;
    records.push_back({std::move(record), 0});
}

void append_restart(const State& state, std::int32_t broker, bool clean_shutdown,
                    metadata::Records& records) {
    if (state.elr_enabled() && !clean_shutdown) {
        BrokerEvent event{.shut_down_uncleanly = broker};
        append_partition_changes(state, event, state.partitions().in_isr(broker), records);
        append_partition_changes(state, event, state.partitions().in_elr(broker), records);
    } else {
        append_partition_changes(state, {.removed = broker}, state.partitions().in_isr(broker),
                                 records);
    }
}

}  // namespace millrace::controller
