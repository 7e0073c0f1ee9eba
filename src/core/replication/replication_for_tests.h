#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/metadata/image.h"
#include "core/metadata/sorted_map_editor.h"

namespace millrace::replication {

// An image with a broker more, or another one under its id.
inline metadata::Image with_broker(const metadata::Image& image, std::int32_t id,
                                   std::int64_t epoch, bool fenced = false, bool stopping = false,
                                   std::optional<std::string> rack = std::nullopt) {
    metadata::Broker broker;
    broker.id = id;
    broker.epoch = epoch;
    broker.fenced = fenced;
    broker.in_controlled_shutdown = stopping;
    broker.rack = std::move(rack);
    metadata::Image changed = image;
    metadata::SortedMapEditor<std::int32_t, metadata::Broker> editor(image.brokers);
    editor.set(id, std::make_shared<metadata::Broker>(std::move(broker)));
    changed.brokers = std::move(editor).finish();
    return changed;
}

inline metadata::Partition led_by(std::int32_t leader, metadata::BrokerIds replicas,
                                  metadata::BrokerIds isr, std::int32_t leader_epoch = 1,
                                  std::int32_t epoch = 1) {
    metadata::Partition state;
    state.leader = leader;
    state.replicas = std::move(replicas);
    state.isr = std::move(isr);
    state.leader_epoch = leader_epoch;
    state.epoch = epoch;
    return state;
}

}  // namespace millrace::replication
