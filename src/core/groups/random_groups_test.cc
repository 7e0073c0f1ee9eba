// Members that come, go, fall silent and lose answers, under seeds: one leader a generation, one
// assignment a member and generation, one owner a partition; and the log gives the group again.
// MILLRACE_SEEDS asks for more.
#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "base/random.h"
#include "core/groups/group_coordinator.h"
#include "protocol/writer.h"

namespace millrace::groups {
namespace {

constexpr int partitions = 6;

class Play {
  public:
    explicit Play(std::uint64_t seed) : random_(seed), clients_(random_.between(1, 5)) {
        options_.max_size = random_.chance(0.2) ? 2 : 100;
        groups_ = std::make_unique<GroupCoordinator>(options_);
        groups_->set_wall_clock(now_, 1'000'000);
        groups_->loaded(now_);
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            if (random_.chance(0.3)) clients_[i].instance = fmt::format("i{}", i);
        }
    }

    void run(int turns, bool calm) {
        for (int i = 0; i < turns && !testing::Test::HasFailure(); ++i) {
            now_ = now_ + Duration::milliseconds(random_.between(1, 1'500));
            Effects effects;
            groups_->tick(now_, effects);
            take(std::move(effects));
            commit_some(calm);
            Client& client = clients_[random_.below(clients_.size())];
            if (!calm && random_.chance(0.02)) client.away_until = now_ + Duration::seconds(20);
            if (now_ < client.away_until) continue;
            if (!calm && random_.chance(0.02)) {
                leave(client);
            } else {
                act(client);
            }
        }
    }
    void check_replay() {
        GroupCoordinator again(options_);
        for (const GroupRecord& record : log_) ASSERT_TRUE(again.apply(record));
        again.set_wall_clock(now_, 1'000'000 + now_.ns() / 1'000'000);
        again.loaded(now_);
        if (groups_->describe("g").group_state != "Stable" || !pending_.empty()) return;
        EXPECT_EQ(described(again), described(*groups_));
        ++stable_ends;
    }
    static inline int stable_ends = 0;

    static std::string described(const GroupCoordinator& groups) {
        DescribeGroupsResponse response;
        response.groups.push_back(groups.describe("g"));
        Writer writer;
        EXPECT_TRUE(response.encode(writer, DescribeGroupsResponse::max_version));
        return std::string(std::move(writer).finish_in_memory().view());
    }

  private:
    struct Client {
        std::string id;
        std::optional<std::string> instance;
        std::int32_t generation = -1;
        bool leads = false;
        bool joined = false;
        bool synced = false;
        std::set<std::string> members;  // as its leader
        Ticket waits_for = 0;
        Time waits_until;
        Time away_until;
    };

    void act(Client& client) {
        if (client.waits_for != 0) {
            if (now_ < client.waits_until) return;
            client.waits_for = 0;  // the answer was lost
            client.joined = client.synced = false;
        }
        if (!client.joined) return join(client);
        if (!client.synced) return sync(client);
        HeartbeatRequest request{.group_id = "g",
                                 .generation_id = client.generation,
                                 .member_id = client.id,
                                 .group_instance_id = client.instance};
        on_error(client, groups_->heartbeat(request, now_));
    }
    void on_error(Client& client, ErrorCode error) {
        if (error == ErrorCode::none) return;
        client.joined = client.synced = false;
        if (error == ErrorCode::unknown_member_id || error == ErrorCode::fenced_instance_id)
            client.id.clear();
    }
    Ticket ask(Client& client) {
        client.waits_for = ++tickets_;
        client.waits_until = now_ + Duration::seconds(90);
        asked_by_[tickets_] = &client;
        return tickets_;
    }
    void join(Client& client) {
        JoinGroupRequest request{.group_id = "g",
                                 .session_timeout_ms = 10'000,
                                 .rebalance_timeout_ms = 30'000,
                                 .member_id = client.id,
                                 .group_instance_id = client.instance,
                                 .protocol_type = "consumer"};
        request.protocols.push_back({.name = "range", .metadata = Slice::copy("s")});
        Effects effects;
        groups_->join(request, static_cast<std::int16_t>(random_.chance(0.5) ? 9 : 3), {"c", "/h"},
                      fmt::format("m{}", ++ids_), ask(client), now_, effects);
        take(std::move(effects));
    }
    void sync(Client& client) {
        SyncGroupRequest request{.group_id = "g",
                                 .generation_id = client.generation,
                                 .member_id = client.id,
                                 .group_instance_id = client.instance};
        if (client.leads) {
            std::map<std::string, std::string> shares;
            std::vector<std::string> members(client.members.begin(), client.members.end());
            for (const std::string& member : members) shares[member];
            for (int i = 0; i < partitions; ++i)
                shares[members[random_.below(members.size())]] += static_cast<char>('0' + i);
            for (auto& [member, share] : shares) {
                request.assignments.push_back(
                    {.member_id = member, .assignment = Slice::copy(share)});
            }
        }
        Effects effects;
        groups_->sync(request, ask(client), now_, effects);
        take(std::move(effects));
    }
    void leave(Client& client) {
        if (client.id.empty()) return;
        LeaveGroupRequest request{.group_id = "g"};
        request.members.push_back({.member_id = client.id, .group_instance_id = client.instance});
        Effects effects;
        groups_->leave(request, 3, now_, effects);
        take(std::move(effects));
        client.id.clear();
        client.joined = client.synced = false;
        client.waits_for = 0;
    }

    void commit_some(bool calm) {
        while (!pending_.empty() && (calm || random_.chance(0.5))) {
            Append append = std::move(pending_.front());
            pending_.erase(pending_.begin());
            bool fails = !calm && random_.chance(0.05);
            if (!fails) {
                for (const GroupRecord& record : append.records) {
                    ASSERT_TRUE(groups_->apply(record));
                    log_.push_back(record);
                }
            }
            Effects effects;
            groups_->committed(append.id, fails ? ErrorCode::not_coordinator : ErrorCode::none,
                               now_, effects);
            take(std::move(effects));
        }
    }
    void take(Effects effects) {
        std::ranges::move(effects.appends, std::back_inserter(pending_));
        for (Reply& reply : effects.replies) {
            auto asked = asked_by_.extract(reply.ticket);
            ASSERT_FALSE(asked.empty()) << "ticket " << reply.ticket << " answered twice";
            Client& client = *asked.mapped();
            if (auto* joined = std::get_if<JoinGroupResponse>(&reply.response)) {
                note(*joined);
                if (client.waits_for == reply.ticket) on(client, *joined);
            } else {
                auto& synced = std::get<SyncGroupResponse>(reply.response);
                if (client.waits_for != reply.ticket) continue;
                client.waits_for = 0;
                if (synced.error_code != ErrorCode::none) {
                    on_error(client, synced.error_code);
                    continue;
                }
                client.synced = true;
                note(client, std::string(synced.assignment.view()));
            }
        }
    }
    void on(Client& client, const JoinGroupResponse& joined) {
        client.waits_for = 0;
        if (joined.error_code == ErrorCode::member_id_required) client.id = joined.member_id;
        if (joined.error_code != ErrorCode::none) {
            if (joined.error_code != ErrorCode::member_id_required)
                on_error(client, joined.error_code);
            return;
        }
        client.joined = true;
        client.synced = false;
        client.id = joined.member_id;
        client.generation = joined.generation_id;
        client.leads =
            joined.leader == joined.member_id && !joined.members.empty() && !joined.skip_assignment;
        client.members.clear();
        for (const auto& member : joined.members) client.members.insert(member.member_id);
    }

    void note(const JoinGroupResponse& joined) {
        if (joined.error_code != ErrorCode::none) return;
        EXPECT_GE(joined.generation_id, newest_);
        newest_ = joined.generation_id;
        // A static member that comes back into its generation leads it under another id.
        if (joined.members.empty() || joined.skip_assignment) return;
        auto [at, first] = leaders_.emplace(joined.generation_id, joined.leader);
        EXPECT_EQ(at->second, joined.leader) << "two leaders in " << joined.generation_id;
        // Static members that are away count for nothing.
        if (std::ranges::none_of(clients_, [](const Client& c) { return c.instance.has_value(); }))
            EXPECT_LE(joined.members.size(), options_.max_size);
    }
    void note(const Client& client, const std::string& assignment) {
        std::string who = client.instance.value_or(client.id);
        auto& of_generation = assigned_[client.generation];
        auto [at, first] = of_generation.emplace(who, assignment);
        EXPECT_EQ(at->second, assignment) << who << " in " << client.generation;
        std::set<char> owned;
        for (const auto& [member, share] : of_generation) {
            for (char partition : share)
                EXPECT_TRUE(owned.insert(partition).second) << "two owners of " << partition;
        }
    }

    Random random_;
    GroupOptions options_;
    std::unique_ptr<GroupCoordinator> groups_;
    std::vector<Client> clients_;
    Time now_ = Time() + Duration::seconds(1'000);
    std::vector<Append> pending_;
    std::vector<GroupRecord> log_;
    std::map<Ticket, Client*> asked_by_;
    Ticket tickets_ = 0;
    int ids_ = 0;
    std::int32_t newest_ = 0;
    std::map<std::int32_t, std::string> leaders_;
    std::map<std::int32_t, std::map<std::string, std::string>> assigned_;
};

TEST(RandomGroups, KeepTheRules) {
    const char* wanted = std::getenv("MILLRACE_SEEDS");
    std::uint64_t seeds = wanted == nullptr ? 200 : std::strtoull(wanted, nullptr, 10);
    for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Play play(seed);
        play.run(400, false);
        play.run(400, true);
        play.check_replay();
    }
    EXPECT_GT(Play::stable_ends, static_cast<int>(seeds / 2)) << "few came to rest";
}

}  // namespace
}  // namespace millrace::groups
