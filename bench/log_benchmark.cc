// What a log costs, beside the system calls and loops that it cannot cost less than, in the same
// run: MB/s of wall time, and processor seconds a GB of the whole process (helper threads and the
// peer that takes what is sent among them). bench/storage.py prints them as a table.
//
//   MILLRACE_BENCH_FOLDER     where the files lie; the system's folder for temporary files
//   MILLRACE_BENCH_MEGABYTES  how much is written and read; 1024

#include <algorithm>
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/core.h>
#include <functional>
#include <netinet/in.h>
#include <string>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/crc32c.h"
#include "base/random.h"
#include "env/disk.h"
#include "env/network.h"
#include "env/posix/world.h"
#include "records/builder.h"
#include "records/validate.h"
#include "storage/directory_health.h"
#include "storage/log.h"

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t piece = std::size_t{1} << 20U;  // of a write, a sendfile and a fetch
constexpr std::size_t batch_bytes = std::size_t{64} << 10U;
constexpr Timestamp now = 1'700'000'000'000;
constexpr std::int32_t segment_bytes = 256 << 20;

std::uint64_t total_bytes() {
    const char* megabytes = std::getenv("MILLRACE_BENCH_MEGABYTES");
    return (megabytes == nullptr ? 1024ULL : std::strtoull(megabytes, nullptr, 10)) << 20U;
}

class Folder {
  public:
    Folder() {
        const char* chosen = std::getenv("MILLRACE_BENCH_FOLDER");
        fs::path root = chosen == nullptr ? fs::temp_directory_path() : fs::path(chosen);
        path_ = root / fmt::format("millrace-log-benchmark-{}", ::getpid());
        fs::create_directories(path_);
    }
    Folder(const Folder&) = delete;
    ~Folder() { fs::remove_all(path_); }
    std::string file(std::string_view name) const { return path_ / name; }

  private:
    fs::path path_;
};

double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Measures one way through so many bytes.
class Cost {
  public:
    explicit Cost(benchmark::State& state) : state_(state) {}
    template <typename Way>
    void measure(std::uint64_t bytes, Way way) {
        double cpu = cpu_seconds();
        auto began = Clock::now();
        way();
        stop(bytes, cpu, began);
    }
    Task<void> measure_task(std::uint64_t bytes, std::function<Task<void>()> way) {
        double cpu = cpu_seconds();
        auto began = Clock::now();
        co_await way();
        stop(bytes, cpu, began);
    }

  private:
    void stop(std::uint64_t bytes, double cpu, Clock::time_point began) {
        double wall = std::chrono::duration<double>(Clock::now() - began).count();
        auto size = static_cast<double>(bytes);
        state_.SetIterationTime(wall);
        state_.counters["MB/s"] = size / 1e6 / wall;
        state_.counters["CPU s/GB"] = (cpu_seconds() - cpu) / (size / 1e9);
    }

    benchmark::State& state_;
};

void check(bool done, benchmark::State& state, const char* what) {
    if (!done) state.SkipWithError(what);
}

void drop_from_cache(const fs::path& path) {
    int fd = ::open(path.c_str(), O_RDONLY);
    ::fdatasync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
}

// --- What the log is measured against ---

std::vector<std::uint8_t> random_bytes(std::size_t size) {
    Random random(1);
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i + 8 <= size; i += 8) store_be(bytes.data() + i, random.next());
    return bytes;
}

void floor_memcpy(benchmark::State& state) {
    auto from = random_bytes(64 * piece);
    std::vector<std::uint8_t> to(from.size());
    for (auto _ : state) {
        Cost(state).measure(total_bytes(), [&] {
            for (std::uint64_t done = 0; done < total_bytes(); done += from.size()) {
                benchmark::DoNotOptimize(std::memcpy(to.data(), from.data(), from.size()));
                benchmark::ClobberMemory();
            }
        });
    }
}

