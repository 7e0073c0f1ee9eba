#include "server/dump_log_state.h"

#include <fmt/format.h>

#include "base/crc32c.h"
#include "env/disk.h"
#include "protocol/reader.h"
#include "server/dump_log_file.h"

namespace millrace::server {
namespace {

constexpr std::size_t largest_snapshot = std::size_t{1} << 30U;
constexpr std::size_t entries_at = 6;  // behind the version and the CRC

Result<ProducerSnapshot> decode_snapshot(Bytes content) {
    Reader in(content);
    std::int16_t version = in.read_int16("version");
    if (!in.ok()) return fail(in.error("ProducerSnapshot"));
    ASSIGN_OR_RETURN(ProducerSnapshot snapshot, ProducerSnapshot::decode(in, version));
    std::uint32_t computed = crc32c(content.subspan(entries_at));
    if (computed != snapshot.crc) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("its CRC should be {}, but is {}", snapshot.crc, computed));
    }
    return snapshot;
}

Result<> check_version(const std::string& path, std::int8_t version) {
    if (version <= storage::TransactionIndex::newest_version) return {};
    return fail(ErrorCode::corrupt_message,
                fmt::format("{} has an entry of version {}; {} is known", path, version,
                            storage::TransactionIndex::newest_version));
}

}  // namespace

Result<> dump_producers(env::Disk& disk, const std::string& path, DumpOutput& output) {
    ASSIGN_OR_RETURN(std::string content, env::read_file(disk, path, largest_snapshot));
    Result<ProducerSnapshot> snapshot = decode_snapshot(as_bytes(content));
    if (!snapshot) {
        output.problem(
            fmt::format("{} is corrupt, a node would drop it: {}", path, snapshot.error().message));
        return {};
    }
    for (const auto& entry : snapshot->producer_entries) output.producer(entry);
    return {};
}

Result<> dump_aborted(env::Disk& disk, const std::string& path, DumpOutput& output) {
    RETURN_IF_ERROR(named_offset(path));
    constexpr std::size_t entry_size = storage::TransactionIndex::entry_size;
    ASSIGN_OR_RETURN(FileWindow file, FileWindow::open(disk, path));
    // All are looked at before the first is told, as Kafka's tool does.
    for (bool tell : {false, true}) {
        for (std::uint64_t i = 0; i < file.size() / entry_size; ++i) {
            ASSIGN_OR_RETURN(Bytes bytes, file.at(i * entry_size, entry_size));
            if (bytes.size() < entry_size) return {};
            auto entry = bytes.first<entry_size>();
            std::int8_t version = storage::TransactionIndex::version_of(entry);
            if (tell) {
                output.aborted(version, storage::TransactionIndex::decode(entry));
            } else {
                RETURN_IF_ERROR(check_version(path, version));
            }
        }
    }
    return {};
}

}  // namespace millrace::server
