#include "client/producer_transactions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/broker_for_tests.h"
#include "client/log_for_tests.h"
#include "client/producer.h"
#include "protocol/end_txn.h"
#include "protocol/find_coordinator.h"
#include "protocol/init_producer_id.h"
#include "protocol/produce.h"
#include "protocol/txn_offset_commit.h"

namespace millrace::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A broker that leads topic "t", and coordinates every group and transaction, as
// transaction.version `level` has them; and a producer to it.
struct Fixture {
    explicit Fixture(env::Shard& shard, std::int16_t level = 2) : broker(shard) {
        broker.add_topic("t", {1});
        auto versions = broker.versions;
        broker.on<ApiVersionsRequest>([versions, level](const ApiVersionsRequest&, std::int16_t) {
            ApiVersionsResponse response;
            for (const auto& [key, range] : versions) {
                response.api_keys.push_back(
                    {static_cast<std::int16_t>(key), range.first, range.second});
            }
            response.finalized_features.push_back({"transaction.version", level, level});
            return response;
        });
        broker.on<FindCoordinatorRequest>(
            [this](const FindCoordinatorRequest& request, std::int16_t) {
                FindCoordinatorResponse response;
                for (const std::string& key : request.coordinator_keys) {
                    auto& found = response.coordinators.emplace_back();
                    found.key = key;
                    found.node_id = broker.id();
                    found.host = broker.address().host;
                    found.port = broker.address().port;
                }
                return response;
            });
        broker.on<InitProducerIdRequest>(
            [this](const InitProducerIdRequest& request, std::int16_t) {
                InitProducerIdResponse response;
                response.error_code = next_error();
                response.producer_id = 5;
                response.producer_epoch = epoch;
                asked.push_back(fmt::format("init {}", request.transactional_id.value_or("none")));
                return response;
            });
        broker.on<EndTxnRequest>([this](const EndTxnRequest& request, std::int16_t) {
            asked.push_back(fmt::format("{} epoch {}", request.committed ? "commit" : "abort",
                                        request.producer_epoch));
            EndTxnResponse response;
            response.error_code = next_error();
            if (response.error_code == ErrorCode::none) {
                response.producer_id = 5;
                response.producer_epoch = ++epoch;
            }
            return response;
        });
        broker.on<TxnOffsetCommitRequest>(
            [this](const TxnOffsetCommitRequest& request, std::int16_t) {
                TxnOffsetCommitResponse response;
                ErrorCode error = next_error();
                for (const auto& topic : request.topics) {
                    auto& told = response.topics.emplace_back();
                    told.name = topic.name;
                    for (const auto& partition : topic.partitions) {
                        asked.push_back(fmt::format("{} {}-{} {}", request.group_id, topic.name,
                                                    partition.partition_index,
                                                    partition.committed_offset));
                        told.partitions.push_back({partition.partition_index, error});
                    }
                }
                return response;
            });
        broker.on(ApiKey::produce, [this](const Incoming& in) { return append(in); });
        broker.start();
        auto config = ProducerConfig::parse({{"bootstrap.servers", broker.bootstrap()},
                                             {"transactional.id", "x"},
                                             {"linger.ms", "0"},
                                             {"max.block.ms", "5000"}});
        CHECK(config.has_value());
        cluster = std::make_unique<Cluster>(shard, config->cluster());
        producer = *Producer::create(*cluster, *config);
    }
    Task<void> stop() {
        co_await producer->close(Duration::seconds(1));
        co_await cluster->close();
        co_await broker.stop();
    }
    Task<std::optional<Chain>> append(const Incoming& in) {
        std::int16_t version = in.header.request_api_version;
        Reader reader(in.body);
        auto request = ProduceRequest::decode(reader, version);
        CHECK(request.has_value());
        EXPECT_EQ(request->transactional_id, "x");
        ErrorCode error = next_error();
        ProduceResponse response;
        for (const auto& topic : request->topic_data) {
            response.responses.push_back({topic.name, topic.topic_id, {}});
            for (const auto& data : topic.partition_data) {
                BatchView batch = BatchView::trusted(data.records->in_memory());
                EXPECT_TRUE(batch.is_transactional());
                asked.push_back(fmt::format("records of epoch {}, sequence {}",
                                            batch.producer_epoch(), batch.base_sequence()));
                ProduceResponse::PartitionProduceResponse told;
                told.index = data.index;
                told.error_code = error;
                told.base_offset = 0;
                response.responses.back().partition_responses.push_back(told);
            }
        }
        co_return *encode_response(in.header.correlation_id, ApiKey::produce, version, response);
    }
    ErrorCode next_error() {
        if (errors.empty()) return ErrorCode::none;
        ErrorCode error = errors.front();
        errors.erase(errors.begin());
        return error;
    }
    Task<Result<Delivery>> send() {
        co_return co_await producer->send({.topic = "t", .value = as_bytes("v")});
    }

    BrokerForTests broker;
    std::int16_t epoch = 0;
    std::vector<ErrorCode> errors;  // of the next answers
    std::vector<std::string> asked;
    std::unique_ptr<Cluster> cluster;
    std::unique_ptr<Producer> producer;
};

ErrorCode code_of(const Result<>& result) { return result ? ErrorCode::none : result.error().code; }

