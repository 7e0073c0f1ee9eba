// Quorums of several controllers over a simulated network, without brokers.

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>

#include "base/log_for_tests.h"
#include "core/controller/broker_registration.h"
#include "core/controller/update_features.h"
#include "env/sim/fabric.h"
#include "env/sim/world.h"
#include "quorum/controller_listener_for_tests.h"
#include "quorum/quorum_for_tests.h"

namespace millrace::quorum {
namespace {

// Controllers 1, 2, … on machines n1, n2, …; the first `voters` of them vote.
class QuorumClusterTest : public testing::Test {
  protected:
    struct Member {
        env::sim::Node* machine = nullptr;
        std::optional<config::BrokerConfig> config;
        MetadataQuorum* quorum = nullptr;  // while it runs
        bool stop_wanted = false;
        QuorumBody asked;  // to be run there
        Condition changed;
    };

    void make(int voters, int observers = 0, std::string_view more = {}) {
        std::string list;
        for (int id = 1; id <= voters; ++id)
            list += fmt::format("{}{}@n{}:9093", id == 1 ? "" : ",", id, id);
        for (int id = 1; id <= voters + observers; ++id) {
            std::string lines = fmt::format(
                "node.id={}\ncontroller.quorum.voters={}\n"
                "listeners=PLAINTEXT://n{}:9092,CONTROLLER://n{}:9093\n",
                id, list, id, id);
            if (id > voters) {
                lines += fmt::format("process.roles=broker\nlisteners=PLAINTEXT://n{}:9092\n", id);
            }
            Member& member = members[id];
            member.machine = &world.add_node(fmt::format("n{}", id));
            member.config = config_for_tests("/data", lines + std::string(more));
            world.run(*member.machine, [&](env::Shard& shard) -> Task<int> {
                auto formatted = format_for_tests(shard, *member.config);
                EXPECT_TRUE(formatted) << formatted.error().message;
                co_return 0;
            });
        }
    }
    // Controllers whose voters are in the log; `observers` more of them follow.
    void make_dynamic(int voters, int observers, std::string_view more = {}) {
        std::string initial;
        std::string bootstrap;
        for (int id = 1; id <= voters + observers; ++id) {
            bootstrap += fmt::format("{}n{}:9093", id == 1 ? "" : ",", id);
            if (id > voters) continue;
            initial += fmt::format("{}{}@n{}:9093:{}", id == 1 ? "" : ",", id, id,
                                   Uuid{5, static_cast<std::uint64_t>(id)}.to_string());
        }
        for (int id = 1; id <= voters + observers; ++id) {
            std::string lines = fmt::format(
                "node.id={}\ncontroller.quorum.bootstrap.servers={}\n"
                "listeners=PLAINTEXT://n{}:9092,CONTROLLER://n{}:9093\n",
                id, bootstrap, id, id);
            Member& member = members[id];
            member.machine = &world.add_node(fmt::format("n{}", id));
            member.config = config_for_tests("/data", lines + std::string(more));
            FormatCommand command;
            command.cluster_id = cluster_for_tests;
            command.no_initial_controllers = id > voters;
            if (id <= voters) command.initial_controllers = initial;
            world.run(*member.machine, [&](env::Shard& shard) -> Task<int> {
                auto formatted =
                    format(shard.disk(), *member.config, command, shard.random(), shard.wall_ms());
                EXPECT_TRUE(formatted) << formatted.error().message;
                co_return 0;
            });
        }
    }
    // The voters as whoever leads has them.
    std::vector<int> voters() const {
        std::vector<int> ids;
        if (!leader()) return ids;
        for (const auto& each : members.at(*leader()).quorum->status().voters)
            ids.push_back(each.key.id);
        return ids;
    }
    // Asks whoever leads until it is done, or refused for good.
    template <typename Request>
    ErrorCode change(const Request& request) {
        ErrorCode error = ErrorCode::request_timed_out;
        auto ask = [&](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
            auto told = co_await quorum.answer(request, {"CONTROLLER", 0});
            error = told.response.error_code;
        };
        for (int i = 0; i < 20 && (error == ErrorCode::request_timed_out ||
                                   error == ErrorCode::not_leader_or_follower);
             ++i) {
            if (!wait_for([&] { return leader().has_value(); })) break;
            on(*leader(), ask);
            world.run_for(Duration::milliseconds(300));
        }
        return error;
    }
    ErrorCode add(int id) {
        AddRaftVoterRequest request;
        request.cluster_id = cluster_for_tests;
        request.voter_id = id;
        request.voter_directory_id = directory_of(id);
        request.listeners.push_back({"CONTROLLER", fmt::format("n{}", id), 9093});
        return change(request);
    }
    ErrorCode remove(int id) {
        RemoveRaftVoterRequest request;
        request.cluster_id = cluster_for_tests;
        request.voter_id = id;
        request.voter_directory_id = directory_of(id);
        return change(request);
    }
    Uuid directory_of(int id) {
        std::string path = meta_properties_path("/data");
        auto text = env::read_file(members.at(id).machine->disk(), path);
        auto meta = storage::MetaProperties::parse(text.value_or(""), path);
        EXPECT_TRUE(meta);
        return meta ? meta->directory_id.value_or(Uuid()) : Uuid();
    }

