// Members of the consumer protocol that come, go, fall silent and lose answers, under seeds: no
// partition has two owners, groups come to rest with all partitions given out, and the log, also
// when it is compacted, gives the groups again. MILLRACE_SEEDS asks for more.
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

using OnePartition = std::pair<Uuid, std::int32_t>;

class Play {
  public:
    explicit Play(std::uint64_t seed) : random_(seed), clients_(random_.between(1, 6)) {
        for (const char* topic : {"a", "b-1", "b-2"})
            bench_.create_topic(topic, static_cast<std::int32_t>(random_.between(1, 5)));
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            Client& client = clients_[i];
            client.id = fmt::format("m{}", ++ids_);
            if (random_.chance(0.3)) client.instance = fmt::format("i{}", i);
            if (random_.chance(0.3)) client.assignor = random_.chance(0.5) ? "range" : "uniform";
            choose_topics(client);
        }
    }

    void run(int turns, bool calm) {
        for (int i = 0; i < turns && !testing::Test::HasFailure(); ++i) {
            bench_.pass(Duration::milliseconds(random_.between(1, calm ? 500 : 3'000)));
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
        const ConsumerGroup* group = bench_.groups.consumers().find("g");
        ASSERT_NE(group, nullptr);
        EXPECT_EQ(to_string(group->state()), "Stable") << members();
        std::set<OnePartition> owned;
        std::set<Uuid> wanted;
        for (const auto& [id, member] : group->members()) {
            for (const Uuid& topic : topic_ids_of(member, group->resolved(), *bench_.image))
                wanted.insert(topic);
            for (const auto& [topic, partitions] : member.assigned)
                for (const auto& [partition, epoch] : partitions) owned.insert({topic, partition});
        }
        std::size_t all = 0;
        for (const Uuid& topic : wanted) all += bench_.image->topics.find(topic)->partitions.size();
        EXPECT_EQ(owned.size(), all) << "not every partition is given out";
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
    std::string members() const {
        const ConsumerGroup& group = *bench_.groups.consumers().find("g");
        std::string text =
            fmt::format("epoch {}, target {}", group.epoch().epoch, group.target_epoch().epoch);
        for (const auto& [id, member] : group.members()) {
            text +=
                fmt::format("\n{} {} epoch {} ({}) state {}", id, member.instance_id.value_or("-"),
                            member.epoch, member.previous_epoch, static_cast<int>(member.state));
        }
        for (const Client& client : clients_)
            text += fmt::format("\nclient {} {}", client.id, client.epoch);
        return text;
    }

    struct Client {
        std::string id;
        std::optional<std::string> instance;
        std::optional<std::string> assignor;
        std::vector<std::string> topics;
        std::string regex;
        std::int32_t epoch = 0;
        std::set<OnePartition> owned;
        Time away_until;
    };

    static std::string described(const GroupCoordinator& groups) {
        ConsumerGroupDescribeResponse response;
        response.groups.push_back(groups.describe_consumer("g"));
        Writer writer;
        EXPECT_TRUE(response.encode(writer, 1));
        return std::string(std::move(writer).finish_in_memory().view());
    }

    void choose_topics(Client& client) {
        client.topics = {"a"};
        if (random_.chance(0.5)) client.topics.emplace_back("b-1");
        client.regex = random_.chance(0.3) ? "b-.*" : "";
    }
    void change_topics() {
        if (random_.chance(0.5)) return bench_.add_partition(random_.chance(0.5) ? "a" : "b-1");
        if (bench_.image->topics.find(std::string_view("b-3")) == nullptr) {
            bench_.create_topic("b-3", 2);
        } else {
            bench_.delete_topic("b-3");
        }
    }

    void beat(Client& client, bool calm) {
        ConsumerGroupHeartbeatRequest request{.group_id = "g",
                                              .member_id = client.id,
                                              .member_epoch = client.epoch,
                                              .instance_id = client.instance};
        bool whole = client.epoch == 0 || random_.chance(0.2);
        if (client.epoch == 0) client.owned.clear();
        if (!calm && client.epoch != 0 && random_.chance(0.03)) choose_topics(client);
        if (whole) {
            request.rebalance_timeout_ms = 60'000;
            request.subscribed_topic_names = client.topics;
            request.subscribed_topic_regex = client.regex;
            request.server_assignor = client.assignor;
        }
        if (whole || random_.chance(0.7)) request.topic_partitions = told(client);
        ConsumerGroupHeartbeatResponse response = bench_.beat(request);
        if (!calm && random_.chance(0.1)) return;  // the answer is lost
        if (response.error_code != ErrorCode::none) return on_error(client, response.error_code);
        client.epoch = response.member_epoch;
        if (!response.assignment) return;
        client.owned.clear();
        for (const auto& topic : response.assignment->topic_partitions)
            for (std::int32_t each : topic.partitions) client.owned.insert({topic.topic_id, each});
    }
    static std::vector<ConsumerGroupHeartbeatRequest::TopicPartitions> told(const Client& client) {
        std::map<Uuid, std::vector<std::int32_t>> by_topic;
        for (const auto& [topic, partition] : client.owned) by_topic[topic].push_back(partition);
        std::vector<ConsumerGroupHeartbeatRequest::TopicPartitions> topics;
        for (const auto& [topic, partitions] : by_topic) topics.push_back({topic, partitions});
        return topics;
    }
    void on_error(Client& client, ErrorCode error) {
        client.owned.clear();
        client.epoch = 0;
        if (error == ErrorCode::fenced_instance_id) client.id = fmt::format("m{}", ++ids_);
    }
    void leave(Client& client) {
        bool for_a_while = client.instance && random_.chance(0.5);
        bench_.beat({.group_id = "g",
                     .member_id = client.id,
                     .member_epoch = for_a_while ? leave_for_a_while_epoch : leave_epoch,
                     .instance_id = client.instance});
        client.owned.clear();
        client.epoch = 0;
        client.id = fmt::format("m{}", ++ids_);
    }

    // Of members: who is fenced while it is silent hears of it with its next heartbeat.
    void check_owners() {
        const ConsumerGroup* group = bench_.groups.consumers().find("g");
        std::map<OnePartition, std::string> owners;
        for (const Client& client : clients_) {
            if (group == nullptr || group->find(client.id) == nullptr) continue;
            for (const OnePartition& each : client.owned) {
                auto [at, first] = owners.emplace(each, client.id);
                EXPECT_TRUE(first)
                    << at->second << " and " << client.id << " have partition " << each.second;
            }
        }
    }

    Random random_;
    ConsumerGroupBench bench_;
    std::vector<Client> clients_;
    int ids_ = 0;
};

TEST(RandomConsumers, KeepTheRules) {
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
