// What Apache Kafka 4.3.1's group coordinator decided about random commands of streams groups'
// members (recorded/RecordStreams.java), decided again: the same answers and the same records.
// MILLRACE_STREAMS_COMMANDS names another table.
#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/groups/group_coordinator.h"
#include "core/groups/recorded_for_tests.h"

namespace millrace::groups {
namespace {

using Response = StreamsGroupHeartbeatResponse;

// By key, as the order of a table decides which member's target is written first. Without who has
// which tasks, if not `all`.
std::string told(const std::vector<GroupRecord>& records, bool all = true) {
    std::multimap<std::string, std::string> by_key;
    for (const GroupRecord& record : records) {
        auto type = load_be<std::int16_t>(record.key.bytes().data());
        bool tells_tasks = type == 21 || type == 22;
        if (!all && tells_tasks) continue;
        by_key.emplace(hex(record.key), record.value ? hex(*record.value) : std::string("-"));
    }
    std::string text;
    for (const auto& [key, value] : by_key) text += fmt::format("{}={}\n", key, value);
    return text;
}

// Java's tables give their entries in no order that means anything.
std::string in_order(Response response, bool all = true) {
    if (!all) {
        response.active_tasks.reset();
        response.standby_tasks.reset();
        response.partitions_by_user_endpoint.reset();
    }
    auto sort = [](auto& all, auto key) {
        if (all) std::ranges::sort(*all, {}, key);
    };
    auto subtopology = [](const auto& each) { return each.subtopology_id; };
    sort(response.active_tasks, subtopology);
    sort(response.standby_tasks, subtopology);
    sort(response.partitions_by_user_endpoint,
         [](const auto& each) { return each.user_endpoint.port; });
    if (response.partitions_by_user_endpoint) {
        for (auto& each : *response.partitions_by_user_endpoint) {
            for (auto* partitions : {&each.active_partitions, &each.standby_partitions}) {
                std::ranges::sort(*partitions, {}, [](const auto& topic) { return topic.topic; });
                for (auto& topic : *partitions) std::ranges::sort(topic.partitions);
            }
        }
    }
    return encoded(response, 0);
}

class Scenario {
  public:
    // Whether all was as recorded, and goes on so that it can be compared.
    bool run(const std::vector<std::string>& fields) {
        now_ = Time() + Duration::milliseconds(std::stoll(fields.at(1)));
        const std::string& command = fields.at(2);
        if (command == "options") {
            begin(split(fields.at(5), ','));
            return true;
        }
        if (command == "metadata") {
            image_ = image_after(*image_, fields.at(5), fields.at(6));
            groups_->set_image(image_);
            return true;
        }
        records_.clear();
        std::vector<GroupRecord> theirs = recorded_records(fields.at(6));
        Response ours_told;
        Response theirs_told;
        if (command == "StreamsGroupHeartbeat") {
            auto request = decoded<StreamsGroupHeartbeatRequest>(fields.at(4), 0);
            auto decision = groups_->streams_heartbeat(request, {"c", "/127.0.0.1"}, now_);
            conclude(std::move(decision.records));
            ours_told = std::move(decision.response);
            theirs_told = decoded<Response>(fields.at(5), 0);
        } else if (command == "OffsetCommit") {
            EXPECT_EQ(commit(fields.at(4)), fields.at(5));
        } else {
            if (auto records = groups_->next_streams_due(now_)) conclude(*std::move(records));
        }
        if (in_order(ours_told) == in_order(theirs_told) && told(records_) == told(theirs))
            return !testing::Test::HasFailure();
        // Which of equal members gets a task is left to the order of hash tables, which their
        // history decides: the same records otherwise will do, and the scenario ends here.
        EXPECT_EQ(in_order(ours_told, false), in_order(theirs_told, false));
        EXPECT_EQ(told(records_, false), told(theirs, false));
        return false;
    }

  private:
    void begin(const std::vector<std::string>& options) {
        options_.streams.max_size = std::stoul(options.at(1));
        StreamsSettings settings;
        settings.times.assignment_interval = Duration::milliseconds(std::stoll(options.at(0)));
        settings.initial_rebalance_delay = Duration::milliseconds(std::stoll(options.at(2)));
        settings.num_standby_replicas = std::stoi(options.at(3));
        options_.streams.settings = [settings](const metadata::Image&, const std::string&) {
            return settings;
        };
        groups_ = std::make_unique<GroupCoordinator>(options_);
        groups_->set_wall_clock(now_, now_.ns() / 1'000'000);
        groups_->loaded(now_);
    }
    void conclude(std::vector<GroupRecord> records) {
        for (const GroupRecord& record : records) EXPECT_TRUE(groups_->apply(record));
        std::ranges::move(records, std::back_inserter(records_));
    }
    std::string commit(const std::string& text) {
        auto request = decoded<OffsetCommitRequest>(text, 10);
        const auto& topic = request.topics.front();
        const auto& asked = topic.partitions.front();
        const metadata::Topic* known = image_->topics.find(topic.topic_id);
        Commit commit{.group_id = request.group_id,
                      .member_id = request.member_id,
                      .generation = request.generation_id_or_member_epoch,
                      .version = 10};
        commit.partitions.push_back({known->name,
                                     asked.partition_index,
                                     {.offset = asked.committed_offset,
                                      .leader_epoch = asked.committed_leader_epoch,
                                      .commit_timestamp = now_.ns() / 1'000'000,
                                      .topic_id = topic.topic_id}});
        auto decision = groups_->commit_offsets(commit, now_);
        conclude(std::move(decision.records));
        OffsetCommitResponse response;
        auto& answered = response.topics.emplace_back();
        answered.topic_id = topic.topic_id;
        answered.partitions.push_back(
            {.partition_index = asked.partition_index, .error_code = decision.response.front()});
        return encoded(response, 10);
    }

    GroupOptions options_;
    std::unique_ptr<GroupCoordinator> groups_;
    metadata::ImagePtr image_ = std::make_shared<const metadata::Image>();
    Time now_;
    std::vector<GroupRecord> records_;  // of the command
};

TEST(ApacheStreamsGroups, AreDecidedTheSame) {
    auto lines = recorded_lines("streams.tsv", "MILLRACE_STREAMS_COMMANDS");
    std::unique_ptr<Scenario> scenario;  // none when it cannot be compared any more
    std::size_t compared = 0;
    std::size_t scenarios = 0;
    std::size_t whole = 0;
    for (std::size_t i = 0; i < lines.size() && !HasFailure(); ++i) {
        const std::vector<std::string>& fields = lines[i];
        if (fields.at(2) == "options") {
            ++scenarios;
            whole += scenario ? 1 : 0;
            scenario = std::make_unique<Scenario>();
        }
        if (!scenario) continue;
        SCOPED_TRACE(fmt::format("line {}: scenario {}, {} ms, {} {}", i + 1, fields.at(0),
                                 fields.at(1), fields.at(2), fields.at(4)));
        ++compared;
        if (!scenario->run(fields)) scenario.reset();
    }
    whole += scenario ? 1 : 0;
    fmt::print("{} of {} commands compared, {} of {} scenarios whole\n", compared, lines.size(),
               whole, scenarios);
    EXPECT_GT(compared, lines.size() / 2);
}

}  // namespace
}  // namespace millrace::groups
