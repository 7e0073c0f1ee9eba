// Members of streams groups that come, go, fall silent and lose answers, under seeds: no task has
// two owners, groups come to rest with all tasks given out, and the log, also when it is compacted,
// gives the groups again. MILLRACE_SEEDS asks for more.
#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "base/random.h"
#include "core/groups/consumer_groups_for_tests.h"
#include "protocol/writer.h"

namespace millrace::groups {
namespace {

using Request = StreamsGroupHeartbeatRequest;
using Response = StreamsGroupHeartbeatResponse;

class Play {
  public:
    explicit Play(std::uint64_t seed) : random_(seed), clients_(random_.between(1, 7)) {
        StreamsSettings settings;
        settings.num_standby_replicas = static_cast<std::int32_t>(random_.between(0, 2));
        settings.times.assignment_interval = Duration::milliseconds(random_.chance(0.5) ? 0 : 500);
        settings.initial_rebalance_delay = Duration::milliseconds(random_.chance(0.5) ? 0 : 2'000);
        bench_.options.streams.settings = [settings](const metadata::Image&, const std::string&) {
            return settings;
        };
        bench_.create_topic("a", static_cast<std::int32_t>(random_.between(1, 6)));
        bench_.create_topic("b", static_cast<std::int32_t>(random_.between(1, 6)));
        for (Client& client : clients_) {
            client.id = fmt::format("m{}", ++ids_);
            client.process = fmt::format("p{}", random_.between(1, 3));
        }
    }

    void run(int turns, bool calm) {
        for (int i = 0; i < turns && !testing::Test::HasFailure(); ++i) {
            pass(Duration::milliseconds(random_.between(1, calm ? 500 : 3'000)));
            if (!calm && random_.chance(0.02)) change_topics();
            Client& client = clients_[random_.below(clients_.size())];
            if (!calm && random_.chance(0.02))
                client.away_until = bench_.now + Duration::seconds(random_.between(1, 90));
            if (bench_.now < client.away_until && !calm) continue;
            if (!calm && client.epoch > 0 && random_.chance(0.02)) {
                leave(client);
            } else {
                beat(client, calm);
            }
            check_owners();
        }
    }

    void check_rest() {
        const StreamsGroup* group = bench_.groups.streams().find("g");
        ASSERT_NE(group, nullptr);
        EXPECT_EQ(group->state(), "Stable");
        std::set<TaskId> active;
        std::set<std::string> processes;
        std::map<TaskId, std::set<std::string>> where;
        for (const auto& [id, member] : group->members()) {
            processes.insert(member.process_id);
            for (const auto& [subtopology, tasks] : member.assigned.active) {
                for (const auto& [partition, epoch] : tasks) {
                    active.insert({subtopology, partition});
                    bool first = where[{subtopology, partition}].insert(member.process_id).second;
                    EXPECT_TRUE(first);
                }
            }
            for (const auto& [subtopology, tasks] : member.assigned.standby) {
                for (std::int32_t each : tasks) {
                    bool first = where[{subtopology, each}].insert(member.process_id).second;
                    EXPECT_TRUE(first) << "one process has task " << each << " twice";
                }
            }
        }
        auto partitions = [&](std::string_view topic) {
            return bench_.image->topics.find(topic)->partitions.size();
        };
        EXPECT_EQ(active.size(), partitions("a") + partitions("b"));
        std::size_t copies = std::min<std::size_t>(
            processes.size(),
            1 + static_cast<std::size_t>(
                    bench_.options.streams.settings(*bench_.image, "g").num_standby_replicas));
        for (const TaskId& task : active) {
            if (task.subtopology == "0") EXPECT_EQ(where[task].size(), copies) << task.partition;
        }
    }

    // The log, and what a cleaner that has gone up to some point would leave of it.
    void check_replay() {
        for (std::size_t cleaned :
             {std::size_t{0}, bench_.log.size(), random_.below(bench_.log.size() + 1)}) {
            std::map<std::string, std::size_t> last;
            for (std::size_t i = 0; i < bench_.log.size(); ++i)
                last[std::string(bench_.log[i].key.view())] = i;
            GroupCoordinator again(bench_.options);
            again.set_image(bench_.image);
            for (std::size_t i = 0; i < bench_.log.size(); ++i) {
                const GroupRecord& record = bench_.log[i];
                if (i < cleaned && last.at(std::string(record.key.view())) != i) continue;
                if (i < cleaned && !record.value && random_.chance(0.5)) continue;
                ASSERT_TRUE(again.apply(record));
            }
            again.set_wall_clock(bench_.now, bench_.wall_ms());
            again.loaded(bench_.now);
            EXPECT_EQ(described(again), described(bench_.groups)) << "cleaned to " << cleaned;
        }
    }

  private:
    struct Client {
        std::string id;
        std::string process;
        std::int32_t epoch = 0;
        std::set<TaskId> active;
        std::set<TaskId> standby;
        Time away_until;
    };

    // But for the partition counts of internal topics, which are not in the log.
    static std::string described(const GroupCoordinator& groups) {
        StreamsGroupDescribeResponse response;
        auto told = groups.describe_streams("g");
        told.topology.reset();
        response.groups.push_back(std::move(told));
        Writer writer;
        EXPECT_TRUE(response.encode(writer, 0));
        return std::string(std::move(writer).finish_in_memory().view());
    }

    void pass(Duration time) {
        bench_.pass(time);
        while (auto records = bench_.groups.next_streams_due(bench_.now))
            bench_.conclude("g", std::move(*records), {});
    }
    void change_topics() {
        bool made = bench_.image->topics.find(std::string_view("g-changelog")) != nullptr;
        if (made && random_.chance(0.5)) return bench_.delete_topic("g-changelog");
        if (!made) bench_.add_partition(random_.chance(0.5) ? "a" : "b");
    }

    static Request::Topology topology() {
        Request::Topology told;
        auto& first = told.subtopologies.emplace_back();
        first.subtopology_id = "0";
        first.source_topics = {"a"};
        first.state_changelog_topics.emplace_back().name = "g-changelog";
        auto& second = told.subtopologies.emplace_back();
        second.subtopology_id = "1";
        second.source_topics = {"b"};
        return told;
    }
    static std::vector<Request::TaskIds> told(const std::set<TaskId>& tasks) {
        std::map<std::string, std::vector<std::int32_t>> by_subtopology;
        for (const TaskId& each : tasks) by_subtopology[each.subtopology].push_back(each.partition);
        std::vector<Request::TaskIds> told;
        for (auto& [subtopology, partitions] : by_subtopology)
            told.push_back({subtopology, std::move(partitions)});
        return told;
    }
    static std::set<TaskId> tasks_of(const std::vector<Response::TaskIds>& told) {
        std::set<TaskId> tasks;
        for (const auto& each : told)
            for (std::int32_t partition : each.partitions)
                tasks.insert({each.subtopology_id, partition});
        return tasks;
    }

    StreamsDecision send(const Request& request) {
        auto decision = bench_.groups.streams_heartbeat(request, {"c", "/127.0.0.1"}, bench_.now);
        bench_.conclude("g", decision.records, {});
        return decision;
    }
    void beat(Client& client, bool calm) {
        Request request{.group_id = "g", .member_id = client.id, .member_epoch = client.epoch};
        if (client.epoch == 0) {
            client.active.clear();
            client.standby.clear();
            request.topology = topology();
            request.rebalance_timeout_ms = 60'000;
            request.process_id = client.process;
        }
        if (client.epoch == 0 || random_.chance(0.7)) {
            request.active_tasks = told(client.active);
            request.standby_tasks = told(client.standby);
            request.warmup_tasks.emplace();
        }
        StreamsDecision decision = send(request);
        for (auto& topic : decision.missing)
            if (calm || random_.chance(0.3)) bench_.create_topic(topic.name, topic.num_partitions);
        if (!calm && random_.chance(0.1)) return;  // the answer is lost
        const Response& response = decision.response;
        if (response.error_code != ErrorCode::none) {
            client.epoch = 0;
            client.active.clear();
            client.standby.clear();
            return;
        }
        client.epoch = response.member_epoch;
        if (response.active_tasks) client.active = tasks_of(*response.active_tasks);
        if (response.standby_tasks) client.standby = tasks_of(*response.standby_tasks);
    }
    void leave(Client& client) {
        send({.group_id = "g", .member_id = client.id, .member_epoch = leave_epoch});
        client.active.clear();
        client.standby.clear();
        client.epoch = 0;
        client.id = fmt::format("m{}", ++ids_);
    }

    // Of members: who is fenced while it is silent hears of it with its next heartbeat.
    void check_owners() {
        const StreamsGroup* group = bench_.groups.streams().find("g");
        std::map<TaskId, std::string> owners;
        for (const Client& client : clients_) {
            if (group == nullptr || group->find(client.id) == nullptr) continue;
            for (const TaskId& each : client.active) {
                auto [at, first] = owners.emplace(each, client.id);
                EXPECT_TRUE(first) << at->second << " and " << client.id << " have task "
                                   << each.subtopology << "_" << each.partition;
            }
        }
    }

    Random random_;
    ConsumerGroupBench bench_;
    std::vector<Client> clients_;
    int ids_ = 0;
};

TEST(RandomStreams, KeepTheRules) {
    const char* wanted = std::getenv("MILLRACE_SEEDS");
    std::uint64_t seeds = wanted == nullptr ? 60 : std::strtoull(wanted, nullptr, 10);
    for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Play play(seed);
        play.run(400, false);
        play.check_replay();
        play.run(600, true);
        play.check_rest();
        play.check_replay();
    }
}

}  // namespace
}  // namespace millrace::groups
