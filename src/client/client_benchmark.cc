// What a client costs beside the network: a producer's way from a record to the bytes of a request,
// a consumer's from the bytes of a response to records, the hash of keys, and an assignment.
//
// bytes_per_second counts keys and values; `allocations` are those for each record.

#include <benchmark/benchmark.h>
#include <string>

#include "base/random.h"
#include "client/accumulator.h"
#include "client/assignor.h"
#include "client/fetched_records.h"
#include "client/partitioner.h"
#include "client/producer_request.h"
#include "protocol/count_allocations.h"
#include "protocol/frame.h"
#include "records/builder.h"

namespace millrace::client {
namespace {

// Lines of a log: half of each is the same as in the one before.
std::string line(Random& random, std::size_t size) {
    std::string text = "2024-05-01 12:00:00 INFO request served in ";
    while (text.size() < size) text += std::to_string(random.below(1000)) + " ms, ";
    text.resize(size);
    return text;
}

std::vector<std::string> lines(std::size_t size) {
    Random random(1);
    std::vector<std::string> made(1000);
    for (std::string& one : made) one = line(random, size);
    return made;
}

// Records into batches, batches into a request, for three partitions by turns.
void produce(benchmark::State& state) {
    auto size = static_cast<std::size_t>(state.range(0));
    auto codec = static_cast<Codec>(state.range(1));
    Random random(1);
    AccumulatorOptions options;
    options.codec = codec;
    options.batch_size = 64 << 10;
    Accumulator accumulator(options, random);
    accumulator.set_identity({1, 0});
    TopicQueues& topic = accumulator.update("t", 1, 3, {0, 1, 2});
    std::vector<std::string> values = lines(size);
    ClusterMetadata metadata;
    Time now = Time::from_ns(1);
    std::size_t next = 0, bytes = 0, records = 0;
    AllocationCount allocated;
    for (auto _ : state) {
        for (int i = 0; i < 1000; ++i) {
            const std::string& value = values[next++ % values.size()];
            std::int32_t partition = topic.sticky.choose(topic.available, topic.count, random);
            auto appended = accumulator.append(accumulator.queue(topic, partition), 1000,
                                               std::nullopt, as_bytes(value), {}, now);
            CHECK(appended.batch != nullptr);
            topic.sticky.appended(size, appended.batch->full, options.batch_size);
        }
        records += 1000;
        bytes += 1000 * size;
        if (accumulator.used() < options.buffer_memory / 4) continue;
        for (;;) {
            auto shipments = accumulator.drain(now, [](PartitionQueue&) { return 1; });
            if (shipments.empty()) break;
            for (const Shipment& shipment : shipments) {
                ShipmentRequest request(shipment, metadata, -1, Duration::seconds(30));
                auto encoded = encode_request(1, "client", 12, request.request());
                benchmark::DoNotOptimize(encoded);
                for (const auto& item : shipment.items) accumulator.acknowledge(item, 0, -1);
            }
        }
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
    state.SetItemsProcessed(static_cast<std::int64_t>(records));
    state.counters["allocations"] =
        static_cast<double>(allocated.count()) / static_cast<double>(records);
    state.counters["compressed"] =
        accumulator.totals().bytes_sent == 0
            ? 0
            : static_cast<double>(accumulator.totals().bytes_sent) /
                  static_cast<double>(accumulator.totals().records_acknowledged * size);
}
BENCHMARK(produce)
    ->ArgNames({"size", "codec"})
    ->Args({100, 0})
    ->Args({1000, 0})
    ->Args({10000, 0})
    ->Args({1000, 1})
    ->Args({1000, 2})
    ->Args({1000, 3})
    ->Args({1000, 4});

// The records of a response of 1 MiB, with the CRC checked.
void consume(benchmark::State& state) {
    auto size = static_cast<std::size_t>(state.range(0));
    std::vector<std::string> values = lines(size);
    Buffer buffer;
    std::size_t payload = 0;
    std::int64_t offset = 0;
    for (std::size_t next = 0; payload < (1 << 20);) {
        BatchOptions options;
        options.codec = static_cast<Codec>(state.range(1));
        options.base_offset = offset;
        BatchBuilder builder(options);
        while (builder.size() < (64 << 10)) {
            const std::string& value = values[next++ % values.size()];
            builder.append(1000, std::nullopt, as_bytes(value));
            payload += size;
        }
        offset = builder.next_offset();
        Slice batch = builder.build();
        buffer.append(batch.bytes());
    }
    Slice response = std::move(buffer).freeze();
    std::int64_t records = 0;
    AllocationCount allocated;
    for (auto _ : state) {
        FetchedRecords fetched({"t", 0}, response, {}, {});
        std::int64_t position = 0;
        for (;;) {
            auto batch = fetched.next(position, 500);
            CHECK(batch.has_value());
            if (!*batch) break;
            for (const Record& record : (*batch)->records)
                benchmark::DoNotOptimize(record.value->data());
            records += static_cast<std::int64_t>((*batch)->records.size());
        }
    }
    state.counters["allocations"] =
        static_cast<double>(allocated.count()) / static_cast<double>(records);
    state.SetItemsProcessed(records);
    state.SetBytesProcessed(records * static_cast<std::int64_t>(size));
}
BENCHMARK(consume)
    ->ArgNames({"size", "codec"})
    ->Args({100, 0})
    ->Args({1000, 0})
    ->Args({10000, 0})
    ->Args({1000, 1})
    ->Args({1000, 2})
    ->Args({1000, 3})
    ->Args({1000, 4});

void hash_of_a_key(benchmark::State& state) {
    std::string key(static_cast<std::size_t>(state.range(0)), 'k');
    for (auto _ : state) benchmark::DoNotOptimize(partition_of_key(as_bytes(key), 12));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(hash_of_a_key)->Arg(8)->Arg(36);

// A group of `members` that shares 30 topics of 30 partitions, one member new.
void assign(benchmark::State& state) {
    auto assignor = assignor_named(state.range(0) == 0 ? "range" : "cooperative-sticky");
    PartitionCounts counts;
    for (int i = 0; i < 30; ++i) counts["topic-" + std::to_string(i)] = 30;
    Subscriptions members;
    for (int i = 0; i < 50; ++i)
        for (const auto& [topic, count] : counts)
            members["member-" + std::to_string(i)].topics.push_back(topic);
    Assignment before = (*assignor)->assign(counts, members);
    for (auto& [id, member] : members) {
        member.owned = before[id];
        member.generation = 1;
    }
    members["newcomer"].topics = members.begin()->second.topics;
    for (auto _ : state) benchmark::DoNotOptimize((*assignor)->assign(counts, members));
}
BENCHMARK(assign)->ArgName("sticky")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace::client
