// What the real world's basic operations cost. Each names the system calls and hops of one turn.

#include <benchmark/benchmark.h>
#include <filesystem>
#include <functional>
#include <string>
#include <unistd.h>
#include <vector>

#include "env/disk.h"
#include "env/network.h"
#include "env/posix/world.h"

namespace millrace::env::posix {
namespace {

void run(benchmark::State& state, int shards,
         std::function<Task<void>(Shard&, benchmark::State&)> body) {
    World world({.shards = shards, .seed = 1, .timestamp_log = false});
    world.run([&](Shard& here) -> Task<int> {
        co_await body(here, state);
        co_return 0;
    });
}

// There and back: two batches, and a wake each where the other shard sleeps.
void call_another_shard(benchmark::State& state) {
    run(state, 2, [](Shard& here, benchmark::State& s) -> Task<void> {
        auto answer = [](Shard&) -> Task<int> { co_return 1; };
        for (auto _ : s) benchmark::DoNotOptimize(co_await call_on(here, 1, answer));
    });
}
BENCHMARK(call_another_shard)->UseRealTime();

// Calls that travel together: one batch there, one back.
void call_another_shard_64_at_once(benchmark::State& state) {
    run(state, 2, [](Shard& here, benchmark::State& s) -> Task<void> {
        auto answer = [](Shard&) -> Task<int> { co_return 1; };
        auto one = [&](Shard& shard) -> Task<void> { co_await call_on(shard, 1, answer); };
        for (auto _ : s) {
            Scope scope(here);
            for (int i = 0; i < 64; ++i) scope.spawn(one(here));
            co_await scope.join();
        }
        s.SetItemsProcessed(s.iterations() * 64);
    });
}
BENCHMARK(call_another_shard_64_at_once)->UseRealTime();

// A hundred bytes there and back on one loop: two sends, two receives, epoll.
void echo(benchmark::State& state) {
    run(state, 1, [](Shard& here, benchmark::State& s) -> Task<void> {
        auto listener = here.network().listen({"127.0.0.1", 0});
        auto client = co_await here.network().connect((*listener)->local());
        auto server = co_await (*listener)->accept();
        auto serve = [](Connection& connection) -> Task<void> {
            std::uint8_t buffer[100];
            while (co_await read_exactly(connection, buffer)) {
                if (!co_await connection.write(Slice::copy(Bytes(buffer)))) break;
            }
        };
        Scope scope(here);
        scope.spawn(serve(**server));
        Slice question = Slice::copy(std::string(100, 'q'));
        std::uint8_t answer[100];
        for (auto _ : s) {
            if (!co_await (*client)->write(question)) s.SkipWithError("writing");
            if (!co_await read_exactly(**client, answer)) s.SkipWithError("reading");
        }
        client->reset();
        co_await scope.join();
    });
}
BENCHMARK(echo)->UseRealTime();

// Sixteen writers of a kilobyte share a pwritev and an fdatasync on a helper thread.
void group_commit(benchmark::State& state) {
    auto folder = std::filesystem::temp_directory_path();
    std::string path = folder / ("millrace-benchmark-" + std::to_string(getpid()));
    run(state, 1, [&](Shard& here, benchmark::State& s) -> Task<void> {
        auto file = here.disk().open(path, {.write = true, .create = true});
        std::string record(1024, 'r');
        std::vector<Bytes> pieces(16, as_bytes(record));
        std::uint64_t end = 0;
        for (auto _ : s) {
            if (!(*file)->write(end, pieces)) s.SkipWithError("writing");
            end = (end + pieces.size() * record.size()) % (64 << 20);
            if (!co_await (*file)->sync()) s.SkipWithError("syncing");
        }
        s.SetItemsProcessed(s.iterations() * static_cast<std::int64_t>(pieces.size()));
    });
    std::filesystem::remove(path);
}
BENCHMARK(group_commit)->UseRealTime();

}  // namespace
}  // namespace millrace::env::posix