void floor_crc(benchmark::State& state) {
    auto bytes = random_bytes(64 * piece);
    for (auto _ : state) {
        Cost(state).measure(total_bytes(), [&] {
            for (std::uint64_t done = 0; done < total_bytes(); done += bytes.size()) {
                for (std::size_t at = 0; at < bytes.size(); at += batch_bytes) {
                    benchmark::DoNotOptimize(crc32c(Bytes(bytes).subspan(at, batch_bytes)));
                }
            }
        });
    }
}

enum class Sync { never, each_write };

// The first use of memory costs the machine more than any later one: the page cache gets its pages
// before anything is measured.
void warm_up() {
    static const bool done = [] {
        Folder folder;
        auto bytes = random_bytes(piece);
        int fd = ::open(folder.file("warm").c_str(), O_WRONLY | O_CREAT, 0600);
        for (std::uint64_t at = 0; at < 2 * total_bytes(); at += piece) {
            if (::write(fd, bytes.data(), piece) < 0) break;
        }
        ::close(fd);
        return true;
    }();
    (void)done;
}

// New files of the size of segments, by one write a MiB.
void floor_write(benchmark::State& state, Sync sync, int flags, std::uint64_t bytes) {
    warm_up();
    Folder folder;
    auto* buffer = static_cast<std::uint8_t*>(std::aligned_alloc(4096, piece));
    std::ranges::copy(random_bytes(piece), buffer);
    for (auto _ : state) {
        Cost(state).measure(bytes, [&] {
            int fd = -1;
            for (std::uint64_t done = 0; done < bytes; done += piece) {
                std::uint64_t at = done % segment_bytes;
                if (at == 0) {
                    if (fd >= 0) ::close(fd);
                    std::string path = folder.file(std::to_string(done));
                    fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | flags, 0600);
                }
                auto count = ::pwrite(fd, buffer, piece, static_cast<off_t>(at));
                check(count == static_cast<ssize_t>(piece), state, "writing");
                if (sync == Sync::each_write) check(::fdatasync(fd) == 0, state, "syncing");
            }
            ::close(fd);
        });
    }
    std::free(buffer);
}

// As a log has to: pieces of the size of batches, which begin anywhere in a page.
void floor_write_batches(benchmark::State& state) {
    warm_up();
    Folder folder;
    auto bytes = random_bytes(piece);
    iovec pieces[piece / batch_bytes];
    std::size_t turn = 0;
    for (std::size_t i = 0; i < std::size(pieces); ++i) {
        pieces[i] = {bytes.data() + i * batch_bytes, batch_bytes - 617};
        turn += pieces[i].iov_len;
    }
    for (auto _ : state) {
        Cost(state).measure(total_bytes(), [&] {
            int fd = -1;
            std::uint64_t at = segment_bytes;
            for (std::uint64_t done = 0; done < total_bytes(); done += turn, at += turn) {
                if (at + turn > segment_bytes) {
                    if (fd >= 0) ::close(fd);
                    std::string path = folder.file(std::to_string(done));
                    fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
                    at = 0;
                }
                auto count = ::pwritev(fd, pieces, std::size(pieces), static_cast<off_t>(at));
                check(count == static_cast<ssize_t>(turn), state, "writing");
            }
            ::close(fd);
        });
    }
}

// The other end of a loopback connection: takes what comes, without copying it.
class Peer {
  public:
    Peer() {
        listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
        ::listen(listener_, 1);
        socklen_t size = sizeof address;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { take(); });
    }
    Peer(const Peer&) = delete;
    ~Peer() {
        thread_.join();
        ::close(listener_);
    }
    std::uint16_t port() const { return port_; }

  private:
    void take() {
        int fd = ::accept(listener_, nullptr, nullptr);
        std::vector<char> unused(piece);
        while (::recv(fd, unused.data(), unused.size(), MSG_TRUNC) > 0) continue;
        ::close(fd);
    }

    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

std::vector<fs::path> segment_files(const std::string& directory) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(directory)) {
        if (entry.path().extension() == ".log") found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
}

enum class Pages { in_memory, dropped };