TEST(ProducerTransactions, EachEndGivesTheNextEpoch) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        CO_ASSERT(co_await f.producer->init_transactions());
        for (bool commit : {true, false, true}) {
            CO_ASSERT(f.producer->begin_transaction());
            auto sent = co_await f.send();
            CO_ASSERT(sent && co_await sent->get());
            CO_ASSERT(co_await (commit ? f.producer->commit_transaction()
                                       : f.producer->abort_transaction()));
        }
        EXPECT_THAT(f.asked,
                    ElementsAre("init x", "records of epoch 0, sequence 0", "commit epoch 0",
                                "records of epoch 1, sequence 0", "abort epoch 1",
                                "records of epoch 2, sequence 0", "commit epoch 2"));
        co_await f.stop();
    });
}

TEST(ProducerTransactions, OneWithoutAnythingAsksNobody) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        CO_ASSERT(co_await f.producer->init_transactions());
        CO_ASSERT(f.producer->begin_transaction());
        CO_ASSERT(co_await f.producer->commit_transaction());
        CO_ASSERT(f.producer->begin_transaction());
        CO_ASSERT(co_await f.producer->abort_transaction());
        EXPECT_THAT(f.asked, ElementsAre("init x"));
        co_await f.stop();
    });
}

TEST(ProducerTransactions, OffsetsAreCommittedWithIt) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        CO_ASSERT(co_await f.producer->init_transactions());
        CO_ASSERT(f.producer->begin_transaction());
        f.errors = {ErrorCode::coordinator_load_in_progress};
        PartitionOffsets offsets{{{"t", 0}, {.offset = 7}}};
        CO_ASSERT(co_await f.producer->send_offsets(offsets, {.group_id = "g"}));
        CO_ASSERT(co_await f.producer->commit_transaction());
        EXPECT_THAT(f.asked, ElementsAre("init x", "g t-0 7", "g t-0 7", "commit epoch 0"));
        co_await f.stop();
    });
}

TEST(ProducerTransactions, CallsComeInTheirOrder) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        EXPECT_EQ(code_of(f.producer->begin_transaction()), ErrorCode::invalid_txn_state);
        CO_ASSERT(co_await f.producer->init_transactions());
        EXPECT_EQ(code_of(co_await f.producer->commit_transaction()), ErrorCode::invalid_txn_state);
        EXPECT_EQ(code_of(co_await f.producer->abort_transaction()), ErrorCode::invalid_txn_state);
        auto outside = co_await f.send();
        EXPECT_FALSE(outside) << "no transaction is open";
        CO_ASSERT(f.producer->begin_transaction());
        EXPECT_EQ(code_of(f.producer->begin_transaction()), ErrorCode::invalid_txn_state);
        EXPECT_THAT(f.asked, ElementsAre("init x"));
        co_await f.stop();
    });
}

TEST(ProducerTransactions, ARecordThatFailsFailsTheCommit) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        CO_ASSERT(co_await f.producer->init_transactions());
        CO_ASSERT(f.producer->begin_transaction());
        f.errors = {ErrorCode::message_too_large};
        auto sent = co_await f.send();
        CO_ASSERT(sent.has_value());
        EXPECT_EQ(code_of(co_await f.producer->commit_transaction()), ErrorCode::message_too_large);
        CO_ASSERT(co_await f.producer->abort_transaction());
        EXPECT_THAT(f.asked,
                    ElementsAre("init x", "records of epoch 0, sequence 0", "abort epoch 0"));
        co_await f.stop();
    });
}

TEST(ProducerTransactions, TheSameEndIsAskedForAgain) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        CO_ASSERT(co_await f.producer->init_transactions());
        CO_ASSERT(f.producer->begin_transaction());
        auto sent = co_await f.send();
        CO_ASSERT(sent && co_await sent->get());
        f.errors = {ErrorCode::not_coordinator, ErrorCode::concurrent_transactions};
        CO_ASSERT(co_await f.producer->commit_transaction());
        EXPECT_THAT(f.asked, ElementsAre("init x", "records of epoch 0, sequence 0",
                                         "commit epoch 0", "commit epoch 0", "commit epoch 0"));
        co_await f.stop();
    });
}

TEST(ProducerTransactions, WhoeverIsFencedCanDoNoMore) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        Fixture f(shard);
        CO_ASSERT(co_await f.producer->init_transactions());
        CO_ASSERT(f.producer->begin_transaction());
        auto sent = co_await f.send();
        CO_ASSERT(sent && co_await sent->get());
        f.errors = {ErrorCode::producer_fenced};
        Result<> ended = co_await f.producer->commit_transaction();
        CO_ASSERT(!ended);
        EXPECT_EQ(ended.error().code, ErrorCode::producer_fenced);
        EXPECT_THAT(ended.error().message, HasSubstr("another producer has come"));
        std::size_t before = f.asked.size();
        EXPECT_EQ(code_of(co_await f.producer->abort_transaction()), ErrorCode::producer_fenced);
        EXPECT_EQ(code_of(f.producer->begin_transaction()), ErrorCode::producer_fenced);
        EXPECT_EQ(f.asked.size(), before);
        co_await f.stop();
    });
}

TEST(ProducerTransactions, AnOlderClusterIsRefusedWithTheWayOut) {
    in_both_worlds([](env::Shard& shard) -> Task<void> {
        Fixture f(shard, 1);
        Result<> begun = co_await f.producer->init_transactions();
        CO_ASSERT(!begun);
        EXPECT_EQ(begun.error().code, ErrorCode::unsupported_version);
        EXPECT_THAT(begun.error().message, HasSubstr("transaction.version=1"));
        EXPECT_THAT(f.asked, IsEmpty());
        co_await f.stop();
    });
}

}  // namespace
}  // namespace millrace::client
