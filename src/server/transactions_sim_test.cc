// Producers of one transactional id while they die and fence each other, and the node dies and
// loses its power: a transaction has one outcome in all its partitions, and what was told of it
// holds; readers of committed records see nothing else, ever; and nothing is left open.

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <vector>

#include "base/random.h"
#include "env/sim/fabric.h"
#include "server/clients_for_tests.h"
#include "server/node_trial_for_tests.h"
#include "server/seeds_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::int32_t partitions = 4;
constexpr int transactions_wanted = 120;

client::Partitions all_partitions() {
    client::Partitions all;
    for (std::int32_t i = 0; i < partitions; ++i) all.emplace_back("t", i);
    return all;
}

// What became of each transaction, as its producer was told, and as readers saw it. The records'
// values are the numbers of their transactions.
class Transactions {
  public:
    enum class Told { nothing, committed, aborted };

    // Until all are begun, an answer says that another producer has come, or nothing more works.
    Task<void> produce(env::Shard& shard) {
        co_await with_producer(
            shard,
            "transactional.id=t\ntransaction.timeout.ms=8000\nmax.block.ms=30000\n"
            "delivery.timeout.ms=30000\nrequest.timeout.ms=4000\nlinger.ms=0\n",
            [&](client::Producer& to) -> Task<void> {
                if (!co_await to.init_transactions()) co_return;
                while (begun_ < transactions_wanted) {
                    if (!co_await one(shard, to)) co_return;
                    if (!shard.random().chance(0.3)) continue;
                    co_await env::sleep_for(shard,
                                            Duration::milliseconds(shard.random().between(0, 800)));
                }
            });
    }
    bool all_begun() const { return begun_ >= transactions_wanted; }

    // Reads committed records until `done()`.
    Task<void> observe(env::Shard& shard, std::function<bool()> done) {
        co_await read(
            shard, true, [&](const client::ConsumedBatch& batch) { note(batch, seen_); },
            std::move(done));
    }
    // Nothing is open, and what is there agrees with what was told and seen.
    Task<void> check(env::Shard& shard) {
        auto committed = co_await ends(shard, true);
        auto all = co_await ends(shard, false);
        EXPECT_EQ(committed, all) << "a transaction is left open";
        std::map<int, std::multiset<std::int32_t>> found;
        Time until = shard.now() + Duration::seconds(20);
        co_await read(
            shard, true, [&](const client::ConsumedBatch& batch) { note(batch, found); },
            [&] { return shard.now() >= until; });
        for (int id = 0; id < begun_; ++id) check_one(id, found[id]);
        for (const auto& [id, where] : seen_) {
            EXPECT_EQ(where, found[id]) << "transaction " << id << " was read and is another";
        }
    }
    int committed() const { return count(Told::committed); }
    int aborted() const { return count(Told::aborted); }

  private:
    // False when this producer can do no more.
    Task<bool> one(env::Shard& shard, client::Producer& to) {
        int id = begun_++;
        bool commit = shard.random().chance(0.7);
        if (!to.begin_transaction()) co_return false;
        std::string value = std::to_string(id);
        std::multiset<std::int32_t>& where = sent_[id];
        for (std::uint64_t i = 0, n = shard.random().between(1, 6); i < n; ++i) {
            auto partition = static_cast<std::int32_t>(shard.random().below(partitions));
            where.insert(partition);
            auto sent =
                co_await to.send({.topic = "t", .partition = partition, .value = as_bytes(value)});
            if (!sent) {
                commit = false;
                break;
            }
        }
        if (shard.random().chance(0.1)) co_await env::sleep_for(shard, Duration::seconds(10));
        if (commit && co_await to.commit_transaction()) {
            told_[id] = Told::committed;
            co_return true;
        }
        // Where a commit was lost on the way it may have come to be: then this is refused.
        if (!co_await to.abort_transaction()) co_return false;
        told_[id] = Told::aborted;
        co_return true;
    }

