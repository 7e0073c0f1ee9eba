// Directories of partitions are made, deleted, made again under the same name, moved and set aside
// while the power fails, the process is killed, or one operation on a file fails, whichever of them
// it is: each partition is in one place, whole, or not at all.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <memory>
#include <set>

#include "client/admin_cluster.h"
#include "server/ledger_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

constexpr int partitions = 2;
constexpr std::string_view hex = "0123456789abcdef0123456789abcdef";
constexpr std::string_view impatient =
    "delivery.timeout.ms=6000\nrequest.timeout.ms=3000\nmax.block.ms=6000\n";

enum class End { power_lost, killed, killed_amid, input_output, no_space };

class Scene {
  public:
    explicit Scene(std::uint64_t seed)
        : world_(seed),
          log_(world_),
          node_(world_, 1, "metadata.log.dir=/meta\nlog.dirs=/a,/b\n"),
          clients_(world_.add_node("clients")) {}
    Scene(const Scene&) = delete;
    virtual ~Scene() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    virtual void prepare() {}
    // While the node is down, before the start in which something goes wrong.
    virtual void arrange() {}
    // What goes wrong, goes wrong in here; the node runs before it where starts() is false.
    virtual bool starts() const { return false; }
    virtual Task<void> act(env::Shard& shard) = 0;
    virtual Task<void> check(env::Shard& shard) = 0;
    virtual void check_files() {}

    // Returns how many operations there are to go wrong.
    std::uint64_t live(std::optional<End> end, std::uint64_t point) {
        start();
        prepare();
        if (starts()) {
            stop();
            arrange();
        }
        if (starts()) node_.start();
        std::uint64_t before = disk().operations();
        if (end) {
            node_.doom();
            goes_wrong_ = true;
            plan(*end, point);
        }
        if (starts()) {
            world_.run_until([&] { return cut() || node_.ready() || !node_.running(); },
                             Duration::seconds(300));
        }
        act_on_clients();
        std::uint64_t operations = disk().operations() - before;
        if (end == End::killed || end == End::killed_amid) node_.kill();
        if (end == End::power_lost || end == End::no_space) node_.lose_power();
        if (end == End::input_output) node_.kill();
        if (!end) stop();
        start();
        verify();
        node_.lose_power();
        start();
        verify();
        return operations;
    }