    void TearDown() override {
        for (auto& [id, member] : members) world.crash(*member.machine);
    }
    void start(int id) {
        Member& member = members.at(id);
        member.stop_wanted = false;
        member.machine->start([&](env::Shard& shard) { return live(shard, member); });
    }
    void start_all() {
        for (auto& [id, member] : members) {
            if (!member.machine->running()) start(id);
        }
    }
    static Task<int> live(env::Shard& shard, Member& member) {
        ControllerListener listener(shard);
        std::unique_ptr<MetadataQuorum> quorum;
        bool cancelled = false;
        try {
            co_await serve(shard, member, listener, quorum);
        } catch (const Cancelled&) {
            cancelled = true;
        }
        member.quorum = nullptr;
        Cancellation shield(shard);
        auto end = [&]() -> Task<void> {
            co_await listener.stop(shard.now());
            if (quorum != nullptr) (void)co_await quorum->stop();
        };
        co_await end().under(shield);
        if (cancelled) throw Cancelled{};
        co_return 0;
    }
    static Task<void> serve(env::Shard& shard, Member& member, ControllerListener& listener,
                            std::unique_ptr<MetadataQuorum>& quorum) {
        auto opened = co_await open_for_tests(shard, *member.config);
        EXPECT_TRUE(opened || is_of_ending_node(opened.error())) << opened.error().message;
        if (!opened) co_return;
        quorum = *std::move(opened);
        listener.serve(quorum.get());
        member.quorum = quorum.get();
        while (!member.stop_wanted) {
            if (member.asked) co_await std::exchange(member.asked, {})(shard, *quorum);
            co_await member.changed.until([&] { return member.stop_wanted || member.asked; });
        }
    }
    void stop(int id) {
        members.at(id).stop_wanted = true;
        members.at(id).changed.notify_all();
    }

    std::optional<int> leader() const {
        std::optional<int> found;
        std::int32_t newest = -1;
        for (const auto& [id, member] : members) {
            if (member.quorum == nullptr) continue;
            QuorumStatus status = member.quorum->status();
            if (status.leader != id || status.epoch <= newest) continue;
            newest = status.epoch;
            found = id;
        }
        return found;
    }
    bool wait_for(const std::function<bool()>& done, std::int64_t seconds = 60) {
        return world.run_until(done, Duration::seconds(seconds));
    }
    // Runs `body` where `id` is; false when that did not end.
    bool on(int id, const QuorumBody& body, std::int64_t seconds = 10) {
        auto done = std::make_shared<bool>(false);
        Member& member = members.at(id);
        member.asked = [body, done](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
            co_await body(shard, quorum);
            *done = true;
        };
        member.changed.notify_all();
        return wait_for([&] { return *done; }, seconds);
    }
    // A topic of that name is created by whoever leads.
    bool create(const std::string& name) {
        bool created = false;
        auto ask = [&](env::Shard& shard, MetadataQuorum& quorum) -> Task<void> {
            if (!co_await start_broker_for_tests(shard, quorum)) co_return;
            auto answer = co_await quorum.submit(topic_for_tests(name));
            created = answer && answer->response.topics.at(0).error_code == ErrorCode::none;
        };
        for (int attempt = 0; attempt < 20 && !created; ++attempt) {
            if (!wait_for([&] { return leader().has_value(); })) return false;
            on(*leader(), ask);
        }
        return created;
    }
    bool all_have(std::string_view topic) const {
        for (const auto& [id, member] : members) {
            if (!member.machine->running()) continue;
            bool has =
                member.quorum != nullptr && member.quorum->image()->topics.find(topic) != nullptr;
            if (!has) return false;
        }
        return true;
    }