void prepare_pages(const std::string& directory, Pages pages) {
    for (const fs::path& path : segment_files(directory)) {
        drop_from_cache(path);
        if (pages == Pages::dropped) continue;
        int fd = ::open(path.c_str(), O_RDONLY);
        std::vector<char> unused(piece);
        while (::read(fd, unused.data(), unused.size()) > 0) continue;
        ::close(fd);
    }
}

// --- The log ---

// Runs a task with a shard of the real world, to its end.
void run(const std::function<Task<void>(env::Shard&)>& body) {
    env::posix::World world({.shards = 1});
    world.run([&](env::Shard& shard) -> Task<int> {
        co_await body(shard);
        co_return 0;
    });
}

Slice make_batch() {
    Random random(2);
    BatchBuilder builder;
    std::string value(1000, 'v');
    while (builder.size() < batch_bytes - 1100) {
        for (char& each : value) each = static_cast<char>('a' + random.below(26));
        builder.append(now, as_bytes("key-0000000000"), as_bytes(value));
    }
    return builder.build();
}

Offset records_a_batch() {
    Slice batch = make_batch();
    return BatchView::trusted(batch).count();
}

Task<std::unique_ptr<Log>> open_log(env::Shard& shard, DirectoryHealth& health,
                                    const std::string& path, bool clean = false) {
    LogOrigin origin{.path = path, .clean_shutdown = clean};
    origin.options.segment_bytes = segment_bytes;
    auto log = co_await Log::open(shard, health, origin);
    co_return *std::move(log);
}

struct Appending {
    Sync sync = Sync::never;
    bool validated = false;  // CRC and records are checked, as of a produce request
};

// Sixteen batches of 64 KiB a turn: one pwritev of a MiB.
Task<void> fill(Log& log, std::uint64_t bytes, Appending how) {
    std::vector<Slice> batches;
    for (std::size_t i = 0; i < piece / batch_bytes; ++i) batches.push_back(make_batch());
    BatchValidator validator;
    for (std::uint64_t done = 0; done < bytes;) {
        for (Slice& batch : batches) {
            Slice taken = batch;
            if (how.validated) {
                set_base_offset({batch.mutable_data(), batch.size()}, 0);
                taken = validator.validate(batch, {.partition = "t-0"}, now)->batch;
            }
            (void)log.append_as_leader(taken, {});
            done += batch.size();
        }
        if (how.sync == Sync::each_write) {
            (void)co_await log.durable(log.next_offset());
        } else {
            (void)co_await log.written(log.next_offset());
        }
    }
}

void append(benchmark::State& state, Appending how, std::uint64_t bytes) {
    for (auto _ : state) {
        Folder folder;
        run([&](env::Shard& shard) -> Task<void> {
            DirectoryHealth health;
            auto log = co_await open_log(shard, health, folder.file("t-0"));
            co_await Cost(state).measure_task(bytes, [&] { return fill(*log, bytes, how); });
            co_await log->abandon();
        });
    }
}

// A log of so many bytes that was closed, or whose process died.
class Written {
  public:
    explicit Written(bool clean = true) {
        run([&](env::Shard& shard) -> Task<void> {
            DirectoryHealth health;
            auto log = co_await open_log(shard, health, path());
            co_await fill(*log, total_bytes(), {});
            if (clean) (void)co_await log->close();
            bytes_ = log->size();
            if (!clean) co_await log->abandon();
        });
    }
    std::string path() const { return folder_.file("t-0"); }
    std::uint64_t bytes() const { return bytes_; }

  private:
    Folder folder_;
    std::uint64_t bytes_ = 0;
};

void floor_sendfile(benchmark::State& state, Pages pages) {
    Written written;
    for (auto _ : state) {
        prepare_pages(written.path(), pages);
        Cost(state).measure(written.bytes(), [&] {
            Peer peer;
            int socket = ::socket(AF_INET, SOCK_STREAM, 0);
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(peer.port());
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address);
            for (const fs::path& path : segment_files(written.path())) {
                int fd = ::open(path.c_str(), O_RDONLY);
                off_t at = 0;
                while (::sendfile(socket, fd, &at, piece) > 0) continue;
                ::close(fd);
            }
            ::close(socket);
        });
    }
}