  protected:
    env::sim::Disk& disk() { return node_.disk(); }
    bool cut() { return goes_wrong_ && !disk().hit().empty() && cuts_off_; }
    // Nothing has gone wrong, so that what is asked for must come about.
    bool sound() const { return !goes_wrong_; }
    void on_clients(std::function<Task<void>(env::Shard&)> body) {
        if (!testing::Test::HasFailure()) run_on(world_, clients_, body);
    }
    void start() {
        if (testing::Test::HasFailure()) return;
        node_.start_and_wait();
        EXPECT_TRUE(node_.ready()) << node_.reason();
    }
    void stop() {
        node_.ask_to_stop();
        EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }, Duration::seconds(300)));
    }
    // Names below all log directories.
    std::vector<std::string> found(std::string_view prefix) {
        std::vector<std::string> paths;
        for (std::string path : {"/a", "/b"}) {
            for (const auto& entry : *disk().list(path)) {
                if (entry.name.starts_with(prefix)) paths.push_back(path + "/" + entry.name);
            }
        }
        return paths;
    }
    void copy(const std::string& from, const std::string& to) {
        EXPECT_TRUE(disk().make_directories(to));
        for (const auto& entry : *disk().list(from)) {
            auto text = env::read_file(disk(), from + "/" + entry.name);
            auto file = disk().open(to + "/" + entry.name, {.write = true, .create = true});
            EXPECT_TRUE(text && file && (*file)->write(0, as_bytes(*text)));
            EXPECT_TRUE((*file)->sync_now());
        }
        EXPECT_TRUE(disk().sync_directory(to));
        EXPECT_TRUE(disk().sync_directory(env::parent_of(to)));
    }
    // Of one that gives up on a node which does not answer any more.
    static Task<void> with_impatient_admin(env::Shard& shard, AdminBody body) {
        client::Admin admin(shard, client_config<client::AdminConfig>(
                                       "default.api.timeout.ms=6000\nrequest.timeout.ms=3000\n"));
        co_await and_finally(shard, [&] { return body(admin); }, [&] { return admin.close(); });
    }
    static Task<bool> remove_topic(env::Shard& shard, std::string name) {
        bool removed = false;
        co_await with_impatient_admin(shard, [&](client::Admin& admin) -> Task<void> {
            std::vector<std::string> names{name};
            auto outcomes = co_await client::delete_topics(admin, names);
            removed = outcomes.at(name).has_value();
        });
        co_return removed;
    }
    static Task<bool> make_topic(env::Shard& shard, std::string name) {
        bool made = false;
        co_await with_impatient_admin(shard, [&](client::Admin& admin) -> Task<void> {
            client::NewTopic topic;
            topic.name = name;
            topic.partitions = partitions;
            topic.configs["internal.segment.bytes"] = "2500";
            auto outcomes = co_await client::create_topics(admin, {topic});
            made = outcomes.at(name).has_value();
        });
        co_return made;
    }
    static Task<bool> exists(env::Shard& shard, std::string name) {
        bool there = false;
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            auto topics = co_await client::list_topics(admin, false);
            EXPECT_TRUE(topics);
            if (!topics) co_return;
            for (const client::TopicListing& each : *topics) there |= each.name == name;
        });
        co_return there;
    }

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedNode node_;
    env::sim::Node& clients_;

  private:
    void plan(End end, std::uint64_t point) {
        cuts_off_ = end == End::power_lost || end == End::killed || end == End::killed_amid;
        if (end == End::input_output) {
            disk().fail_after(point, "Input/output error");
        } else if (end == End::no_space) {
            disk().fail_after(point, "No space left on device");
        } else {
            disk().cut_off_after(point, end == End::killed_amid);
        }
    }
    // Until what acts is done, or the node cannot do anything any more.
    void act_on_clients() {
        bool done = false;
        clients_.start([&](env::Shard& shard) -> Task<int> {
            co_await act(shard);
            done = true;
            co_return 0;
        });
        world_.run_until([&] { return done || cut() || !node_.running(); }, Duration::seconds(300));
        if (!done) world_.kill(clients_);
        world_.run_until([&] { return !clients_.running(); }, Duration::seconds(300));
    }
    void verify() {
        on_clients([this](env::Shard& shard) { return check(shard); });
        if (!testing::Test::HasFailure()) check_files();
    }

    bool goes_wrong_ = false;
    bool cuts_off_ = false;
};

// One place for each partition of a topic that is there, none for one that is not.
void expect_places(const std::vector<std::string>& found, bool there) {
    std::multiset<std::string> live;
    for (const std::string& path : found) {
        std::string name = path.substr(path.rfind('/') + 1);
        if (!name.contains('.')) live.insert(name);
        EXPECT_FALSE(name.ends_with("-stray")) << path;
    }
    EXPECT_EQ(live,
              there ? (std::multiset<std::string>{"t-0", "t-1"}) : std::multiset<std::string>{});
}

class Making final : public Scene {
  public:
    using Scene::Scene;

  private:
    Task<void> act(env::Shard& shard) override {
        ledger_.allow_refusals();
        made_ = co_await make_topic(shard, "t");
        EXPECT_TRUE(made_ || !sound());
        if (made_) co_await ledger_.produce(shard, 0, 8, impatient);
        EXPECT_TRUE(ledger_.refused() == 0 || !sound());
    }
    Task<void> check(env::Shard& shard) override {
        there_ = co_await exists(shard, "t");
        EXPECT_TRUE(there_ || !made_) << "it was made";
        if (!there_) co_return;
        made_ = true;
        co_await ledger_.check(shard);
        std::size_t refused = ledger_.refused();
        co_await ledger_.produce(shard, ++life_, 3, "");
        EXPECT_EQ(ledger_.refused(), refused);
    }
    void check_files() override { expect_places(found("t-"), there_); }

    Ledger ledger_{"t", partitions};
    bool made_ = false;
    bool there_ = false;
    int life_ = 0;
};

class Deleting : public Scene {
  public:
    using Scene::Scene;

