#include "client/producer.h"

#include <gtest/gtest.h>
#include <map>
#include <set>

#include "base/random.h"
#include "client/broker_for_tests.h"
#include "client/log_for_tests.h"
#include "client/partitioner.h"
#include "protocol/init_producer_id.h"
#include "protocol/produce.h"

namespace millrace::client {
namespace {

ProducerConfig config_of(const std::string& bootstrap,
                         std::vector<std::pair<std::string, std::string>> texts) {
    std::vector<config::Property> properties{{"bootstrap.servers", bootstrap}};
    for (auto& [key, value] : texts) properties.push_back({key, value});
    auto config = ProducerConfig::parse(properties);
    EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().message);
    return *config;
}

// Bytes that end the connection: an answer to no request.
Chain nonsense() {
    Buffer bytes(8);
    bytes.resize(8);
    store_be(bytes.data(), std::int32_t{4});
    store_be(bytes.data() + 4, std::int32_t{-77});
    return Chain(std::move(bytes).freeze());
}

// Two brokers that lead the partitions of topic "t" by turns and do to requests what networks and
// elections do: lose them before or after they are carried out, refuse them, and answer late.
class Faults {
  public:
    Faults(env::Shard& shard, Random random, std::int32_t partitions)
        : shard_(shard),
          random_(random),
          logs(static_cast<std::size_t>(partitions)),
          first_(shard, 1),
          second_(shard, 2) {
        first_.add_topic("t", std::vector<std::int32_t>(logs.size(), 1));
        for (BrokerForTests* broker : {&first_, &second_}) {
            broker->on<InitProducerIdRequest>(
                [this](const InitProducerIdRequest& request, std::int16_t) {
                    EXPECT_FALSE(request.transactional_id.has_value());
                    InitProducerIdResponse response;
                    response.producer_id = 100 + given_++;
                    response.producer_epoch = 0;
                    return response;
                });
            broker->on(ApiKey::produce,
                       [this, broker](const Incoming& in) { return answer(*broker, in); });
            broker->start();
        }
        first_.metadata.brokers = {
            {1, first_.address().host, first_.address().port, {}},
            {2, second_.address().host, second_.address().port, {}},
        };
        second_.metadata = first_.metadata;
    }
    std::string bootstrap() const { return first_.bootstrap() + "," + second_.bootstrap(); }
    Task<void> stop() {
        co_await first_.stop();
        co_await second_.stop();
    }

    double lost_before = 0;
    double lost_after = 0;
    double refused = 0;
    double unanswered = 0;
    double elections = 0;
    double refused_for_good = 0;
    std::size_t max_batch_size = 1 << 20;
    int requests = 0;

  private:
    MetadataResponse::MetadataResponsePartition& told(BrokerForTests& broker, std::size_t index) {
        return broker.metadata.topics.front().partitions.at(index);
    }
    void elect(std::size_t index) {
        std::int32_t leader = 3 - told(first_, index).leader_id;
        ++logs.at(index).leader_epoch;
        for (BrokerForTests* broker : {&first_, &second_}) {
            told(*broker, index).leader_id = leader;
            told(*broker, index).leader_epoch = logs.at(index).leader_epoch;
        }
    }

