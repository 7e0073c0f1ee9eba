// Producers of one transactional id that come, go, lose answers and come back as zombies, under
// seeds: one outcome a transaction, who was fenced changes nothing, and the log, compacted in any
// legal way, gives the same state. MILLRACE_SEEDS asks for more, MILLRACE_SEED for one.
#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "base/random.h"
#include "core/transactions/transaction_coordinator.h"
#include "core/transactions/transaction_records.h"

namespace millrace::transactions {
namespace {

class Play {
  public:
    explicit Play(std::uint64_t seed)
        : random_(seed),
          version_(static_cast<std::int16_t>(random_.below(3))),
          producers_(random_.between(1, 3)) {}

    void run(int turns) {
        for (int i = 0; i < turns && !testing::Test::HasFailure(); ++i) {
            now_ += random_.between(0, 2'000);
            Producer& producer = producers_[random_.below(producers_.size())];
            switch (random_.below(12)) {
                case 0:
                    init(producer);
                    break;
                case 1:
                    end(producer, random_.chance(0.7));
                    break;
                case 2:
                    time_out();
                    break;
                case 3:
                    fail_over();
                    break;
                case 4:
                    exhaust();
                    break;
                case 5:
                case 6:
                    complete();
                    break;
                default:
                    add(producer);
            }
        }
        check_compactions();
    }
    static inline int commits = 0;
    static inline int aborts = 0;
    static inline int fenced = 0;

  private:
    struct Producer {
        std::optional<ProducerIdAndEpoch> identity;
        int incarnation = 0;  // of the latest init that it knows to have succeeded
    };

    Terms terms() { return {.now = now_, .version = version_, .fresh_producer_id = ++ids_}; }
    std::int16_t client_version() const { return version_ >= 2 ? version_ : std::int16_t{0}; }
    template <typename Response>
    Response take(Decision<Response> decision) {
        for (const coordinator::Record& record : decision.records) {
            EXPECT_TRUE(state_->apply(record));
            log_.push_back(record);
        }
        return decision.response;
    }
    const Transaction* current() const { return state_->find("t"); }

    void init(Producer& producer) {
        bool goes_on = producer.identity && random_.chance(0.4);
        InitProducerId asked{.transactional_id = "t", .timeout_ms = 30'000};
        if (goes_on) asked.expected = producer.identity;
        bool was_open = current() != nullptr && current()->is_open();
        ProducerAnswer answer = take(state_->init_producer_id(asked, terms()));
        if (answer.error != ErrorCode::none) {
            if (was_open && answer.error == ErrorCode::concurrent_transactions) decide(false);
            return;
        }
        EXPECT_FALSE(was_open);
        // Whoever holds the id may go on; anybody else must come as a new one.
        if (goes_on) EXPECT_EQ(producer.incarnation, incarnation_);
        if (!goes_on) ++incarnation_;
        if (random_.chance(0.1)) return;  // the answer is lost
        producer.identity = answer.producer;
        producer.incarnation = incarnation_;
    }
    void add(Producer& producer) {
        if (!producer.identity) return;
        TopicPartition partition{"p", static_cast<std::int32_t>(random_.below(4))};
        ErrorCode error = take(state_->add_partitions("t", *producer.identity, {partition},
                                                      client_version(), terms()));
        if (error == ErrorCode::none) {
            EXPECT_EQ(producer.incarnation, incarnation_) << "a zombie has begun something";
            EXPECT_FALSE(decided_);
            joined_.insert(partition);
        } else if (producer.incarnation != incarnation_) {
            ++fenced;
        }
        if (error == ErrorCode::none) EXPECT_EQ(current()->partitions, joined_);
    }
    void end(Producer& producer, bool commit) {
        if (!producer.identity) return;
        bool was_open = current() != nullptr && current()->is_open();
        ProducerAnswer answer =
            take(state_->end({"t", *producer.identity, commit, client_version()}, terms()));
        if (answer.error != ErrorCode::none) return;
        EXPECT_EQ(producer.incarnation, incarnation_) << "a zombie has ended something";
        if (was_open || current()->is_ending()) {
            decide(commit);
        } else {
            EXPECT_EQ(current()->state == TransactionState::complete_commit, commit);
        }
        if (!random_.chance(0.2)) producer.identity = answer.producer;
    }
    void decide(bool commit) {
        EXPECT_FALSE(decided_) << "a transaction has two outcomes";
        decided_ = commit;
        ++(commit ? commits : aborts);
    }
    void complete() {
        auto ending = state_->ending("t");
        EXPECT_EQ(ending.has_value(), decided_.has_value());
        if (!ending) return;
        EXPECT_EQ(ending->commit, *decided_);
        EXPECT_EQ(ending->partitions, joined_);
        EXPECT_EQ(take(state_->complete(*ending, terms())), ErrorCode::none);
        EXPECT_EQ(state_->complete(*ending, terms()).response, ErrorCode::invalid_txn_state);
        joined_.clear();
        decided_.reset();
    }
    void time_out() {
        for (const std::string& id : state_->timed_out(now_)) {
            if (take(state_->time_out(id, terms())).error == ErrorCode::none) decide(false);
        }
    }
    // As after 32,000 transactions.
    void exhaust() {
        const Transaction* known = current();
        if (known == nullptr || known->state != TransactionState::empty) return;
        Transaction old = *known;
        std::int16_t by = static_cast<std::int16_t>(largest_epoch - 2 - old.producer.epoch);
        if (by <= 0) return;
        ProducerIdAndEpoch before = old.producer;
        old.producer.epoch += by;
        take(Decision<int>{0, {transaction_record("t", old, version_)}});
        for (Producer& each : producers_) {
            if (each.identity == before) each.identity = old.producer;
        }
    }
    void fail_over() {
        state_ = std::make_unique<TransactionCoordinator>(options_);
        for (const coordinator::Record& record : log_) ASSERT_TRUE(state_->apply(record));
    }
    // What the cleaner may leave: the last record of each key, and any of those before.
    void check_compactions() {
        if (log_.empty()) return;
        fail_over();
        for (int round = 0; round < 3; ++round) {
            TransactionCoordinator compacted(options_);
            for (std::size_t i = 0; i < log_.size(); ++i) {
                if (i + 1 < log_.size() && random_.chance(0.5)) continue;
                ASSERT_TRUE(compacted.apply(log_[i]));
            }
            EXPECT_EQ(compacted.all(), state_->all());
        }
    }

    Random random_;
    std::int16_t version_;
    TransactionOptions options_;
    std::unique_ptr<TransactionCoordinator> state_ =
        std::make_unique<TransactionCoordinator>(options_);
    std::vector<Producer> producers_;
    std::vector<coordinator::Record> log_;
    Timestamp now_ = 1'700'000'000'000;
    std::int64_t ids_ = 1'000;
    int incarnation_ = 0;
    std::set<TopicPartition> joined_;
    std::optional<bool> decided_;
};

TEST(RandomTransactions, HaveOneOutcome) {
    const char* one = std::getenv("MILLRACE_SEED");
    const char* many = std::getenv("MILLRACE_SEEDS");
    std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
    std::uint64_t count = one != nullptr    ? 1
                          : many != nullptr ? std::strtoull(many, nullptr, 10)
                                            : 100;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        SCOPED_TRACE(fmt::format("MILLRACE_SEED={}", seed));
        Play(seed).run(400);
        if (HasFailure()) return;
    }
    if (one != nullptr) return;
    EXPECT_GT(Play::commits, 100);
    EXPECT_GT(Play::aborts, 100);
    EXPECT_GT(Play::fenced, 100);
}

}  // namespace
}  // namespace millrace::transactions