  protected:
    void prepare() override {
        on_clients([this](env::Shard& shard) -> Task<void> {
            EXPECT_TRUE(co_await make_topic(shard, "t"));
            co_await old_.produce(shard, 0, 20, "");
        });
    }
    Task<void> act(env::Shard& shard) override {
        removed_ = co_await remove_topic(shard, "t");
        EXPECT_TRUE(removed_ || !sound());
        // The wipe comes a minute later.
        co_await env::sleep_for(shard, Duration::seconds(70));
    }
    Task<void> check(env::Shard& shard) override {
        there_ = co_await exists(shard, "t");
        EXPECT_FALSE(there_ && removed_) << "it was removed";
        removed_ = !there_;
        if (there_) co_await old_.check(shard);
        if (removed_) co_await env::sleep_for(shard, Duration::seconds(70));
    }
    void check_files() override {
        expect_places(found("t-"), there_);
        if (removed_) EXPECT_TRUE(found("t-").empty());
    }

    Ledger old_{"t", partitions};
    bool removed_ = false;
    bool there_ = false;
};

// The directories of the same names have another topic id.
class MakingAgain final : public Deleting {
  public:
    using Deleting::Deleting;

  private:
    Task<void> act(env::Shard& shard) override {
        new_.allow_refusals();
        removed_ = co_await remove_topic(shard, "t");
        EXPECT_TRUE(removed_ || !sound());
        if (!removed_) co_return;
        made_ = co_await make_topic(shard, "t");
        EXPECT_TRUE(made_ || !sound());
        if (made_) co_await new_.produce(shard, 1, 8, impatient);
        EXPECT_TRUE(new_.refused() == 0 || !sound());
    }
    Task<void> check(env::Shard& shard) override {
        there_ = co_await exists(shard, "t");
        EXPECT_TRUE(there_ || !made_);
        if (!there_) co_return;
        // As long as nobody has heard that it was removed, it may be the old one.
        bool old = false;
        if (!removed_ && !made_) {
            client::TopicPartition first{"t", 0}, second{"t", 1};
            co_await with_consumer(shard, "", [&](client::Consumer& consumer) -> Task<void> {
                client::Partitions both{first, second};
                auto ends = co_await consumer.end_offsets(both);
                EXPECT_TRUE(ends);
                if (ends) old = ends->at(first) + ends->at(second) > 0;
            });
        }
        co_await (old ? old_ : new_).check(shard);
    }
    void check_files() override {
        std::vector<std::string> paths = found("t-");
        std::erase_if(paths, [](const std::string& path) { return path.ends_with("-delete"); });
        expect_places(paths, there_);
    }

    Ledger new_{"t", partitions};
    bool made_ = false;
};

// A start finds a partition that the cluster has placed nowhere, one of another topic's id in the
// place of one of its own, and a copy on its way.
class SettingAside final : public Scene {
  public:
    using Scene::Scene;

  private:
    bool starts() const override { return true; }
    void prepare() override {
        on_clients([this](env::Shard& shard) -> Task<void> {
            EXPECT_TRUE(co_await make_topic(shard, "t"));
            EXPECT_TRUE(co_await make_topic(shard, "u"));
            co_await kept_.produce(shard, 0, 20, "");
        });
    }
    void arrange() override {
        std::string home = found("t-0").at(0).substr(0, 2);
        content_ = log_of(home + "/t-0");
        copy(home + "/t-0", home + "/unknown-0");
        foreign(home + "/unknown-0");
        foreign(found("u-1").at(0));
        copy(home + "/t-0", fmt::format("{}/t-0.{}-future", home == "/a" ? "/b" : "/a", hex));
    }
    Task<void> act(env::Shard&) override { co_return; }
    Task<void> check(env::Shard& shard) override {
        co_await kept_.check(shard);
        Ledger empty("u", partitions);
        co_await empty.check(shard);
        EXPECT_EQ(empty.end(0) + empty.end(1), 0);
    }
    void check_files() override {
        std::vector<std::string> unknown = found("unknown-0");
        EXPECT_EQ(unknown.size(), 1U);
        if (unknown.size() == 1) {
            EXPECT_TRUE(unknown[0].ends_with("-stray")) << unknown[0];
            EXPECT_EQ(log_of(unknown[0]), content_);
        }
        std::size_t live = 0;
        for (const std::string& path : found("u-1")) live += !path.contains('.');
        EXPECT_EQ(live, 1U);
    }
    void foreign(const std::string& path) {
        auto file = disk().open(path + "/partition.metadata", {.write = true, .truncate = true});
        EXPECT_TRUE((*file)->write(0, as_bytes("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAACQ")));
        EXPECT_TRUE((*file)->sync_now());
    }
    std::string log_of(const std::string& path) {
        std::string all;
        for (const auto& entry : *disk().list(path)) {
            if (!entry.name.ends_with(".log")) continue;
            all += env::read_file(disk(), path + "/" + entry.name).value_or("");
        }
        return all;
    }

