#pragma once

#include <cstdint>
#include <functional>

#include "core/controller/partition_change.h"
#include "core/controller/partition_index.h"
#include "core/metadata/record.h"

namespace millrace::metadata {
struct Topic;
}

namespace millrace::controller {

class State;

// What happens to brokers, as far as who may lead and who is in the ISR; no_leader for nobody.
struct BrokerEvent {
    std::int32_t removed = metadata::no_leader;
    std::int32_t added = metadata::no_leader;
    std::int32_t shut_down_uncleanly = metadata::no_leader;
};

// The changes of these partitions that the event makes.
void append_partition_changes(const State& state, const BrokerEvent& event,
                              const PartitionKeys& partitions, metadata::Records& records);

void append_fence(const State& state, std::int32_t broker, metadata::Records& records);
void append_unfence(const State& state, std::int32_t broker, metadata::Records& records);
void append_controlled_shutdown(const State& state, std::int32_t broker,
                                metadata::Records& records);
void append_unregister(const State& state, std::int32_t broker, metadata::Records& records);
// Before a new incarnation of a broker is registered.
void append_restart(const State& state, std::int32_t broker, bool clean_shutdown,
                    metadata::Records& records);

// A change of one partition as this state has it; both outlive it. Active brokers whose directory
// is online may lead, or those that `may_lead` names.
PartitionChange partition_change(const State& state, const metadata::Topic& topic,
                                 std::int32_t index, const metadata::Partition& partition);
PartitionChange partition_change(const State& state, const metadata::Topic& topic,
                                 std::int32_t index, const metadata::Partition& partition,
                                 std::function<bool(std::int32_t broker)> may_lead);

}  // namespace millrace::controller
