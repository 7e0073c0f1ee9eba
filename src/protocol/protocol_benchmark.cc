// Decoding and encoding of the hot messages and of a large Metadata response, with the allocations
// of one round: what a request costs before and after its handler.

#include <benchmark/benchmark.h>

#include "protocol/count_allocations.h"
#include "protocol/fetch.h"
#include "protocol/frame.h"
#include "protocol/metadata.h"
#include "protocol/produce.h"

namespace millrace {
namespace {

constexpr std::int16_t produce_version = 12;
constexpr std::int16_t fetch_version = 17;
constexpr std::int16_t metadata_version = 13;
constexpr std::size_t batch_size = 16 << 10;

Slice records() {
    Buffer buffer;
    buffer.resize(batch_size);
    std::fill_n(buffer.data(), batch_size, std::uint8_t{7});
    return std::move(buffer).freeze();
}

ProduceRequest produce_request(int partitions) {
    ProduceRequest request{.acks = -1, .timeout_ms = 30000};
    auto& topic = request.topic_data.emplace_back();
    topic.name = "orders";
    for (int i = 0; i < partitions; ++i) {
        topic.partition_data.push_back({.index = i, .records = Chain(records())});
    }
    return request;
}

ProduceResponse produce_response(int partitions) {
    ProduceResponse response;
    auto& topic = response.responses.emplace_back();
    topic.name = "orders";
    for (int i = 0; i < partitions; ++i) {
        topic.partition_responses.push_back({.index = i, .base_offset = 1000 + i});
    }
    return response;
}

FetchRequest fetch_request(int partitions) {
    FetchRequest request{.max_wait_ms = 500, .min_bytes = 1};
    auto& topic = request.topics.emplace_back();
    topic.topic_id = Uuid{1, 2};
    for (int i = 0; i < partitions; ++i) {
        topic.partitions.push_back(
            {.partition = i, .fetch_offset = i, .partition_max_bytes = 1 << 20});
    }
    return request;
}

FetchResponse fetch_response(int partitions) {
    FetchResponse response;
    auto& topic = response.responses.emplace_back();
    topic.topic_id = Uuid{1, 2};
    for (int i = 0; i < partitions; ++i) {
        topic.partitions.push_back(
            {.partition_index = i, .high_watermark = 100, .records = Chain(records())});
    }
    return response;
}

MetadataResponse metadata_response(int partitions) {
    MetadataResponse response{.cluster_id = "4L6g3nShT-eMCtK--X86sw", .controller_id = 1};
    for (int i = 1; i <= 3; ++i) {
        response.brokers.push_back({.node_id = i, .host = "broker.example.com", .port = 9092});
    }
    auto& topic = response.topics.emplace_back();
    topic.name = "orders";
    topic.topic_id = Uuid{1, 2};
    for (int i = 0; i < partitions; ++i) {
        topic.partitions.push_back({.partition_index = i,
                                    .leader_id = 1 + i % 3,
                                    .leader_epoch = 4,
                                    .replica_nodes = {1, 2, 3},
                                    .isr_nodes = {1, 2, 3}});
    }
    return response;
}

void report(benchmark::State& state, const AllocationCount& allocated, std::size_t bytes) {
    state.counters["allocations"] = benchmark::Counter(static_cast<double>(allocated.count()),
                                                       benchmark::Counter::kAvgIterations);
    state.counters["allocated_bytes"] = benchmark::Counter(static_cast<double>(allocated.bytes()),
                                                           benchmark::Counter::kAvgIterations);
    state.counters["message_bytes"] = static_cast<double>(bytes);
}

template <auto make, std::int16_t version>
void decode(benchmark::State& state) {
    auto message = make(static_cast<int>(state.range(0)));
    Writer out;
    CHECK(message.encode(out, version));
    Slice bytes = std::move(out).finish_in_memory();
    AllocationCount allocated;
    for (auto _ : state) {
        Reader in(bytes);
        auto read = decltype(message)::decode(in, version);
        benchmark::DoNotOptimize(read);
    }
    report(state, allocated, bytes.size());
}

template <auto make, std::int16_t version>
void encode(benchmark::State& state) {
    auto message = make(static_cast<int>(state.range(0)));
    std::uint64_t size = 0;
    AllocationCount allocated;
    for (auto _ : state) {
        Result<Chain> bytes = encode_response(1, decltype(message)::api_key, version, message);
        size = bytes->size();
        benchmark::DoNotOptimize(bytes);
    }
    report(state, allocated, size);
}

BENCHMARK(decode<produce_request, produce_version>)->Name("decode/ProduceRequest")->Arg(1)->Arg(50);
BENCHMARK(encode<produce_response, produce_version>)
    ->Name("encode/ProduceResponse")
    ->Arg(1)
    ->Arg(50);
BENCHMARK(decode<fetch_request, fetch_version>)->Name("decode/FetchRequest")->Arg(1)->Arg(50);
BENCHMARK(encode<fetch_response, fetch_version>)->Name("encode/FetchResponse")->Arg(1)->Arg(50);
BENCHMARK(decode<metadata_response, metadata_version>)
    ->Name("decode/MetadataResponse")
    ->Arg(1)
    ->Arg(1000);
BENCHMARK(encode<metadata_response, metadata_version>)
    ->Name("encode/MetadataResponse")
    ->Arg(1)
    ->Arg(1000);

}  // namespace
}  // namespace millrace