    log::CapturedLog log;  // much of it is about what the tests do
    env::sim::World world{1, {.shuffle_coroutines = true}};
    std::map<int, Member> members;
};

TEST_F(QuorumClusterTest, OneIsElectedAndTheOthersReadWhatItDecides) {
    make(3, 1);
    start_all();
    ASSERT_TRUE(create("orders"));
    EXPECT_TRUE(wait_for([&] { return all_have("orders"); }));
    auto all_are_heard = [&] {
        QuorumStatus status = members.at(*leader()).quorum->status();
        return status.observers.size() == 1 &&
               std::ranges::all_of(status.voters,
                                   [](const auto& each) { return each.log_end > 0; });
    };
    EXPECT_TRUE(wait_for(all_are_heard));
    QuorumStatus status = members.at(*leader()).quorum->status();
    EXPECT_EQ(status.voters.size(), 3U);
    EXPECT_EQ(status.observers.front().key.id, 4);
}

TEST_F(QuorumClusterTest, AnotherOneLeadsWhenTheLeaderDies) {
    make(3);
    start_all();
    ASSERT_TRUE(create("before"));
    int first = *leader();
    std::int32_t epoch = members.at(first).quorum->status().epoch;
    members.at(first).quorum = nullptr;
    world.crash(*members.at(first).machine);
    ASSERT_TRUE(create("after"));
    EXPECT_NE(leader(), first);
    EXPECT_GT(members.at(*leader()).quorum->status().epoch, epoch);
    start(first);
    EXPECT_TRUE(wait_for([&] { return all_have("before") && all_have("after"); }));
}

TEST_F(QuorumClusterTest, ALeaderThatIsStoppedHandsOverAtOnce) {
    make(3);
    start_all();
    ASSERT_TRUE(create("before"));
    int first = *leader();
    Time began = world.now();
    stop(first);
    ASSERT_TRUE(wait_for([&] { return leader() && leader() != first; }));
    // An election timeout is a second at least, and was not waited for.
    EXPECT_LT((world.now() - began).ms(), 900);
}

TEST_F(QuorumClusterTest, ALeaderThatIsCutOffGivesUpAndItsRecordsGo) {
    make(3);
    start_all();
    ASSERT_TRUE(create("before"));
    int first = *leader();
    world.fabric().isolate(*members.at(first).machine);
    std::optional<ErrorCode> answered;
    auto lost = [&](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
        auto answer = co_await quorum.submit(topic_for_tests("lost"));
        answered = answer ? ErrorCode::none : answer.error().code;
    };
    on(first, lost, 30);
    EXPECT_EQ(answered, ErrorCode::not_controller);
    auto other = [&] { return leader() && leader() != first; };
    ASSERT_TRUE(wait_for(other));
    ASSERT_TRUE(create("after"));
    world.fabric().heal();
    EXPECT_TRUE(wait_for([&] { return all_have("after"); }));
    for (const auto& [id, member] : members)
        EXPECT_EQ(member.quorum->image()->topics.find(std::string_view("lost")), nullptr) << id;
}

TEST_F(QuorumClusterTest, WhoeverWasAwayGetsASnapshot) {
    make(3, 0,
         "metadata.log.max.record.bytes.between.snapshots=2000\n"
         "metadata.max.retention.bytes=3000\ninternal.metadata.log.segment.bytes=2000\n"
         "internal.metadata.max.batch.size.in.bytes=1500\n"
         "controller.quorum.fetch.snapshot.max.bytes=700\n");
    start_all();
    ASSERT_TRUE(create("first"));
    int away = *leader() == 3 ? 2 : 3;
    members.at(away).quorum = nullptr;
    world.crash(*members.at(away).machine);
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(create(fmt::format("topic-{}", i)));
    start(away);
    ASSERT_TRUE(wait_for([&] { return all_have("topic-59"); }));
    auto entries = members.at(away).machine->disk().list("/data/__cluster_metadata-0");
    ASSERT_TRUE(entries);
    for (const env::DirectoryEntry& entry : *entries)
        EXPECT_NE(entry.name, "00000000000000000000.log");
    metadata::ImagePtr image = members.at(away).quorum->image();
    EXPECT_TRUE(image->same_content(*members.at(*leader()).quorum->image()));
}

TEST_F(QuorumClusterTest, AllVotersAreReplacedOneByOne) {
    make_dynamic(3, 3);
    start_all();
    ASSERT_TRUE(create("before"));
    for (int id = 1; id <= 3; ++id) {
        EXPECT_EQ(add(id + 3), ErrorCode::none);
        EXPECT_EQ(add(id + 3), ErrorCode::duplicate_voter);
        ASSERT_TRUE(create(fmt::format("beside-{}", id)));
        EXPECT_EQ(remove(id), ErrorCode::none);
        EXPECT_EQ(remove(id), ErrorCode::voter_not_found);
        stop(id);
    }
    EXPECT_TRUE(wait_for([&] { return voters() == std::vector{4, 5, 6}; }));
    ASSERT_TRUE(create("after"));
    // Those of before know nothing but the bootstrap servers, and a snapshot has the new voters.
    start_all();
    EXPECT_TRUE(wait_for([&] { return all_have("after"); }));
    for (int id = 4; id <= 6; ++id) {
        members.at(id).quorum = nullptr;
        world.crash(*members.at(id).machine);
    }
    start_all();
    ASSERT_TRUE(create("again"));
    EXPECT_EQ(voters(), (std::vector{4, 5, 6}));
}

TEST_F(QuorumClusterTest, AControllerJoinsByItself) {
    make_dynamic(1, 2, "controller.quorum.auto.join.enable=true\n");
    start_all();
    EXPECT_TRUE(wait_for([&] { return voters() == std::vector{1, 2, 3}; }));
    ASSERT_TRUE(create("of-three"));
    EXPECT_TRUE(wait_for([&] { return all_have("of-three"); }));
}

TEST_F(QuorumClusterTest, AStaticQuorumBecomesADynamicOne) {
    make(3);
    start_all();
    ASSERT_TRUE(create("static"));
    // As their servers do, which are not here.
    auto register_all = [&](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
        for (const auto& [id, member] : members) {
            controller::RegisterController command;
            command.request.controller_id = id;
            auto& feature = command.request.features.emplace_back();
            feature.name = "kraft.version";
            feature.max_supported_version = raft::dynamic_voters;
            auto answer = co_await quorum.submit(std::move(command));
            EXPECT_TRUE(answer && answer->response.error_code == ErrorCode::none);
        }
    };
    on(*leader(), register_all);
    controller::UpdateFeatures raise{.version = UpdateFeaturesRequest::max_version};
    auto& update = raise.request.feature_updates.emplace_back();
    update.feature = "kraft.version";
    update.max_version_level = 1;
    update.upgrade_type = 1;
    UpdateFeaturesResponse told;
    auto ask = [&](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
        auto answer = co_await quorum.submit(raise);
        if (answer) told = answer->response;
    };
    // Refused until each voter has told the leader of itself.
    told.error_code = ErrorCode::invalid_update_version;
    for (int i = 0; i < 20 && told.error_code == ErrorCode::invalid_update_version; ++i) {
        on(*leader(), ask);
        world.run_for(Duration::milliseconds(500));
    }
    EXPECT_EQ(told.error_code, ErrorCode::none) << told.error_message.value_or("");
    auto risen = [&] {
        return std::ranges::all_of(
            members, [](const auto& entry) { return entry.second.quorum->kraft_version() == 1; });
    };
    EXPECT_TRUE(wait_for(risen));
    int away = *leader() == 1 ? 2 : 1;
    EXPECT_EQ(remove(away), ErrorCode::none);
    EXPECT_EQ(voters().size(), 2U);
    EXPECT_EQ(add(away), ErrorCode::none);
    ASSERT_TRUE(create("dynamic"));
}

}  // namespace
}  // namespace millrace::quorum
