#pragma once

#include <fmt/format.h>
#include <memory>
#include <set>

#include "broker/partitions/partition.h"
#include "core/metadata/image.h"
#include "core/metadata/sorted_map_editor.h"
#include "protocol/alter_partition.h"

namespace millrace::broker {

// Decides as Apache's controller does, for one partition of brokers that are found under "bN".
class ControllerForTests {
  public:
    static constexpr TopicIdPartition id{Uuid{1, 2}, 0};
    static constexpr std::uint16_t port = 9092;

    explicit ControllerForTests(metadata::BrokerIds replicas) {
        state.replicas = state.isr = std::move(replicas);
        state.leader = metadata::no_leader;
    }

    void registered(std::int32_t broker) {
        set_broker(broker, ++epochs_, false);
        elect();
    }
    void unfence(std::int32_t broker) {
        const metadata::Broker* known = image_.brokers.find(broker);
        if (known == nullptr || !known->fenced) return;
        set_broker(broker, known->epoch, false);
        elect();
    }
    void fence(std::int32_t broker) {
        const metadata::Broker* known = image_.brokers.find(broker);
        if (known == nullptr || known->fenced) return;
        set_broker(broker, known->epoch, true);
        if (state.isr.size() > 1 && std::erase(state.isr, broker) > 0) ++state.epoch;
        if (state.leader == broker) lead(metadata::no_leader);
        elect();
    }
    Result<AlterPartitionResponse> alter(const AlterPartitionRequest& request) {
        AlterPartitionResponse response;
        const auto& asked = request.topics.at(0).partitions.at(0);
        auto& topic = response.topics.emplace_back();
        topic.topic_id = id.topic_id;
        auto& told = topic.partitions.emplace_back();
        told.error_code = decide(request.broker_id, asked);
        told.isr = state.isr;
        told.leader_id = state.leader;
        told.leader_epoch = state.leader_epoch;
        told.partition_epoch = state.epoch;
        return response;
    }
    metadata::ImagePtr image() const { return std::make_shared<metadata::Image>(image_); }

    metadata::Partition state;
    std::uint64_t version = 0;
    std::set<std::int32_t> cut_off;  // brokers that do not reach it

  private:
    void set_broker(std::int32_t broker, std::int64_t epoch, bool fenced) {
        metadata::Broker entry;
        entry.id = broker;
        entry.epoch = epoch;
        entry.fenced = fenced;
        entry.endpoints.push_back(
            {"PLAINTEXT", fmt::format("b{}", broker), port, config::SecurityProtocol::plaintext});
        metadata::SortedMapEditor<std::int32_t, metadata::Broker> editor(image_.brokers);
        editor.set(broker, std::make_shared<metadata::Broker>(std::move(entry)));
        image_.brokers = std::move(editor).finish();
        ++version;
    }
    void elect() {
        if (state.leader != metadata::no_leader) return;
        for (std::int32_t broker : state.isr) {
            if (image_.active_broker(broker) != nullptr) return lead(broker);
        }
    }
    void lead(std::int32_t broker) {
        state.leader = broker;
        ++state.leader_epoch;
        ++state.epoch;
        ++version;
    }
    ErrorCode decide(std::int32_t leader, const AlterPartitionRequest::PartitionData& asked) {
        if (asked.leader_epoch < state.leader_epoch) return ErrorCode::fenced_leader_epoch;
        if (leader != state.leader) return ErrorCode::invalid_request;
        if (asked.partition_epoch < state.epoch) return ErrorCode::invalid_update_version;
        metadata::BrokerIds isr;
        for (const auto& member : asked.new_isr_with_epochs) {
            const metadata::Broker* broker = image_.active_broker(member.broker_id);
            bool may = broker != nullptr &&
                       (member.broker_epoch == -1 || member.broker_epoch == broker->epoch);
            if (!may) return ErrorCode::ineligible_replica;
            isr.push_back(member.broker_id);
        }
        state.isr = std::move(isr);
        ++state.epoch;
        ++version;
        return ErrorCode::none;
    }

    std::int64_t epochs_ = 0;
    metadata::Image image_;
};

}  // namespace millrace::broker
