// What a round of compaction costs, with what its parts cannot cost less than: reading and writing
// as much by system calls alone, and copying as much in memory. Bytes per second are those of the
// log that is compacted, and time is that of the processor, but for waits on the device: the log
// lies in memory where the machine has a file system for that.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstring>
#include <filesystem>
#include <fmt/core.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/random.h"
#include "env/disk.h"
#include "env/posix/disk.h"
#include "records/builder.h"
#include "storage/compaction.h"
#include "storage/segment.h"

namespace millrace::storage {
namespace {

constexpr std::size_t segment_bytes = std::size_t{64} << 20U;
constexpr std::size_t io_buffer_size = std::size_t{256} << 10U;
constexpr std::size_t value_size = 1000;  // with its key and framing 1 KiB

class Folder {
  public:
    Folder() {
        std::filesystem::path root = std::filesystem::exists("/dev/shm")
                                         ? std::filesystem::path("/dev/shm")
                                         : std::filesystem::temp_directory_path();
        path_ = root / fmt::format("millrace-compaction-{}", ::getpid());
        std::filesystem::create_directories(path_);
    }
    Folder(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string path() const { return path_; }

  private:
    std::filesystem::path path_;
};

// A log of four segments whose keys are drawn from so many.
class Source {
  public:
    Source(std::uint64_t keys, int records_a_batch, Codec codec) : random_(1) {
        for (int i = 0; i < 4; ++i) write_segment(keys, records_a_batch, codec);
        std::vector<CompactionSource>& sources = plan_.sources;
        for (std::size_t i = 0; i < sources.size(); ++i) {
            sources[i].next_base = i + 1 < sources.size() ? sources[i + 1].base : next_offset_;
        }
        plan_.directory = folder_.path();
        plan_.now = 1'700'000'000'000;
        plan_.index_interval_bytes = 4096;
        plan_.limits = {segment_bytes, std::uint64_t{10} << 20U};
    }

    const CompactionPlan& plan() const { return plan_; }
    env::Disk& disk() { return disk_; }
    std::uint64_t size() const { return size_; }
    std::size_t records() const { return static_cast<std::size_t>(next_offset_); }

  private:
    void write_segment(std::uint64_t keys, int records_a_batch, Codec codec) {
        auto segment = Segment::create(disk_, folder_.path(), next_offset_, plan_.now).value();
        auto file = segment->file().value();
        std::string value(value_size, 'v');
        std::uint64_t size = 0;
        std::uint64_t raw = 0;
        while (raw < segment_bytes - (std::size_t{1} << 20U)) {
            BatchBuilder builder({.codec = codec, .base_offset = next_offset_});
            for (int i = 0; i < records_a_batch; ++i) {
                std::string key = fmt::format("customer-{:010}", random_.below(keys));
                for (std::size_t at = 0; at < value.size(); at += 50) {
                    value[at] = static_cast<char>('a' + random_.below(26));
                }
                builder.append(plan_.now, as_bytes(key), as_bytes(value));
            }
            raw += builder.size();
            next_offset_ = builder.next_offset();
            Slice batch = builder.build();
            (void)file->write(size, batch.bytes());
            size += batch.size();
        }
        CompactionSource source;
        source.identity = nullptr;
        source.base = segment->base();
        source.size = static_cast<std::uint32_t>(size);
        source.path = segment->path(".log");
        plan_.sources.push_back(source);
        size_ += raw;
    }

    Folder folder_;
    env::posix::Disk disk_;
    Random random_;
    CompactionPlan plan_;
    Offset next_offset_ = 0;
    std::uint64_t size_ = 0;
};

void compact(benchmark::State& state) {
    auto keys = static_cast<std::uint64_t>(state.range(0));
    auto codec = static_cast<Codec>(state.range(2));
    Source source(keys, static_cast<int>(state.range(1)), codec);
    CompactionStats stats;
    for (auto _ : state) {
        // As large as a log makes it, which knows how many records there are.
        OffsetMap map(source.records() * OffsetMap::slot_size * 10 / 9, 0.9, {1, 2});
        Compaction work(source.disk(), source.plan(), map, io_buffer_size);
        while (!work.fill_map(4 << 20U).value()) continue;
        while (!work.done()) {
            while (!work.clean(4 << 20U).value()) continue;
            CompactionCleaned cleaned = work.take();
            if (cleaned.segment) remove_files(source.disk(), *cleaned.segment);
        }
        stats = work.stats();
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(source.size()));
    state.counters["kept"] =
        static_cast<double>(stats.records_kept) / static_cast<double>(stats.records_read);
    state.SetLabel(std::string(codec_name(codec)));
}
// Keys: each once, so that all stays; about half of what there is; few, so that nearly all goes.
BENCHMARK(compact)
    ->ArgNames({"keys", "batch", "codec"})
    ->Args({1'000'000'000, 16, 0})
    ->Args({160'000, 16, 0})
    ->Args({10'000, 16, 0})
    ->Args({160'000, 1, 0})
    ->Args({160'000, 1000, 0})
    ->Args({160'000, 16, 3})
    ->Args({160'000, 16, 4})
    ->Unit(benchmark::kMillisecond);

// Twice read and once written, as compaction has to when all stays.
void system_calls(benchmark::State& state) {
    Source source(160'000, 16, Codec::none);
    Buffer buffer(io_buffer_size);
    buffer.resize(io_buffer_size);
    std::string copy = source.plan().directory + "/copy";
    for (auto _ : state) {
        auto out =
            source.disk().open(copy, {.write = true, .create = true, .truncate = true}).value();
        std::uint64_t written = 0;
        for (int pass = 0; pass < 2; ++pass) {
            for (const CompactionSource& each : source.plan().sources) {
                auto in = source.disk().open(each.path, {}).value();
                for (std::uint64_t at = 0; at < each.size; at += io_buffer_size) {
                    std::size_t count = in->read(at, buffer.mutable_bytes()).value();
                    if (pass == 0) continue;
                    (void)out->write(written, buffer.bytes().first(count));
                    written += count;
                }
            }
        }
        (void)source.disk().remove(copy);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(source.size()));
}
BENCHMARK(system_calls)->Unit(benchmark::kMillisecond);

void copying(benchmark::State& state) {
    std::vector<std::uint8_t> from(std::size_t{256} << 20U, 1);
    std::vector<std::uint8_t> to(from.size());
    for (auto _ : state) {
        std::memcpy(to.data(), from.data(), from.size());
        benchmark::DoNotOptimize(to.data());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(from.size()));
}
BENCHMARK(copying)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace::storage