    Ledger kept_{"t", partitions};
    std::string content_;
};

class Moving final : public Scene {
  public:
    using Scene::Scene;

  private:
    void prepare() override {
        on_clients([this](env::Shard& shard) -> Task<void> {
            EXPECT_TRUE(co_await make_topic(shard, "t"));
            co_await ledger_.produce(shard, 0, 30, "");
        });
        from_ = found("t-0").at(0).substr(0, 2);
    }
    Task<void> act(env::Shard& shard) override {
        std::string to = from_ == "/a" ? "/b" : "/a";
        co_await with_impatient_admin(shard, [&](client::Admin& admin) -> Task<void> {
            auto asked = co_await client::alter_replica_log_dirs(admin, 1, {{{"t", 0}, to}});
            bool accepted = asked.at({"t", 0}).has_value();
            EXPECT_TRUE(accepted || !sound());
            for (int i = 0; i < 60 && accepted && !disk().exists(to + "/t-0"); ++i) {
                co_await env::sleep_for(shard, Duration::milliseconds(100));
            }
            EXPECT_TRUE(disk().exists(to + "/t-0") || !sound());
        });
        ledger_.allow_refusals();
        co_await ledger_.produce(shard, 1, 6, impatient);
    }
    Task<void> check(env::Shard& shard) override {
        co_await env::sleep_for(shard, Duration::seconds(10));  // a copy goes on
        co_await ledger_.check(shard);
    }
    void check_files() override { expect_places(found("t-"), true); }

    Ledger ledger_{"t", partitions};
    std::string from_;
};

// Every so many points; ./dev soak crash-points takes all.
template <typename Script>
void sweep() {
    auto number = [](const char* name, std::uint64_t otherwise) {
        const char* value = std::getenv(name);
        return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
    };
    std::uint64_t seed = number("MILLRACE_SEED", 1);
    std::uint64_t points = Script(seed).live(std::nullopt, 0);
    ASSERT_FALSE(testing::Test::HasFailure()) << "nothing had gone wrong, seed " << seed;
    ASSERT_GT(points, 5U);
    std::uint64_t most = number("MILLRACE_SWEEP", 12);
    std::uint64_t stride = (points + most - 1) / most;
    constexpr End ends[] = {End::power_lost, End::killed, End::killed_amid, End::input_output,
                            End::no_space};
    for (std::uint64_t point = 0; point < points; point += stride) {
        for (End end : ends) {
            // All ends at all points are for the soak: here each point has two.
            bool skipped = stride > 1 && (point / stride + static_cast<std::uint64_t>(end)) % 5 > 1;
            if (skipped) continue;
            SCOPED_TRACE(fmt::format("MILLRACE_SEED={}, operation {}, end {}", seed, point,
                                     static_cast<int>(end)));
            Script script(seed);
            script.live(end, point);
            if (testing::Test::HasFailure()) return;
        }
    }
}

TEST(CrashPoints, PartitionsAreMade) { sweep<Making>(); }
TEST(CrashPoints, PartitionsAreDeleted) { sweep<Deleting>(); }
TEST(CrashPoints, PartitionsAreMadeAgain) { sweep<MakingAgain>(); }
TEST(CrashPoints, PartitionsAreSetAside) { sweep<SettingAside>(); }
TEST(CrashPoints, PartitionsMove) { sweep<Moving>(); }

}  // namespace
}  // namespace millrace::server
