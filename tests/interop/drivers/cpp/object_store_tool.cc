// object_store_tool SETTINGS COMMAND [ARGUMENT...]: one call of the store that a node with this
// properties file would use.
//
//   put KEY FILE          get KEY OFFSET SIZE (to standard output)
//   remove KEY            list PREFIX (a key a line)
//   promises SEED         what every store promises; the store is empty before and after
//   threads SEED          many threads put, get, list and remove at once
//   bench FILE            what putting it and getting it again costs: a line each of a name, MB/s
//                         and CPU seconds of this process a GB
//
// Ends with 1 and the error on standard error where the call fails. SIGTERM is the node's stop.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include "config/properties.h"
#include "env/disk.h"
#include "env/posix/disk.h"
#include "storage/remote/object_store_for_tests.h"
#include "storage/s3/open_store.h"

namespace {

using namespace millrace;
using storage::remote::ObjectStore;

Result<std::unique_ptr<ObjectStore>> open(env::Disk& disk, const std::string& file) {
    constexpr std::string_view prefix = "rsm.config.";
    ASSIGN_OR_RETURN(std::string text, env::read_file(disk, file));
    ASSIGN_OR_RETURN(config::Properties properties, config::Properties::parse(text));
    std::map<std::string, std::string, std::less<>> values;
    for (const config::Property& property : properties.all()) {
        if (!property.key.starts_with(prefix)) continue;
        values.insert_or_assign(property.key.substr(prefix.size()), property.value);
    }
    auto environment = [](std::string_view name) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(name).c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
    ASSIGN_OR_RETURN(auto settings, storage::remote::parse_store_settings(
                                        properties.get("remote.log.storage.manager.class.name"),
                                        values, prefix, environment));
    return storage::s3::open_store(settings, disk, 1, 1);
}

Result<> put(ObjectStore& store, env::Disk& disk, const std::string& key, const std::string& path) {
    ASSIGN_OR_RETURN(auto file, disk.open(path, {}));
    ASSIGN_OR_RETURN(std::uint64_t size, file->size());
    storage::remote::FileSource source(file, path, size);
    return store.put(key, source);
}

// Objects of one thread, some of them larger than a part.
Result<> put_and_get(ObjectStore& store, std::uint64_t seed) {
    Random random(seed);
    std::string prefix = "threads-" + std::to_string(seed) + "-";
    for (int i = 0; i < 10; ++i) {
        std::string key = prefix + std::to_string(i);
        std::string bytes =
            storage::remote::random_bytes(random, random.below(i % 5 == 0 ? 12 << 20 : 1 << 18));
        RETURN_IF_ERROR(storage::remote::put_text(store, key, bytes));
        ASSIGN_OR_RETURN(Buffer got, store.get(key, 0, bytes.size() + 1));
        ASSIGN_OR_RETURN(auto keys, store.list(prefix));
        if (got.view() != bytes || keys != std::vector<std::string>{key}) {
            return fail(ErrorCode::unknown_server_error, key + " is not what was put");
        }
        RETURN_IF_ERROR(store.remove(key));
    }
    return {};
}

Result<> with_threads(ObjectStore& store, std::uint64_t seed) {
    std::vector<Result<>> results(8);
    std::vector<std::thread> threads;
    for (Result<>& result : results) {
        threads.emplace_back(
            [&result, &store, each = seed + threads.size()] { result = put_and_get(store, each); });
    }
    for (std::thread& thread : threads) thread.join();
    for (Result<>& result : results) RETURN_IF_ERROR(result);
    return {};
}

double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// `work` moves `bytes`; three times, of which the fastest counts.
Result<> measure(const char* name, std::uint64_t bytes, const std::function<Result<>()>& work) {
    double fastest = 0;
    double cpu = 0;
    for (int i = 0; i < 3; ++i) {
        double cpu_before = cpu_seconds();
        auto before = std::chrono::steady_clock::now();
        RETURN_IF_ERROR(work());
        std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
        if (fastest != 0 && took.count() > fastest) continue;
        fastest = took.count();
        cpu = cpu_seconds() - cpu_before;
    }
    std::printf("%s\t%.0f\t%.3f\n", name, static_cast<double>(bytes) / 1e6 / fastest,
                cpu * 1e9 / static_cast<double>(bytes));
    return {};
}

Result<> bench(ObjectStore& store, env::Disk& disk, const std::string& path) {
    const std::string key = "bench/object";
    ASSIGN_OR_RETURN(auto file, disk.open(path, {}));
    ASSIGN_OR_RETURN(std::uint64_t size, file->size());
    RETURN_IF_ERROR(measure("memcpy", size, [&]() -> Result<> {
        std::vector<std::uint8_t> from(1 << 24, 1);
        std::vector<std::uint8_t> to(from.size());
        for (std::uint64_t at = 0; at < size; at += from.size()) {
            std::memcpy(to.data(), from.data(), from.size());
            asm volatile("" : : "r"(to.data()) : "memory");
        }
        return {};
    }));
    RETURN_IF_ERROR(measure("read the file", size, [&]() -> Result<> {
        std::vector<std::uint8_t> into(1 << 20);
        for (std::uint64_t at = 0; at < size; at += into.size()) {
            RETURN_IF_ERROR(file->read(at, into));
        }
        return {};
    }));
    RETURN_IF_ERROR(
        measure("put", size, [&]() -> Result<> { return put(store, disk, key, path); }));
    for (std::uint64_t range : {1U << 20U, 8U << 20U}) {
        std::string name = "get by " + std::to_string(range >> 20U) + " MiB";
        RETURN_IF_ERROR(measure(name.c_str(), size, [&]() -> Result<> {
            for (std::uint64_t at = 0; at < size; at += range) {
                RETURN_IF_ERROR(store.get(key, at, range));
            }
            return {};
        }));
    }
    return store.remove(key);
}

Result<> run(ObjectStore& store, env::Disk& disk, const std::vector<std::string>& words) {
    const std::string& command = words[0];
    if (command == "put") return put(store, disk, words.at(1), words.at(2));
    if (command == "remove") return store.remove(words.at(1));
    if (command == "get") {
        ASSIGN_OR_RETURN(Buffer bytes, store.get(words.at(1), std::stoull(words.at(2)),
                                                 std::stoull(words.at(3))));
        std::fwrite(bytes.data(), 1, bytes.size(), stdout);
        return {};
    }
    if (command == "list") {
        ASSIGN_OR_RETURN(auto keys, store.list(words.size() > 1 ? words[1] : ""));
        for (const std::string& key : keys) std::printf("%s\n", key.c_str());
        return {};
    }
    if (command == "threads") return with_threads(store, std::stoull(words.at(1)));
    if (command == "bench") return bench(store, disk, words.at(1));
    return fail(ErrorCode::invalid_request, "no command is named " + command);
}

ObjectStore* promising = nullptr;
std::uint64_t seed = 0;

TEST(ObjectStoreOfSettings, KeepsItsPromises) {
    storage::remote::expect_keeps_promises(*promising, seed);
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() < 2) return 2;
    env::posix::Disk disk;
    auto store = open(disk, words[0]);
    if (!store) {
        std::fprintf(stderr, "%s\n", store.error().message.c_str());
        return 1;
    }
    if (words[1] == "promises") {
        testing::InitGoogleTest();
        promising = store->get();
        seed = std::stoull(words.at(2));
        return RUN_ALL_TESTS();
    }
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    std::thread stopper([&] {
        int number = 0;
        sigwait(&stop, &number);
        (*store)->stop();
    });
    Result<> done = run(**store, disk, {words.begin() + 1, words.end()});
    pthread_kill(stopper.native_handle(), SIGTERM);
    stopper.join();
    if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
    return done ? 0 : 1;
}