// As a consumer that follows does: fetches of a MiB, sent as they are.
void fetch(benchmark::State& state, Pages pages) {
    Written written;
    for (auto _ : state) {
        prepare_pages(written.path(), pages);
        run([&](env::Shard& shard) -> Task<void> {
            DirectoryHealth health;
            auto log = co_await open_log(shard, health, written.path(), true);
            co_await Cost(state).measure_task(written.bytes(), [&]() -> Task<void> {
                Peer peer;
                auto connection = co_await shard.network().connect({"127.0.0.1", peer.port()});
                Offset offset = 0;
                Offset step = records_a_batch();
                while (offset < log->end_offset()) {
                    auto read = co_await log->fetch({.offset = offset,
                                                     .max_bytes = piece,
                                                     .whole_first_batch = true,
                                                     .upper_bound = log->end_offset()});
                    std::uint64_t whole = read->records.size() / read->first_batch_size;
                    std::uint64_t size = whole * read->first_batch_size;
                    (void)co_await (*connection)->write(read->records.prefix(size));
                    offset += static_cast<Offset>(whole) * step;
                }
                connection->reset();
            });
            co_await log->abandon();
        });
    }
}

void recover(benchmark::State& state, Pages pages) {
    for (auto _ : state) {
        Written written(false);
        prepare_pages(written.path(), pages);
        run([&](env::Shard& shard) -> Task<void> {
            DirectoryHealth health;
            std::unique_ptr<Log> log;
            co_await Cost(state).measure_task(written.bytes(), [&]() -> Task<void> {
                log = co_await open_log(shard, health, written.path());
            });
            check(log->size() == written.bytes(), state, "what was written is not there");
            co_await log->abandon();
        });
    }
}

// Syncing is slow: a part of the bytes tells what it costs.
std::uint64_t synced_bytes() { return std::max<std::uint64_t>(total_bytes() / 8, piece); }

void add(const char* name, std::function<void(benchmark::State&)> way) {
    benchmark::RegisterBenchmark(name, std::move(way))
        ->Iterations(1)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
}

// A row of the log is named after its way, one that it is measured against "floor: ".
[[maybe_unused]] const bool added = [] {
    using State = benchmark::State;
    add("floor: memcpy", floor_memcpy);
    add("floor: crc32c of 64 KiB", floor_crc);
    add("floor: pwrite", [](State& s) { floor_write(s, Sync::never, 0, total_bytes()); });
    add("floor: pwritev of batches", floor_write_batches);
    add("append: written", [](State& s) { append(s, {}, total_bytes()); });
    add("append: validated, written",
        [](State& s) { append(s, {.validated = true}, total_bytes()); });
    add("floor: pwrite, fdatasync each",
        [](State& s) { floor_write(s, Sync::each_write, 0, synced_bytes()); });
    add("floor: pwrite, O_DSYNC",
        [](State& s) { floor_write(s, Sync::never, O_DSYNC, synced_bytes()); });
    add("floor: pwrite, O_DIRECT",
        [](State& s) { floor_write(s, Sync::never, O_DIRECT, synced_bytes()); });
    add("append: durable each",
        [](State& s) { append(s, {.sync = Sync::each_write}, synced_bytes()); });
    add("floor: sendfile", [](State& s) { floor_sendfile(s, Pages::in_memory); });
    add("read: fetched and sent", [](State& s) { fetch(s, Pages::in_memory); });
    add("floor: sendfile, cold", [](State& s) { floor_sendfile(s, Pages::dropped); });
    add("read: fetched and sent, cold", [](State& s) { fetch(s, Pages::dropped); });
    add("recovery: of what is in memory", [](State& s) { recover(s, Pages::in_memory); });
    add("recovery: cold", [](State& s) { recover(s, Pages::dropped); });
    return true;
}();

}  // namespace
}  // namespace millrace::storage