    template <typename Note>
    static Task<void> read(env::Shard& shard, bool committed, Note note_batch,
                           std::function<bool()> done) {
        std::string lines = fmt::format("isolation.level={}\ndefault.api.timeout.ms=120000\n",
                                        committed ? "read_committed" : "read_uncommitted");
        co_await with_consumer(shard, lines, [&](client::Consumer& consumer) -> Task<void> {
            EXPECT_TRUE(consumer.assign(all_partitions()));
            for (const auto& each : all_partitions()) EXPECT_TRUE(consumer.seek(each, 0));
            while (!done()) {
                auto records = co_await consumer.poll(Duration::milliseconds(200));
                EXPECT_TRUE(records) << (records ? "" : records.error().message);
                if (!records) co_return;
                for (const auto& batch : records->batches) note_batch(batch);
            }
        });
    }
    static Task<std::map<client::TopicPartition, std::int64_t>> ends(env::Shard& shard,
                                                                     bool committed) {
        std::map<client::TopicPartition, std::int64_t> found;
        std::string lines = fmt::format("isolation.level={}\ndefault.api.timeout.ms=120000\n",
                                        committed ? "read_committed" : "read_uncommitted");
        co_await with_consumer(shard, lines, [&](client::Consumer& consumer) -> Task<void> {
            auto told = co_await consumer.end_offsets(all_partitions());
            EXPECT_TRUE(told) << (told ? "" : told.error().message);
            if (told) found = *told;
        });
        co_return found;
    }
    static void note(const client::ConsumedBatch& batch,
                     std::map<int, std::multiset<std::int32_t>>& in) {
        for (const auto& record : batch.records) {
            in[std::stoi(std::string(as_string(*record.value)))].insert(batch.partition.partition);
        }
    }
    void check_one(int id, const std::multiset<std::int32_t>& found) {
        auto at = told_.find(id);
        Told told = at == told_.end() ? Told::nothing : at->second;
        if (told == Told::committed) {
            EXPECT_EQ(found, sent_[id]) << "transaction " << id << " was committed";
        } else if (told == Told::aborted) {
            EXPECT_TRUE(found.empty()) << "transaction " << id << " was aborted";
        } else {
            EXPECT_TRUE(found.empty() || found == sent_[id])
                << "transaction " << id << " is there in part";
        }
    }
    int count(Told what) const {
        int n = 0;
        for (const auto& [id, told] : told_) n += told == what ? 1 : 0;
        return n;
    }

    int begun_ = 0;
    std::map<int, std::multiset<std::int32_t>> sent_;  // partitions, by transaction
    std::map<int, Told> told_;
    std::map<int, std::multiset<std::int32_t>> seen_;
};

class Trial : private NodeTrial {
  public:
    explicit Trial(std::uint64_t seed)
        : NodeTrial(seed, static_cast<int>(1 + seed % 3),
                    "transaction.state.log.num.partitions=5\n"
                    "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000\n"),
          reader_(world_.add_node("reader")),
          producers_{&world_.add_node("producer-0"), &world_.add_node("producer-1")} {}
    ~Trial() { end(); }

    void run() {
        start_node();
        on_admin([](env::Shard& shard) { return create_topic(shard, "t", partitions); });
        reader_.start([this](env::Shard& shard) -> Task<int> {
            co_await all_.observe(shard, [this] { return finished_; });
            co_return 0;
        });
        for (int i = 0; i < 400 && !all_.all_begun() && !testing::Test::HasFailure(); ++i) {
            suffer();
            if (std::ranges::none_of(producers_, [](auto* each) { return each->running(); })) {
                start(random().below(producers_.size()));
            }
        }
        EXPECT_TRUE(all_.all_begun());
        world_.fabric().heal();
        wait_for("the producers", [&] {
            return std::ranges::none_of(producers_, [](auto* each) { return each->running(); });
        });
        world_.run_for(Duration::seconds(60));  // what was left open is aborted
        on_admin([this](env::Shard& shard) { return all_.check(shard); });
        finished_ = true;
        wait_for("the reader", [&] { return !reader_.running(); });
    }
    const Transactions& transactions() const { return all_; }

  private:
    void start(std::size_t which) {
        if (producers_[which]->running()) return;
        producers_[which]->start([this](env::Shard& shard) -> Task<int> {
            co_await all_.produce(shard);
            co_return 0;
        });
    }
    void suffer() {
        world_.run_for(Duration::milliseconds(random().between(0, 3000)));
        env::sim::Node& producer = *producers_[random().below(producers_.size())];
        switch (random().below(10)) {
            case 0:
                world_.kill(producer);
                break;
            case 1:
                world_.fabric().isolate(producer);
                world_.run_for(Duration::milliseconds(random().between(0, 12'000)));
                world_.fabric().heal();
                break;
            case 2:
                world_.fabric().reset(node_.machine(), producer);
                break;
            case 3:
                node_.kill();
                node_.start();
                break;
            case 4:
                node_.lose_power();
                node_.start();
                break;
            case 5:
            case 6:  // fences the other one, if that runs
                start(random().below(producers_.size()));
                break;
            default:
                break;
        }
    }

    Transactions all_;
    env::sim::Node& reader_;
    std::vector<env::sim::Node*> producers_;
    bool finished_ = false;
};

TEST(TransactionSimulation, EachHasOneOutcome) {
    int committed = 0;
    int aborted = 0;
    std::uint64_t count = for_seeds(6, [&](std::uint64_t seed) {
        Trial trial(seed);
        trial.run();
        committed += trial.transactions().committed();
        aborted += trial.transactions().aborted();
    });
    EXPECT_GT(committed, static_cast<int>(20 * count));
    EXPECT_GT(aborted, static_cast<int>(5 * count));
}

}  // namespace
}  // namespace millrace::server
