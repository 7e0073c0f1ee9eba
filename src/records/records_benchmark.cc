// Cost of a batch of about 16 KB with records of 100 bytes, and of one of about 1 MB, for each
// codec. Bytes per second count the uncompressed records.
#include <benchmark/benchmark.h>
#include <string>

#include "base/random.h"
#include "records/builder.h"
#include "records/record.h"
#include "records/validate.h"

namespace millrace {
namespace {

constexpr Timestamp now = 1'700'000'000'000;

std::vector<std::string> values(std::size_t total) {
    Random random(1);
    std::vector<std::string> made;
    for (std::size_t size = 0; size < total; size += 100) {
        std::string value = "user=" + std::to_string(random.below(100000)) + " action=click page=/";
        while (value.size() < 100) value += "item/" + std::to_string(random.below(1000));
        value.resize(100);
        made.push_back(std::move(value));
    }
    return made;
}

Slice build(const std::vector<std::string>& all, Codec codec, Compressor& compressor) {
    BatchOptions options;
    options.codec = codec;
    BatchBuilder builder(options);
    for (const std::string& value : all) builder.append(now, std::nullopt, as_bytes(value));
    return builder.build(compressor);
}

void set_counts(benchmark::State& state, std::size_t bytes) {
    state.SetLabel(std::string(codec_name(static_cast<Codec>(state.range(0)))));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void build_batch(benchmark::State& state) {
    auto all = values(static_cast<std::size_t>(state.range(1)));
    Compressor compressor;
    for (auto _ : state)
        benchmark::DoNotOptimize(build(all, static_cast<Codec>(state.range(0)), compressor));
    set_counts(state, all.size() * 100);
}

void validate_batch(benchmark::State& state) {
    auto all = values(static_cast<std::size_t>(state.range(1)));
    Compressor compressor;
    Slice batch = build(all, static_cast<Codec>(state.range(0)), compressor);
    ProduceRules rules;
    rules.partition = "bench-0";
    rules.max_message_bytes = 100 << 20;
    BatchValidator validator;
    for (auto _ : state) benchmark::DoNotOptimize(validator.validate(batch, rules, now));
    set_counts(state, all.size() * 100);
}

void read_batch(benchmark::State& state) {
    auto all = values(static_cast<std::size_t>(state.range(1)));
    Compressor compressor;
    Slice batch = build(all, static_cast<Codec>(state.range(0)), compressor);
    BatchView view = BatchView::parse(batch).value();
    for (auto _ : state) {
        RecordReader reader(view);
        std::size_t sum = 0;
        while (const Record* record = reader.next().value()) sum += record->value->size();
        benchmark::DoNotOptimize(sum);
    }
    set_counts(state, all.size() * 100);
}

void each_codec(benchmark::internal::Benchmark* bench) {
    for (int codec = 0; codec < 5; ++codec)
        for (int size : {16 << 10, 1 << 20}) bench->Args({codec, size});
}

BENCHMARK(build_batch)->Apply(each_codec);
BENCHMARK(validate_batch)->Apply(each_codec);
BENCHMARK(read_batch)->Apply(each_codec);

}  // namespace
}  // namespace millrace
