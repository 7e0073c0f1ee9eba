#include "core/transactions/transaction_coordinator.h"

#include <gtest/gtest.h>
#include <memory>

#include "core/transactions/transaction_records.h"

namespace millrace::transactions {
namespace {

constexpr Timestamp start = 1'700'000'000'000;

// A coordinator whose decisions are applied at once, as the driver does.
class Coordinator {
  public:
    template <typename Response>
    Response take(Decision<Response> decision) {
        for (const coordinator::Record& record : decision.records) {
            EXPECT_TRUE(state->apply(record));
            log.push_back(record);
        }
        return decision.response;
    }
    Terms terms() { return {.now = now, .version = version, .fresh_producer_id = ++fresh}; }
    ProducerAnswer init(std::optional<ProducerIdAndEpoch> expected = std::nullopt,
                        std::int32_t timeout_ms = 60'000) {
        return take(state->init_producer_id(
            {.transactional_id = "t", .timeout_ms = timeout_ms, .expected = expected}, terms()));
    }
    ErrorCode add(ProducerIdAndEpoch producer, std::int32_t partition = 0) {
        std::vector<TopicPartition> partitions{{"orders", partition}};
        return take(state->add_partitions("t", producer, partitions,
                                          version >= 2 ? version : std::int16_t{0}, terms()));
    }
    ProducerAnswer end(ProducerIdAndEpoch producer, bool commit) {
        return take(state->end({.transactional_id = "t",
                                .producer = producer,
                                .commit = commit,
                                .client_version = version},
                               terms()));
    }
    void write_markers() {
        auto ending = state->ending("t");
        ASSERT_TRUE(ending);
        EXPECT_EQ(take(state->complete(*ending, terms())), ErrorCode::none);
    }
    const Transaction& transaction() const { return *state->find("t"); }
    // The same records, read by a coordinator that comes after.
    void fail_over() {
        state = std::make_unique<TransactionCoordinator>(options);
        for (const coordinator::Record& record : log) EXPECT_TRUE(state->apply(record));
    }

