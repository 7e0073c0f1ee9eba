#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/log.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "records/batch.h"
#include "storage/log_loader.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

constexpr std::array<std::string_view, 7> kinds = {
    ".log", ".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint", "",
};

std::string sound_log() {
    std::string content;
    for (int i = 0; i < 4; ++i) {
        Slice batch = make_batch({.records = 2,
                                  .timestamp = 1'000 + 10 * i,
                                  .base_offset = 2 * i,
                                  .leader_epoch = 0,
                                  .producer_id = 7,
                                  .sequence = 2 * i});
        content += as_string(batch.bytes());
    }
    return content;
}

void write(env::Disk& disk, const std::string& path, Bytes content) {
    auto file = disk.open(path, {.write = true, .create = true, .truncate = true});
    CHECK(file && (*file)->write(0, content));
}

// Whatever the files say, what the log tells of itself is in order and can be looked up.
void look_around(LoadedLog& log) {
    CHECK(!log.segments.empty() && log.start <= log.end);
    PageAccess access;
    for (const auto& segment : log.segments) {
        (void)segment->find(log.start, access);
        (void)segment->find(log.end, access);
        auto search = segment->search_for(1'015, log.start, access);
        if (search) (void)search->first_not_before();
        search = segment->search_for_largest(access);
        if (search) (void)search->first_of_largest();
        (void)segment->last_batch();
        (void)segment->transactions().entries();
    }
}

void load(env::Disk& disk, std::uint8_t kind, bool clean, Bytes content) {
    const std::string directory = "/data/t-0";
    CHECK(disk.make_directories(directory));
    const std::string segment = directory + "/00000000000000000000";
    static const std::string sound = sound_log();
    write(disk, segment + ".log", as_bytes(sound));
    std::string_view name = kinds[kind % kinds.size()];
    if (name.starts_with('.')) {
        write(disk, segment + std::string(name), content);
    } else if (!name.empty()) {
        write(disk, directory + "/" + std::string(name), content);
    } else {
        write(disk, directory + "/00000000000000000008.log", content);
    }
    auto log = load_log(disk, {.path = directory, .clean_shutdown = clean}, 5'000);
    if (log) look_around(*log);
}

}  // namespace
}  // namespace millrace::storage

// A sound log with one file made of any bytes: the first byte chooses which, the second whether the
// log was closed cleanly. It is opened, repaired or refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    if (size < 2) return 0;
    (void)log::set_level("*", "error");  // repairs are told at length
    env::sim::World world(1);
    Bytes content(data + 2, size - 2);
    world.run(world.add_node("node"), [&](env::Shard& shard) -> Task<int> {
        storage::load(shard.disk(), data[0], data[1] % 2 == 1, content);
        co_return 0;
    });
    return 0;
}
