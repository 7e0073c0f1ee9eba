#pragma once

#include <fmt/format.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "core/groups/group_coordinator.h"
#include "core/metadata/delta.h"

namespace millrace::groups {

// A cluster of topics, and a coordinator whose decisions are in its log at once.
class ConsumerGroupBench {
  public:
    explicit ConsumerGroupBench(GroupOptions chosen = {})
        : options(std::move(chosen)), groups(options) {
        groups.set_wall_clock(now, wall_ms());
        groups.set_image(image);
        groups.loaded(now);
    }

    Timestamp wall_ms() const { return now.ns() / 1'000'000; }
    static Uuid id_of(const std::string& topic) {
        return {0x7000 + std::hash<std::string>()(topic), 1};
    }
    void create_topic(const std::string& name, std::int32_t partitions) {
        change_image([&](metadata::Delta& delta) {
            CHECK(delta.apply(TopicRecord{.name = name, .topic_id = id_of(name)}));
            for (std::int32_t i = 0; i < partitions; ++i) add_partition(delta, name, i);
        });
    }
    void add_partition(const std::string& name) {
        auto next = static_cast<std::int32_t>(
            image->topics.find(std::string_view(name))->partitions.size());
        change_image([&](metadata::Delta& delta) { add_partition(delta, name, next); });
    }
    void delete_topic(const std::string& name) {
        change_image([&](metadata::Delta& delta) {
            CHECK(delta.apply(RemoveTopicRecord{.topic_id = id_of(name)}));
        });
    }

    ConsumerGroupHeartbeatResponse beat(const ConsumerGroupHeartbeatRequest& request,
                                        std::int16_t version = 1) {
        auto decision = groups.consumer_heartbeat(request, version, {"client", "/127.0.0.1"},
                                                  fmt::format("new-{}", ++ids), now);
        conclude(request.group_id, std::move(decision.records), std::move(decision.migration));
        settle();
        return decision.response;
    }
    // What is due by itself is done.
    void settle() {
        while (auto due = groups.next_due(now))
            conclude(due->group_id, std::move(due->records), std::move(due->migration));
    }
    void pass(Duration time) {
        now = now + time;
        settle();
    }
    void conclude(const std::string& group, std::vector<GroupRecord> records, Migration migration) {
        AppendedAs as{.offset = static_cast<std::int64_t>(log.size())};
        for (const GroupRecord& record : records) {
            CHECK(groups.apply(record, as));
            ++as.offset;
        }
        Effects effects;
        groups.conclude(group, std::move(migration), now, effects);
        log.insert(log.end(), records.begin(), records.end());
        last = std::move(records);
    }

    Time now = Time() + Duration::seconds(1'000);
    GroupOptions options;
    metadata::ImagePtr image = std::make_shared<const metadata::Image>();
    GroupCoordinator groups;
    std::vector<GroupRecord> log;
    std::vector<GroupRecord> last;  // of the last decision
    int ids = 0;

  private:
    static void add_partition(metadata::Delta& delta, const std::string& name, std::int32_t index) {
        CHECK(delta.apply(PartitionRecord{.partition_id = index,
                                          .topic_id = id_of(name),
                                          .replicas = {1},
                                          .isr = {1},
                                          .leader = 1,
                                          .directories = {{0, 200}}}));
    }
    template <typename Change>
    void change_image(Change change) {
        metadata::Delta delta(*image);
        change(delta);
        image =
            std::make_shared<const metadata::Image>(std::move(delta).finish(image->offset + 10, 1));
        groups.set_image(image);
    }
};

}  // namespace millrace::groups