    TransactionOptions options;
    std::unique_ptr<TransactionCoordinator> state =
        std::make_unique<TransactionCoordinator>(options);
    std::vector<coordinator::Record> log;
    Timestamp now = start;
    std::int16_t version = 2;
    std::int64_t fresh = 1'000;
};

TEST(TransactionCoordinator, APartitionJoinsAndTheTransactionCommits) {
    Coordinator all;
    ProducerAnswer mine = all.init();
    EXPECT_EQ(mine.error, ErrorCode::none);
    EXPECT_EQ(mine.producer.epoch, 0);
    EXPECT_EQ(all.transaction().state, TransactionState::empty);
    EXPECT_EQ(all.add(mine.producer), ErrorCode::none);
    EXPECT_EQ(all.add(mine.producer, 1), ErrorCode::none);
    EXPECT_EQ(all.transaction().partitions.size(), 2U);
    std::size_t written = all.log.size();
    EXPECT_EQ(all.add(mine.producer, 1), ErrorCode::none);
    EXPECT_EQ(all.log.size(), written) << "what has joined is not written again";

    ProducerAnswer ended = all.end(mine.producer, true);
    EXPECT_EQ(ended.producer, (ProducerIdAndEpoch{mine.producer.id, 1}));
    auto ending = all.state->ending("t");
    ASSERT_TRUE(ending);
    EXPECT_EQ(ending->producer.epoch, 1) << "the marker has the next epoch (KIP-1228)";
    EXPECT_TRUE(ending->commit);
    EXPECT_EQ(ending->partitions.size(), 2U);
    EXPECT_EQ(all.add(ended.producer), ErrorCode::concurrent_transactions);
    EXPECT_EQ(all.end(mine.producer, true).error, ErrorCode::concurrent_transactions);
    all.write_markers();
    EXPECT_EQ(all.transaction().state, TransactionState::complete_commit);
    EXPECT_TRUE(all.transaction().partitions.empty());
    EXPECT_EQ(all.add(ended.producer), ErrorCode::none);
    EXPECT_EQ(all.add(mine.producer), ErrorCode::producer_fenced);
}

TEST(TransactionCoordinator, WithoutBumpsTheEpochStays) {
    Coordinator all;
    all.version = 1;
    ProducerAnswer mine = all.init();
    EXPECT_EQ(all.add(mine.producer), ErrorCode::none);
    EXPECT_EQ(all.end(mine.producer, true).producer, mine.producer);
    EXPECT_EQ(all.state->ending("t")->producer, mine.producer);
    all.write_markers();
    EXPECT_EQ(all.end(mine.producer, true).error, ErrorCode::none) << "an answer that was lost";
    EXPECT_EQ(all.end(mine.producer, false).error, ErrorCode::invalid_txn_state);
    EXPECT_EQ(all.add(mine.producer), ErrorCode::none);
    EXPECT_EQ(all.end(mine.producer, false).error, ErrorCode::none);
    EXPECT_EQ(all.transaction().state, TransactionState::prepare_abort);
}

TEST(TransactionCoordinator, ALostAnswerToAnEndIsGivenAgain) {
    Coordinator all;
    ProducerAnswer mine = all.init();
    ASSERT_EQ(all.add(mine.producer), ErrorCode::none);
    ProducerAnswer ended = all.end(mine.producer, true);
    all.write_markers();
    all.fail_over();
    EXPECT_EQ(all.end(mine.producer, true).producer, ended.producer);
    EXPECT_EQ(all.end(mine.producer, false).error, ErrorCode::invalid_txn_state);
    // With the epoch of the answer it is the next transaction's end.
    EXPECT_EQ(all.end(ended.producer, true).error, ErrorCode::invalid_txn_state);
    ProducerAnswer aborted = all.end(ended.producer, false);
    EXPECT_EQ(aborted.producer.epoch, 2);
    EXPECT_TRUE(all.state->ending("t")->partitions.empty());
    EXPECT_EQ(all.transaction().started, start);
}

TEST(TransactionCoordinator, WhoeverComesNextFencesTheOneBefore) {
    for (std::int16_t version : {0, 1, 2}) {
        Coordinator all;
        all.version = version;
        ProducerAnswer first = all.init();
        ASSERT_EQ(all.add(first.producer), ErrorCode::none);
        EXPECT_EQ(all.init().error, ErrorCode::concurrent_transactions);
        EXPECT_EQ(all.transaction().state, TransactionState::prepare_abort);
        EXPECT_EQ(all.state->ending("t")->producer.epoch, 1);
        EXPECT_EQ(all.init().error, ErrorCode::concurrent_transactions);
        all.write_markers();
        ProducerAnswer second = all.init();
        EXPECT_EQ(second.producer, (ProducerIdAndEpoch{first.producer.id, 2}));
        EXPECT_EQ(all.add(first.producer), ErrorCode::producer_fenced);
        EXPECT_EQ(all.end(first.producer, true).error, ErrorCode::producer_fenced);
        EXPECT_EQ(all.init(first.producer).error, ErrorCode::producer_fenced);
        EXPECT_EQ(all.add(second.producer), ErrorCode::none);
    }
}

TEST(TransactionCoordinator, AProducerGoesOnWithTheEpochItHas) {
    Coordinator all;
    ProducerAnswer mine = all.init();
    ProducerAnswer next = all.init(mine.producer);
    EXPECT_EQ(next.producer.epoch, 1);
    EXPECT_EQ(all.init(mine.producer).producer, next.producer) << "an answer that was lost";
    EXPECT_EQ(all.init(ProducerIdAndEpoch{mine.producer.id, 7}).error, ErrorCode::producer_fenced);
    EXPECT_EQ(all.init(ProducerIdAndEpoch{77, 1}).error, ErrorCode::producer_fenced);
    ProducerAnswer stranger = all.init();
    EXPECT_EQ(stranger.producer.epoch, 2);
    EXPECT_EQ(all.init(next.producer).error, ErrorCode::producer_fenced);
}

TEST(TransactionCoordinator, EpochsThatRunOutGiveWayToTheNextProducerId) {
    Coordinator all;
    ProducerAnswer mine = all.init();
    Transaction old = all.transaction();
    old.producer.epoch = largest_epoch - 1;
    ASSERT_TRUE(all.state->apply(transaction_record("t", old, 2)));
    mine.producer.epoch = largest_epoch - 1;
    ASSERT_EQ(all.add(mine.producer), ErrorCode::none);
    Decision<ProducerAnswer> wants =
        all.state->end({"t", mine.producer, true, 2}, {.now = start, .version = 2});
    EXPECT_TRUE(wants.response.wants_producer_id);
    EXPECT_TRUE(wants.records.empty());

    ProducerAnswer ended = all.end(mine.producer, true);
    EXPECT_EQ(ended.error, ErrorCode::none);
    EXPECT_NE(ended.producer.id, mine.producer.id);
    EXPECT_EQ(ended.producer.epoch, 0);
    EXPECT_EQ(all.state->ending("t")->producer,
              (ProducerIdAndEpoch{mine.producer.id, largest_epoch}));
    EXPECT_EQ(all.add(ended.producer), ErrorCode::concurrent_transactions);
    all.write_markers();
    EXPECT_EQ(all.transaction().producer, ended.producer);
    EXPECT_EQ(all.end(mine.producer, true).producer, ended.producer) << "an answer that was lost";
    EXPECT_EQ(all.add(mine.producer), ErrorCode::invalid_producer_id_mapping);
    EXPECT_EQ(all.add(ended.producer), ErrorCode::none);
}

TEST(TransactionCoordinator, ATransactionThatIsOpenForTooLongIsAborted) {
    Coordinator all;
    ProducerAnswer mine = all.init();
    ASSERT_EQ(all.add(mine.producer), ErrorCode::none);
    all.now += 60'000;
    EXPECT_TRUE(all.state->timed_out(all.now).empty());
    EXPECT_EQ(all.take(all.state->time_out("t", all.terms())).error, ErrorCode::invalid_txn_state);
    all.now += 1;
    EXPECT_EQ(all.state->timed_out(all.now), std::vector<std::string>{"t"});
    EXPECT_EQ(all.take(all.state->time_out("t", all.terms())).error, ErrorCode::none);
    EXPECT_EQ(all.state->ending("t")->commit, false);
    all.write_markers();
    EXPECT_EQ(all.end(mine.producer, true).error, ErrorCode::invalid_txn_state);
    EXPECT_EQ(all.add(mine.producer), ErrorCode::producer_fenced);
    // Its holder may go on: nobody else came (KIP-588).
    EXPECT_EQ(all.init(mine.producer).producer.epoch, 1);
}

TEST(TransactionCoordinator, PartitionsAreVerified) {
    Coordinator all;
    ProducerAnswer mine = all.init();
    ASSERT_EQ(all.add(mine.producer), ErrorCode::none);
    std::vector<TopicPartition> both{{"orders", 0}, {"orders", 1}};
    using Codes = std::vector<ErrorCode>;
    EXPECT_EQ(all.state->verify_partitions("t", mine.producer, both),
              (Codes{ErrorCode::none, ErrorCode::transaction_abortable}));
    EXPECT_EQ(all.state->verify_partitions("other", mine.producer, both),
              Codes(2, ErrorCode::invalid_producer_id_mapping));
    EXPECT_EQ(all.state->verify_partitions("t", {mine.producer.id, 9}, both),
              Codes(2, ErrorCode::producer_fenced));
    ProducerAnswer ended = all.end(mine.producer, false);
    EXPECT_EQ(all.state->verify_partitions("t", ended.producer, both),
              Codes(2, ErrorCode::concurrent_transactions));
}

TEST(TransactionCoordinator, WhatCannotBeAskedForIsRefused) {
    Coordinator all;
    auto init = [&](InitProducerId asked) {
        return all.state->init_producer_id(asked, all.terms()).response.error;
    };
    EXPECT_EQ(init({.transactional_id = "", .timeout_ms = 1}), ErrorCode::invalid_request);
    EXPECT_EQ(init({.transactional_id = "t", .timeout_ms = 0}),
              ErrorCode::invalid_transaction_timeout);
    EXPECT_EQ(init({.transactional_id = "t", .timeout_ms = 900'001}),
              ErrorCode::invalid_transaction_timeout);
    EXPECT_EQ(init({.transactional_id = "t", .timeout_ms = 1, .two_phase_commit = true}),
              ErrorCode::transactional_id_authorization_failed);
    EXPECT_EQ(init({.transactional_id = "t", .timeout_ms = 1, .keep_prepared = true}),
              ErrorCode::unsupported_version);
    EXPECT_EQ(all.add({5, 0}), ErrorCode::invalid_producer_id_mapping);
    EXPECT_EQ(all.end({5, 0}, true).error, ErrorCode::invalid_producer_id_mapping);
    EXPECT_EQ(all.state->size(), 0U);
    ProducerAnswer mine = all.init();
    EXPECT_EQ(all.end(mine.producer, true).error, ErrorCode::invalid_txn_state);
    EXPECT_EQ(all.add({mine.producer.id + 1, 0}), ErrorCode::invalid_producer_id_mapping);
}

TEST(TransactionCoordinator, UnusedIdsExpire) {
    Coordinator all;
    ProducerAnswer mine = all.init();
    all.now += all.options.expiration_ms - 1;
    EXPECT_EQ(all.take(all.state->expire(all.now)), 0);
    all.now += 1;
    EXPECT_EQ(all.state->expire(all.now).response, 1);
    ASSERT_EQ(all.add(mine.producer), ErrorCode::none);
    all.now += all.options.expiration_ms;
    EXPECT_EQ(all.take(all.state->expire(all.now)), 0) << "an open transaction does not expire";
    all.end(mine.producer, true);
    EXPECT_EQ(all.take(all.state->expire(all.now + all.options.expiration_ms)), 0);
    all.write_markers();
    EXPECT_EQ(all.take(all.state->expire(all.now + all.options.expiration_ms)), 1);
    EXPECT_EQ(all.state->size(), 0U);
    all.fail_over();
    EXPECT_EQ(all.state->size(), 0U);
}

TEST(TransactionCoordinator, ListsAndDescribes) {
    Coordinator all;
    ProducerAnswer mine = all.init();
    ASSERT_EQ(all.add(mine.producer, 2), ErrorCode::none);
    auto count = [&](TransactionFilter filter) { return all.state->list(filter, all.now).size(); };
    EXPECT_EQ(count({}), 1U);
    EXPECT_EQ(count({.states = {"Ongoing"}}), 1U);
    EXPECT_EQ(count({.states = {"Empty", "nonsense"}}), 0U);
    EXPECT_EQ(count({.producer_ids = {mine.producer.id}}), 1U);
    EXPECT_EQ(count({.producer_ids = {mine.producer.id + 1}}), 0U);
    EXPECT_EQ(count({.min_duration_ms = 0}), 0U);
    all.now += 10;
    EXPECT_EQ(count({.min_duration_ms = 9}), 1U);
    EXPECT_EQ(count({.min_duration_ms = 10}), 0U);
    EXPECT_EQ(count({.matches = [](const std::string& id) { return id == "u"; }}), 0U);
    auto told = all.state->describe("t");
    EXPECT_EQ(told.transaction_state, "Ongoing");
    EXPECT_EQ(told.transaction_start_time_ms, start);
    ASSERT_EQ(told.topics.size(), 1U);
    EXPECT_EQ(told.topics[0].partitions, std::vector<std::int32_t>{2});
    EXPECT_EQ(all.state->describe("u").error_code, ErrorCode::transactional_id_not_found);
    EXPECT_EQ(all.state->describe("").error_code, ErrorCode::invalid_request);
}

}  // namespace
}  // namespace millrace::transactions
