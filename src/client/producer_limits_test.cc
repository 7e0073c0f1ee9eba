#include <gtest/gtest.h>
#include <map>

#include "client/broker_for_tests.h"
#include "client/log_for_tests.h"
#include "client/producer.h"
#include "protocol/init_producer_id.h"
#include "protocol/produce.h"

namespace millrace::client {
namespace {

using Texts = std::vector<std::pair<std::string, std::string>>;

// One broker that leads topic "t" of one partition, and a producer to it.
struct Fixture {
    Fixture(env::Shard& shard, Texts texts) : broker(shard) {
        broker.add_topic("t", {1});
        broker.on<InitProducerIdRequest>([](const InitProducerIdRequest&, std::int16_t) {
            InitProducerIdResponse response;
            response.producer_id = 5;
            response.producer_epoch = 0;
            return response;
        });
        broker.on(ApiKey::produce, [this](const Incoming& in) { return answer(in); });
        broker.start();
        std::vector<config::Property> properties{{"bootstrap.servers", broker.bootstrap()}};
        for (auto& [key, value] : texts) properties.push_back({key, value});
        auto config = ProducerConfig::parse(properties);
        CHECK(config.has_value());
        cluster = std::make_unique<Cluster>(shard, config->cluster());
        producer = *Producer::create(*cluster, *config);
    }
    Task<void> stop() {
        co_await producer->close(Duration::seconds(1));
        co_await cluster->close();
        co_await broker.stop();
    }
    Task<std::optional<Chain>> answer(const Incoming& in) {
        std::int16_t version = in.header.request_api_version;
        Reader reader(in.body);
        auto request = ProduceRequest::decode(reader, version);
        CHECK(request.has_value());
        if (silent) co_return std::nullopt;
        ProduceResponse response;
        for (const auto& topic : request->topic_data) {
            response.responses.push_back({topic.name, topic.topic_id, {}});
            for (const auto& data : topic.partition_data) {
                auto appended = log.append(data.records->in_memory(), 1 << 20);
                ProduceResponse::PartitionProduceResponse told;
                told.index = data.index;
                told.error_code = appended.error;
                told.base_offset = appended.base_offset;
                response.responses.back().partition_responses.push_back(told);
            }
        }
        if (request->acks == 0) co_return std::nullopt;
        co_return *encode_response(in.header.correlation_id, ApiKey::produce, version, response);
    }
    static ProducerRecord record(std::string_view value) {
        ProducerRecord made;
        made.topic = "t";
        made.value = as_bytes(value);
        return made;
    }

    BrokerForTests broker;
    LogForTests log;
    bool silent = false;
    std::unique_ptr<Cluster> cluster;
    std::unique_ptr<Producer> producer;
};

Task<void> send_with_acks(env::Shard& shard, std::string acks) {
    Fixture fixture(shard, {{"acks", acks}});
    auto delivery = co_await fixture.producer->send(Fixture::record("a"));
    CO_ASSERT(delivery.has_value());
    auto where = co_await delivery->get();
    CO_ASSERT(where.has_value());
    EXPECT_EQ(where->offset, acks == "0" ? -1 : 0);
    while (fixture.log.values.empty()) co_await env::sleep_for(shard, Duration::milliseconds(1));
    EXPECT_EQ(fixture.log.values, std::vector<std::string>{"a"});
    EXPECT_EQ(BatchView::trusted(fixture.log.batches[0]).has_producer_id(), acks == "all");
    co_await fixture.stop();
}

TEST(ProducerLimits, AcksSayWhenARecordCounts) {
    for (std::string acks : {"0", "1", "all"}) {
        SCOPED_TRACE(acks);
        in_sim(1, [&](env::Shard& shard) { return send_with_acks(shard, acks); });
    }
}

Task<void> fill_memory(env::Shard& shard) {
    Fixture fixture(shard, {{"buffer.memory", "40000"},
                            {"batch.size", "10000"},
                            {"max.block.ms", "2000"},
                            {"request.timeout.ms", "1000"},
                            {"delivery.timeout.ms", "20000"}});
    fixture.silent = true;
    std::string value(5000, 'x');
    Result<Delivery> sent = co_await fixture.producer->send(Fixture::record(value));
    int taken = 0;
    while (sent) {
        ++taken;
        CO_ASSERT(taken < 20);
        sent = co_await fixture.producer->send(Fixture::record(value));
    }
    EXPECT_EQ(sent.error().code, ErrorCode::request_timed_out);
    EXPECT_NE(sent.error().message.find("buffer.memory"), std::string::npos);
    EXPECT_FALSE(*fixture.producer->offer(Fixture::record(value)));
    EXPECT_LE(fixture.producer->buffered_bytes(), 40000U);
    // Once the broker answers, all that was taken arrives.
    fixture.silent = false;
    co_await fixture.producer->flush();
    EXPECT_EQ(static_cast<int>(fixture.log.values.size()), taken);
    EXPECT_TRUE(*fixture.producer->offer(Fixture::record(value)));
    co_await fixture.stop();
}

TEST(ProducerLimits, AFullBufferHoldsSendersBack) { in_sim(1, fill_memory); }

Task<void> miss_topic_and_partition(env::Shard& shard) {
    Fixture fixture(shard, {{"max.block.ms", "3000"}});
    ProducerRecord record = Fixture::record("a");
    record.topic = "nowhere";
    EXPECT_FALSE(*fixture.producer->offer(record));
    auto missing = co_await fixture.producer->send(record);
    CO_ASSERT(!missing.has_value());
    EXPECT_NE(missing.error().message.find("nowhere"), std::string::npos);
    record.topic = "t";
    record.partition = 7;
    auto outside = co_await fixture.producer->send(record);
    CO_ASSERT(!outside.has_value());
    EXPECT_EQ(outside.error().code, ErrorCode::unknown_topic_or_partition);
    EXPECT_NE(outside.error().message.find("7"), std::string::npos);
    co_await fixture.stop();
}

TEST(ProducerLimits, MissingTopicsAndPartitionsAreNamed) { in_sim(1, miss_topic_and_partition); }

class Counts final : public DeliveryObserver {
  public:
    void delivered(const BatchDelivery& batch) override {
        (batch.error == nullptr ? acknowledged : failed) += batch.count;
    }
    int acknowledged = 0;
    int failed = 0;
};

Task<void> offer_and_close(env::Shard& shard) {
    Fixture fixture(shard, {{"linger.ms", "60000"}});
    Counts counts;
    fixture.producer->observe(&counts);
    CO_ASSERT((co_await fixture.producer->send(Fixture::record("first"))).has_value());
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(*fixture.producer->offer(Fixture::record("more")));
    EXPECT_EQ(counts.acknowledged, 0);
    co_await fixture.producer->flush();
    EXPECT_EQ(counts.acknowledged, 101);
    // Nobody answers: close() does not wait for longer than it is told to.
    fixture.silent = true;
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(*fixture.producer->offer(Fixture::record("late")));
    Time before = shard.now();
    auto closed = co_await fixture.producer->close(Duration::seconds(2));
    CO_ASSERT(!closed.has_value());
    EXPECT_NE(closed.error().message.find("10 records"), std::string::npos)
        << closed.error().message;
    EXPECT_LT(shard.now() - before, Duration::seconds(3));
    EXPECT_EQ(counts.failed, 10);
    EXPECT_TRUE(fixture.producer->take_error().has_value());
    co_await fixture.stop();
}

TEST(ProducerLimits, OfferedRecordsAreToldToTheObserver) { in_sim(1, offer_and_close); }

}  // namespace
}  // namespace millrace::client