    Task<std::optional<Chain>> answer(BrokerForTests& broker, const Incoming& in) {
        ++requests;
        std::int16_t version = in.header.request_api_version;
        Reader reader(in.body);
        auto request = ProduceRequest::decode(reader, version);
        CHECK(request.has_value());
        co_await env::sleep_for(shard_, Duration::microseconds(random_.between(10, 20'000)));
        if (random_.chance(lost_before)) co_return nonsense();
        ProduceResponse response;
        for (const auto& topic : request->topic_data) {
            response.responses.push_back({topic.name, topic.topic_id, {}});
            for (const auto& data : topic.partition_data)
                response.responses.back().partition_responses.push_back(append(broker, data));
        }
        if (random_.chance(lost_after)) co_return nonsense();
        if (random_.chance(unanswered)) co_return std::nullopt;
        if (request->acks == 0) co_return std::nullopt;
        co_return *encode_response(in.header.correlation_id, ApiKey::produce, version, response);
    }
    ProduceResponse::PartitionProduceResponse append(
        BrokerForTests& broker, const ProduceRequest::PartitionProduceData& data) {
        auto index = static_cast<std::size_t>(data.index);
        ProduceResponse::PartitionProduceResponse told_back;
        told_back.index = data.index;
        told_back.base_offset = -1;
        if (random_.chance(elections)) elect(index);
        if (told(first_, index).leader_id != broker.id()) {
            told_back.error_code = ErrorCode::not_leader_or_follower;
        } else if (random_.chance(refused_for_good)) {
            told_back.error_code = ErrorCode::invalid_record;
        } else if (random_.chance(refused)) {
            told_back.error_code = ErrorCode::not_enough_replicas;
        } else {
            auto appended = logs.at(index).append(data.records->in_memory(), max_batch_size);
            told_back.error_code = appended.error;
            told_back.base_offset = appended.base_offset;
            // In the log, but the answer says that too few have it.
            if (appended.error == ErrorCode::none && random_.chance(refused)) {
                told_back.error_code = ErrorCode::not_enough_replicas_after_append;
                told_back.base_offset = -1;
            }
        }
        return told_back;
    }

    env::Shard& shard_;
    Random random_;
    std::int64_t given_ = 0;

  public:
    std::vector<LogForTests> logs;  // by partition

  private:
    BrokerForTests first_;
    BrokerForTests second_;
};

struct Sent {
    std::size_t partition = 0;
    std::string value;
    Delivery delivery;
};

// What was acknowledged is where it is said to be, once, and in the order of sending.
void check_logs(const std::vector<LogForTests>& logs, const std::vector<Sent>& sent,
                std::size_t& acknowledged) {
    std::vector<std::map<std::string, int>> times(logs.size());
    for (std::size_t i = 0; i < logs.size(); ++i)
        for (const std::string& value : logs[i].values) ++times[i][value];
    std::vector<std::int64_t> last(logs.size(), -1);
    for (const Sent& record : sent) {
        ASSERT_TRUE(record.delivery.done());
        auto& counts = times[record.partition];
        auto found = counts.find(record.value);
        int count = found == counts.end() ? 0 : found->second;
        Result<RecordMetadata> result = record.delivery.result();
        EXPECT_LE(count, 1) << record.value;
        if (!result) continue;
        ++acknowledged;
        EXPECT_EQ(count, 1) << record.value;
        if (result->offset < 0) continue;
        const LogForTests& log = logs[record.partition];
        ASSERT_LT(result->offset, log.end());
        EXPECT_EQ(log.values[static_cast<std::size_t>(result->offset)], record.value);
        EXPECT_GT(result->offset, last[record.partition]) << record.value;
        last[record.partition] = result->offset;
    }
}

Task<void> send_through_faults(env::Shard& shard, std::uint64_t seed) {
    Random random(seed);
    Faults faults(shard, random.fork(), 3);
    faults.lost_before = random.unit() * 0.1;
    faults.lost_after = random.unit() * 0.1;
    faults.refused = random.unit() * 0.1;
    faults.unanswered = random.unit() * 0.02;
    faults.elections = random.unit() * 0.1;
    bool expires = random.chance(0.3);
    if (random.chance(0.3)) faults.refused_for_good = 0.02;
    if (random.chance(0.3)) faults.max_batch_size = 400;
    auto config =
        config_of(faults.bootstrap(),
                  {{"batch.size", random.chance(0.5) ? "300" : "2000"},
                   {"linger.ms", std::to_string(random.below(5))},
                   {"request.timeout.ms", "1000"},
                   {"delivery.timeout.ms", expires ? "1500" : "600000"},
                   {"compression.type", random.chance(0.3) ? "lz4" : "none"},
                   {"max.in.flight.requests.per.connection", std::to_string(1 + random.below(5))}});
    SCOPED_TRACE(testing::Message()
                 << "expires " << expires << " refuses " << faults.refused_for_good << " at most "
                 << faults.max_batch_size);
    Cluster cluster(shard, config.cluster());
    auto producer = *Producer::create(cluster, config);
    std::vector<Sent> sent;
    std::vector<int> next(3, 0);
    for (int i = 0; i < 1500; ++i) {
        std::size_t partition = random.below(3);
        std::string value =
            "v" + std::to_string(next[partition]++) + std::string(random.below(60), 'x');
        ProducerRecord record;
        record.topic = "t";
        record.partition = static_cast<std::int32_t>(partition);
        record.value = as_bytes(value);
        auto delivery = co_await producer->send(record);
        CO_ASSERT(delivery.has_value());
        sent.push_back({partition, value, *delivery});
        if (random.chance(0.05))
            co_await env::sleep_for(shard, Duration::microseconds(random.between(1, 30'000)));
        if (random.chance(0.003)) co_await producer->flush();
    }
    auto closed = co_await producer->close();
    EXPECT_TRUE(closed.has_value());
    std::size_t acknowledged = 0;
    check_logs(faults.logs, sent, acknowledged);
    if (!expires && faults.refused_for_good == 0) EXPECT_EQ(acknowledged, sent.size());
    EXPECT_GT(acknowledged, expires ? 0 : sent.size() / 2);
    if (!expires) EXPECT_EQ(producer->buffered_bytes(), 0U);
    EXPECT_EQ(producer->totals().records_acknowledged, acknowledged);
    co_await cluster.close();
    co_await faults.stop();
}

TEST(Producer, EveryAcknowledgedRecordIsInTheLogOnceAndInOrder) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        in_sim(seed, [&](env::Shard& shard) { return send_through_faults(shard, seed); });
        if (testing::Test::HasFailure()) return;
    }
}

Task<void> send_simply(env::Shard& shard) {
    Faults faults(shard, Random(1), 3);
    auto config = config_of(faults.bootstrap(), {});
    Cluster cluster(shard, config.cluster());
    auto producer = *Producer::create(cluster, config);
    std::vector<RecordHeader> headers{{"h", as_bytes("1")}};
    ProducerRecord record;
    record.topic = "t";
    record.key = as_bytes("21");
    record.value = as_bytes("value");
    record.timestamp = 1234;
    record.headers = headers;
    auto delivery = co_await producer->send(record);
    CO_ASSERT(delivery.has_value());
    auto where = co_await delivery->get();
    CO_ASSERT(where.has_value());
    EXPECT_EQ(where->partition.partition, partition_of_key(as_bytes("21"), 3));
    EXPECT_EQ(where->offset, 0);
    EXPECT_EQ(where->timestamp, 1234);

    // What nobody can take.
    std::string huge(2 << 20, 'x');
    record.value = as_bytes(huge);
    auto refused = co_await producer->send(record);
    CO_ASSERT(!refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::message_too_large);
    EXPECT_FALSE(producer->offer(record).has_value());
    EXPECT_TRUE((co_await producer->close()).has_value());
    record.value = as_bytes("late");
    EXPECT_FALSE((co_await producer->send(record)).has_value());
    co_await cluster.close();
    co_await faults.stop();
}

TEST(Producer, SendsByKeyAndTellsWhere) { in_both_worlds(send_simply); }

}  // namespace
}  // namespace millrace::client
